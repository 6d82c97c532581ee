# SPDX-License-Identifier: Apache-2.0
"""Words of comments: in their language, of whole letters, and never a name."""

import pytest

from app.insights import comment_names
from app.insights.comments import terms_of
from tests.insights.test_insights import COMMENT, NPS, answer, comments_shop, send
from tests.shop import Shop


async def test_claims_of_one_address_count_as_one_person_in_the_words(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    comments = ("late parcel", "quick helpful")
    lines = [
        answer("nps", number, {"score": 10 * (number % 2), "why": comments[number % 2]},
               customer={"external_id": f"c{number}"})
        for number in range(60)
    ]  # fmt: skip
    await send(shop, lines)
    key = await shop.make_key("collect")
    for word, claims in (
        ("umbrella", ["one@c.pl", "One@C.pl", "one@c.pl"]),
        ("trolley", ["a@c.pl", "b@c.pl", "c@c.pl"]),
    ):
        for email in claims:
            body = {"survey": "nps", "channel": "widget", "answers": {"score": 0, "why": word},
                    "customer": {"email": email}}  # fmt: skip
            reply = await shop.call("POST", "/v1/responses", key=key, json=body)
            assert reply.status_code == 201, reply.text
    terms = {row["term"] for row in (await shop.get("/v1/insights/comments", limit=1000))["rows"]}
    assert "trolley" in terms
    assert "umbrella" not in terms


@pytest.fixture(params=[0, 50_000], ids=["all customers", "few answers"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked for among all customers, or among those of few answers."""
    monkeypatch.setattr(comment_names, "_FEW_ANSWERS", request.param)


@pytest.mark.usefixtures("both_ways")
async def test_a_name_that_is_learnt_later_leaves_the_words(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = [
        answer("nps", number, {"score": 10 if number % 2 else 2,
                          "why": "Kowalski νικος arrived łąka" if number % 2 else "late parcel"},
               customer={"external_id": f"c{number}"})
        for number in range(80)
    ]  # fmt: skip
    await send(shop, lines)

    async def terms() -> set[str]:
        rows = (await shop.get("/v1/insights/comments"))["rows"]
        return {word for row in rows for word in row["term"].split()}

    assert {"kowalski", "νικος"} <= await terms()
    for external_id, name in (("c1", "Jan Kowalski"), ("c3", "ΝΙΚΟΣ")):
        reply = await shop.call("PUT", f"/v1/customers/{external_id}", json={"name": name})
        assert reply.is_success, reply.text
    assert {"kowalski", "νικος"}.isdisjoint(await terms())


@pytest.mark.parametrize(
    ("words", "locale", "language"),
    [
        ("great quality shop", "en", "en"), ("dobra jakość sklepu", "pl", "pl"),
        ("Die Lieferung kam sehr spät und die Waren waren nicht gut", "en", "de"),
        ("La livraison est arrivée très tard et le produit est cassé", "en", "fr"),
        ("przesyłka przyszła uszkodzona i brudna", "en", "pl"),
    ],
)  # fmt: skip
def test_the_language_is_the_pages_unless_another_fits_clearly(
    words: str, locale: str, language: str
) -> None:
    assert terms_of(words, locale, "en")[0] == language


def test_letters_in_parts_are_letters() -> None:
    _, terms = terms_of("s\u0301wietna jakos\u0301c\u0301", "pl", "en")
    assert not {"wietna", "jakos"} & set(terms)


@pytest.mark.parametrize(
    ("locale", "theme", "low", "high"),
    [
        ("en", "website", "The website was down and I could not pay", "It was good and quick"),
        ("en", "room", "The room has been cold", "They were all very kind to me"),
        ("ro", "livrare", "Livrarea a întârziat și nu m-au anunțat", "Sunt mulțumit că a mers"),
        ("ro", "telefon", "Am sunat la telefon si n-a raspuns nimeni", "A fost foarte bine"),
        ("pl", "kolejka", "Kolejka byla juz za dluga, tez dla mnie", "Wszystko bylo bardzo dobrze"),
    ],
)
async def test_a_planted_theme_is_among_the_words_and_none_is_empty(
    shop: Shop, locale: str, theme: str, low: str, high: str
) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    await send(shop, [
        answer("nps", index, {"score": 1 if index % 2 else 10, "why": low if index % 2 else high},
               locale=locale) for index in range(60)
    ])  # fmt: skip
    rows = (await shop.get("/v1/insights/comments", side="low", limit=1000))["rows"]
    terms = {row["term"] for row in rows}
    assert theme in terms
    empty = {"a", "the", "and", "i", "be", "have", "și", "si", "n-avea", "m-al", "la", "nu", "za",
             "byla", "juz", "tez", "dla", "mnie", "być", "teza"}  # fmt: skip
    assert not {word for term in terms for word in term.split()} & empty


@pytest.mark.usefixtures("both_ways")
async def test_inflected_names_are_not_among_words(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = []
    for index in range(60):
        low = index % 2 == 0
        why = "Rozmawiałem z Nowakiem i czekałem długo" if low else "Bardzo miła obsługa, polecam"
        who = {"external_id": f"c{index}", "name": "Jan Nowak"} if index == 1 else None
        more = {"customer": who} if who else {}
        lines.append(answer("nps", index, {"score": 2 if low else 10, "why": why},
                            locale="pl", **more))  # fmt: skip
    await send(shop, lines)
    insight = await shop.get("/v1/insights/comments")
    terms = " ".join(row["term"] for row in insight["rows"])
    assert "czekać" in terms or "długo" in terms
    assert "nowak" not in terms


async def test_comments_need_read_and_go_with_their_answers(shop: Shop) -> None:
    await comments_shop(shop, 42)
    figures_only = await shop.make_key("metrics")
    refused = await shop.call("GET", "/v1/insights/comments", key=figures_only)
    assert refused.status_code == 403
    before = await shop.get("/v1/insights/comments")
    assert before["refused"] is None
    responses = next(row for row in before["rows"] if row["z"] > 0)["responses"]
    for response in responses:
        assert (await shop.call("DELETE", f"/v1/responses/{response}")).status_code == 204
    after = await shop.get("/v1/insights/comments")
    assert (after["refused"]["reason"], after["n"]) == ("too_few_answers", 18)
