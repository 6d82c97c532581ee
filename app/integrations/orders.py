# SPDX-License-Identifier: Apache-2.0
"""Combine what a sender reports about an order: its other names, tests, and refunds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.integrations.interpretation import CheckedInterpretation
from app.integrations.models import Integration
from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS
from app.interactions.interaction_recorder import InteractionDraft
from app.interactions.known_types import KnownType
from app.invitations.service import cancel_invitations


async def resolve_order(
    session: AsyncSession,
    integration: Integration,
    interpretation: CheckedInterpretation,
    drafts: Sequence[InteractionDraft],
) -> str | None:
    """Return the order that a webhook is about, and remember its names.

    The first webhook under one of the names decides which order they mean, so that all webhooks of
    an order agree, whichever comes first. None if the webhook has only names, all still unknown.
    """
    bound: dict[str, Any] = {"workspace_id": integration.workspace_id, "source": integration.key}
    rows = await run_sql(
        session,
        text(
            "select name, order_ref from order_name where workspace_id = :workspace_id "
            "and source = :source and name = any(:names)"
        ).bindparams(**bound, names=list(interpretation.order_names)),
    )
    order_by_name = {row.name: row.order_ref for row in rows}
    order = next(
        (order_by_name[name] for name in interpretation.order_names if name in order_by_name), None
    )
    if interpretation.needs_order and order is None:
        return None
    order = order or drafts[0].order
    await run_sql(
        session,
        text(
            "insert into order_name (workspace_id, source, name, order_ref, created_at) "
            "select :workspace_id, :source, name, :order_ref, :now "
            "from unnest(cast(:names as text[])) name order by name on conflict do nothing"
        ).bindparams(
            **bound, names=list(interpretation.order_names), order_ref=order, now=utc_now()
        ),
    )
    return order


async def read_order_histories(
    session: AsyncSession, integration: Integration, drafts: Sequence[InteractionDraft]
) -> dict[str, list[Any]]:
    """Return what is known of the drafts' orders, by order, in the order it happened."""
    orders = sorted({draft.order for draft in drafts if draft.order})
    if not orders:
        return {}
    rows = await run_sql(
        session,
        text(
            "select order_ref, type, external_id, amount, currency, test, occurred_at, "
            "properties ->> 'session' as session "
            "from interaction where workspace_id = :workspace_id and source = :source "
            "and order_ref = any(:orders) order by occurred_at, id"
        ).bindparams(workspace_id=integration.workspace_id, source=integration.key, orders=orders),
    )
    histories: dict[str, list[Any]] = {order: [] for order in orders}
    for row in rows:
        histories[row.order_ref].append(row)
    return histories


def complete(
    integration: Integration,
    drafts: Sequence[InteractionDraft],
    histories: Mapping[str, Sequence[Any]],
) -> list[InteractionDraft]:
    """Mark drafts of test orders as tests and refunds as full or partial; drop repeats."""
    if not any(draft.order for draft in drafts):
        return list(drafts)
    completed = []
    for draft in drafts:
        history = histories.get(draft.order or "", [])
        completed_draft = draft
        if any(row.test for row in history) and not integration.accept_test:
            completed_draft = replace(completed_draft, test=True)
        if (
            completed_draft.type == KnownType.ORDER_REFUNDED
            and "refund" not in completed_draft.properties
        ):
            completed_draft = replace(
                completed_draft,
                properties={**completed_draft.properties, **_refund(completed_draft, history)},
            )
        completed_draft = replace(completed_draft, order_source=shop_of(integration))
        if not (
            _is_cancelled_again(completed_draft, history)
            or _ends_other_session(completed_draft, history)
        ):
            completed.append(completed_draft)
    return completed


def shop_of(integration: Integration) -> str | None:
    """Return the shop that numbers the orders, or None if they are the workspace's numbers."""
    preset = PRESETS.get(integration.preset or "", {})
    is_shop = ADAPTERS[integration.source].numbers_orders or preset.get("numbers_orders", False)
    return integration.key if is_shop else None


async def mark_tests(
    session: AsyncSession, integration: Integration, drafts: Sequence[InteractionDraft]
) -> None:
    """Turn earlier interactions of an order into tests once it proves to be a test order."""
    tests = sorted({draft.order for draft in drafts if draft.test and draft.order})
    if not tests:
        return
    bound = {"workspace_id": integration.workspace_id, "source": integration.key, "orders": tests,
             "now": utc_now()}  # fmt: skip
    rows = await run_sql(
        session,
        text(
            "update interaction set test = true, changed_at = :now "
            "where workspace_id = :workspace_id "
            "and source = :source and order_ref = any(:orders) and not test returning id"
        ).bindparams(**bound),
    )
    await cancel_invitations(
        session, integration.workspace_id, [row.id for row in rows], detail="a test order"
    )


def _ends_other_session(draft: InteractionDraft, history: Sequence[Any]) -> bool:
    """Tell whether this ends a checkout session other than the one that was paid."""
    session = draft.properties.get("session")
    paid = {row.session for row in history if row.type == KnownType.ORDER_PAID} - {None}
    return (
        draft.type == KnownType.ORDER_CANCELLED and bool(session and paid) and session not in paid
    )


def _is_cancelled_again(draft: InteractionDraft, history: Sequence[Any]) -> bool:
    """Tell whether the order's last known state is the same: a shop repeats it at every change."""
    if draft.type != KnownType.ORDER_CANCELLED or draft.occurred_at is None:
        return False
    earlier = [row for row in history if row.occurred_at <= draft.occurred_at
              and row.type != KnownType.ORDER_REFUNDED]  # fmt: skip
    return bool(earlier) and earlier[-1].type == KnownType.ORDER_CANCELLED


def _refund(draft: InteractionDraft, history: Sequence[Any]) -> Mapping[str, str]:
    """Return whether the refund is full or partial; nothing if the order's value is unknown.

    A refund in another currency than the order counts as partial.
    """
    values = [
        row for row in history if row.type != KnownType.ORDER_REFUNDED and row.amount is not None
    ]
    if not values or draft.amount is None:
        return {}
    if values[-1].currency != draft.currency:
        return {"refund": "partial"}
    refunded_before = sum(
        (
            row.amount
            for row in history
            if row.type == KnownType.ORDER_REFUNDED
            and row.external_id != draft.external_id
            and row.amount
        ),
        Decimal(),
    )
    is_full = refunded_before + draft.amount >= values[-1].amount
    return {"refund": "full" if is_full else "partial"}
