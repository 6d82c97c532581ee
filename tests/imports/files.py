# SPDX-License-Identifier: Apache-2.0
"""A survey to read files into, and files as people send them."""

import csv
import io
from typing import Any

from tests.shop import Shop

TEXT = {"en": "How likely are you to recommend us?", "pl": "Czy nas polecisz?"}
QUESTIONS = [
    {"key": "score", "type": "nps", "text": TEXT},
    {"key": "why", "type": "text", "text": {"en": "Why?"}},
]
WIDE = {"period": "all"}


async def nps_survey(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=QUESTIONS)


async def send(shop: Shop, content: str | bytes, **params: Any) -> Any:
    """Send a file and return the reply's body; refuse anything but success."""
    reply = await post(shop, content, **params)
    assert reply.status_code in {200, 202}, reply.text
    return reply.json()


async def post(shop: Shop, content: str | bytes, **params: Any) -> Any:
    body = content.encode() if isinstance(content, str) else content
    asked = {"survey": "nps", "source": "file"} | params
    asked = {name: value for name, value in asked.items() if value is not None}
    headers = {"Content-Type": "application/octet-stream"}
    return await shop.call("POST", "/v1/imports", content=body, params=asked, headers=headers)


def table(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def net(scores: list[int]) -> float:
    good, bad = sum(s >= 9 for s in scores), sum(s <= 6 for s in scores)
    return 100 * (good - bad) / len(scores)


async def nps(shop: Shop) -> tuple[float | None, int]:
    total = (await shop.metric("nps", **WIDE))["total"]
    return total["value"], total["n"]
