# SPDX-License-Identifier: Apache-2.0
"""A display changes the labels of a scale, never its values; an unknown name leaves no gap."""

import re

import pytest

from app.surveys.wording import fill
from tests.shop import Shop


@pytest.mark.parametrize(
    ("type_", "points", "display", "labels"),
    [("csat", 5, "stars", ["1★", "2★", "3★", "4★", "5★"]),
     ("csat", 5, "smileys", list("😞🙁😐🙂😀")),
     ("rating", 3, "smileys", list("🙁😐🙂")),
     ("csat", 2, "thumbs", list("👎👍"))],
)  # fmt: skip
async def test_signs_stand_for_the_same_scores(
    shop: Shop, type_: str, points: int, display: str, labels: list[str]
) -> None:
    question = {"key": "score", "type": type_, "points": points, "display": display,
                "text": {"en": "How was it?"}}  # fmt: skip
    await shop.publish("s", questions=[question], metric="custom")
    links = await shop.get("/v1/surveys/s/links")
    page = (await shop.client.get("/s/" + links["page"].rpartition("/")[2])).text
    signs = re.findall(r'value="(\d)"[^>]*> <span>([^<]+)</span>', page)
    assert signs == [(str(number), label) for number, label in enumerate(labels, start=1)]
    assert f'aria-label="1/{points}"' in page
    widget = (await shop.client.get("/w/surveys/" + links["page"].rpartition("/")[2])).json()
    choices = widget["questions"][0]["choices"]
    assert [choice["label"] for choice in choices] == labels
    assert choices[0] == {"value": 1, "label": labels[0], "spoken": f"1/{points}"}
    mail = (await shop.call("GET", "/v1/surveys/s/email-preview")).text
    for label in labels:
        assert f">{label}</a>" in mail


async def test_thumbs_for_yes_and_no(shop: Shop) -> None:
    question = {"key": "again", "type": "yes_no", "display": "thumbs", "text": {"en": "Again?"}}
    await shop.publish("s", questions=[question], metric="custom")
    links = await shop.get("/v1/surveys/s/links")
    page = (await shop.client.get("/s/" + links["page"].rpartition("/")[2])).text
    assert 'value="true"' in page
    assert "👍" in page
    assert 'aria-label="Yes"' in page


@pytest.mark.parametrize(
    ("type_", "points", "display"),
    [("nps", None, "stars"), ("csat", 7, "smileys"), ("csat", 5, "thumbs"), ("text", None, "stars"),
     ("yes_no", None, "stars"), ("csat", 5, "hearts")],
)  # fmt: skip
async def test_a_display_that_does_not_fit_is_refused(
    shop: Shop, type_: str, points: int | None, display: str
) -> None:
    question = {
        "key": "q",
        "type": type_,
        "points": points,
        "display": display,
        "text": {"en": "?"},
    }
    body = {"key": "s", "name": "s", "questions": [question]}
    reply = await shop.call("POST", "/v1/surveys", json=body)
    assert reply.status_code == 422
    assert "display" in reply.text


@pytest.mark.parametrize(
    ("text", "known", "unknown"),
    [("Hello {{customer.first_name}},", "Hello Ala,", "Hello,"),
     ("{{customer.first_name}}, how was it?", "Ala, how was it?", "How was it?"),
     ("How was {{agent}}?", "How was Eva?", "How was?"),
     ("Thanks, {{ customer.first_name }}!", "Thanks, Ala!", "Thanks!")],
)  # fmt: skip
def test_an_unknown_name_leaves_no_hole(text: str, known: str, unknown: str) -> None:
    assert fill(text, {"customer.first_name": "Ala", "agent": "Eva"}) == known
    assert fill(text, {}) == unknown


async def test_a_mail_greets_once(shop: Shop) -> None:
    texts = {"intro": {"en": "Dear {{customer.first_name}}, thank you for your order."}}
    await shop.publish("s", texts=texts)
    mail = (await shop.call("GET", "/v1/surveys/s/email-preview")).text
    assert "Hello" not in mail
    await shop.publish("t", texts={"intro": {"en": "Thank you for your order."}})
    assert "Hello" in (await shop.call("GET", "/v1/surveys/t/email-preview")).text
