# SPDX-License-Identifier: Apache-2.0
"""Whether happier customers spend more: orders after the answer, by band.

The insight reports an association only; it never claims a cause.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.linear import MAX_SAMPLED, Floats, bootstrap_means, spearman
from app.insights.questions import only_survey, outcome_of, select_comparable, surveys_of
from app.insights.request import (
    NO_CUSTOMERS,
    NO_ORDERS,
    TOO_FEW,
    InsightRefusal,
    InsightReply,
    InsightRequest,
    InsightRow,
    ResponseQuery,
)
from app.interactions.known_types import KnownType
from app.metrics.statistics import SIGNIFICANCE_LEVEL, t_cdf, wilson
from app.surveys.scales import HIGH_BANDS, LOW_BANDS, MIDDLE_BANDS

_MIN_CUSTOMERS = 30
_BANDS_BY_RANK = tuple(map(str, (*HIGH_BANDS, *MIDDLE_BANDS, *LOW_BANDS)))


@dataclass(frozen=True, slots=True)
class SpendingOfCustomers:
    """One entry for each customer: its band (a place in `_BANDS_BY_RANK` from 1), score, spend."""

    bands: Floats
    scores: Floats
    after: Floats
    before: Floats


async def find_spending(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Return what customers spent after, and before, their first answer of the period."""
    surveys, warnings = select_comparable(
        await surveys_of(session, request), needed_n=_MIN_CUSTOMERS
    )
    currency = await _choose_currency(session, request, warnings)
    ids = [survey.id for survey in surveys]
    customers = await _read_enough(session, request, ids, currency)
    # The bootstraps take most of a second, which must not hold up the event loop.
    after, before = await asyncio.gather(
        asyncio.to_thread(_by_band, customers, customers.after, request.seed),
        asyncio.to_thread(_by_band, customers, customers.before, request.seed + 1),
    )
    if request.metric_request.latest:
        warnings.append(
            "Each customer's latest answer is read, since `count` is `latest_per_customer`; "
            "otherwise it is the first."
        )
    link = _rank_correlation(customers.scores, customers.after)
    is_associated = link["p_value"] is not None and link["p_value"] < SIGNIFICANCE_LEVEL
    return {
        "survey": only_survey(surveys),
        "outcome": outcome_of(surveys),
        "n": len(customers.scores),
        "currency": currency,
        "rows": after,
        "before": before,
        "spearman": link,
        "spearman_before": _rank_correlation(customers.scores, customers.before),
        "conclusion": "associated" if is_associated else "no_association_found",
        "assumptions": _assumptions(request, customers),
        "warnings": warnings,
    }


async def _choose_currency(
    session: AsyncSession, request: InsightRequest, warnings: list[str]
) -> str:
    """Return the currency to read, with a warning about the others; refuse if there is none."""
    currency, others = await _currency(session, request)
    if currency is None:
        detail = (
            "No order of a customer has a value; send `order.paid` with `value` and `customer`."
        )
        if others:
            detail = (
                f"No order of a customer has a value in {request.options['currency']}; there are "
                f"{', '.join(others)}."
            )
        raise InsightRefusal(NO_ORDERS, detail)
    if others:
        warnings.append(
            f"This is in {currency}; there are also {', '.join(others)}. "
            "Add `currency=` for one of them."
        )
    return currency


async def _read_enough(
    session: AsyncSession, request: InsightRequest, surveys: Sequence[UUID], currency: str
) -> SpendingOfCustomers:
    """Return the customers who answered; refuse if they, or their orders, are too few."""
    customers = await _read(session, request, surveys, currency)
    n = len(customers.scores)
    if not n and not await _has_customers(session, request):
        detail = "No answer here is of a known customer; send `customer` with answers."
        raise InsightRefusal(NO_CUSTOMERS, detail)
    if n < _MIN_CUSTOMERS:
        detail = (
            f"{n} customers answered long enough ago; {_MIN_CUSTOMERS} are needed. Choose a "
            "longer period, or a shorter `within`."
        )
        raise InsightRefusal(TOO_FEW, detail, n=n, needed_n=_MIN_CUSTOMERS)
    if not (customers.after.any() or customers.before.any()):
        detail = (
            f"None of the {n} customers who answered has an order in {currency} so near to the "
            "answer; send `order.paid` with `value` and `customer`, or choose a longer `within`."
        )
        raise InsightRefusal(NO_ORDERS, detail, n=n)
    return customers


async def _has_customers(session: AsyncSession, request: InsightRequest) -> bool:
    """Tell whether any answer of the period is of a known customer."""
    query = ResponseQuery(request)
    source = query.source("r.customer_id is not null")
    rows = await run_sql(
        session, text(f"select exists (select 1 {source})").bindparams(**query.bound)
    )
    return bool(rows.one()[0])


def _assumptions(request: InsightRequest, customers: SpendingOfCustomers) -> InsightReply:
    assumptions: InsightReply = {"within_days": request.options["within"].total_seconds() / 86400}
    if np.unique(customers.bands, return_counts=True)[1].max() > MAX_SAMPLED:
        # Of a larger band the interval is that of a sample, scaled by the root of the sizes.
        assumptions["subsample"] = MAX_SAMPLED
    return assumptions


