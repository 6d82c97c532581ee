# SPDX-License-Identifier: Apache-2.0
"""Orders at the edges: two shops, refunds in pieces, sessions, tests."""

from typing import Any

import pytest

from tests.integrations.sender import JSON, MONTH
from tests.integrations.senders.shopify import shopify
from tests.integrations.senders.stripe import SESSION, stripe
from tests.integrations.senders.woocommerce import woo
from tests.integrations.test_corners import AT, tell, types
from tests.integrations.test_sources import register
from tests.shop import Shop


async def test_two_shops_have_orders_of_the_same_number(shop: Shop) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", on="order.paid", delay="P366D")
    await shop.make_trigger("s", on="order.fulfilled", delay="P366D")
    a = await register(shop, "woocommerce", key="woo-a")
    b = await register(shop, "woocommerce", key="woo-b")
    await tell(shop, a, woo("processing", "2T09:00:00"))
    await tell(shop, b, woo("processing", "2T09:30:00", billing={"email": "bob@e.pl"}))
    statuses = [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]]
    assert statuses == ["scheduled", "scheduled"]
    # An order without an e-mail has no customer, and never the other shop's customer.
    c = await register(shop, "shopify", key="shop-c")
    await tell(shop, c, shopify("orders/fulfilled", "3T09:00:00Z", order=15, email=None,
                                customer=None))  # fmt: skip
    (last,) = [
        interaction
        for interaction in (await shop.get("/v1/interactions"))["data"]
        if interaction["source"] == "shop-c"
    ]
    assert last["customer_id"] is None
    # A cancellation in one shop does not affect the same number in the other.
    await tell(shop, b, woo("cancelled", "3T10:00:00", billing={"email": "bob@e.pl"}))
    statuses = sorted(
        invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]
    )
    assert statuses == ["cancelled", "scheduled"]


async def test_the_workspaces_own_number_is_the_one_shops_too(shop: Shop) -> None:
    sender = await register(shop, "woocommerce")
    await tell(shop, sender, woo("processing", "2T09:00:00"))
    await shop.record("order.delivered", "d-1", order="15")
    (delivered,) = [interaction for interaction in (await shop.get("/v1/interactions"))["data"]
                    if interaction["type"] == "order.delivered"]  # fmt: skip
    assert delivered["customer_id"] is not None
    other = await register(shop, "woocommerce", key="woo-b")
    await tell(shop, other, woo("processing", "2T09:30:00", billing={"email": "bob@e.pl"}))
    await shop.record("order.delivered", "d-2", order="15")
    (unclear,) = [interaction for interaction in (await shop.get("/v1/interactions"))["data"]
                  if interaction["external_id"] == "d-2"]  # fmt: skip
    assert unclear["customer_id"] is None


async def test_refunds_in_pieces_are_whole_with_the_last(shop: Shop) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", on="order.paid", delay="P366D")
    sender = await register(shop, "woocommerce")
    first = {"id": 724, "total": "-20.00"}
    await tell(
        shop, sender,
        woo("processing", "2T09:00:00"),
        woo("processing", "3T09:00:00", refunds=[first]),
    )  # fmt: skip
    assert [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]] == [
        "scheduled"
    ]
    # WooCommerce lists the newest first.
    both = [{"id": 726, "total": "-30.00"}, first]
    await tell(shop, sender, woo("refunded", "4T09:00:00", refunds=both))
    refunds = {interaction["external_id"]: interaction["properties"]["refund"]
               for interaction in (await shop.get("/v1/interactions"))["data"]
               if interaction["type"] == "order.refunded"}  # fmt: skip
    assert refunds == {"15:refunded:724": "partial", "15:refunded:726": "full"}
    assert [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]] == [
        "cancelled"
    ]


@pytest.mark.parametrize("own", [True, False])
async def test_a_session_that_ends_calls_off_only_its_own_order(shop: Shop, own: bool) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", on="order.paid", delay="P366D")
    sender = await register(shop, "stripe")
    await tell(shop, sender, stripe("checkout.session.completed", AT, SESSION))
    ended = SESSION | {"id": "cs_1" if own else "cs_0", "payment_status": "unpaid"}
    await tell(shop, sender, stripe("checkout.session.expired", AT + 9000, ended))
    statuses = [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]]
    assert statuses == ["cancelled" if own else "scheduled"]


async def test_a_saved_card_is_no_purchase(shop: Shop) -> None:
    sender = await register(shop, "stripe")
    setup = SESSION | {"mode": "setup", "payment_status": "no_payment_required"}
    await tell(shop, sender, stripe("checkout.session.completed", AT, setup))
    assert await types(shop) == []


@pytest.mark.parametrize(
    "transactions",
    [
        [],
        [{"kind": "refund", "status": "failure", "amount": "100.00", "currency": "USD"}],
        [{"kind": "refund", "status": "success", "amount": "100.00", "currency": "EUR"}],
        [{"kind": "void", "status": "success", "amount": "100.00", "currency": "USD"}],
    ],
)
async def test_a_refund_that_pays_nothing_or_unknown_back_is_partial(
    shop: Shop, transactions: list[Any]
) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", on="order.paid", delay="P366D")
    sender = await register(shop, "shopify")
    order = 820982911946154500
    refund = {"id": 9, "order_id": order, "created_at": f"{MONTH}-03T10:00:00Z",
              "transactions": transactions}  # fmt: skip
    headers = JSON | {"x-shopify-topic": "refunds/create", "x-shopify-event-id": "r-9"}
    await tell(shop, sender, shopify("orders/paid", "2T10:00:00Z"), (headers, refund))
    (reply,) = [interaction for interaction in (await shop.get("/v1/interactions"))["data"]
               if interaction["type"] == "order.refunded"]  # fmt: skip
    assert reply["properties"]["refund"] == "partial"
    assert [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]] == [
        "scheduled"
    ]


async def test_a_test_order_told_last_makes_tests_of_what_came_before(shop: Shop) -> None:
    await shop.publish("s")
    await shop.make_trigger("s", on="order.delivered", delay="P366D")
    sender = await register(shop, "shopify")
    order = 820982911946154500
    shipped = {"id": 5, "order_id": order, "shipment_status": "delivered", "email": "jon@e.com",
               "updated_at": f"{MONTH}-04T10:00:00Z"}  # fmt: skip
    headers = JSON | {"x-shopify-topic": "fulfillments/update", "x-shopify-event-id": "f"}
    await tell(shop, sender, (headers, shipped))
    assert [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]] == [
        "scheduled"
    ]
    await tell(shop, sender, shopify("orders/paid", "2T10:00:00Z", test=True))
    interactions = (await shop.get("/v1/interactions"))["data"]
    assert [interaction for interaction in interactions if not interaction["test"]] == []
    assert [invitation["status"] for invitation in (await shop.get("/v1/invitations"))["data"]] == [
        "cancelled"
    ]
