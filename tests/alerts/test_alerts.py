# SPDX-License-Identifier: Apache-2.0
"""Alerts as a company uses them: previewed, raised once, told, cleared."""

import datetime as dt
import json
import random
from typing import Any

import pytest

from app.core.settings import Settings
from app.metrics.registry import METRICS
from tests.question_types import answers_to, every_question
from tests.shop import Shop

TODAY = dt.datetime.now(dt.UTC).date()
DROP = {"name": "NPS falls", "metric": "nps", "rule": {"kind": "shift"}, "direction": "down"}


async def history(shop: Shop, *, last_days: int, days: int = 60, end: int = 1, **more: Any) -> None:
    """Give 40 answers a day until `end` days ago; in the last days everybody is unhappy."""
    chance = random.Random(6)
    lines = []
    for back in range(end, days + end):
        moment = dt.datetime.combine(TODAY - dt.timedelta(days=back), dt.time(12), dt.UTC)
        for number in range(40):
            bad = back < last_days + end
            score = chance.choice((2, 5, 7)) if bad else chance.choice((10, 9, 9, 8, 3))
            lines.append({
                "survey": "nps", "channel": "api", "answers": {"score": score},
                "external_id": f"{more}-{back}-{number}", "responded_at": moment.isoformat(),
            } | more)  # fmt: skip
    reply = await shop.call(
        "POST", "/v1/responses/batch", content="\n".join(map(json.dumps, lines)).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    assert reply.json()["rejected"] == []


async def look(shop: Shop) -> None:
    """Let the worker look at the alerts that are due."""
    from app.alerts.service import enqueue_due_alerts  # noqa: PLC0415 - of this helper alone
    from app.core.clock import utc_now  # noqa: PLC0415 - the same

    state = shop.client._transport.app.state  # type: ignore[attr-defined]
    async with state.database.transaction() as session:
        await enqueue_due_alerts(session, utc_now())
    await shop.work()


async def events(shop: Shop) -> list[Any]:
    feed = await shop.events("alert.raised", "alert.cleared")
    return [(event["type"], event["data"]) for event in feed]


async def test_a_drop_raises_once_and_a_correction_clears_it(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=3)
    member = await shop.post("/v1/members", {"email": "eva@c.pl", "name": "Eva"})
    alert = await shop.post("/v1/alerts", DROP | {"key": "drop", "notify": ["member:eva@c.pl"]})
    assert (alert["active"], alert["raised"], member["email"]) == (True, [], "eva@c.pl")
    await look(shop)
    await look(shop)
    (raised,) = await events(shop)
    assert raised[0] == "alert.raised"
    assert raised[1]["alert"]["key"] == "drop"
    assert raised[1]["period"] == (TODAY - dt.timedelta(days=1)).isoformat()
    assert raised[1]["value"] < raised[1]["expected"] - 30
    assert raised[1]["z"] < 0
    assert raised[1]["link"].endswith("/alerts")
    reply = await shop.get("/v1/alerts/drop")
    assert [row["n"] for row in reply["raised"]] == [40]
    since = f"{TODAY - dt.timedelta(days=3)}T00:00:00Z"
    listing = await shop.get("/v1/responses", limit=200, since=since)
    for response in listing["data"]:
        await shop.call("DELETE", f"/v1/responses/{response['id']}")
    await look(shop)
    (_, (name, cleared)) = await events(shop)
    # What clears it is the day before, on which all was well.
    assert (name, cleared["n"], cleared["value"] > raised[1]["expected"] - 30) == (
        "alert.cleared", 40, True,
    )  # fmt: skip
    assert (await shop.get("/v1/alerts/drop"))["raised"] == []


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_switched_off_or_deleted_alert_is_cleared(shop: Shop, method: str) -> None:
    await shop.publish("nps")
    await history(shop, last_days=3)
    await shop.post("/v1/alerts", DROP | {"key": "drop"})
    await look(shop)
    await shop.call(method, "/v1/alerts/drop", json={"active": False})
    await shop.work()
    assert [name for name, _ in await events(shop)] == ["alert.raised", "alert.cleared"]
    if method == "PATCH":
        assert (await shop.get("/v1/alerts/drop"))["raised"] == []


async def test_a_changed_limit_changes_the_expected_value(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=3)
    rule = {"kind": "below", "value": 90}
    await shop.post("/v1/alerts", {"name": "a", "key": "a", "metric": "nps", "rule": rule})
    await look(shop)
    await shop.call("PATCH", "/v1/alerts/a", json={"rule": rule | {"value": 80}})
    await look(shop)
    assert [row["expected"] for row in (await shop.get("/v1/alerts/a"))["raised"]] == [80]


async def test_a_baseline_without_answers_is_a_problem(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=3)
    span = {"from": str(TODAY - dt.timedelta(days=900)), "to": str(TODAY - dt.timedelta(days=800))}
    await shop.post("/v1/alerts", DROP | {"key": "drop", "baseline": span})
    await look(shop)
    assert "No answers lie within" in (await shop.get("/v1/alerts/drop"))["problem"]


async def test_chart_and_preview_tell_the_same(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=4)
    preview = await shop.post("/v1/alerts/preview", DROP, status=200)
    assert (preview["periods"], preview["raised"]) == (365, 1)
    await shop.post("/v1/alerts", DROP | {"key": "drop"})
    chart = await shop.get("/v1/alerts/drop/chart")
    assert chart["baseline"]["n_periods"] == 20
    with_z = [row for row in chart["rows"] if row["z"] is not None]
    assert len(with_z) == 40
    assert with_z[0]["limit"] < with_z[-1]["limit"]
    signals = [row["period"] for row in chart["rows"] if row["signal"]]
    assert preview["rows"][0]["period"] == signals[0]
    assert signals[0] >= (TODAY - dt.timedelta(days=4)).isoformat()


async def test_an_imported_history_stands_on_the_chart_and_is_silent(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=5, end=30)
    await shop.post("/v1/alerts", DROP | {"key": "drop"})
    await look(shop)
    assert await events(shop) == []
    chart = await shop.get("/v1/alerts/drop/chart")
    assert any(row["signal"] for row in chart["rows"])


async def test_a_limit_needs_enough_answers(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=2, days=5)
    rule = {"kind": "below", "value": 0, "min_n": 30}
    await shop.post("/v1/alerts", {"name": "low", "metric": "nps", "rule": rule, "key": "low"})
    few = {"kind": "below", "value": 0, "min_n": 50}
    await shop.post("/v1/alerts", {"name": "few", "metric": "nps", "rule": few, "key": "few"})
    await look(shop)
    raised = await events(shop)
    assert [data["alert"]["key"] for _, data in raised] == ["low"]
    assert raised[0][1]["z"] is None
    assert raised[0][1]["expected"] == 0


async def test_each_group_has_its_own_chart(shop: Shop) -> None:
    await shop.publish("nps")
    await history(shop, last_days=4, touchpoint="checkout")
    await history(shop, last_days=0, touchpoint="delivery")
    await shop.post("/v1/alerts", DROP | {"key": "drop", "group_by": "touchpoint"})
    await look(shop)
    (raised,) = await events(shop)
    assert raised[1]["group"] == {"touchpoint": "checkout"}
    chart = await shop.get("/v1/alerts/drop/chart")
    assert [baseline["group"]["touchpoint"] for baseline in chart["baselines"]] == [
        "checkout", "delivery"
    ]  # fmt: skip


async def test_every_figure_gives_the_sums_by_which_it_is_watched(shop: Shop) -> None:
    questions = [
        {"key": f"q-{question['type']}", "text": {"en": "?"}} | question
        for question in every_question()
    ]
    await shop.publish("every", metric="custom", questions=questions)
    lines = [
        {"survey": "every", "channel": "api", "answers": {question["key"]: answer}}
        for question in questions
        # Each answer another number of times, so that no wrong sum is of the same size.
        for often, answer in enumerate(answers_to(question), start=1)
        for _ in range(often)
    ]
    reply = await shop.call("POST", "/v1/responses/batch", json=lines)
    assert reply.json()["accepted"] == len(lines), reply.text
    await shop.publish("nps")
    await shop.answer("nps", 2)
    invited = await shop.post("/v1/invitations", {
        "survey": "nps", "customer": {"email": "a@c.pl"}, "channel": "link",
    })  # fmt: skip
    assert invited["status"] == "sent"
    for name, metric in METRICS.items():
        if metric.sums is None:
            continue
        total = (await shop.metric(name, period="all"))["total"]
        sums = metric.sums(total)
        assert sums.n == total["n"] > 0, name
        assert sums.mean == pytest.approx(total["value"]), name


async def test_the_response_rate_and_times_of_tickets_are_watched_too(shop: Shop) -> None:
    for metric in ("response_rate", "ttr", "csat", "ces", "rating", "emotion", "expectation"):
        body = {"name": metric, "metric": metric, "rule": {"kind": "shift"}, "interval": "week"}
        preview = await shop.post("/v1/alerts/preview", body, status=200)
        # The week of this day a year ago is 52 weeks back, or 53 if today is a Monday.
        assert preview["periods"] in {52, 53}
        assert preview["raised"] == 0


async def test_a_slow_week_of_tickets_is_found(shop: Shop) -> None:
    lines = []
    for back in range(1, 61):
        end = dt.datetime.combine(TODAY - dt.timedelta(days=back), dt.time(12), dt.UTC)
        for number in range(12):
            hours = 60 if back <= 4 else 2 + number
            ticket = f"t{back}-{number}"
            for type_, at in (("ticket.opened", end - dt.timedelta(hours=hours)),
                              ("ticket.solved", end)):  # fmt: skip
                lines.append({"type": type_, "source": "desk", "ticket": ticket,
                              "external_id": f"{ticket}{type_}",
                              "occurred_at": at.isoformat()})  # fmt: skip
    reply = await shop.call(
        "POST", "/v1/interactions/batch", content="\n".join(map(json.dumps, lines)).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    assert reply.json()["rejected"] == []
    await shop.post("/v1/alerts", DROP | {"metric": "ttr", "key": "slow"})
    await look(shop)
    (raised,) = await events(shop)
    assert raised[1]["value"] == 0
    assert 50 <= raised[1]["expected"] <= 60


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"metric": "choice"}, ["body", "metric"]),
        ({"metric": "npss"}, ["body", "metric"]),
        ({"rule": {"kind": "above"}}, ["body", "rule", "above", "value"]),
        ({"rule": {"kind": "rises"}}, ["body", "rule"]),
        ({"filter": {"colour": "red"}}, ["body", "filter"]),
        ({"filter": {"touchpoint": "moon"}}, ["body", "filter", "touchpoint"]),
        ({"group_by": "weather"}, ["body", "group_by"]),
        ({"notify": ["member:nobody@c.pl"]}, ["body", "notify", 0]),
        ({"baseline": {"from": "2026-02-01", "to": "2026-01-01"}}, ["body", "baseline"]),
        ({"baseline": {"from": "1900-01-01", "to": "1900-01-02"}}, ["body", "baseline", "from"]),
        ({"baseline": {"from": "2026-02-01", "to": "9999-12-31"}}, ["body", "baseline", "to"]),
        ({"metric": "ttr", "group_by": "channel"}, ["body", "group_by"]),
    ],
)
async def test_a_wrong_field_is_named(
    shop: Shop, change: dict[str, Any], loc: list[str | int]
) -> None:
    await shop.publish("nps")
    reply = await shop.call("POST", "/v1/alerts", json=DROP | change)
    assert reply.status_code == 422, reply.text
    assert loc in [list(error["loc"]) for error in reply.json()["errors"]], reply.text


