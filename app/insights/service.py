# SPDX-License-Identifier: Apache-2.0
"""Compute insights, or refuse them with a reason; replies are kept while no answer changes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from cachetools import TTLCache
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, run_sql
from app.core.texts import LANGUAGES
from app.insights.dictionaries import keep_dictionaries_in, prepare_dictionaries
from app.insights.kinds import KINDS, InsightName
from app.insights.request import TOO_FEW, InsightRefusal, InsightReply, InsightRequest
from app.metrics.service import format_bound

_MAX_KEPT, _KEPT_SECONDS = 256, 300
# The fields that hold the size of a row. A row that is smaller than the workspace's smallest
# group is shown with its names and its size only.
_SIZES = ("n", "customers", "failures", "followed", "good_followed")
# What is counted among those who rated again. It is hidden if few did, even after many failures.
_OF_FOLLOWED = (
    "recovered", "partial", "failed_again", "rate_of_followed", "rate_of_followed_ci",
    "rate_of_all", "rate_of_all_ci", "median_days",
)  # fmt: skip
# Two groups that make up a whole: if one is hidden, the other is as well.
_HALVES = ("contacted", "not_contacted")
_SHOWN_OF_SMALL = {
    "driver", "pillar", "module", "label", "by", "metric", "survey", "band", "items", "weight",
    "heard",
    *_SIZES,
}  # fmt: skip

# An insight reads most of a workspace: a sequential scan is faster than an index, and sorting a
# year of ratings needs memory.
_READ_MUCH = text(
    "select set_config('random_page_cost', '10', true), set_config('work_mem', '48MB', true)"
)

Finder = Callable[[AsyncSession, InsightRequest], Awaitable[InsightReply]]


def finders() -> Mapping[InsightName, Finder]:
    """Return the functions that compute the insights; the first call loads numpy."""
    from app.insights import (  # noqa: PLC0415 - they load numpy, which a start does without
        comments,
        drivers,
        pillars,
        recovery,
        spending,
        word_of_mouth,
    )

    return {
        InsightName.DRIVERS: drivers.find_drivers,
        InsightName.PILLARS: pillars.find_pillars,
        InsightName.MODULES: pillars.find_modules,
        InsightName.RECOVERY: recovery.find_recovery,
        InsightName.WORD_OF_MOUTH: word_of_mouth.find_word_of_mouth,
        InsightName.SPENDING: spending.find_spending,
        InsightName.COMMENTS: comments.find_comments,
    }


_AHEAD_AFTER_SECONDS = 5.0
# About 100,000 answers; their size is known without reading them.
_HAS_MANY_ANSWERS = text("select pg_relation_size('response') > 64 * 1024 * 1024")


class InsightCache:
    """Replies by query, each good while no answer of the workspace changes and for 5 minutes."""

    def __init__(self, dictionaries: Path) -> None:
        """Begin without replies; `dictionaries` is the folder in which those of words are kept."""
        keep_dictionaries_in(dictionaries)
        self._replies: TTLCache[tuple[Any, ...], InsightReply] = TTLCache(_MAX_KEPT, _KEPT_SECONDS)
        self._preparing: asyncio.Task[Any] | None = None
        self._ahead: asyncio.Task[None] | None = None

    def start(self, database: Database) -> None:
        """Soon after the start, make dictionaries that are missing if there are many answers."""
        self._ahead = asyncio.create_task(_prepare_ahead(database))

    async def close(self) -> None:
        """Stop making dictionaries."""
        for task in (self._ahead, self._preparing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def reply(self, session: AsyncSession, request: InsightRequest) -> InsightReply:
        """Return the kept reply of a query, or compute it."""
        if self._preparing is None:
            # Comments are mostly asked for after another insight; their dictionaries take seconds.
            default = request.metric_request.workspace.default_locale
            preparing = asyncio.to_thread(prepare_dictionaries, default)
            self._preparing = asyncio.create_task(preparing)
        changed = await _last_change(session, request)
        span = request.metric_request.span
        key = (request.insight, request.seed, span.start, span.end, changed)
        reply = self._replies.get(key)
        if reply is None:
            reply = self._replies[key] = await find_insight(session, request)
        return reply


async def _prepare_ahead(database: Database) -> None:
    """Make dictionaries ahead, so that a copy's first insight is as fast as the next ones."""
    await asyncio.sleep(_AHEAD_AFTER_SECONDS)
    async with database.session() as session:
        rows = await run_sql(session, _HAS_MANY_ANSWERS)
    if rows.one()[0]:
        await asyncio.to_thread(prepare_dictionaries, LANGUAGES[0])


