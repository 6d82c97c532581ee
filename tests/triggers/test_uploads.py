# SPDX-License-Identifier: Apache-2.0
"""Uploads of many interactions: recorded side by side, as if one after the other."""

from typing import Any

from app.interactions.customer_resolver import CustomerReference
from app.interactions.interaction_recorder import InteractionDraft
from app.triggers.upload_lanes import split_into_lanes
from tests.shop import Shop


def _draft(number: int, **about: Any) -> InteractionDraft:
    return InteractionDraft(type="order.paid", source="shop", external_id=f"e-{number}", **about)


def test_lines_of_one_case_or_customer_stay_in_one_lane_and_in_order() -> None:
    eva, eve = CustomerReference(email="Eva@c.pl"), CustomerReference(email="eva@c.pl", name="E")
    drafts = [
        _draft(0, order="1"),
        _draft(1, ticket="7"),
        _draft(2, customer=eva),
        # This line links the order to the customer, so both must stay in one lane.
        _draft(3, order="1", customer=eve),
        _draft(4, ticket="7"),
        _draft(5),
        _draft(0),
    ]
    lanes = split_into_lanes(drafts, 3)
    assert sorted(index for lane in lanes for index in lane) == list(range(7))
    by_place = {index: number for number, lane in enumerate(lanes) for index in lane}
    assert by_place[0] == by_place[2] == by_place[3] == by_place[6]
    assert by_place[1] == by_place[4]
    assert all(lane == sorted(lane) for lane in lanes)
    assert len(lanes) == 3


def test_lanes_are_filled_evenly() -> None:
    lanes = split_into_lanes([_draft(number) for number in range(1000)], 3)
    assert sorted(map(len, lanes)) == [333, 333, 334]
    assert split_into_lanes([], 3) == []


async def test_lines_of_one_case_are_told_in_order_whatever_lies_between(shop: Shop) -> None:
    """One upload with an order, its customer's consent and name in distant lines."""
    who = {"email": "eva@c.pl"}
    lines: list[dict[str, Any]] = [
        {"type": "order.noted", "source": "shop", "external_id": f"n-{number}",
         "customer": {"email": f"p{number}@c.pl"}}
        for number in range(1200)
    ]  # fmt: skip
    for number in range(20):
        order = {"source": "shop", "order": f"o-{number}"}
        paid = order | {"type": "order.paid", "external_id": f"paid-{number}",
                        "customer": {"email": f"buyer{number}@c.pl"},
                        "value": {"amount": "12.50", "currency": "PLN"},
                        "occurred_at": "2026-11-01T10:00:00Z"}  # fmt: skip
        sent = order | {"type": "order.delivered", "external_id": f"sent-{number}",
                        "occurred_at": "2026-11-02T10:00:00Z"}  # fmt: skip
        lines[number * 7] = paid
        lines[1199 - number * 7] = sent
    for index, name, surveys in ((340, "Eva", True), (900, "Ewa", False)):
        customer = who | {"name": name, "consent": {"surveys": surveys}}
        lines[index] = {"type": "account.changed", "source": "shop", "external_id": name,
                        "customer": customer}  # fmt: skip
    reply = await shop.call("POST", "/v1/interactions/batch", json=lines)
    assert reply.json()["accepted"] == 1200
    for number in range(20):
        page = await shop.get("/v1/interactions", order=f"o-{number}", type="order.delivered")
        (delivered,) = page["data"]
        assert delivered["customer_id"] is not None
        assert delivered["value"] == {"amount": "12.50", "currency": "PLN"}
    (eva,) = (await shop.get("/v1/customers", email="eva@c.pl"))["data"]
    assert (eva["name"], eva["consent"]["surveys"]) == ("Ewa", False)
