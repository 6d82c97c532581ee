# SPDX-License-Identifier: Apache-2.0
"""The mail that asks, read back by two parsers."""

from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import fast_mail_parser
import pytest
from pydantic import SecretStr

from app.core.settings import Settings
from app.invitations.mail import POLICY, write_mail
from app.invitations.mail_content import Addressee, Links, MailSender
from app.surveys.schemas import Definition
from app.surveys.templates import template
from tests.mailbox import Mailbox, plain_text_of
from tests.shop import Shop

ODD = "ąęłșț ĄĘŁȘȚ"
LINKS = Links("https://feedback.example", "t" * 43)
SENDER = MailSender(
    company=f"Kawiarnia {ODD}",
    address="ask@kawiarnia.example",
    reply_to="hello@kawiarnia.example",
    footer="Łąkowa 1\nWarszawa",
    colour="#8a1c4a",
    logo_url="https://feedback.example/brand/x/logo-1",
)


def definition(name: str = "nps", **changes: Any) -> Definition:
    return Definition.model_validate(template(name) | changes)


def addressee(locale: str | None = "pl", **changes: Any) -> Addressee:
    values: dict[str, Any] = {
        "invitation_id": uuid4(),
        "email": "zażółć@łąka.example",
        "name": f"Żółta {ODD}",
        "locale": locale,
        "order": "1001",
        "ticket": None,
        "properties": {"agent": "Ewa"},
    }
    return Addressee(**(values | changes))


def write_bytes_of(definition_: Definition, asked_: Addressee) -> bytes:
    mail = write_mail(definition_, asked_, sender=SENDER, links=LINKS)
    return mail.as_bytes(policy=POLICY)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a":
            hidden = attributes.get("tabindex") == "-1"
            (self.hidden if hidden else self.shown).append(attributes["href"] or "")


def links_of(html: str) -> _Links:
    links = _Links()
    links.feed(html)
    return links


def test_two_parsers_read_the_same_mail() -> None:
    subject = {"pl": f"{{{{customer.first_name}}}}, jak było? {ODD} " + "długi temat " * 10}
    raw = write_bytes_of(definition(texts={"subject": subject}), addressee())
    mail: Any = message_from_bytes(raw, policy=default)
    other = fast_mail_parser.parse_email(raw)
    expected = " ".join(subject["pl"].replace("{{customer.first_name}}", "Żółta").split())
    assert mail["Subject"] == expected
    assert other.subject == expected
    (sender,), (to,) = mail["From"].addresses, mail["To"].addresses
    assert (sender.display_name, sender.addr_spec) == (SENDER.company, SENDER.address)
    assert to.display_name == f"Żółta {ODD}"
    assert to.addr_spec == "zażółć@xn--ka-6ja9pzq.example".replace(
        "xn--ka-6ja9pzq", "łąka".encode("idna").decode()
    )
    html = mail.get_body(("html",)).get_content()
    assert other.text_html[0].replace("\r\n", "\n").strip() == html.replace("\r\n", "\n").strip()
    assert other.text_plain[0].replace("\r\n", "\n").strip() == plain_text_of(mail).strip()
    headers: Any = {name.lower(): value for name, value in other.headers.items()}
    expected_headers = {
        "List-Unsubscribe": f"<{LINKS.unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-ID": "<surveys.feedback.example>",
        "Auto-Submitted": "auto-generated",
        "Reply-To": "hello@kawiarnia.example",
    }
    for name, value in expected_headers.items():
        assert mail[name] == value
        assert headers[name.lower()] == [value]
    assert len(raw) < 20_000


