# SPDX-License-Identifier: Apache-2.0
"""No insight finds what is not there, shows a small group, or repeats a name."""

import csv
import datetime as dt
import io
import random
from typing import Any

import pytest

from app.pages.dashboard.sentences import SENTENCES
from app.pages.dashboard.texts import DashboardTexts
from tests.insights.test_insights import (
    COMMENT,
    NOW,
    NPS,
    TEXT,
    answer,
    clip_to,
    drivers_shop,
    rating,
    send,
)
from tests.shop import Shop

CSAT = {"key": "ok", "type": "csat", "points": 5, "text": TEXT}


def pair(survey: str, key: str, index: int, scores: tuple[int, int]) -> list[Any]:
    """Return a bad rating and the next one of the same customer."""
    first, then = scores
    lines = []
    for number, score in enumerate((first, then)):
        at = (NOW - dt.timedelta(days=60 - 20 * number)).isoformat()
        lines.append(answer(survey, 2 * index + number, {key: score}, responded_at=at,
                            customer={"external_id": f"{survey}-{index}"}))  # fmt: skip
    return lines


async def test_metrics_that_recover_differently_are_no_effect_of_calling_back(shop: Shop) -> None:
    """Calling helps in neither; most calls went to the metric that recovers more often."""
    await shop.publish("nps", metric="nps", questions=[NPS])
    await shop.publish("csat", metric="csat", questions=[CSAT])
    chance, lines, calls = random.Random(1), [], []
    for survey, key, scores, good_share, called_share in (
        ("nps", "score", (2, 10, 1), 0.2, 0.1), ("csat", "ok", (1, 5, 2), 0.8, 0.9),
    ):  # fmt: skip
        for index in range(100):
            is_good, is_called = chance.random() < good_share, chance.random() < called_share
            following = scores[1] if is_good else scores[2]
            lines += pair(survey, key, index, (scores[0], following))
            if is_called:
                at = (NOW - dt.timedelta(days=50)).isoformat()
                calls.append({"type": "recovery.resolved", "source": "crm", "occurred_at": at,
                              "external_id": f"call-{survey}-{index}",
                              "customer": {"external_id": f"{survey}-{index}"}})  # fmt: skip
    await send(shop, lines)
    await send(shop, calls, path="interactions")
    insight = await shop.get("/v1/insights/recovery")
    assert insight["difference"]["p_value"] > 0.05
    by_metric = {row["metric"]: row for row in insight["rows"]}
    assert set(by_metric) == {"csat", "nps"}
    assert insight["outcome"]["metric"] in by_metric
    assert insight["failures"] == by_metric[insight["outcome"]["metric"]]["failures"]
    assert any("stand in `rows`" in warning for warning in insight["warnings"])


async def test_small_groups_stay_hidden_in_every_part(shop: Shop) -> None:
    told_question = {"key": "told", "type": "choice", "text": TEXT, "driver": "told",
            "options": [{"key": str(count), "text": TEXT} for count in (1, 5)]}  # fmt: skip
    question = {"key": "heard", "type": "choice", "text": TEXT, "driver": "heard",
             "options": [{"key": key, "text": TEXT} for key in ("good", "bad")]}  # fmt: skip
    await shop.publish("nps", metric="nps", questions=[NPS, told_question, question])
    await shop.publish("rare", metric="nps", questions=[NPS])
    await send(shop, [
        answer("nps", number, {"score": 10 if number else 2, "told": "1" if number else "5",
                              "heard": "good" if number else "bad"},
               customer={"external_id": f"c{number}"}, responded_at=(
                   NOW - dt.timedelta(days=120)).isoformat())
        for number in range(60)
    ] + [answer("rare", number, {"score": 9}) for number in range(3)])  # fmt: skip
    await send(
        shop,
        [
            {
                "type": "order.paid",
                "source": "s",
                "external_id": f"o{index}-{when}",
                "order": f"{index}-{when}",
                "occurred_at": (NOW - dt.timedelta(days=when)).isoformat(),
                "customer": {"external_id": f"c{index}"},
                "value": {"amount": "777.00", "currency": "EUR"},
            }
            for index in (0, 1)
            for when in (110, 130)
        ],
        path="interactions",
    )
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 20})
    reach = await shop.get("/v1/insights/word-of-mouth", period="all")
    rows = {row["survey"]: row for row in reach["rows"]}
    assert (rows["rare"]["n"], rows["rare"]["index"]) == (3, None)
    assert rows["nps"]["index"] is not None
    assert reach["measured"]["by_band"]["dissatisfied"] == {"n": 1, "mean": None}
    assert [(row["n"], row["mean_score"] is None) for row in reach["heard"]] == [
        (1, True),
        (59, False),
    ]
    spent = await shop.get("/v1/insights/spending", **{"from": "2020-01-01"})
    for part in ("rows", "before"):
        by_band = {row["band"]: row for row in spent[part]}
        assert (by_band["detractor"]["customers"], by_band["detractor"]["mean"]) == (1, None)
        assert by_band["promoter"]["mean"] is not None
    text = (await shop.call("GET", "/v1/insights/spending?from=2020-01-01&format=csv")).text
    line = next(row for row in text.splitlines() if row.startswith("detractor"))
    assert "777" not in line


