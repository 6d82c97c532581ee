# SPDX-License-Identifier: Apache-2.0
"""A survey that changed its questions: each answer is read by what it was asked."""

import csv
import io
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.insights.test_insights import NPS, answer, clip_to, rating, send
from tests.shop import Shop


async def ask_again(shop: Shop, survey: str, questions: Sequence[dict[str, Any]]) -> None:
    """Publish the survey's next version with these questions."""
    reply = await shop.call("PATCH", f"/v1/surveys/{survey}", json={"questions": questions})
    assert reply.status_code == 200, reply.text
    await shop.post(f"/v1/surveys/{survey}/publish", status=200)


async def send_rated(
    shop: Shop, start: int, n: int, keys: Sequence[str], *, main: str = "score"
) -> None:
    """Send answers to a version: the first of the keys decides the score."""
    chance, lines = random.Random(start), []
    for number in range(start, start + n):
        ratings = {key: chance.randint(1, 5) for key in keys}
        score = clip_to(2 * ratings[keys[0]] + chance.gauss(0, 1), 0, 10)
        lines.append(answer("visit", number, {main: score} | ratings))
    await send(shop, lines)


WAIT, KIND, HONEST = (
    rating("wait", driver="waiting"), rating("kind", driver="courtesy"),
    rating("true", driver="honesty"),
)  # fmt: skip


async def test_a_driver_that_is_asked_no_more_does_not_end_the_insight(shop: Shop) -> None:
    await shop.publish("visit", metric="nps", questions=[NPS, WAIT, KIND])
    await send_rated(shop, 0, 100, ["wait", "kind"])
    await ask_again(shop, "visit", [NPS, WAIT, HONEST])
    before = await shop.get("/v1/insights/drivers")
    assert [row["driver"] for row in before["rows"]] == ["waiting", "courtesy"]
    await send_rated(shop, 200, 120, ["wait", "true"])
    insight = await shop.get("/v1/insights/drivers")
    assert insight["refused"] is None
    assert [row["driver"] for row in insight["rows"]] == ["waiting", "honesty"]
    assert insight["n"] == 120
    assert any("courtesy" in warning for warning in insight["warnings"])
    # What was rated in both versions is counted in both.
    assert insight["rows"][0]["n"] == 220


async def test_a_driver_that_nobody_has_answered_is_left_out(shop: Shop) -> None:
    await shop.publish("visit", metric="nps", questions=[NPS, WAIT, KIND, HONEST])
    await send_rated(shop, 0, 100, ["wait", "kind"])
    insight = await shop.get("/v1/insights/drivers")
    assert [row["driver"] for row in insight["rows"]] == ["waiting", "courtesy"]
    assert any("honesty" in warning for warning in insight["warnings"])


async def test_half_of_a_pillar_is_of_the_items_that_were_asked(shop: Shop) -> None:
    old = [rating(f"old{number}", pillar="integrity") for number in range(2)]
    new = [rating(f"new{number}", pillar="integrity") for number in range(3)]
    ease = rating("ease", pillar="empathy")
    await shop.publish("visit", metric="nps", questions=[NPS, *old, ease])
    await send_rated(shop, 0, 20, ["old0", "old1", "ease"])
    await ask_again(shop, "visit", [NPS, *new, rating("quick", pillar="time_and_effort")])
    await send_rated(shop, 100, 30, ["new0", "new1", "new2", "quick"])
    lone = {"score": 9, "new0": 5, "new1": None, "new2": None, "quick": 5}
    await send(shop, [answer("visit", 900, lone)])
    insight = await shop.get("/v1/insights/pillars")
    rows = {row["pillar"]: row for row in insight["rows"]}
    # One of three is less than half.
    assert rows["integrity"]["n"] == 50
    assert (rows["integrity"]["items"], rows["integrity"]["alpha"] is None) == (3, False)
    assert (rows["empathy"]["n"], rows["empathy"]["weight"]) == (20, 0)
    assert insight["index"]["n"] == 30
    assert insight["index"]["value"] is not None
    assert any("empathy" in warning for warning in insight["warnings"])
    reply = await shop.call("GET", "/v1/exports/answers_wide", params={"format": "csv"})
    exported = [
        json.loads(row["pillars"] or "{}") for row in csv.DictReader(io.StringIO(reply.text))
    ]
    assert sum("integrity" in row for row in exported) == 50


async def test_the_main_question_may_get_another_key(shop: Shop) -> None:
    await shop.publish("visit", metric="nps", questions=[NPS, WAIT, KIND])
    await send_rated(shop, 0, 100, ["wait", "kind"])
    await ask_again(shop, "visit", [NPS | {"key": "another"}, WAIT, KIND])
    old = await shop.get("/v1/insights/drivers")
    assert (old["outcome"]["question"], old["n"]) == ("score", 100)
    await send_rated(shop, 200, 90, ["wait", "kind"], main="another")
    insight = await shop.get("/v1/insights/drivers")
    assert (insight["outcome"]["question"], insight["n"]) == ("another", 90)
    assert insight["rows"][0]["importance_share"] == pytest.approx(100, abs=10)