async def test_keys_changes_and_deletion(shop: Shop) -> None:
    alert = await shop.post("/v1/alerts", DROP | {"key": "drop"})
    assert (await shop.call("POST", "/v1/alerts", json=DROP | {"key": "drop"})).status_code == 409
    reply = await shop.call("PATCH", "/v1/alerts/drop", json={"active": False, "name": "Off"})
    assert (reply.json()["active"], reply.json()["name"]) == (False, "Off")
    assert [row["id"] for row in (await shop.get("/v1/alerts"))["data"]] == [alert["id"]]
    assert (await shop.call("DELETE", f"/v1/alerts/{alert['id']}")).status_code == 204
    assert (await shop.call("GET", "/v1/alerts/drop")).status_code == 404


async def test_a_change_must_fit_the_other_rules(shop: Shop) -> None:
    await shop.publish("csat", template="csat")
    rule = {"kind": "below", "value": 60}
    alert = await shop.post("/v1/alerts", {"name": "CSAT", "metric": "csat", "rule": rule})
    path = f"/v1/alerts/{alert['id']}"
    reply = await shop.call("PATCH", path, json={"rule": {"kind": "below", "value": -5}})
    assert (reply.status_code, "from 0 to 100" in reply.text) == (422, True)
    assert (await shop.get(path))["rule"]["value"] == 60
    assert (await shop.call("GET", f"{path}/chart")).status_code == 200