@pytest.mark.parametrize("name", ["nps", "csat", "ces", "nps_yes_no", "six_pillars"])
@pytest.mark.parametrize("locale", ["en", "pl", "ro"])
def test_every_score_has_its_link(name: str, locale: str) -> None:
    survey = definition(name)
    raw = write_bytes_of(survey, addressee(locale))
    assert len(raw) < 20_000
    mail: Any = message_from_bytes(raw, policy=default)
    html = mail.get_body(("html",)).get_content()
    links = links_of(html)
    low, high = {"csat": (1, 5), "ces": (1, 7), "nps_yes_no": (0, 1)}.get(name, (0, 10))
    scores = [link for link in links.shown if link.startswith(LINKS.page + "/")]
    assert set(scores) == {LINKS.score(score) for score in range(low, high + 1)}
    assert {LINKS.page, LINKS.unsubscribe} <= set(links.shown)
    assert links.hidden == [LINKS.trap]
    assert f'lang="{locale}"' in html


def test_texts_are_escaped_and_names_filled_in() -> None:
    question = {
        "key": "score", "type": "nps",
        "text": {"en": "<b>How</b> was {{agent}}, {{customer.first_name}}? {{nobody}}"},
    }  # fmt: skip
    survey = Definition.model_validate({"name": "s", "metric": "nps", "questions": [question]})
    mail: Any = message_from_bytes(
        write_bytes_of(survey, addressee("en", name="<i>Al</i>")), policy=default
    )
    html = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;How&lt;/b&gt; was Ewa, &lt;i&gt;Al&lt;/i&gt;?" in html
    assert "<b>How" not in html
    assert "<b>How</b> was Ewa, <i>Al</i>?\n" in plain_text_of(mail)


def test_a_mail_speaks_one_language() -> None:
    question = {"key": "score", "type": "nps", "text": {"en": "Recommend us?"}}
    survey = Definition.model_validate({"name": "s", "metric": "nps", "questions": [question]})
    mail: Any = message_from_bytes(write_bytes_of(survey, addressee("pl")), policy=default)
    assert plain_text_of(mail).startswith("Hello Żółta,")
    assert 'lang="en"' in mail.get_body(("html",)).get_content()


def test_a_survey_without_scores_has_one_button() -> None:
    question = {"key": "what", "type": "text", "text": {"en": "What is on your mind?"}}
    survey = Definition.model_validate({"name": "s", "questions": [question]})
    mail: Any = message_from_bytes(write_bytes_of(survey, addressee("en")), policy=default)
    links = links_of(mail.get_body(("html",)).get_content())
    assert links.shown == [LINKS.page, LINKS.unsubscribe]


async def test_a_preview_shows_the_draft(shop: Shop) -> None:
    await shop.post("/v1/surveys", {"template": "csat", "key": "s"})
    body = {"locale": "pl", "name": "Ala Nowak", "order": "1001"}
    preview = await shop.post("/v1/surveys/s/mail-preview", body, status=200)
    assert "Dzień dobry Ala," in preview["text"]
    assert "Dzień dobry Ala," in preview["html"]
    assert 0 < preview["bytes"] < 20_000
    assert (await shop.get("/v1/invitations"))["data"] == []


async def test_a_test_mail_is_sent_to_any_address(
    shop: Shop, mailbox: Mailbox, settings: Settings
) -> None:
    await shop.publish("s")
    state = shop.client._transport.app.state  # type: ignore[attr-defined]
    state.settings = settings.model_copy(update={"smtp_url": SecretStr(mailbox.url)})
    sent = await shop.post(
        "/v1/surveys/s/test-mail", {"email": "me@shop.example", "locale": "ro"}, status=200
    )
    state.settings = settings
    assert sent["outcome"] == "sent"
    (mail,) = [message for message in mailbox.mails if message["To"] == "me@shop.example"]
    assert mail["Subject"] == "[Test] Cum ne-am descurcat?"
    path = "/i/" + plain_text_of(mail).partition("/i/")[2].split()[0]
    assert (await shop.client.post(path, data={"score": "9", "why": "x"})).status_code == 303
    (answer,) = (await shop.get("/v1/responses", test=True))["data"]
    assert (answer["id"], answer["score"]) == (sent["invitation"], 9)
    assert (await shop.metric("nps"))["total"]["n"] == 0
