# SPDX-License-Identifier: Apache-2.0
"""Insights find an effect that is in the data, and report none where there is none."""

import datetime as dt
import json
import random
from typing import Any

import pytest

from tests.shop import Shop

TEXT = {"en": "?"}
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
NPS = {"key": "score", "type": "nps", "text": TEXT}
COMMENT = {"key": "why", "type": "text", "text": TEXT}


def rating(key: str, **tags: Any) -> dict[str, Any]:
    return {"key": key, "type": "rating", "text": TEXT} | tags


async def send(shop: Shop, lines: list[dict[str, Any]], *, path: str = "responses") -> None:
    """Send many answers or interactions in one batch."""
    body = "\n".join(map(json.dumps, lines)).encode()
    reply = await shop.call(
        "POST",
        f"/v1/{path}/batch",
        content=body,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert reply.status_code == 200, reply.text
    assert reply.json()["rejected"] == []
    assert reply.json()["accepted"] == len(lines)


def answer(survey: str, number: int, answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    moment = NOW - dt.timedelta(days=20, minutes=number)
    return {
        "survey": survey, "channel": "api", "answers": answers, "external_id": f"{survey}-{number}",
        "responded_at": moment.isoformat(),
    } | more  # fmt: skip


def clip_to(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))


async def drivers_shop(shop: Shop, n: int = 400) -> None:
    """Waiting decides the score, courtesy a little, the colour of the box nothing."""
    chance = random.Random(3)
    questions = [
        NPS,
        rating("wait", driver="waiting"), rating("kind", driver="courtesy"),
        rating("noise", driver="quality", reverse=True),
    ]  # fmt: skip
    await shop.publish("visit", metric="nps", questions=questions)
    lines = []
    for number in range(n):
        wait, kind, noise = (chance.randint(1, 5) for _ in range(3))
        score = clip_to(1.6 * wait + 0.5 * kind + chance.gauss(0, 1), 0, 10)
        answers = {"score": score, "wait": wait, "kind": kind, "noise": noise}
        lines.append(answer("visit", number, answers, properties={"store": f"S{number % 3}"}))
    await send(shop, lines)


async def test_the_planted_driver_comes_first(shop: Shop) -> None:
    await drivers_shop(shop)
    insight = await shop.get("/v1/insights/drivers")
    assert insight["refused"] is None
    assert (insight["insight"], insight["n"], insight["survey"]) == ("drivers", 400, "visit")
    assert insight["outcome"] == {"question": "score", "metric": "nps"}
    assert [row["driver"] for row in insight["rows"]] == ["waiting", "courtesy", "quality"]
    first, _, nothing = insight["rows"]
    assert sum(row["importance"] for row in insight["rows"]) == pytest.approx(insight["r2"])
    assert sum(row["importance_share"] for row in insight["rows"]) == pytest.approx(100)
    assert first["importance_share_ci"][0] > 70
    assert nothing["importance_share"] < 3
    assert first["quadrant"] in {"keep", "fix_first"}
    assert nothing["quadrant"] in {"overdone", "low_priority"}
    low, high = first["importance_share_ci"]
    assert low < first["importance_share"] < high
    assert first["label"] == "waiting" or first["label"][0].isupper()
    assert await shop.get("/v1/insights/drivers") == insight


async def test_drivers_are_refused_below_what_they_need(shop: Shop) -> None:
    await drivers_shop(shop, 60)
    insight = await shop.get("/v1/insights/drivers")
    assert insight["rows"] == []
    assert (insight["refused"]["reason"], insight["refused"]["needed_n"]) == ("too_few_answers", 74)
    assert insight["refused"]["n"] == insight["n"] == 60
    nothing = await shop.get("/v1/insights/pillars")
    assert nothing["refused"]["reason"] == "nothing_tagged"


async def test_a_new_answer_is_in_the_next_reply(shop: Shop) -> None:
    await drivers_shop(shop, 80)
    before = await shop.get("/v1/insights/drivers")
    await send(shop, [answer("visit", 900, {"score": 1, "wait": 1, "kind": 1, "noise": 1})])
    after = await shop.get("/v1/insights/drivers")
    assert (before["n"], after["n"]) == (80, 81)


async def test_rows_of_a_small_group_stay_hidden(shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"], "min_group_size": 300})
    await drivers_shop(shop)
    assert (await shop.get("/v1/insights/drivers"))["refused"] is None
    narrowed = await shop.get("/v1/insights/drivers", **{"property.store": "S1"})
    assert narrowed["rows"] == []
    assert narrowed["refused"]["needed_n"] == 300


async def test_pillars_modules_and_wow(shop: Shop) -> None:
    chance = random.Random(4)
    questions = [
        NPS, rating("p1", pillar="integrity"), rating("p2", pillar="integrity"),
        rating("p3", pillar="empathy"), rating("m1", module="sensory"),
        rating("m2", module="relational"),
        {"key": "expect", "type": "expectation", "text": TEXT},
    ]  # fmt: skip
    await shop.publish("brand", metric="nps", questions=questions)
    lines = []
    for number in range(250):
        p1, p3 = chance.randint(1, 5), chance.randint(1, 5)
        answers = {
            "score": clip_to(p1 * 1.5 + p3 * 0.4, 0, 10), "p1": p1,
            "p2": clip_to(p1 + chance.gauss(0, 0.5), 1, 5), "p3": p3, "m1": 4, "m2": 2,
            "expect": "better" if number % 5 == 0 else "as",
        }  # fmt: skip
        lines.append(answer("brand", number, answers))
    await send(shop, lines)
    pillars = await shop.get("/v1/insights/pillars")
    assert [row["pillar"] for row in pillars["rows"]] == ["empathy", "integrity"]
    empathy, integrity = pillars["rows"]
    assert empathy["alpha"] is None
    assert integrity["alpha"] > 0.8
    assert pillars["index"]["weights"] == "johnson"
    assert integrity["weight"] > 0.8
    equal = await shop.get("/v1/insights/pillars", weights="equal")
    assert [row["weight"] for row in equal["rows"]] == [0.5, 0.5]
    modules = await shop.get("/v1/insights/modules")
    relational, sensory = modules["rows"]
    assert (relational["weight"], relational["score"]) == (0, 25)
    assert (sensory["weight"], sensory["score"]) == (1, 75)
    assert modules["index"]["value"] == 75
    assert modules["wow"]["share"] == 20


async def test_recovery_stands_beside_its_control(shop: Shop) -> None:
    await shop.publish("nps")
    lines = []
    for index in range(60):
        customer = {"external_id": f"c{index}"}
        first = 2 if index < 30 else 10
        # Half of the unhappy come back: a third of these happy. The happy stay so.
        second = (10 if index % 5 == 0 else 3) if index < 15 else None if index < 30 else 9
        moment = NOW - dt.timedelta(days=25)
        for number, score in enumerate((first, second)):
            if score is not None:
                at = (moment + dt.timedelta(days=number * 10)).isoformat()
                lines.append(answer("nps", 2 * index + number, {"score": score},
                                    customer=customer, responded_at=at))  # fmt: skip
    await send(shop, lines)
    insight = await shop.get("/v1/insights/recovery")
    # 30 first failures and 12 second ones.
    assert (insight["failures"], insight["followed"], insight["recovered"]) == (42, 15, 3)
    assert (insight["failed_again"], insight["partial"]) == (12, 0)
    assert insight["rate_of_followed"] == pytest.approx(20)
    assert insight["rate_of_all"] == pytest.approx(100 * 3 / 42)
    assert insight["median_days"] == 10
    control = insight["control"]
    assert control["p_good_after_good"] == 100
    assert control["p_good_after_bad"] == pytest.approx(20)
    assert insight["rows"][0]["metric"] == "nps"
    assert insight["contacted"]["followed"] == 0
    few = await shop.get("/v1/insights/recovery", within="P5D")
    assert few["followed"] == 0


async def test_calling_back_is_compared_with_not_calling(shop: Shop) -> None:
    await shop.publish("nps")
    lines, calls = [], []
    moment = NOW - dt.timedelta(days=25)
    for number in range(40):
        called = number % 2 == 0
        customer = {"external_id": f"c{number}"}
        lines.append(answer("nps", 2 * number, {"score": 1}, customer=customer,
                            responded_at=moment.isoformat()))  # fmt: skip
        later = (moment + dt.timedelta(days=9)).isoformat()
        score = 10 if called and number < 32 else 2
        lines.append(answer("nps", 2 * number + 1, {"score": score}, customer=customer,
                            responded_at=later))  # fmt: skip
        if called:
            calls.append({
                "type": "recovery.called", "source": "shop", "external_id": f"call{number}",
                "customer": customer, "occurred_at": (moment + dt.timedelta(days=2)).isoformat(),
            })  # fmt: skip
    await send(shop, lines)
    await send(shop, calls, path="interactions")
    insight = await shop.get("/v1/insights/recovery")
    assert (insight["contacted"]["followed"], insight["contacted"]["recovered"]) == (20, 16)
    assert (insight["not_contacted"]["followed"], insight["not_contacted"]["recovered"]) == (20, 0)
    assert insight["difference"]["delta"] == pytest.approx(80)
    assert insight["difference"]["p_value"] < 0.001


async def test_recovery_says_what_is_missing(shop: Shop) -> None:
    await shop.publish("nps")
    await send(shop, [answer("nps", number, {"score": 1}) for number in range(30)])
    insight = await shop.get("/v1/insights/recovery")
    assert insight["refused"]["reason"] == "no_customers"


async def test_reach_by_query_workspace_and_what_was_told(shop: Shop) -> None:
    told_question = {"key": "told", "type": "choice", "text": TEXT, "driver": "told",
            "options": [{"key": str(count), "text": TEXT} for count in (0, 1, 5, 20)]}  # fmt: skip
    question = {
        "key": "heard",
        "type": "choice",
        "text": TEXT,
        "driver": "heard",
        "options": [{"key": key, "text": TEXT} for key in ("nothing", "good", "bad")],
    }
    await shop.publish("nps", metric="nps", questions=[NPS, told_question, question])
    await send(shop, [
        answer("nps", index, {"score": 10 if index < 70 else 2, "told": "1" if index < 70 else "5",
                              "heard": "good" if index % 2 else "bad"})
        for index in range(100)
    ])  # fmt: skip
    insight = await shop.get("/v1/insights/word-of-mouth")
    assert (insight["satisfied"], insight["dissatisfied"]) == (70, 30)
    assert (insight["net_reach"], insight["break_even"]) == (-230, 0.1)
    assert insight["index"] == pytest.approx(-62.1622, abs=0.001)
    assert insight["measured"]["n"] == 100
    assert insight["measured"]["median"] == 1
    assert insight["measured"]["by_band"]["dissatisfied"] == {"n": 30, "mean": 5}
    assert [(row["heard"], row["n"]) for row in insight["heard"]] == [("bad", 50), ("good", 50)]
    changed = await shop.get("/v1/insights/word-of-mouth", a=3, b=3)
    assert changed["index"] == pytest.approx(40)
    setting = {"told_by_satisfied": 1, "told_by_dissatisfied": 1}
    await shop.call("PATCH", "/v1/workspace", json={"word_of_mouth": setting})
    assert (await shop.get("/v1/insights/word-of-mouth"))["index"] == pytest.approx(40)
    assert (await shop.get("/v1/workspace"))["word_of_mouth"] == setting


async def spending_shop(shop: Shop, *, linked: bool) -> None:
    chance = random.Random(5)
    await shop.publish("nps")
    lines, orders = [], []
    moment = NOW - dt.timedelta(days=150)
    for index in range(120):
        customer = {"external_id": f"c{index}"}
        score = index % 11
        lines.append(answer("nps", index, {"score": score}, customer=customer,
                            responded_at=moment.isoformat()))  # fmt: skip
        value = 10 * score + chance.randint(0, 30) if linked else chance.randint(5, 60)
        for number, days in (("after", 20), ("before", -20)):
            paid = value if number == "after" else 25
            orders.append({
                "type": "order.paid", "source": "shop", "external_id": f"o{index}-{number}",
                "order": f"o{index}-{number}", "customer": customer,
                "value": {"amount": paid, "currency": "EUR"},
                "occurred_at": (moment + dt.timedelta(days=days)).isoformat(),
            })  # fmt: skip
    orders.append(orders[0] | {
        "type": "order.refunded", "external_id": "refund",
    })  # fmt: skip
    # A source that reports an order by its checkout and by its invoice was paid once.
    orders += [order | {"external_id": f"{order['external_id']}-invoice"} for order in orders[1:4]]
    await send(shop, lines)
    await send(shop, orders, path="interactions")


async def test_a_link_to_spending_is_found_and_the_refunded_buy_nothing(shop: Shop) -> None:
    await spending_shop(shop, linked=True)
    insight = await shop.get("/v1/insights/spending")
    assert insight["refused"] is None
    assert (insight["currency"], insight["conclusion"], insight["n"]) == ("EUR", "associated", 120)
    assert insight["spearman"]["rho"] > 0.8
    rows = {row["band"]: row for row in insight["rows"]}
    assert rows["promoter"]["mean"] > rows["detractor"]["mean"] + 30
    assert rows["detractor"]["customers"] - rows["detractor"]["buyers"] == 1
    before = {row["band"]: row["mean"] for row in insight["before"]}
    assert before["promoter"] == before["detractor"] == 25


async def test_a_missing_link_to_spending_is_reported_as_none(shop: Shop) -> None:
    await spending_shop(shop, linked=False)
    insight = await shop.get("/v1/insights/spending")
    assert insight["conclusion"] == "no_association_found"
    over = await shop.get("/v1/insights/spending", within="P200D")
    assert over["refused"]["reason"] == "too_few_answers"
    none = await shop.get("/v1/insights/spending", currency="PLN")
    assert none["refused"]["reason"] == "no_orders"


WORDS = {
    "en": ("The delivery was late and the courier rude", "Great quality and a friendly shop"),
    "pl": ("Dostawa była bardzo spóźniona, kurier niemiły", "Świetna jakość i miła obsługa"),
    "ro": ("Livrarea a fost întârziată și curierul nepoliticos", "Calitate foarte bună, amabil"),
}


async def comments_shop(shop: Shop, n: int = 150) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, COMMENT])
    lines = []
    for number in range(n):
        locale = ("en", "pl", "ro")[number % 3]
        low = number % 2 == 0
        words = WORDS[locale][0 if low else 1]
        person = {"external_id": f"c{number}", "email": f"zofia.nowak{number}@example.org",
                  "name": "Zofia Nowak"}  # fmt: skip
        words += ". Zofia Nowak" if number < 30 else ""
        answers = {"score": 2 if low else 10, "why": words}
        lines.append(answer("nps", number, answers, locale=locale, customer=person))
    await send(shop, lines)


