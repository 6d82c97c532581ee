# SPDX-License-Identifier: Apache-2.0
"""Whole stories of real senders' webhooks: in order, backwards, doubled, middle one last."""

import itertools
import json
import pkgutil
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.integrations import sources
from app.integrations.registry import ADAPTERS, SourceName
from tests.integrations.sender import CANCELLED, JSON, MONTH, SentWebhook, Story
from tests.integrations.senders import STORIES
from tests.integrations.senders.freshdesk import SIMPLE, status_event
from tests.integrations.senders.shopify import shopify, shopify_refund
from tests.integrations.senders.stripe import SESSION, stripe
from tests.integrations.senders.woocommerce import woo
from tests.integrations.senders.zendesk import zendesk
from tests.integrations.test_sources import deliver, register
from tests.shop import Shop


def reverse_deliveries(deliveries: Sequence[SentWebhook]) -> list[SentWebhook]:
    """Return the deliveries backwards."""
    return list(reversed(deliveries))


def double_deliveries(deliveries: Sequence[SentWebhook]) -> list[SentWebhook]:
    """Return each twice, mixed, always in the same way."""
    twice = [*deliveries, *deliveries]
    random.Random(7).shuffle(twice)
    return twice


def middle_last(deliveries: Sequence[SentWebhook]) -> list[SentWebhook]:
    """Return the one in the middle last."""
    middle = len(deliveries) // 2
    return [*deliveries[:middle], *deliveries[middle + 1 :], deliveries[middle]]


ORDERS: dict[str, Callable[[Sequence[SentWebhook]], list[SentWebhook]]] = {
    "in order": list, "backwards": reverse_deliveries, "doubled": double_deliveries,
    "middle last": middle_last,
}  # fmt: skip


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("source", "story"), STORIES, ids=[f"{source}: {story.name}" for source, story in STORIES]
)
async def test_a_story_comes_to_the_same_in_any_order(
    shop: Shop, source: str, story: Story, order: str, together: bool
) -> None:
    sender = await register(shop, source, **story.settings)
    if story.trigger is not None:
        await shop.publish("s", "nps")
        rules = {key: value for key, value in story.trigger.items() if value is not None}
        await shop.make_trigger("s", **rules)
    for headers, body in ORDERS[order](story.deliveries):
        assert (await deliver(shop, sender, headers, body)).status_code in {200, 202}
        if not together:
            await shop.work()
    await shop.work()
    events = (await shop.get(f"/v1/integrations/{sender['id']}/events", limit=100))["data"]
    assert {event["status"] for event in events} <= {"translated", "skipped"}, events
    interactions = (await shop.get("/v1/interactions"))["data"]
    names = {name for interaction in interactions for name in interaction["properties"]}
    assert names <= set(ADAPTERS[source].properties), "its adapter does not state them"
    # Decisions may depend on the order of arrival; the recorded interactions may not.
    assert sorted(interaction["type"] for interaction in interactions) == list(story.types)
    if story.ticket:
        (ticket,) = (await shop.get("/v1/tickets"))["data"]
        assert {name: ticket[name] for name in story.ticket} == story.ticket
    if story.customer:
        (customer,) = (await shop.get("/v1/customers"))["data"]
        assert {name: customer[name] for name in story.customer} == story.customer
    if story.decisions:
        await expect_decisions(shop, story)


async def expect_decisions(shop: Shop, story: Story) -> None:
    """No mail is sent about a cancelled case, whichever webhook arrives first."""
    decisions = (await shop.get("/v1/decisions"))["data"]
    invitations = (await shop.get("/v1/invitations"))["data"]
    waiting = sorted(
        invitation["email"] for invitation in invitations if invitation["status"] == "scheduled"
    )
    if story.decisions == CANCELLED:
        assert [decision["reason"] for decision in decisions] == ["cancelled"]
        assert waiting == []
    else:
        assert sorted(
            (decision["outcome"], decision["reason"]) for decision in decisions
        ) == sorted(story.decisions, key=str)
        assert len(waiting) == sum(outcome == "invited" for outcome, _ in story.decisions)
    if story.emails:
        assert waiting == list(story.emails)