async def test_a_rate_of_none_is_none(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS])
    await send(
        shop, [answer("nps", number, {"score": 10 if number % 2 else 2}) for number in range(40)]
    )
    insight = await shop.get("/v1/insights/word-of-mouth", a=0)
    assert (insight["assumptions"]["told_by_satisfied"], insight["index"]) == (0, -100)
    setting = {"told_by_satisfied": 1, "told_by_dissatisfied": 0}
    await shop.call("PATCH", "/v1/workspace", json={"word_of_mouth": setting})
    own = await shop.get("/v1/insights/word-of-mouth")
    assert (own["index"], own["break_even"]) == (100, None)


async def test_reach_is_of_one_metric_and_names_the_others(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS])
    await shop.publish("csat", metric="csat", questions=[CSAT])
    await send(shop, [answer("nps", number, {"score": 10}) for number in range(20)]
               + [answer("csat", number, {"ok": 1}) for number in range(5)])  # fmt: skip
    insight = await shop.get("/v1/insights/word-of-mouth")
    assert (insight["satisfied"], insight["dissatisfied"], insight["survey"]) == (20, 0, "nps")
    assert "csat" in insight["warnings"][0]


async def test_a_refund_belongs_to_its_order(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS])
    at = NOW - dt.timedelta(days=150)
    await send(
        shop,
        [
            answer(
                "nps",
                index,
                {"score": 10 if index % 2 else 2},
                responded_at=at.isoformat(),
                customer={"external_id": f"c{index}"},
            )
            for index in range(40)
        ],
    )

    def order(n: int, days: int, kind: str, number: str, amount: str) -> dict[str, Any]:
        return {
            "type": f"order.{kind}",
            "source": "s",
            "external_id": f"{kind}-{n}-{number}",
            "order": f"{n}-{number}",
            "customer": {"external_id": f"c{n}"},
            "occurred_at": (at + dt.timedelta(days=days)).isoformat(),
            "value": {"amount": amount, "currency": "EUR"},
        }

    lines = []
    for index in range(1, 40, 2):
        # Paid before the answer and refunded after it; paid after it and kept.
        lines += [
            order(index, -10, "paid", "a", "100.00"),
            order(index, 10, "refunded", "a", "100.00"),
            order(index, 20, "paid", "b", "60.00"),
        ]
    for index in range(0, 40, 2):
        # Refunded when the time is over.
        lines += [
            order(index, 30, "paid", "c", "50.00"),
            order(index, 95, "refunded", "c", "50.00"),
        ]
    await send(shop, lines, path="interactions")
    insight = await shop.get("/v1/insights/spending")
    after = {row["band"]: row for row in insight["rows"]}
    before = {row["band"]: row for row in insight["before"]}
    assert (after["promoter"]["buyers"], after["promoter"]["mean"]) == (20, 60)
    assert (before["promoter"]["buyers"], before["promoter"]["mean"]) == (0, 0)
    assert (after["detractor"]["buyers"], after["detractor"]["mean"]) == (0, 0)
    again = await shop.get("/v1/insights/spending")
    assert again["rows"] == insight["rows"]


async def test_a_period_without_answers_says_how_many_are_needed(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS, rating("wait", driver="waiting")])
    for insight, needed in (("drivers", 50), ("recovery", 20), ("spending", 30),
                            ("comments", 20), ("pillars", 10)):  # fmt: skip
        refused = (await shop.get(f"/v1/insights/{insight}"))["refused"]
        assert (refused["reason"], refused["needed_n"]) == ("too_few_answers", needed), insight