async def test_themes_of_each_language_and_never_a_name(shop: Shop) -> None:
    await comments_shop(shop)
    insight = await shop.get("/v1/insights/comments", side="low")
    terms = {(row["locale"], row["term"]) for row in insight["rows"]}
    assert {("en", "delivery"), ("pl", "dostawa"), ("ro", "livrare")} <= terms
    every = await shop.get("/v1/insights/comments", limit=1000)
    words = {word for row in every["rows"] for word in row["term"].split()}
    assert not words & {"zofia", "nowak", "example", "org"}
    assert {"quality", "jakość"} <= words
    sizes = [abs(row["z"]) for row in every["rows"]]
    assert sizes == sorted(sizes, reverse=True)
    row = next(row for row in insight["rows"] if row["term"] == "delivery")
    assert (row["n_high"], row["mean_score"], len(row["responses"])) == (0, 2, 3)
    assert row["share_low"] == pytest.approx(100 * row["n_low"] / 75)
    response = await shop.get(f"/v1/responses/{row['responses'][0]}")
    assert "delivery" in json.dumps(response["answers"])


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("drivers?outcome=nothing", "outcome"),
        ("drivers?within=P30D", "within"),
        ("recovery?within=30", "within"),
        ("recovery?within=P0D", "within"),
        ("recovery?within=PT36H", "within"),
        ("recovery?within=P7D%0A", "within"),
        ("comments?side=middle", "side"),
        ("spending?currency=euro", "currency"),
        ("word-of-mouth?a=-1", "a"),
        ("pillars?weights=best", "weights"),
        ("drivers?group_by=survey", "group_by"),
        ("drivers?survey=none", "survey"),
    ],
)
async def test_a_wrong_parameter_is_named(shop: Shop, path: str, field: str) -> None:
    await shop.publish("nps")
    reply = await shop.call("GET", f"/v1/insights/{path}")
    assert reply.status_code == 422, reply.text
    assert [error["loc"][-1] for error in reply.json()["errors"]] == [field]


async def test_an_unknown_insight_is_refused(shop: Shop) -> None:
    assert (await shop.call("GET", "/v1/insights/happiness")).status_code in {404, 422}


@pytest.mark.parametrize("template", ["delivery", "support", "relationship"])
async def test_a_newcomers_first_survey_feeds_drivers(shop: Shop, template: str) -> None:
    chance = random.Random(8)
    survey = await shop.publish("first", template)
    rated = [
        question["key"]
        for question in survey["questions"]
        if question["driver"] and question["type"] == "rating"
    ]
    high = {"nps": 10, "csat": 5, "ces": 7}[survey["questions"][0]["type"]]
    lines = []
    for number in range(120):
        scores = {key: chance.randint(1, 5) for key in rated}
        score = clip_to(high * scores["waiting" if "waiting" in scores else "quality"] / 5, 1, high)
        lines.append(answer("first", number, scores | {"score": score}))
    await send(shop, lines)
    insight = await shop.get("/v1/insights/drivers")
    assert insight["refused"] is None, insight["refused"]
    assert insight["rows"][0]["driver"] in {"waiting", "quality"}
    assert insight["rows"][0]["importance_share"] > 80
