"""Compute insights, or refuse them with a reason; replies are kept while no answer changes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from cachetools import TTLCache
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import run_sql
from app.insights.request import TOO_FEW, InsightRefused, InsightRequest, Reply
from app.metrics.service import shown_bound

_MOST_KEPT, _KEPT_SECONDS = 256, 300
# The fields that hold the size of a row. A row that is smaller than the workspace's smallest
# group is shown with its names and its size only.
_SIZES = ("n", "customers", "failures")
_SHOWN_OF_SMALL = {
    "driver", "pillar", "module", "label", "by", "metric", "survey", "band", "items", "weight",
    *_SIZES,
}  # fmt: skip

# An insight reads most of a workspace: one row after another is then faster than by an index, and
# sorting a year of ratings takes some memory.
_READ_MUCH = text(
    "select set_config('random_page_cost', '10', true), set_config('work_mem', '48MB', true)"
)

Finder = Callable[[AsyncSession, InsightRequest], Awaitable[Reply]]


def _finder(insight: str) -> Finder:
    """Return the function that computes an insight; the first call loads numpy."""
    from app.insights import (  # noqa: PLC0415 - they load numpy, which a start does without
        comments,
        drivers,
        pillars,
        recovery,
        spending,
        word_of_mouth,
    )

    finders: Mapping[str, Finder] = {
        "drivers": drivers.find_drivers,
        "pillars": pillars.find_pillars,
        "modules": pillars.find_modules,
        "recovery": recovery.find_recovery,
        "word-of-mouth": word_of_mouth.find_word_of_mouth,
        "spending": spending.find_spending,
        "comments": comments.find_comments,
    }
    return finders[insight]


class InsightCache:
    """Replies by query, each good while no answer of the workspace changes and for 5 minutes."""

    def __init__(self) -> None:
        """Begin without replies."""
        self._replies: TTLCache[tuple[Any, ...], Reply] = TTLCache(_MOST_KEPT, _KEPT_SECONDS)

    async def reply(self, session: AsyncSession, request: InsightRequest) -> Reply:
        """Return the kept reply of a query, or compute it."""
        changed = await _last_change(session, request.metric_request.workspace.id)
        key = (request.insight, request.seed, changed)
        if key not in self._replies:
            self._replies[key] = await find_insight(session, request)
        return self._replies[key]


async def _last_change(session: AsyncSession, workspace_id: UUID) -> tuple[Any, ...]:
    """Return when anything that insights read last changed in the workspace."""
    rows = await run_sql(
        session,
        text(
            "select (select max(updated_at) from response where workspace_id = :id), "
            "(select max(tags_changed_at) from survey where workspace_id = :id), "
            "(select count(*) from question where workspace_id = :id), "
            "(select id from interaction where workspace_id = :id "
            "order by created_at desc, id desc limit 1), "
            "(select max(erased_at) from customer where workspace_id = :id), "
            "(select row(w.word_of_mouth, w.min_group_size, w.config, w.default_locale)::text "
            "from workspace w where w.id = :id)"
        ).bindparams(id=workspace_id),
    )
    return tuple(rows.one())


async def find_insight(session: AsyncSession, request: InsightRequest) -> Reply:
    """Compute the whole reply of an insight."""
    await run_sql(session, _READ_MUCH)
    wanted = request.metric_request
    reply: Reply = {
        "insight": request.insight,
        "from": shown_bound(wanted.span.start),
        "to": shown_bound(wanted.span.end),
        "timezone": wanted.timezone,
        "count": "latest_per_customer" if wanted.latest else "all",
        "n": 0,
        "survey": None,
        "outcome": None,
        "rows": [],
        "assumptions": {},
        "warnings": [],
        "refused": None,
    }
    try:
        figures = await (await asyncio.to_thread(_finder, request.insight))(session, request)
        _require_group(request, figures["n"])
    except InsightRefused as refusal:
        return reply | refusal.about | {"n": refusal.n, "refused": refusal.shown()}
    figures["rows"] = [
        _without_small(row, wanted.workspace.min_group_size) for row in figures["rows"]
    ]
    return reply | figures


def _require_group(request: InsightRequest, n: int) -> None:
    """Refuse a narrowed query of fewer answers than the workspace shows."""
    if request.metric_request.hides(n):
        least = request.metric_request.workspace.min_group_size
        detail = f"Groups of fewer than {least} answers stay hidden; choose fewer filters."
        raise InsightRefused(TOO_FEW, detail, n=n, needed_n=least)


def _without_small(row: Reply, least: int) -> Reply:
    """Return a row, without its figures if it is smaller than the smallest group."""
    size = next((row[name] for name in _SIZES if name in row), None)
    if size is None or size >= least or not size:
        return row
    return {name: value if name in _SHOWN_OF_SMALL else None for name, value in row.items()}
