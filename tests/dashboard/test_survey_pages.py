# SPDX-License-Identifier: Apache-2.0
"""One survey on the dashboard: its previews, its versions and the key of its widget."""

import datetime as dt
import html
import re

from app.core.clock import utc_now
from app.core.database import Database
from app.pages.dashboard.drafts import read_draft
from app.surveys import previews
from app.surveys.schemas import WORD_NAMES
from tests.dashboard.conftest import Browser
from tests.dashboard.test_form_pages import press
from tests.shop import Shop


async def _read_typed_form(browser: Browser, key: str, **typed: str) -> dict[str, str]:
    """Return the editor's form as the page holds it, with some fields typed over."""
    page = await browser.page(f"/surveys/{key}/edit")
    fields = re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields} | typed


async def test_a_draft_is_previewed_as_page_mail_and_widget(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.post("/v1/surveys", {"template": "csat", "key": "till"})
    content = {"questions.0.text.en": "How was the till?", "questions.0.text.pl": "Jak przy kasie?"}
    form = await _read_typed_form(browser, "till", **content)
    base, seen = "", {}
    for show in ("page", "mail", "widget"):
        reply = await browser.client.post("/surveys/till/preview", data=form | {"show": show})
        assert reply.status_code == 303
        base, _, shown_as = reply.headers["location"].rpartition("/")
        assert shown_as == show
        preview = await browser.open(reply.headers["location"])
        assert preview.status_code == 200, preview.text
        assert "frame-ancestors 'self'" in preview.headers["content-security-policy"]
        seen[show] = preview.text
    assert "How was the till?" in seen["page"]
    assert "How was the till?" in seen["mail"]
    assert f'src="{base}/widget.js"' in seen["widget"]
    script = await browser.open(f"{base}/widget.js")
    assert script.headers["content-type"].startswith("text/javascript")
    survey = (await browser.open(f"{base}/w/surveys/till")).json()
    assert survey["questions"][0]["text"] == "How was the till?"
    in_polish = form | {"show": "mail", "lang": "pl"}
    reply = await browser.client.post("/surveys/till/preview", data=in_polish)
    assert "Jak przy kasie?" in (await browser.open(reply.headers["location"])).text
    # Nothing was saved.
    saved = await shop.get("/v1/surveys/till")
    assert saved["questions"][0]["text"]["en"] != "How was the till?"


async def test_what_a_preview_is_sent_is_not_stored(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("till", template="csat")
    reply = await browser.open("/surveys/till/preview?show=widget")
    base = reply.headers["location"].removesuffix("/widget")
    sent = {"id": "0d0e7c62-6c3c-4a8e-9d9e-3f3c2a1b0c55", "key": "preview", "survey": "till",
            "answers": {"score": 5}, "seq": 1, "complete": True}  # fmt: skip
    receipt = await browser.client.post(f"{base}/w/responses", json=sent)
    assert receipt.json() == {"id": sent["id"], "seq": 1, "complete": True}
    for odd in (["odd"], sent | {"id": 5}, {"id": sent["id"]}):
        refused = await browser.client.post(f"{base}/w/responses", json=odd)
        assert refused.status_code == 422
    again = await browser.client.post(f"{base}/sent", data={"score": "5"})
    assert again.headers["location"] == f"{base}/page"
    assert (await shop.get("/v1/responses"))["data"] == []


async def test_a_preview_is_of_one_survey_and_lasts_an_hour(
    browser: Browser, shop: Shop, other_shop: Shop, database: Database
) -> None:
    await browser.sign_in()
    for of, key in ((shop, "till"), (shop, "shelf"), (other_shop, "till")):
        await of.post("/v1/surveys", {"template": "csat", "key": key})
    form = await _read_typed_form(browser, "till")
    address = (await browser.client.post("/surveys/till/preview", data=form)).headers["location"]
    assert (await browser.open(address)).status_code == 200
    for other in ("/shelf/", "/unknown/"):
        assert (await browser.open(address.replace("/till/", other))).status_code == 404
    for other in ("/preview/A", "/preview/saved"):
        assert (await browser.open(address.replace("/preview/", other))).status_code == 404
    assert (await browser.open(address.replace("/page", "/letter"))).status_code == 404
    stranger = Browser(shop.client._transport.app, other_shop)  # type: ignore[attr-defined]
    await stranger.sign_in()
    assert (await stranger.open(address)).status_code == 404
    base = address.removesuffix("/page")
    assert (await browser.open(f"{base}/w/surveys/other")).status_code == 404
    odd = await browser.open("/surveys/till/preview?show=letter")
    assert odd.status_code == 422
    async with database.transaction() as session:
        await previews.delete_expired(session, utc_now() + dt.timedelta(minutes=59))
    assert (await browser.open(address)).status_code == 200
    async with database.transaction() as session:
        await previews.delete_expired(session, utc_now() + dt.timedelta(minutes=61))
    assert (await browser.open(address)).status_code == 404
    browser.client.cookies.clear()
    assert (await browser.open(address)).status_code == 303


async def test_versions_say_what_each_changed(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("till", template="csat")
    assert "What changed" not in await browser.page("/surveys/till")
    survey = await shop.get("/v1/surveys/till")
    reworded = survey["questions"][0] | {"text": {"en": "How was the till?"}}
    more = {"key": "again", "type": "yes_no", "text": {"en": "Again?"}}
    await shop.call("PATCH", "/v1/surveys/till", json={"questions": [reworded, more]})
    versions = (await shop.get("/v1/surveys/till/versions"))["data"]
    assert [version["version"] for version in versions] == [2, 1]
    newest, first = versions
    assert (newest["added"], newest["changed"]) == (["again"], ["score"])
    assert newest["removed"] == [question["key"] for question in survey["questions"][1:]]
    assert newest["published_at"] is None
    assert first["published_at"] is not None
    page = await browser.page("/surveys/till")
    assert "What changed" in page
    assert "New: again." in page


async def test_a_widgets_key_is_made_and_filled_in(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("till", template="csat")
    before = await browser.page("/surveys/till")
    assert "data-key=&#34;pk_…&#34;" in before
    fields = {"survey": "till", "name": "Widget: till", "scopes": "collect"}
    reply = await press(browser, "survey-widget-key", "/surveys/till", **fields)
    page = await browser.open(reply.headers["location"])
    widget_key = re.search(r"data-key=&#34;(pk_[\w-]+)&#34;", page.text)
    assert widget_key
    assert page.headers["cache-control"] == "no-store"
    body = {"id": "0d0e7c62-6c3c-4a8e-9d9e-3f3c2a1b0c55", "key": widget_key[1], "survey": "till",
            "answers": {"score": 5}}  # fmt: skip
    answer = await browser.client.post("/w/responses", json=body)
    assert answer.status_code == 201, answer.text


async def test_words_of_a_language_that_is_not_shipped_are_listed_and_typed(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    text = {"en": "How was the till?", "de": "Wie war die Kasse?"}
    question = {"key": "score", "type": "csat", "text": text}
    await shop.publish("till", questions=[question], metric="csat")
    page = await browser.page("/surveys/till/edit")
    assert "Buttons and other words (de)" in page
    assert "(pl)" not in page
    assert f"still missing: {len(WORD_NAMES)}" in page
    typed = {"texts.words.send.de": "Senden", "texts.words.next.de": "Weiter"}
    form = await _read_typed_form(browser, "till", **typed)
    saved = await browser.client.post("/surveys/till/edit", data=form | {"_do": "publish"})
    assert saved.status_code == 303, saved.text
    assert f"still missing: {len(WORD_NAMES) - 2}" in await browser.page("/surveys/till/edit")
    survey = await shop.get("/v1/surveys/till")
    assert survey["texts"]["words"] == {"send": {"de": "Senden"}, "next": {"de": "Weiter"}}
    link = (await shop.get("/v1/surveys/till/links"))["page"]
    answered = await browser.client.get(link, params={"lang": "de"})
    assert "Senden" in answered.text
    emptied = form | {"texts.words.send.de": "", "_do": "save"}
    await browser.client.post("/surveys/till/edit", data=emptied)
    words = (await shop.get("/v1/surveys/till"))["texts"]["words"]
    assert words == {"next": {"de": "Weiter"}}


async def test_a_question_without_words_is_not_published(browser: Browser, shop: Shop) -> None:
    await shop.post("/v1/surveys", {"template": "nps", "key": "own"})
    await browser.sign_in()
    adding = await _read_typed_form(browser, "own", _do="add", add_type="rating")
    assert (await browser.client.post("/surveys/own/edit", data=adding)).status_code == 303
    fields = await _read_typed_form(browser, "own", _do="publish")
    last = max(int(name.split(".")[1]) for name in fields if name.startswith("questions."))
    for typed in ("", "…"):
        fields[f"questions.{last}.text.en"] = typed
        refused = await browser.client.post("/surveys/own/edit", data=fields)
        assert refused.status_code == 422
        assert "Write the question before it is published." in refused.text
    assert (await shop.get("/v1/surveys/own"))["status"] == "draft"


def test_options_are_written_in_one_language_and_keep_their_places() -> None:
    survey = {
        "name": "s", "metric": "nps", "default_locale": "en", "texts": {"words": {}},
        "questions": [{
            "key": "q1", "type": "choice", "text": {"en": "How?", "pl": "Jak?"},
            "options": [{"key": "a", "text": {"en": "A"}}, {"key": "b", "text": {"en": "B"}}],
        }],
    }  # fmt: skip
    form = {
        "questions.0.key": "q1", "questions.0.type": "choice", "questions.0.text.en": "How?",
        "questions.0.options.en": "By bike\nBy car\nroad = On foot",
        "questions.0.options.pl": "a = \nAutem\nroad = Pieszo\nold = Stare",
    }  # fmt: skip
    options = read_draft(form, survey)["questions"][0]["options"]
    assert options == [
        {"key": "a", "text": {"en": "By bike"}},
        {"key": "b", "text": {"en": "By car", "pl": "Autem"}},
        {"key": "road", "text": {"en": "On foot", "pl": "Pieszo"}},
    ]