async def test_an_alert_whose_segment_is_gone_says_so(shop: Shop) -> None:
    await shop.publish("nps")
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    alert = await shop.post("/v1/alerts", DROP | {"group_by": "property.store"})
    await shop.call("PATCH", "/v1/workspace", json={"segments": []})
    await look(shop)
    reply = await shop.get(f"/v1/alerts/{alert['id']}")
    assert "store" in reply["problem"]
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.call("PATCH", f"/v1/alerts/{alert['id']}", json={"active": True})
    await look(shop)
    assert (await shop.get(f"/v1/alerts/{alert['id']}"))["problem"] is None


async def test_a_group_without_answers_is_cleared_by_a_mail_without_a_value(
    shop: Shop, settings: Settings
) -> None:
    await shop.publish("nps")
    await history(shop, last_days=3, days=24, touchpoint="till")
    await shop.post("/v1/members", {"email": "eva@c.pl", "name": "Eva"})
    body = DROP | {"key": "drop", "group_by": "touchpoint", "notify": ["member:eva@c.pl"]}
    await shop.post("/v1/alerts", body)
    await look(shop)
    assert [name for name, _ in await events(shop)] == ["alert.raised"]
    reply = await shop.call("PATCH", "/v1/responses?touchpoint=till", json={"reject": True})
    assert reply.json()["changed"] == 960
    await look(shop)
    assert [name for name, _ in await events(shop)] == ["alert.raised", "alert.cleared"]
    mails = [path.read_text() for path in (settings.data_dir / "mail").glob("*.eml")]
    about = [mail for mail in mails if "Group: till" in mail]
    assert len(about) == 2
