# SPDX-License-Identifier: Apache-2.0
"""Fill what an interaction lacks from the latest earlier interaction of the same case."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.prepared_statements import PreparedStatement, as_json

# Properties of one event, which its ticket's or order's other events do not inherit.
_NOT_INHERITED = {"refund", "session", "cancel_reason", "dispute_reason", "deleted"}

COLUMNS = (
    "id, type, source, external_id, ticket, order_ref, order_source, touchpoint, customer_id, "
    "contact, locale, "
    "amount, currency, properties, test, occurred_at, created_at"
)
TYPES = (
    "id uuid, type text, source text, external_id text, ticket text, order_ref text, "
    "order_source text, touchpoint text, customer_id uuid, contact jsonb, locale text, "
    "amount numeric, currency text, properties jsonb, test bool, occurred_at timestamptz, "
    "created_at timestamptz"
)


_IN_CASES = PreparedStatement(
    f"select {COLUMNS} from interaction where workspace_id = :workspace_id "
    "and (ticket = any(:tickets) or order_ref = any(:orders)) order by occurred_at, id"
)


async def fill_inherited_fields(
    session: AsyncSession, workspace_id: UUID, created: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Fill what interactions lack from the latest earlier one of their ticket or order.

    An interaction that arrives late also fills the later ones that arrived before it. Return all
    interactions of these cases as they are stored now, the oldest first.
    """
    tickets = sorted({interaction["ticket"] for interaction in created if interaction["ticket"]})
    orders = sorted(
        {interaction["order_ref"] for interaction in created if interaction["order_ref"]}
    )
    if not tickets and not orders:
        return []
    rows = await _IN_CASES.run(session, workspace_id=workspace_id, tickets=tickets, orders=orders)
    latest: dict[tuple[object, ...], dict[str, Any]] = {}
    changed, stored = [], []
    for row in rows:
        values = row
        cases = _cases(values)
        earlier = _find_earlier(values, cases, latest)
        if earlier:
            filled = _fill_from(values, max(earlier, key=lambda e: (e["occurred_at"], e["id"])))
            if filled != values:
                changed.append(filled)
            stored.append(filled)
            values = filled | _passed_on(filled, earlier)
        else:
            stored.append(values)
        latest |= dict.fromkeys(cases, values)
    if changed:
        await _fill(session, workspace_id, sorted(changed, key=lambda r: r["id"]))
    return stored


def _find_earlier(
    values: Mapping[str, Any],
    cases: Sequence[tuple[object, ...]],
    latest: Mapping[tuple[object, ...], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return the latest interactions of the same cases.

    An order number without a shop matches the only shop that has the same number. If two shops
    have it, the number is ambiguous, and nothing is inherited by it.
    """
    own_cases = set(cases)
    if values["order_ref"] is not None:
        order = ("order", values["test"], values["order_ref"])
        shops = {case for case in (*latest, *cases) if case[:3] == order and case[3] is not None}
        if len(shops) > 1:
            own_cases.discard((*order, None))
        elif values["order_source"] is None:
            own_cases |= shops
        else:
            own_cases.add((*order, None))
    return [latest[case] for case in own_cases if case in latest]


def _cases(values: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Return the cases of an interaction; tests stay among themselves."""
    cases: list[tuple[object, ...]] = []
    if values["ticket"]:
        cases.append(("ticket", values["test"], values["source"], values["ticket"]))
    if values["order_ref"]:
        cases.append(("order", values["test"], values["order_ref"], values["order_source"]))
    return cases


def _fill_from(values: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(values)
    if values["customer_id"] in {None, earlier["customer_id"]}:
        filled["contact"] = values["contact"] or earlier["contact"]
    for name in ("customer_id", "locale"):
        filled[name] = values[name] or earlier[name]
    if values["amount"] is None and values["properties"].get("refund") != "partial":
        filled |= {"amount": earlier["amount"], "currency": earlier["currency"]}
    passed = {
        key: value for key, value in earlier["properties"].items() if key not in _NOT_INHERITED
    }
    filled["properties"] = {**passed, **values["properties"]}
    return filled


def _passed_on(values: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the value that later interactions inherit; a refund passes on that of its order."""
    if values["type"] != "order.refunded":
        return {}
    last = max(earlier, key=lambda e: (e["occurred_at"], e["id"]), default=None)
    return {name: last[name] if last else None for name in ("amount", "currency")}


_FILL = PreparedStatement(
    "update interaction i set customer_id = n.customer_id, contact = n.contact, "
    "locale = n.locale, amount = n.amount, currency = n.currency, properties = n.properties, "
    "changed_at = cast(:now as timestamptz) "
    f"from json_to_recordset(cast(:rows as json)) n({TYPES}) "
    "where i.workspace_id = :workspace_id and i.id = any(:ids) and i.id = n.id"
)


async def _fill(
    session: AsyncSession, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> None:
    await _FILL.run(
        session, workspace_id=workspace_id, now=utc_now(), ids=[row["id"] for row in rows],
        rows=as_json(rows),
    )  # fmt: skip
