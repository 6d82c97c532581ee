# SPDX-License-Identifier: Apache-2.0
"""Triggers: who is asked, who is not, and why."""

import asyncio
from typing import Any

import pytest

from tests.shop import Shop

ALA = {"external_id": "c-1", "email": "ala@example.pl", "name": "Ala Nowak", "locale": "pl"}


async def reason(shop: Shop, external_id: str = "e-1", **more: Any) -> str | None:
    """Record a solved ticket; return why nobody was invited, or None if somebody was."""
    interaction = await shop.record("ticket.solved", external_id, **{"customer": ALA} | more)
    (decision,) = interaction["decisions"]
    assert (decision["outcome"] == "invited") is (decision["reason"] is None)
    cause: str | None = decision["reason"]
    return cause


async def test_a_solved_ticket_invites_its_customer_once(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    trigger = await shop.make_trigger("ces", delay="PT2H")
    reply = await shop.record("ticket.solved", "e-1", ticket="4711", customer=ALA)
    (decision,) = reply["decisions"]
    assert decision["outcome"] == "invited"
    assert decision["trigger"] == trigger["id"]
    again = await shop.record("ticket.solved", "e-1", status=200, ticket="4711", customer=ALA)
    assert again["id"] == reply["id"]
    assert again["decisions"] == reply["decisions"]
    invitation = await shop.get(f"/v1/invitations/{decision['invitation']}")
    assert invitation["status"] == "scheduled"
    assert (invitation["survey"], invitation["ticket"], invitation["locale"]) == (
        "ces", "4711", "pl",
    )  # fmt: skip
    assert len((await shop.get("/v1/invitations"))["data"]) == 1


async def test_where_no_trigger_listens_there_are_no_decisions(shop: Shop) -> None:
    reply = await shop.record("ticket.solved", "e-1")
    assert reply["decisions"] == []
    assert reply["ticket"] is None


CONDITIONS = [
    ({"property": "tags", "op": "contains", "value": "vip"}, True),
    ({"property": "tags", "op": "contains", "value": "spam"}, False),
    ({"property": "tags", "op": "not_contains", "value": "spam"}, True),
    ({"property": "agent", "op": "eq", "value": "eva"}, True),
    ({"property": "agent", "op": "ne", "value": "eva"}, False),
    ({"property": "agent", "op": "contains", "value": "ev"}, True),
    ({"property": "agent", "op": "in", "value": ["adam", "eva"]}, True),
    ({"property": "agent", "op": "not_in", "value": ["adam", "eva"]}, False),
    ({"property": "nobody", "op": "exists"}, False),
    ({"property": "nobody", "op": "exists", "value": False}, True),
    ({"property": "nobody", "op": "ne", "value": "x"}, True),
    ({"property": "nobody", "op": "eq", "value": "x"}, False),
    ({"property": "value.amount", "op": "gte", "value": 100}, True),
    ({"property": "value.amount", "op": "lt", "value": 100.5}, False),
    ({"property": "value.currency", "op": "eq", "value": "PLN"}, True),
    ({"property": "level", "op": "gt", "value": 2}, True),
    ({"property": "customer.plan", "op": "eq", "value": "pro"}, True),
    ({"property": "customer.email", "op": "contains", "value": "@example.pl"}, True),
    ({"property": "touchpoint", "op": "eq", "value": "support"}, True),
    ({"property": "ticket", "op": "exists"}, True),
    ({"property": "order", "op": "exists"}, False),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS)
async def test_conditions(shop: Shop, condition: dict[str, Any], holds: bool) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", where=[condition])
    cause = await reason(
        shop,
        ticket="1",
        touchpoint="support",
        properties={"agent": "eva", "tags": ["vip", "new"], "level": "3"},
        value={"amount": "129.90", "currency": "pln"},
        customer=ALA | {"properties": {"plan": "pro"}},
    )
    assert cause == (None if holds else "condition")


async def test_all_of_unless_must_hold_to_skip(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    unless = [
        {"property": "tags", "op": "contains", "value": "spam"},
        {"property": "agent", "op": "eq", "value": "bot"},
    ]
    await shop.make_trigger("ces", unless=unless)
    assert await reason(shop, "e-1", properties={"tags": ["spam"], "agent": "eva"}) is None
    assert await reason(shop, "e-2", properties={"tags": ["spam"], "agent": "bot"}) == "condition"
    page = await shop.get("/v1/decisions", reason="condition")
    assert "agent eq 'bot'" in page["data"][0]["detail"]


async def test_reasons_not_to_ask(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", max_age="P7D")
    assert await reason(shop, "old", occurred_at="2026-01-01T00:00:00Z") == "too_old"
    assert await reason(shop, "nobody", customer=None) == "no_address"
    assert await reason(shop, "no-mail", customer={"external_id": "c-9"}) == "no_address"
    assert await reason(shop, "test", test=True) == "test"
    refuses = {"email": "no@example.pl", "consent": {"surveys": False}}
    assert await reason(shop, "refuses", customer=refuses) == "no_consent"
    await shop.call("PUT", "/v1/customers/c-5", json={"email": "5@e.pl", "do_not_survey": True})
    assert await reason(shop, "opted", customer={"email": "5@e.pl"}) == "opted_out"
    await shop.post("/v1/unsubscribes", {"email": "Gone@e.pl"})
    assert await reason(shop, "unsubscribed", customer={"email": "gone@e.pl"}) == "unsubscribed"
    await shop.post("/v1/bounces", [{"email": "dead@e.pl"}])
    assert await reason(shop, "bounced", customer={"email": "dead@e.pl"}) == "bounced"
    await shop.call("PATCH", "/v1/workspace", json={"require_consent": True})
    assert await reason(shop, "asked", customer=ALA) == "no_consent"
    agrees = ALA | {"consent": {"surveys": True, "source": "checkout"}}
    assert await reason(shop, "agreed", customer=agrees) is None
    await shop.post("/v1/surveys/ces/close", status=200)
    assert await reason(shop, "closed") == "survey_not_live"
    counts = await shop.get("/v1/decisions/summary")
    assert (counts["total"], counts["invited"]) == (11, 1)
    assert counts["reasons"]["no_address"] == 2


async def test_a_sample_is_stable_per_customer(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", sample_rate=0.5, once_per="interaction")
    people = [{"email": f"{number}@e.pl"} for number in range(60)]
    first = [
        await reason(shop, f"a-{number}", customer=person) for number, person in enumerate(people)
    ]
    again = [
        await reason(shop, f"b-{number}", customer=person) for number, person in enumerate(people)
    ]
    assert first == again
    assert 12 < first.count("sampled_out") < 48


async def test_thirty_at_once_under_a_throttle_make_one_invitation(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", throttle={"days": 30}, delay="PT1H")
    reasons = await asyncio.gather(
        *(reason(shop, f"e-{number}", ticket=f"{number}") for number in range(30))
    )
    assert sorted(map(str, reasons)) == ["None"] + ["throttled"] * 29
    decision = (await shop.get("/v1/decisions", reason="throttled"))["data"][0]
    assert decision["detail"].startswith("until ")


async def test_a_throttle_is_released_when_nothing_was_sent(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", throttle={"days": 30}, delay="PT1H")
    reply = await shop.record("ticket.solved", "e-1", ticket="1", customer=ALA)
    assert await reason(shop, "e-2", ticket="2") == "throttled"
    id_ = reply["decisions"][0]["invitation"]
    await shop.post(f"/v1/invitations/{id_}/cancel", status=200)
    assert await reason(shop, "e-3", ticket="3") is None


async def test_a_throttle_of_one_survey_leaves_others_alone(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.publish("nps", "nps")
    await shop.make_trigger("ces", throttle={"days": 30, "scope": "survey"}, priority=5)
    await shop.make_trigger("nps", throttle={"days": 30, "scope": "metric"})
    reply = await shop.record("ticket.solved", "e-1", ticket="1", customer=ALA)
    assert [decision["outcome"] for decision in reply["decisions"]] == ["invited", "invited"]
    reply = await shop.record("ticket.solved", "e-2", ticket="2", customer=ALA)
    assert [decision["reason"] for decision in reply["decisions"]] == ["throttled", "throttled"]


async def test_the_higher_priority_wins(shop: Shop) -> None:
    await shop.publish("low")
    await shop.publish("high")
    await shop.call("PATCH", "/v1/workspace", json={"throttle": {"days": 7}})
    await shop.make_trigger("low")
    high = await shop.make_trigger("high", priority=10)
    reply = await shop.record("ticket.solved", "e-1", customer=ALA)
    outcomes = [
        (decision["trigger"] == high["id"], decision["reason"]) for decision in reply["decisions"]
    ]
    assert outcomes == [(True, None), (False, "throttled")]


async def test_the_same_resolution_never_asks_twice(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", delay="PT0S")
    case: dict[str, Any] = {"ticket": "1", "customer": ALA}
    await shop.record("ticket.opened", "e-0", **case, occurred_at="2026-11-01T08:00:00Z")
    assert await reason(shop, "e-1", **case, occurred_at="2026-11-01T09:00:00Z") is None
    assert await reason(shop, "e-2", **case, occurred_at="2026-11-01T10:00:00Z") == "duplicate"
    await shop.record("ticket.reopened", "e-3", **case, occurred_at="2026-11-01T11:00:00Z")
    assert await reason(shop, "e-4", **case, occurred_at="2026-11-01T12:00:00Z") is None


async def test_reopened_within_the_delay_is_called_off(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", delay="PT2H")
    reply = await shop.record("ticket.solved", "e-1", ticket="1", customer=ALA)
    await shop.record("ticket.reopened", "e-2", ticket="1")
    invitation = await shop.get(f"/v1/invitations/{reply['decisions'][0]['invitation']}")
    assert (invitation["status"], invitation["detail"]) == ("cancelled", "ticket.reopened")
    (decision,) = (await shop.get("/v1/decisions", ticket="1"))["data"]
    assert (decision["outcome"], decision["reason"]) == ("invited", "cancelled")


async def test_a_ticket_that_is_known_to_be_reopened_invites_nobody(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    case: dict[str, Any] = {"ticket": "1", "customer": ALA}
    await shop.record("ticket.reopened", "e-2", **case, occurred_at="2026-11-01T11:00:00Z")
    assert await reason(shop, "e-1", **case, occurred_at="2026-11-01T10:00:00Z") == "cancelled"


async def test_a_refunded_order_is_not_asked_about(shop: Shop) -> None:
    await shop.publish("csat", "csat")
    await shop.make_trigger("csat", on="order.delivered", delay="P3D")
    reply = await shop.record("order.delivered", "e-1", order="1001", customer=ALA)
    again = await shop.record("order.delivered", "e-2", order="1001", customer=ALA)
    assert again["decisions"][0]["reason"] == "duplicate"
    await shop.record("order.refunded", "e-3", order="1001")
    invitation = await shop.get(f"/v1/invitations/{reply['decisions'][0]['invitation']}")
    assert invitation["status"] == "cancelled"


async def test_conditions_are_checked_again_when_the_delay_is_over(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    where = [{"property": "tags", "op": "not_contains", "value": "angry"}]
    trigger = await shop.make_trigger("ces", where=where, delay="PT1S")
    reply = await shop.record("ticket.solved", "e-1", ticket="1", customer=ALA)
    await shop.record("ticket.tagged", "e-2", ticket="1", properties={"tags": ["angry"]})
    other = await shop.record("ticket.solved", "e-3", ticket="2", customer={"email": "b@e.pl"})
    await shop.work()
    invitations = [
        await shop.get(f"/v1/invitations/{interaction['decisions'][0]['invitation']}")
        for interaction in (reply, other)
    ]
    assert [(invitation["status"], invitation["reason"]) for invitation in invitations] == [
        ("cancelled", "condition"),
        ("stored", None),
    ]
    third = await shop.record("ticket.solved", "e-4", ticket="3", customer={"email": "d@e.pl"})
    await shop.call("PATCH", f"/v1/triggers/{trigger['id']}", json={"active": False})
    await shop.work()
    (decision,) = (await shop.get("/v1/decisions", interaction=third["id"]))["data"]
    assert decision["reason"] == "inactive"


async def test_a_dry_run_stores_nothing(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    trigger = await shop.make_trigger("ces", delay="PT2H", active=False)
    body = {"type": "ticket.solved", "source": "h", "external_id": "x", "customer": ALA}
    path = f"/v1/triggers/{trigger['id']}/dry-run"
    assert (await shop.post(path, body, status=200))["reason"] == "inactive"
    await shop.call("PATCH", f"/v1/triggers/{trigger['id']}", json={"active": True})
    decision = await shop.post(path, body, status=200)
    assert decision["outcome"] == "invited"
    assert decision["send_at"]
    for list_ in ("interactions", "invitations", "decisions", "customers"):
        assert (await shop.get(f"/v1/{list_}"))["data"] == []


async def test_a_batch_invites_nobody_unless_it_asks_for_triggers(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    body = [
        {"type": "ticket.solved", "source": "h", "external_id": f"{number}", "customer": ALA}
        for number in range(3)
    ]
    report = await shop.post("/v1/interactions/batch", [*body, body[0], {"type": "x"}], status=200)
    assert (report["accepted"], report["duplicates"]) == (3, 1)
    assert {tuple(error["loc"]) for error in report["rejected"][0]["errors"]} == {
        ("body", "source"), ("body", "external_id"),
    }  # fmt: skip
    assert (await shop.get("/v1/decisions"))["data"] == []
    body = [line | {"external_id": f"again-{number}"} for number, line in enumerate(body)]
    reply = await shop.call("POST", "/v1/interactions/batch?triggers=true", json=body)
    assert reply.json()["accepted"] == 3
    assert len((await shop.get("/v1/decisions"))["data"]) == 3


async def test_triggers_are_changed_and_deleted(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    window = {"days": ["mon"], "from": "09:00", "to": "17:00"}
    await shop.make_trigger("ces", key="after", throttle=None, send_window=window)
    body = {"name": "n", "on": "visit", "survey": "ces", "key": "after"}
    assert (await shop.call("POST", "/v1/triggers", json=body)).status_code == 409
    read = await shop.get("/v1/triggers/after")
    assert (read["throttle"], read["send_window"], read["delay"]) == (None, window, "PT0S")
    changed = await shop.call("PATCH", "/v1/triggers/after", json={"delay": "P1D"})
    assert changed.json()["send_window"] == window
    assert (await shop.call("DELETE", "/v1/triggers/after")).status_code == 204
    assert (await shop.get("/v1/triggers"))["data"] == []


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"delay": "2 hours"}, "delay"),
        ({"where": [{"property": "x", "op": "is", "value": 1}]}, "where"),
        ({"where": [{"property": "x", "op": "in", "value": 1}]}, "where"),
        ({"where": [{"property": "x", "op": "gt", "value": "much"}]}, "where"),
        ({"sample_rate": 1.5}, "sample_rate"),
        ({"send_window": {"days": [], "from": "09:00", "to": "17:00"}}, "send_window"),
        ({"send_window": {"days": ["mon"], "from": "19:00", "to": "17:00"}}, "send_window"),
        ({"throttle": {"days": 0}}, "throttle"),
        ({"wher": []}, "wher"),
    ],
)
async def test_a_wrong_rule_is_named(shop: Shop, rules: dict[str, Any], field: str) -> None:
    await shop.publish("ces", "ces")
    body = {"name": "n", "on": "ticket.solved", "survey": "ces"} | rules
    reply = await shop.call("POST", "/v1/triggers", json=body)
    assert reply.status_code == 422
    assert field in reply.json()["errors"][0]["loc"]


async def test_a_link_of_a_trigger_keeps_the_delay(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", channel="link", delay="PT1H")
    reply = await shop.record("ticket.solved", "e-1", ticket="1", customer={"external_id": "c-1"})
    path = f"/v1/invitations/{reply['decisions'][0]['invitation']}"
    assert (await shop.get(path))["status"] == "scheduled"
    await shop.record("ticket.reopened", "e-2", ticket="1")
    assert (await shop.get(path))["status"] == "cancelled"


async def test_a_link_of_a_trigger_is_given_out_when_due(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", channel="link")
    reply = await shop.record("ticket.solved", "e-1", ticket="1", customer={"external_id": "c-1"})
    await shop.work()
    invitation = await shop.get(f"/v1/invitations/{reply['decisions'][0]['invitation']}")
    assert invitation["status"] == "sent"
    assert (await shop.client.get("/i/" + invitation["url"].rpartition("/")[2])).status_code == 200


async def test_odd_properties_break_no_trigger(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    odd = await reason(shop, "e-1", ticket="1", properties={"opened_by": ["admin"]})
    assert odd is None


async def test_nobody_is_asked_about_a_ticket_that_the_company_opened(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces", throttle=None)
    for opener in ("admin", "bot"):
        by_company = {"ticket": opener, "properties": {"opened_by": opener}}
        assert await reason(shop, opener, **by_company) == "condition"
    by_customer = {"ticket": "3", "properties": {"opened_by": "user"}}
    assert await reason(shop, "e-3", **by_customer) is None
    # Elsewhere the property may mean anything, such as who opened a shop's door.
    assert await reason(shop, "e-4", properties={"opened_by": "admin"}) is None


async def test_a_dry_run_skips_an_interaction_of_another_type(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    trigger = await shop.make_trigger("ces")
    body = {"type": "ticket.opened", "source": "h", "external_id": "x", "customer": ALA}
    decision = await shop.post(f"/v1/triggers/{trigger['id']}/dry-run", body, status=200)
    assert (decision["outcome"], decision["reason"]) == ("skipped", "condition")


async def test_a_wrong_field_names_the_nearest(shop: Shop) -> None:
    body = {"type": "visit", "source": "h", "external_id": "x", "tikcet": "1"}
    reply = await shop.call("POST", "/v1/interactions", json=body)
    assert reply.json()["errors"][0]["msg"] == "is not a field here; did you mean `ticket`?"
