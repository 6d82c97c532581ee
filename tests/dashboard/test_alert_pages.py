# SPDX-License-Identifier: Apache-2.0
"""Alerts on the dashboard: tried, made, shown with their chart, and raised."""

import datetime as dt
import json

from app.alerts.service import enqueue_due_alerts
from app.core.clock import utc_now
from app.core.database import Database
from tests.dashboard.conftest import Browser
from tests.shop import Shop


async def test_an_alert_is_tried_made_and_its_chart_shown(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    now = dt.datetime.now(dt.UTC)
    lines = [
        {"survey": "nps", "channel": "api", "answers": {"score": score},
         "touchpoint": "till" if number % 2 else None,
         "responded_at": (now - dt.timedelta(days=days_ago)).isoformat()}
        for days_ago in range(1, 26)
        for number, score in enumerate([9, 2] * 15 if days_ago > 3 else [1, 2] * 15)
    ]  # fmt: skip
    body = "\n".join(json.dumps(line) for line in lines)
    headers = {"Content-Type": "application/x-ndjson"}
    sent = await shop.call("POST", "/v1/responses/batch", content=body, headers=headers)
    assert sent.status_code == 200, sent.text
    await shop.post("/v1/members", {"email": "eva@c.pl", "name": "Eva"})
    await browser.sign_in()
    fields = {"name": "Daily", "metric": "nps", "interval": "day", "kind": "below", "value": "-50",
              "direction": "down", "notify": "eva@c.pl"}  # fmt: skip
    tried = await browser.send("/forms/alert-preview", page="/alerts", **fields)
    assert tried.status_code == 200, tried.text
    assert "times raised: 1." in tried.text
    # What was typed stays, and nothing was made.
    assert 'value="Daily"' in tried.text
    assert 'value="eva@c.pl" checked' in tried.text
    assert (await shop.get("/v1/alerts"))["data"] == []
    saved = await browser.send("/forms/alert-create", page="/alerts", **fields)
    assert saved.status_code == 303, saved.text
    (alert,) = (await shop.get("/v1/alerts"))["data"]
    assert alert["notify"] == ["member:eva@c.pl"]
    page = await browser.page(f"/alerts/{alert['id']}")
    assert page.count('class="dot marked"') == 3
    # A limit is not the usual value.
    assert "Usual" not in page
    assert f'href="/alerts/{alert["id"]}"' in await browser.page("/alerts")
    grouped = {"name": "By touchpoint", "metric": "nps", "interval": "day",
               "rule": {"kind": "shift"}, "group_by": "touchpoint"}  # fmt: skip
    by_touchpoint = await shop.post("/v1/alerts", grouped)
    page = await browser.page(f"/alerts/{by_touchpoint['id']}")
    assert "<h2>till</h2>" in page
    assert "<h2>–</h2>" in page


async def test_a_raised_alert_stands_on_the_overview_and_its_page(
    browser: Browser, shop: Shop, database: Database
) -> None:
    await shop.publish("nps")
    yesterday = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).isoformat()
    await shop.answer("nps", 2, responded_at=yesterday)
    rule = {"kind": "below", "value": 0, "min_n": 1}
    await shop.post("/v1/alerts", {"name": "NPS of the day", "metric": "nps", "rule": rule})
    await browser.sign_in()
    assert "quiet" in await browser.page("/alerts")
    async with database.transaction() as session:
        await enqueue_due_alerts(session, utc_now())
    await shop.work()
    page = await browser.page("/alerts")
    assert "raised" in page
    assert "−100" in page
    assert "NPS of the day" in await browser.page("/")
