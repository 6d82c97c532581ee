# SPDX-License-Identifier: Apache-2.0
"""A survey's public page: one response for each page that is opened; and its kiosk."""

import re
from typing import Any

import pytest

from tests.pages.forms import browse, follow, parse
from tests.shop import Shop

ARABIC = {
    "send": {"ar": "إرسال"}, "next": {"ar": "التالي"}, "optional": {"ar": "اختياري"},
    "thanks_title": {"ar": "شكرا"}, "thanks": {"ar": "تم حفظ إجابتك"},
}  # fmt: skip


async def publish_page(shop: Shop, **changes: Any) -> str:
    survey = await shop.publish("s", **changes)
    return f"/s/{survey['public_id']}"


async def test_one_page_is_one_response_however_often_it_is_sent(shop: Shop) -> None:
    path = await publish_page(shop)
    first = await browse(shop.client, path)
    reply = await first.send(shop.client, score="9")
    again = await first.send(shop.client, score="9")
    assert reply.headers["location"] == again.headers["location"]
    # Back to the first page, another score, on to the second.
    page = await follow(shop.client, await first.send(shop.client, score="7"))
    assert "Your answer: 7" in page.text
    page = await follow(shop.client, await page.send(shop.client, why="Fine"))
    assert "Thank you for your answer." in page.text
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["score"], response["channel"], response["complete"]) == (7, "web", True)
    assert (await shop.metric("nps"))["total"]["n"] == 1
    # A reload of what was answered shows it; another visit is another response.
    assert (await browse(shop.client, reply.headers["location"])).status == 200
    other = await browse(shop.client, path)
    await other.send(shop.client, score="1")
    assert (await shop.metric("nps"))["total"]["n"] == 2


async def test_a_form_answers_with_one_request(shop: Shop) -> None:
    path = await publish_page(shop)
    reply = await shop.client.post(path, data={"score": "10"})
    assert reply.status_code == 303
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_thanks_go_with_the_band(shop: Shop) -> None:
    texts = {
        "thank_you": {
            "promoter": {"text": {"en": "Tell a friend!"}, "link_url": "https://rate.example/us",
                         "link_text": {"en": "Rate us"}},
            "default": {"text": {"en": "Thanks."}},
        }
    }  # fmt: skip
    questions = [{"key": "score", "type": "nps", "text": {"en": "Recommend us?"}}]
    path = await publish_page(shop, metric="nps", questions=questions, texts=texts)
    for score, phrase in (("10", "Tell a friend!"), ("3", "Thanks.")):
        page = await browse(shop.client, path)
        thanks = await follow(shop.client, await page.send(shop.client, score=score))
        assert phrase in thanks.text
        assert ("https://rate.example/us" in thanks.links) == (score == "10")


async def test_a_prefilled_answer_is_only_chosen(shop: Shop) -> None:
    path = await publish_page(shop)
    page = await browse(shop.client, path + "?a.score=9&a.why=Good&a.nonsense=1")
    assert (page.fields["score"], page.fields["why"]) == ("9", "Good")
    assert (await shop.get("/v1/responses"))["data"] == []
    page = await browse(shop.client, path + "?a.score=11")
    assert "score" not in page.fields


