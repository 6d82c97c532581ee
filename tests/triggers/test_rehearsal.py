# SPDX-License-Identifier: Apache-2.0
"""A dry run over past interactions: whom a trigger would have invited, and why not the others."""

import datetime as dt
from typing import Any

from tests.shop import Shop

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


async def record_solved(shop: Shop, number: int, *, days: float, **more: Any) -> None:
    at = (NOW - dt.timedelta(days=days)).isoformat()
    customer = {"external_id": f"c{number}", "email": f"c{number}@b.pl"}
    body = {"ticket": f"t{number}-{days}", "customer": customer, "occurred_at": at} | more
    await shop.record("ticket.solved", f"e{number}-{days}", **body)


async def test_history_is_judged_as_it_happened(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    for number in range(3):
        await record_solved(shop, number, days=10)
    await record_solved(shop, 0, days=8)
    await record_solved(shop, 5, days=5, customer={"external_id": "nobody"})
    await record_solved(shop, 6, days=40)
    trigger = await shop.make_trigger(
        "ces", active=False, max_age="PT1H", delay="PT2H", throttle={"days": 7}
    )
    report = await shop.post(f"/v1/triggers/{trigger['id']}/dry-run?since=P30D", status=200)
    assert (report["interactions"], report["invited"]) == (5, 3)
    assert report["skipped"] == {"throttled": 1, "no_address": 1}
    assert report["examples"][0]["outcome"] == "invited"
    assert (await shop.get("/v1/decisions"))["data"] == []
    longer = await shop.post(f"/v1/triggers/{trigger['id']}/dry-run?since=P60D", status=200)
    assert longer["interactions"] == 6


async def test_a_dry_run_needs_a_body_or_a_time(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    trigger = await shop.make_trigger("ces")
    reply = await shop.call("POST", f"/v1/triggers/{trigger['id']}/dry-run")
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["loc"] == ["body"]
    wrong = await shop.call("POST", f"/v1/triggers/{trigger['id']}/dry-run?since=month")
    assert wrong.json()["errors"][0]["loc"] == ["query", "since"]
