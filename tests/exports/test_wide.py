# SPDX-License-Identifier: Apache-2.0
"""One row a response for one's own analysis: scores and tags as the API computes them."""

import json
from typing import Any

import pytest

from tests.shop import Shop

QUESTIONS = [
    {"key": "score", "type": "nps", "text": {"en": "?"}},
    {"key": "slow", "type": "rating", "points": 5, "driver": "waiting", "reverse": True,
     "text": {"en": "?"}},
    {"key": "slower", "type": "rating", "points": 3, "driver": "waiting", "text": {"en": "?"}},
    {"key": "kind", "type": "rating", "points": 5, "pillar": "empathy", "text": {"en": "?"}},
    {"key": "mood", "type": "emotion", "driver": "courtesy", "text": {"en": "?"}},
]  # fmt: skip


async def test_scores_and_tags_of_each_response(shop: Shop) -> None:
    await shop.publish("s", questions=QUESTIONS, metric="nps")
    await shop.answer("s", {"score": 9, "slow": 2, "slower": 2, "kind": 5, "mood": "joy"})
    await shop.answer("s", {"score": 3, "slow": None})
    reply = await shop.call("GET", "/v1/exports/answers_wide", params={"format": "ndjson"})
    rows = {row["score"]: row for row in map(json.loads, reply.text.splitlines())}
    # 100 - 25 of the reversed one, 50 of the other.
    assert rows[9]["drivers"] == {"waiting": pytest.approx((75 + 50) / 2)}
    assert rows[9]["pillars"] == {"empathy": 100}
    assert rows[9]["scores"] == {"score": 9, "slow": 2, "slower": 2, "kind": 5, "mood": 1}
    assert (rows[3]["scores"], rows[3]["drivers"]) == ({"score": 3}, None)
    means = (await shop.metric("rating", group_by="driver", period="all"))["rows"]
    (waiting,) = [row for row in means if row["group"]["driver"] == "waiting"]
    assert waiting["mean_0_100"] == pytest.approx(62.5)


async def test_half_of_a_pillar_is_needed_as_in_the_insight(shop: Shop) -> None:
    text = {"en": "?"}
    questions: list[Any] = [{"key": "score", "type": "nps", "text": text}]
    questions += [
        {"key": f"p{number}", "type": "rating", "points": 5, "pillar": "empathy", "text": text}
        for number in range(3)
    ]
    questions.append({"key": "told", "type": "rating", "driver": "told", "text": text})
    await shop.publish("s", questions=questions, metric="nps")
    for _ in range(12):
        await shop.answer("s", {"score": 9, "p0": 5, "told": 3})
        await shop.answer("s", {"score": 2, "p0": 1, "p1": 1})
    reply = await shop.call("GET", "/v1/exports/answers_wide", params={"format": "ndjson"})
    rows = [json.loads(line) for line in reply.text.splitlines()]
    assert {row["drivers"] is None for row in rows} == {True}
    known = [row["pillars"]["empathy"] for row in rows if row["pillars"]]
    insight = await shop.get("/v1/insights/pillars")
    assert (sum(known) / len(known), len(known)) == (0, 12)
    assert (insight["rows"][0]["score"], insight["rows"][0]["n"]) == (0, 12)