async def _currency(session: AsyncSession, request: InsightRequest) -> tuple[str | None, list[str]]:
    """Return the currency asked for, or the commonest, and the others."""
    rows = await run_sql(
        session,
        text(
            "select currency, count(*) as n from interaction where workspace_id = :workspace "
            f"and type = '{KnownType.ORDER_PAID}' and amount is not null "
            "and customer_id is not null and not test group by 1 order by 2 desc, 1"
        ).bindparams(workspace=request.metric_request.workspace.id),
    )
    currencies = [row.currency for row in rows if row.currency]
    requested = request.options.get("currency")
    if requested is not None:
        return (requested, []) if requested in currencies else (None, currencies)
    return (currencies[0], currencies[1:]) if currencies else (None, [])


async def _read(
    session: AsyncSession, request: InsightRequest, surveys: Sequence[UUID], currency: str
) -> SpendingOfCustomers:
    """Return each customer's first answer of the period, and what was spent around it."""
    query = ResponseQuery(request)
    within = f"make_interval(secs => {query.bind(request.options['within'].total_seconds())})"
    chosen = query.source(
        "r.customer_id is not null", "r.score is not null", f"r.responded_at <= now() - {within}",
        f"r.survey_id = any(cast({query.bind(list(surveys))} as uuid[]))",
    )  # fmt: skip
    # A refund is subtracted from its order; one without an order counts by itself. An order that
    # its source reports twice, as by its checkout and by its invoice, was paid once.
    spent = """coalesce(sum(case when o.is_order then greatest(o.net, 0) else o.net end)
      filter (where {}), 0)"""
    statement = f"""
with first as (
  select distinct on (r.customer_id) r.customer_id, r.band, r.score, r.responded_at
  from (select r.* {chosen}) r order by r.customer_id, r.responded_at, r.id),
orders as (
  select i.customer_id, bool_or(i.type = '{KnownType.ORDER_PAID}') as is_order,
    min(i.occurred_at) filter (where i.type = '{KnownType.ORDER_PAID}') as paid_at,
    min(i.occurred_at) as first_at,
    coalesce(max(i.amount) filter (where i.type = '{KnownType.ORDER_PAID}'), 0)
      - coalesce(sum(i.amount) filter (where i.type = '{KnownType.ORDER_REFUNDED}'), 0) as net
  from interaction i
  where i.workspace_id = :workspace and not i.test and i.customer_id is not null
  and i.type in ('{KnownType.ORDER_PAID}', '{KnownType.ORDER_REFUNDED}')
  and i.currency = {query.bind(currency)}
  group by i.customer_id, i.order_source, i.order_ref,
    case when i.order_ref is null then i.id end),
customers as (
select array_position(cast({query.bind(list(_BANDS_BY_RANK))} as text[]), f.band) as band, f.score,
  {spent.format(f"o.at > f.responded_at and o.at <= f.responded_at + {within}")} as after,
  {spent.format(f"o.at < f.responded_at and o.at >= f.responded_at - {within}")} as before
from first f
left join (select *, coalesce(paid_at, first_at) as at from orders) o
  on o.customer_id = f.customer_id
group by f.customer_id, f.band, f.score, f.responded_at order by f.customer_id)
select array_agg(coalesce(band, 0)) as bands, array_agg(score) as scores,
  array_agg(greatest(after, 0)::float8) as after, array_agg(greatest(before, 0)::float8) as before
from customers"""
    rows = await run_sql(session, text(statement).bindparams(**query.bound))
    row = rows.one()
    return SpendingOfCustomers(
        *(np.array(column or (), dtype=float)
          for column in (row.bands, row.scores, row.after, row.before))
    )  # fmt: skip


def _by_band(customers: SpendingOfCustomers, spent_by_all: Floats, seed: int) -> list[InsightRow]:
    """Return what each band spent; the means are over all of its customers."""
    replies = []
    for number, band in enumerate(_BANDS_BY_RANK, start=1):
        spent = spent_by_all[customers.bands == number]
        buyers, n = int((spent > 0).sum()), len(spent)
        if not n:
            continue
        share = wilson(buyers, n)
        interval = bootstrap_means(spent, seed)
        replies.append({
            "band": band, "customers": n, "buyers": buyers, "buyers_share": 100 * buyers / n,
            "buyers_share_ci": [100 * share[0], 100 * share[1]] if share else None,
            "mean": float(spent.mean()), "mean_ci": list(interval) if interval else None,
            "median": float(np.median(spent)),
        })  # fmt: skip
    return replies


def _rank_correlation(scores: Floats, spent: Floats) -> InsightReply:
    """Return Spearman's rank correlation of score and spending, tested by Student's t."""
    n = len(scores)
    rho = spearman(scores, spent)
    if rho is None:
        return {"rho": None, "p_value": None, "n": n}
    if abs(rho) >= 1:
        return {"rho": rho, "p_value": 0.0, "n": n}
    t = rho * math.sqrt((n - 2) / (1 - rho * rho))
    return {"rho": rho, "p_value": 2 * t_cdf(-abs(t), n - 2), "n": n}
