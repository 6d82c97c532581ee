# SPDX-License-Identifier: Apache-2.0
"""Insights as CSV: their rows and totals, and a refusal with its reason."""

import csv
import io

from tests.insights.test_insights import answer, send
from tests.shop import Shop


async def test_csv_has_rows_and_a_total(shop: Shop) -> None:
    await shop.publish("nps")
    await send(shop, [answer("nps", number, {"score": number % 11}) for number in range(40)])
    reply = await shop.call("GET", "/v1/insights/word-of-mouth?format=csv")
    assert reply.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["survey"] for row in rows] == ["nps", "total"]
    assert rows[0]["index"] == rows[1]["index"] != ""


async def test_a_refusal_as_csv_says_why(shop: Shop) -> None:
    reply = await shop.call("GET", "/v1/insights/drivers?format=csv")
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert (row["refused"], row["needed_n"], row["n"]) == ("too_few_answers", "50", "0")
    assert "longer period" in row["detail"]
