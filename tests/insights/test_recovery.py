# SPDX-License-Identifier: Apache-2.0
"""Recovery of old histories: answers before 1970, and several of one moment."""

import json
from typing import Any

import pytest

from tests.shop import Shop


async def answer_twice(shop: Shop, moments: tuple[str, str], scores: tuple[int, int]) -> Any:
    """Let 25 customers answer twice, and return what became of bad ratings."""
    await shop.publish("nps")
    lines = [
        {"survey": "nps", "channel": "api", "answers": {"score": score}, "responded_at": at,
         "customer": {"external_id": f"c-{number}"}}
        for at, score in zip(moments, scores, strict=True)
        for number in range(25)
    ]  # fmt: skip
    for start in (0, 25):
        # One batch after the other, so that the first has the lower ids.
        body = "\n".join(json.dumps(line) for line in lines[start : start + 25])
        headers = {"Content-Type": "application/x-ndjson"}
        sent = await shop.call("POST", "/v1/responses/batch", content=body, headers=headers)
        assert sent.status_code == 200, sent.text
    return await shop.get("/v1/insights/recovery", period="all")


@pytest.mark.parametrize("year", [1905, 1965, 1970, 1975, 2025])
async def test_a_bad_rating_is_followed_in_any_year(shop: Shop, year: int) -> None:
    reply = await answer_twice(shop, (f"{year}-03-01T10:00:00Z", f"{year}-03-04T10:00:00Z"), (3, 9))
    assert (reply["failures"], reply["recovered"]) == (25, 25), reply
    assert reply["median_days"] == 3


@pytest.mark.parametrize("scores", [(9, 3), (3, 9)])
async def test_of_two_ratings_of_one_moment_neither_follows_the_other(
    shop: Shop, scores: tuple[int, int]
) -> None:
    moment = "2025-03-01T00:00:00Z"
    reply = await answer_twice(shop, (moment, moment), scores)
    assert (reply["failures"], reply["followed"], reply["recovered"]) == (25, 0, 0), reply
    assert reply["control"]["good_followed"] == 0


async def test_a_bad_rating_that_nothing_follows_is_a_failure(shop: Shop) -> None:
    reply = await answer_twice(shop, ("2025-03-01T10:00:00Z", "2025-03-04T10:00:00Z"), (9, 3))
    assert (reply["failures"], reply["followed"], reply["recovered"]) == (25, 0, 0), reply
    assert reply["control"]["good_followed"] == 25