async def test_a_tag_on_a_choice_rates_nothing(shop: Shop) -> None:
    choice = {"key": "why", "type": "choice", "text": TEXT, "pillar": "empathy",
              "options": [{"key": "a", "text": TEXT}, {"key": "b", "text": TEXT}]}  # fmt: skip
    await shop.publish(
        "nps", metric="nps", questions=[NPS, rating("kept", pillar="integrity"), choice]
    )
    lines = [
        answer("nps", number, {"score": number % 11, "kept": 1 + number % 5, "why": "a"})
        for number in range(40)
    ]
    await send(shop, lines)
    insight = await shop.get("/v1/insights/pillars")
    assert [row["pillar"] for row in insight["rows"]] == ["integrity"]


async def test_a_call_of_a_test_contacts_nobody(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=[NPS])
    await send(
        shop, [line for number in range(40) for line in pair("nps", "score", number, (2, 9))]
    )
    key = await shop.make_key("write", test=True)
    call = {"type": "recovery.resolved", "source": "crm", "external_id": "call-1",
            "occurred_at": (NOW - dt.timedelta(days=50)).isoformat(),
            "customer": {"external_id": "nps-1"}}  # fmt: skip
    reply = await shop.call("POST", "/v1/interactions", key=key, json=call)
    assert reply.status_code == 201, reply.text
    assert (await shop.get("/v1/insights/recovery"))["contacted"]["followed"] == 0
    reply = await shop.call("POST", "/v1/interactions", json=call | {"external_id": "call-2"})
    assert reply.status_code == 201, reply.text
    assert (await shop.get("/v1/insights/recovery"))["contacted"]["followed"] == 1


async def test_tickets_of_two_helpdesks_with_one_number(shop: Shop) -> None:
    await shop.publish("csat", metric="csat", questions=[CSAT])
    day, lines = NOW - dt.timedelta(days=30), []
    for source in ("zendesk", "freshdesk"):
        for hour, state in ((0, "opened"), (1, "solved"), (2, "reopened"), (3, "solved")):
            lines.append({"type": f"ticket.{state}", "source": source, "ticket": "1",
                          "external_id": f"{source}-{hour}",
                          "occurred_at": (day + dt.timedelta(hours=hour)).isoformat()})  # fmt: skip
    await send(shop, lines, path="interactions")
    about = {"source": "zendesk", "external_id": "zendesk-3"}
    at = (day + dt.timedelta(hours=4)).isoformat()
    rated = answer("csat", 999, {"ok": 5}, ticket="1", interaction=about, responded_at=at)
    others = [line for number in range(40) for line in pair("csat", "ok", number, (1, 5))]
    await send(shop, [rated, *others])
    insight = await shop.get("/v1/insights/recovery")
    (row,) = (row for row in insight["rows"] if row.get("by") == "ticket")
    assert (row["failures"], row["followed"]) == (2, 1)


async def test_a_bigger_survey_without_drivers_hides_none(shop: Shop) -> None:
    await shop.publish("plain", metric="csat", questions=[CSAT])
    await send(shop, [answer("plain", index, {"ok": 4}) for index in range(300)])
    await drivers_shop(shop, 100)
    insight = await shop.get("/v1/insights/drivers")
    assert (insight["refused"], insight["survey"], insight["n"]) == (None, "visit", 100)


@pytest.mark.parametrize("tag", ["driver", "pillar", "module"])
async def test_a_tag_on_a_text_rates_nothing(shop: Shop, tag: str) -> None:
    value = {"driver": "waiting", "pillar": "empathy", "module": "sensory"}[tag]
    questions = [
        NPS,
        {"key": "why", "type": "text", "text": TEXT, tag: value},
        {"key": "kind", "type": "rating", "text": TEXT, tag: value},
    ]
    await shop.publish("nps", metric="nps", questions=questions)
    chance = random.Random(5)
    lines = []
    for index in range(80):
        kind = chance.randint(1, 5)
        lines.append(answer("nps", index, {"score": 2 * kind, "why": "so", "kind": kind}))
    await send(shop, lines)
    insight = await shop.get(f"/v1/insights/{tag}s")
    assert insight["refused"] is None
    assert [row["n"] for row in insight["rows"]] == [80]
    assert (await shop.call("GET", "/v1/insights/drivers?outcome=why")).status_code == 422