async def test_without_id_and_time_a_changed_state_is_an_event(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    statuses = ["Resolved", "Resolved", "Open", "Resolved", "Resolved"]
    replies = [
        (await deliver(shop, sender, *status_event(status))).status_code for status in statuses
    ]
    assert replies == [202, 200, 202, 202, 200]
    await shop.work()
    interactions = (await shop.get("/v1/interactions"))["data"]
    assert sorted(interaction["type"] for interaction in interactions) == [
        "ticket.reopened",
        *["ticket.solved"] * 2,
    ]
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert (ticket["status"], ticket["reopened"]) == ("solved", True)


async def test_equal_bytes_of_two_tickets_are_two(shop: Shop) -> None:
    sender = await register(shop, "freshdesk")
    for ticket in (1, 2):
        body = {"freshdesk_webhook": SIMPLE | {"ticket_status": "Resolved", "ticket_id": ticket}}
        assert (await deliver(shop, sender, JSON, body)).status_code == 202
    await shop.work()
    assert len((await shop.get("/v1/tickets"))["data"]) == 2


@pytest.mark.parametrize(
    ("source", "delivery"),
    [
        ("stripe", stripe("checkout.session.completed", 1_772_400_000, SESSION, livemode=False)),
        ("stripe", stripe("invoice.paid", 1_772_400_000,
                          {"id": "in_1", "amount_paid": 5, "currency": "eur",
                           "customer_email": "a@e.pl"}, livemode=False)),
        ("shopify", shopify("orders/paid", "2T10:00:00Z", test=True)),
    ],
)  # fmt: skip
async def test_a_test_order_is_a_test_unless_accept_test_is_set(
    shop: Shop, source: str, delivery: SentWebhook
) -> None:
    await shop.publish("s", "nps")
    await shop.make_trigger("s", on="order.paid")
    sender = await register(shop, source)
    await deliver(shop, sender, *delivery)
    await shop.work()
    assert (await shop.get("/v1/interactions"))["data"] == []
    (tried,) = (await shop.get("/v1/interactions", test="true"))["data"]
    assert (tried["type"], tried["test"]) == ("order.paid", True)
    assert (await shop.get("/v1/customers"))["data"] == []
    trying = await register(shop, source, key="trying", accept_test=True)
    await deliver(shop, trying, *delivery)
    await shop.work()
    (real,) = (await shop.get("/v1/interactions"))["data"]
    assert (real["source"], real["test"]) == ("trying", False)
    outcomes = {
        (decision["outcome"], decision["reason"])
        for decision in (await shop.get("/v1/decisions"))["data"]
    }
    assert outcomes == {("skipped", "test"), ("invited", None)}


async def test_a_test_orders_later_events_are_tests(shop: Shop) -> None:
    sender = await register(shop, "shopify")
    await deliver(shop, sender, *shopify("orders/paid", "2T10:00:00Z", test=True))
    await shop.work()
    await deliver(shop, sender, *shopify_refund("3T10:00:00Z", "30.00", 1))
    await shop.work()
    assert (await shop.get("/v1/interactions"))["data"] == []


async def test_an_unknown_status_is_listed_mapped_and_retried(shop: Shop) -> None:
    sender = await register(shop, "zendesk")
    for at in ("2T10:00:00Z", "3T10:00:00Z"):
        delivery = zendesk("", at, status="Fertig beim Kunden", ticket_id=at)
        await deliver(shop, sender, *delivery)
    await shop.work()
    path = f"/v1/integrations/{sender['id']}"
    (event, _) = (await shop.get(f"{path}/events", status="failed"))["data"]
    assert "status_map" in event["reason"]
    (unmapped,) = (await shop.get(path))["unmapped"]
    assert (unmapped["status"], unmapped["count"]) == ("Fertig beim Kunden", 2)
    wrong = await shop.call("PATCH", path, json={"status_map": {"Fertig beim Kunden": "done"}})
    assert wrong.status_code == 422
    body = {"status_map": {"fertig  beim kunden": "solved"}}
    assert (await shop.call("PATCH", path, json=body)).status_code == 200
    await shop.work()
    types = sorted(
        interaction["type"] for interaction in (await shop.get("/v1/interactions"))["data"]
    )
    assert types == ["ticket.opened", "ticket.opened", "ticket.solved", "ticket.solved"]
    assert (await shop.get(path))["unmapped"] == []


async def test_a_shops_own_status_is_mapped_too(shop: Shop) -> None:
    sender = await register(shop, "woocommerce", status_map={"shipped": "fulfilled"})
    await deliver(shop, sender, *woo("wc-shipped", "4T09:00:00"))
    await deliver(shop, sender, *woo("at-the-post", "5T09:00:00"))
    await deliver(shop, sender, *woo("pending", "6T09:00:00"))
    await shop.work()
    (interaction,) = (await shop.get("/v1/interactions"))["data"]
    assert interaction["type"] == "order.fulfilled"
    (unmapped,) = (await shop.get(f"/v1/integrations/{sender['id']}"))["unmapped"]
    assert unmapped["status"] == "at-the-post"


async def test_a_ticket_solved_before_it_was_opened_names_the_setting(shop: Shop) -> None:
    sender = await register(shop, "zendesk")
    delivery = zendesk("ticket.solved", "2 10:00:00", created_at=f"{MONTH}-02T10:30:00Z")
    await deliver(shop, sender, *delivery)
    await shop.work()
    (event,) = (await shop.get(f"/v1/integrations/{sender['id']}/events"))["data"]
    assert event["status"] == "translated"
    assert "`timezone`" in event["reason"]


async def test_a_time_that_cannot_be_read_is_no_receipt(shop: Shop) -> None:
    sender = await register(shop, "zendesk")
    await deliver(shop, sender, *zendesk("ticket.solved", "2", updated_at="the day before"))
    await shop.work()
    (event,) = (await shop.get(f"/v1/integrations/{sender['id']}/events"))["data"]
    assert event["status"] == "failed"
    assert event["reason"].startswith("the time 'the day before' cannot be read; send ISO 8601")


async def test_a_bad_address_loses_the_address_never_the_event(shop: Shop) -> None:
    await shop.publish("s", "nps")
    await shop.make_trigger("s", on="order.paid")
    sender = await register(shop, "woocommerce")
    await deliver(shop, sender, *woo("processing", "2T09:00:00", billing={"email": "ola at e.pl"}))
    mapped = await shop.post("/v1/integrations", {
        "source": "generic", "key": "g",
        "mapping": {"type": {"const": "order.paid"}, "external_id": "/id",
                    "customer": {"external_id": "/who", "email": "/mail"}, "locale": "/lang"},
    })  # fmt: skip
    path = "/in/" + mapped["url"].partition("/in/")[2]
    body = {"id": 1, "who": "c-1", "mail": "a b@c", "lang": "Polish!"}
    await shop.client.post(path, json=body)
    await shop.work()
    interactions = (await shop.get("/v1/interactions"))["data"]
    assert [interaction["type"] for interaction in interactions] == ["order.paid"] * 2
    (event,) = (await shop.get("/v1/integrations/g/events"))["data"]
    assert event["status"] == "translated"
    assert [note.partition(":")[0] for note in event["notes"]] == [
        "left out customer.email", "left out locale",
    ]  # fmt: skip
    reasons = {decision["reason"] for decision in (await shop.get("/v1/decisions"))["data"]}
    assert reasons == {"no_address"}
    api = await shop.call("POST", "/v1/interactions", json={
        "type": "order.paid", "source": "x", "external_id": "1", "customer": {"email": "a b@c"},
    })  # fmt: skip
    assert api.status_code == 422


async def test_the_newest_word_about_a_person_wins(shop: Shop) -> None:
    messages = [
        (f"{MONTH}-03T10:00:00Z", "new@e.pl", "Eva New"),
        (f"{MONTH}-01T10:00:00Z", "old@e.pl", "Eva Old"),
        (f"{MONTH}-03T10:00:00Z", "newest@e.pl", None),
    ]
    for number, (at, email, name) in enumerate(messages):
        customer = {"external_id": "c-1", "email": email} | ({"name": name} if name else {})
        await shop.record("visit", str(number), occurred_at=at, customer=customer)
    person = await shop.get("/v1/customers/c-1")
    assert (person["email"], person["name"]) == ("newest@e.pl", "Eva New")
    for email in ("old@e.pl", "new@e.pl", "newest@e.pl"):
        (known,) = (await shop.get("/v1/customers", email=email))["data"]
        assert known["id"] == person["id"]


async def test_two_buyers_of_one_number_are_each_written_to(shop: Shop) -> None:
    await shop.publish("s", "nps")
    await shop.make_trigger("s", on="order.paid", delay="P1D")
    for number, email in enumerate(("a@e.pl", "b@e.pl")):
        customer = {"external_id": "household", "email": email, "name": email[0].upper()}
        await shop.record("order.paid", str(number), order=str(number), customer=customer)
    invitations = (await shop.get("/v1/invitations"))["data"]
    assert sorted(invitation["email"] for invitation in invitations) == ["a@e.pl", "b@e.pl"]


def test_every_source_has_a_story() -> None:
    assert {source for source, _ in STORIES} == {*SourceName} - {SourceName.GENERIC}


def test_a_shop_says_that_it_numbers_its_orders() -> None:
    """Otherwise order 15 of one shop would be order 15 of another."""
    of_orders = {
        module.name
        for module in pkgutil.iter_modules(sources.__path__)
        if "KnownType.ORDER_PAID" in (Path(sources.__path__[0]) / f"{module.name}.py").read_text()
    }
    # Stripe's orders have the numbers that the shop behind it gives.
    assert {name for name in of_orders if not ADAPTERS[name].numbers_orders} == {"stripe"}


def test_every_module_of_a_source_is_registered() -> None:
    names = {module.name for module in pkgutil.iter_modules(sources.__path__)}
    guides = {path.stem for path in Path(sources.__path__[0]).glob("*.json")}
    assert guides == names, f"a guide or a module is missing: {guides ^ names}"
    assert names == {source.value for source in SourceName} == set(ADAPTERS)


def test_no_two_stories_say_the_same() -> None:
    bodies = [
        json.dumps([delivery[1] for delivery in story.deliveries], sort_keys=True)
        for _, story in STORIES
    ]
    for first, other in itertools.combinations(bodies, 2):
        assert first != other