async def test_an_address_sets_order_and_declared_properties_but_no_customer(shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    path = await publish_page(shop)
    page = await browse(shop.client, path + "?p.store=WAW-1&p.secret=x&ref=1001&src=till-2")
    await follow(shop.client, await page.send(shop.client, score="9"))
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["properties"] == {"store": "WAW-1", "src": "till-2"}
    assert response["order"] == "1001"
    assert response["customer"] is None
    by_store = await shop.metric("nps", group_by="property.store")
    assert [row["group"] for row in by_store["rows"]] == [{"property.store": "WAW-1"}]


async def test_an_order_answers_once_where_the_survey_says_so(shop: Shop) -> None:
    path = await publish_page(shop, one_answer_per="order")
    for score in ("9", "8"):
        page = await browse(shop.client, path + "?ref=1001")
        await page.send(shop.client, score=score)
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_an_order_number_neither_shows_nor_replaces_anothers_answer(shop: Shop) -> None:
    path = await publish_page(shop, one_answer_per="order") + "?ref=555"
    page = await browse(shop.client, path)
    own = await follow(shop.client, await page.send(shop.client, score="2"))
    await own.send(shop.client, why="My name is Jan")
    # A person who knows the order's number sees that it is answered, and can replace nothing.
    stranger = parse(await shop.client.get(path))
    assert "Jan" not in stranger.text
    assert "This was already answered." in stranger.text
    assert "score" not in stranger.fields
    reply = parse(await shop.client.post(path, data={"score": "10", "why": "lovely"}))
    assert "This was already answered." in reply.text
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["answers"] == {"score": 2, "why": "My name is Jan"}


async def test_nobody_makes_up_anothers_page(shop: Shop) -> None:
    path = await publish_page(shop)
    page = await browse(shop.client, path)
    reply = await page.send(shop.client, score="2", why="My secret")
    signed = reply.headers["location"].partition("r=")[2].partition("&")[0]
    forged = ("A" if signed[0] != "A" else "B") + signed[1:]
    stranger = await browse(shop.client, f"{path}?r={forged}")
    assert "My secret" not in stranger.text
    assert "score" not in stranger.fields


@pytest.mark.parametrize(
    ("accept", "lang", "question"),
    [
        ("pl-PL,en;q=0.5", None, "Jak prawdopodobne jest"),
        ("de, ro;q=0.7", None, "Cât de probabil este"),
        ("de", None, "How likely are you"),
        ("pl", "ro", "Cât de probabil este"),
        ("nonsense;q=x, ;;", None, "How likely are you"),
    ],
)
async def test_a_page_speaks_the_visitors_language(
    shop: Shop, accept: str, lang: str | None, question: str
) -> None:
    path = await publish_page(shop)
    headers = {"Accept-Language": accept}
    page = await browse(shop.client, path + (f"?lang={lang}" if lang else ""), **headers)
    assert question in page.text


async def test_a_survey_may_bring_its_own_language(shop: Shop) -> None:
    questions = [
        {"key": "score", "type": "nps", "text": {"en": "Recommend us?", "ar": "هل توصي بنا؟"}},
        {"key": "why", "type": "text", "text": {"en": "Why?", "ar": "لماذا؟"}},
    ]
    path = await publish_page(shop, metric="nps", questions=questions, texts={"words": ARABIC})
    page = await browse(shop.client, path + "?lang=ar")
    assert page.attributes["html"] == {"lang": "ar", "dir": "rtl"}
    assert "التالي" in page.text
    # What nobody translated says in which language it is.
    assert 'lang="en" dir="ltr"' in (await shop.client.get(path + "?lang=ar")).text
    await page.send(shop.client, score="9")
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["locale"] == "ar"


async def test_every_type_of_question_can_be_answered(shop: Shop) -> None:
    options = [{"key": key, "text": {"en": key}} for key in ("one", "two", "three")]
    rows: list[tuple[dict[str, Any], str | list[str], Any]] = [
        ({"type": "csat", "points": 5}, "4", 4),
        ({"type": "ces"}, "7", 7),
        ({"type": "yes_no"}, "false", False),
        ({"type": "rating", "points": 10, "allow_na": True}, "na", "na"),
        ({"type": "expectation"}, "better", "better"),
        ({"type": "emotion"}, "joy", "joy"),
        ({"type": "choice", "options": options}, "two", "two"),
        ({"type": "choices", "options": options}, ["one", "three"], ["one", "three"]),
        ({"type": "text"}, "Tak\r\nnie", "Tak\nnie"),
    ]
    questions = [
        {"key": f"q{number}", "text": {"en": f"Q{number}"}} | question
        for number, (question, *_) in enumerate(rows)
    ]
    path = await publish_page(shop, questions=questions, metric="csat")
    page = await follow(
        shop.client, await (await browse(shop.client, path)).send(shop.client, q0="4")
    )
    answers = {f"q{number}": sent for number, (_, sent, _) in enumerate(rows) if number}
    thanks = await follow(shop.client, await page.send(shop.client, **answers))
    assert "Thank you" in thanks.text
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["answers"] == {f"q{number}": answer for number, (*_, answer) in enumerate(rows)}


async def test_a_kiosk_begins_anew_for_the_next_person(shop: Shop) -> None:
    path = await publish_page(shop)
    for score in ("9", "2"):
        page = await browse(shop.client, path + "?kiosk=1&p.x=1")
        page = await follow(shop.client, await page.send(shop.client, score=score))
        reply = await page.send(shop.client, why="")
        thanks = await shop.client.get(reply.headers["location"])
        # It leads back to the start by itself, and not to this person's answer.
        refresh = re.search(r'http-equiv="refresh" content="6;url=([^"]+)"', thanks.text)
        assert refresh
        assert "r=" not in refresh[1]
        assert parse(thanks).links == []
        # The browser's back button does not show the answers of the person before.
        back = reply.headers["location"].replace("done=1", "next=1")
        assert (await shop.client.get(back)).status_code == 303
    responses = (await shop.get("/v1/responses"))["data"]
    assert [(response["score"], response["channel"]) for response in responses] == [
        (2, "kiosk"),
        (9, "kiosk"),
    ]


async def test_robots_in_the_form_are_not_counted(shop: Shop) -> None:
    path = await publish_page(shop)
    page = await browse(shop.client, path)
    (trap,) = page.traps
    await page.send(shop.client, **{"score": "9", trap: "buy"})
    await (await browse(shop.client, path)).send(shop.client, score="9", _js="1")
    await (await browse(shop.client, path)).send(shop.client, score="9", _js="1", _g="1")
    states = {response["integrity"] for response in (await shop.get("/v1/responses"))["data"]}
    assert states == {"quarantined", "unverified", "ok"}
    total = (await shop.metric("nps"))["total"]
    assert total["n"] == 1
    assert (total["excluded"]["quarantined"], total["excluded"]["unverified"]) == (1, 1)


async def test_what_is_over_or_unknown_says_so(shop: Shop) -> None:
    path = await publish_page(shop)
    page = await browse(shop.client, path)
    await shop.post("/v1/surveys/s/close", status=200)
    assert (await browse(shop.client, path)).status == 410
    assert (await page.send(shop.client, score="9")).status_code == 410
    assert (await browse(shop.client, "/s/nobody")).status == 404
    assert (await shop.get("/v1/responses"))["data"] == []


@pytest.mark.parametrize("path", ["/s/%00", "/s/%00/poster", "/s/a%00b", "/i/%00", "/u/%00"])
async def test_odd_addresses_are_no_failures(shop: Shop, path: str) -> None:
    reply = await shop.client.get(path)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_robot_is_asked_to_confirm_here_too(shop: Shop) -> None:
    path = await publish_page(shop)
    page = await browse(shop.client, path)
    again = await follow(shop.client, await page.send(shop.client, score="9", _js="1"))
    assert "Please confirm that you are a person." in again.text
    await follow(shop.client, await again.send(shop.client, _js="1", _g="1"))
    assert (await shop.metric("nps"))["total"]["n"] == 1


async def test_the_links_lead_to_the_page(shop: Shop) -> None:
    path = await publish_page(shop)
    links = await shop.get("/v1/surveys/s/links")
    assert links["page"].endswith(path)
    assert links["kiosk"].endswith(path + "?kiosk=1")
    assert 'data-survey="s"' in links["embed"]
    assert links["qr"].endswith("/v1/surveys/s/qr.svg")
    mail = await shop.call("GET", "/v1/surveys/s/email-preview?lang=pl")
    assert links["email_preview"].endswith(mail.request.url.path)
    assert "Jak prawdopodobne jest" in mail.text
    code = await shop.call("GET", "/v1/surveys/s/qr.svg?src=till-1")
    assert code.headers["content-type"] == "image/svg+xml"
    poster = await browse(shop.client, path + "/poster?src=till-1&lang=pl")
    assert "Zeskanuj i powiedz nam" in poster.text
    await shop.post("/v1/surveys", {"template": "csat", "key": "draft"})
    assert (await shop.call("GET", "/v1/surveys/draft/links")).status_code == 409


async def test_company_texts_are_escaped_and_links_ignore_the_host_header(shop: Shop) -> None:
    evil = "<script>alert(1)</script>\"'>"
    questions = [{"key": "score", "type": "nps", "text": {"en": evil}}]
    texts = {"intro": {"en": evil}, "thank_you": {"default": {"text": {"en": evil}}}}
    await shop.call("PATCH", "/v1/workspace", json={"brand": {"name": evil}})
    path = await publish_page(shop, metric="nps", questions=questions, texts=texts)
    for address in (path, path + "/poster", f"{path}?ref={evil}&src={evil}&lang={evil}"):
        reply = await shop.client.get(address, headers={"Host": "evil.example"})
        assert reply.status_code == 200
        assert "<script>alert" not in reply.text
        assert "evil.example" not in reply.text
    page = await browse(shop.client, path)
    reply = await page.send(shop.client, score="9")
    assert "<script>alert" not in (await shop.client.get(reply.headers["location"])).text


@pytest.mark.parametrize(
    "texts",
    [
        {"subject": {"en": "Hello\nBcc: x@y.example"}},
        {"preheader": {"en": "a\x07b"}},
        {"intro": {"en": "a\x1bb"}},
        {"subject": {"en": "\u202egnp"}},
    ],
)
async def test_control_characters_are_refused(shop: Shop, texts: dict[str, Any]) -> None:
    body = {"template": "nps", "key": "s", "texts": texts}
    reply = await shop.call("POST", "/v1/surveys", json=body)
    assert reply.status_code == 422
    assert next(iter(texts)) in reply.text