async def test_filters_mean_the_tagged_questions(shop: Shop) -> None:
    """A question's own touchpoint counts for its answers instead of the response's."""
    questions = [
        NPS,
        {"key": "kind", "type": "rating", "text": TEXT, "driver": "courtesy"},
        {"key": "fast", "type": "rating", "text": TEXT, "driver": "delivery",
         "touchpoint": "delivery"},
    ]  # fmt: skip
    await shop.publish("nps", metric="nps", questions=questions)
    chance = random.Random(6)
    lines = []
    for index in range(200):
        kind, fast = chance.randint(1, 5), chance.randint(1, 5)
        score = clip_to(kind + fast + chance.gauss(0, 1), 0, 10)
        lines.append(answer("nps", index, {"score": score, "kind": kind, "fast": fast},
                            touchpoint="shop" if index % 2 else "web"))  # fmt: skip
    await send(shop, lines)
    await shop.call("PUT", "/v1/touchpoints/delivery", json={"stage": "after"})

    async def count_by_driver(**filters: str) -> dict[str, int]:
        insight = await shop.get("/v1/insights/drivers", **filters)
        return {row["driver"]: row["n"] for row in insight["rows"]}

    assert await count_by_driver() == {"courtesy": 200, "delivery": 200}
    assert await count_by_driver(touchpoint="delivery") == {"delivery": 200}
    assert await count_by_driver(stage="after") == {"delivery": 200}
    assert await count_by_driver(touchpoint="shop") == {"courtesy": 100}
    assert await count_by_driver(question="kind") == {"courtesy": 200}
    counted = await shop.metric("rating", touchpoint="delivery")
    assert counted["total"]["n"] == 200
    reach = await shop.get("/v1/insights/word-of-mouth", question="score", touchpoint="web")
    assert reach["n"] == 100
    unknown = await shop.call("GET", "/v1/insights/drivers?question=kine")
    assert unknown.status_code == 422
    assert "kind" in unknown.text


async def test_hidden_drivers_are_named_without_figures(shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 500})
    await drivers_shop(shop, 100)
    insight = await shop.get("/v1/insights/drivers")
    assert {row["importance"] for row in insight["rows"]} == {None}
    reply = await shop.call("GET", "/v1/insights/drivers?format=csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert {row["driver"] for row in rows} == {"waiting", "courtesy", "quality"}


async def test_neither_half_is_shown_if_one_is_small(shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 10})
    await shop.publish("nps", metric="nps", questions=[NPS])
    lines: list[Any] = []
    for index in range(40):
        lines += pair("nps", "score", index, (2, 9 if index % 2 else 3))
    await send(shop, lines)
    at = (NOW - dt.timedelta(days=50)).isoformat()
    await send(shop, [
        {"type": "recovery.resolved", "source": "crm", "occurred_at": at,
         "external_id": f"call-{index}", "customer": {"external_id": f"nps-{index}"}}
        for index in range(3)
    ], path="interactions")  # fmt: skip
    insight = await shop.get("/v1/insights/recovery")
    assert insight["followed"] == 40
    for part in ("contacted", "not_contacted", "difference"):
        assert set(insight[part].values()) == {None}, part


async def test_no_effect_is_found_in_noise(shop: Shop) -> None:
    """Neither drivers nor words that have nothing to do with the score are said to matter."""
    chance = random.Random(11)
    words = [f"{chance.choice('bcdfg')}{chance.choice('aeiou')}{chance.choice('lmnrt')}o"
             for _ in range(60)]  # fmt: skip
    questions = [NPS, COMMENT] + [
        {"key": key, "type": "rating", "text": TEXT, "driver": key}
        for key in ("waiting", "courtesy", "quality")
    ]
    await shop.publish("nps", metric="nps", questions=questions)
    lines = []
    for index in range(400):
        answers = {key: chance.randint(1, 5) for key in ("waiting", "courtesy", "quality")}
        answers |= {"score": chance.randint(0, 10)}
        text = " ".join(chance.sample(words, 6))
        lines.append(answer("nps", index, answers | {"why": text}))
    await send(shop, lines)
    insight = await shop.get("/v1/insights/drivers")
    assert insight["r2_p_value"] > 0.05
    terms = await shop.get("/v1/insights/comments")
    texts = DashboardTexts("en")
    assert "no more of the score than chance" in SENTENCES["drivers"](texts, insight)
    assert SENTENCES["comments"](texts, terms) == texts["sentence.comments_none"]