async def _last_change(session: AsyncSession, request: InsightRequest) -> tuple[Any, ...]:
    """Return when anything that an insight reads last changed in the workspace.

    An insight that shows customers' words also depends on their names, which must not appear.
    """
    customers = "updated_at" if KINDS[request.insight].has_own_words else "erased_at"
    rows = await run_sql(
        session,
        text(
            "select (select max(updated_at) from response where workspace_id = :id), "
            "(select max(tags_changed_at) from survey where workspace_id = :id), "
            "(select count(*) from question where workspace_id = :id), "
            "(select row(coalesce(changed_at, created_at), id)::text from interaction "
            "where workspace_id = :id order by coalesce(changed_at, created_at) desc, id desc "
            "limit 1), (select max(updated_at) from ticket where workspace_id = :id), "
            f"(select max({customers}) from customer where workspace_id = :id), "
            "(select md5(string_agg(concat_ws(':', key, stage), ',' order by key)) "
            "from touchpoint where workspace_id = :id), "
            "(select row(w.word_of_mouth, w.min_group_size, w.config, w.default_locale)::text "
            "from workspace w where w.id = :id)"
        ).bindparams(id=request.metric_request.workspace.id),
    )
    return tuple(rows.one())


async def find_insight(session: AsyncSession, request: InsightRequest) -> InsightReply:
    """Compute the whole reply of an insight."""
    await run_sql(session, _READ_MUCH)
    metric_request = request.metric_request
    reply: InsightReply = {
        "insight": request.insight,
        "from": format_bound(metric_request.span.start),
        "to": format_bound(metric_request.span.end),
        "timezone": metric_request.timezone,
        "count": "latest_per_customer" if metric_request.latest else "all",
        "n": 0,
        "survey": None,
        "outcome": None,
        "rows": [],
        "assumptions": {},
        "warnings": [],
        "refused": None,
    }
    try:
        figures = await (await asyncio.to_thread(finders))[request.insight](session, request)
        _require_group(request, figures["n"])
    except InsightRefusal as refusal:
        return reply | refusal.about | {"n": refusal.n, "refused": refusal.as_reply()}
    least = metric_request.workspace.min_group_size
    figures = _without_few_followed(_without_halves(figures, least), least)
    return reply | {name: _without_small(part, least) for name, part in figures.items()}


def _require_group(request: InsightRequest, n: int) -> None:
    """Refuse a narrowed query of fewer answers than the workspace shows."""
    if request.metric_request.hides(n):
        least = request.metric_request.workspace.min_group_size
        detail = f"Groups of fewer than {least} answers stay hidden; choose fewer filters."
        raise InsightRefusal(TOO_FEW, detail, n=n, needed_n=least)


def _is_small(part: Any, least: int) -> bool:
    """Tell whether a part has a size, and one that is smaller than the smallest group."""
    size = next((part[name] for name in _SIZES if name in part), 0) if part else 0
    return 0 < size < least


def _without_halves(part: InsightReply, least: int) -> InsightReply:
    """Hide both halves of a whole if one is small; it could be computed from the other."""
    if not any(_is_small(part.get(name), least) for name in _HALVES):
        return part
    return part | {name: dict.fromkeys(part[name]) for name in (*_HALVES, "difference")}


def _without_few_followed(part: InsightReply, least: int) -> InsightReply:
    """Hide the figures on recovery if too few failures were followed by a rating."""
    if "failures" not in part or not 0 < part["followed"] < least:
        return part
    hidden: InsightReply = {name: None for name in _OF_FOLLOWED if name in part}
    if part.get("control"):
        hidden["control"] = part["control"] | {"p_good_after_bad": None}
    return part | hidden


def _without_small(part: Any, least: int) -> Any:
    """Return a part of a reply; groups that are smaller than the smallest one lose their figures.

    Every table, row and nested group with a size of its own is looked at.
    """
    if isinstance(part, list):
        return [_without_small(entry, least) for entry in part]
    if not isinstance(part, dict):
        return part
    part = _without_few_followed(_without_halves(part, least), least)
    size = next((part[name] for name in _SIZES if name in part), None)
    if size and size < least:
        return {name: value if name in _SHOWN_OF_SMALL else None for name, value in part.items()}
    return {name: _without_small(value, least) for name, value in part.items()}
