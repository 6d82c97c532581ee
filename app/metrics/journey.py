# SPDX-License-Identifier: Apache-2.0
"""A journey's map: each step with its figures, the weakest one, and the touchpoints on no step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.interactions import service as interactions
from app.interactions.models import Journey
from app.interactions.schemas import Stage
from app.metrics.conditions import RequestConditions
from app.metrics.counting import Cells
from app.metrics.counts import pool
from app.metrics.figures import Cell, mean_0_100, pool_into
from app.metrics.metric import CountReading, FigureDict
from app.metrics.registry import METRICS, SCORE_METRICS
from app.metrics.request import MetricRequest
from app.metrics.ticket_times import MEDIAN_RESOLUTIONS
from app.responses.follow_ups import IS_OPEN_SQL

# The weakest touchpoint is found from the main figures; emotion is only shown.
SCORES_ON_MAP = (*SCORE_METRICS, "emotion")
ON_MAP = (*SCORES_ON_MAP, "ttr")
# How many answers the overall mean weighs beside those of a touchpoint.
_PRIOR = 30
STAGES = (*Stage, None)
_FOLLOW_UP_FILTERS = {
    "touchpoint": "r.touchpoint = any({})",
    "channel": "r.channel = any({})",
    "locale": "r.locale = any({})",
    "stage": """exists (select from touchpoint t where t.workspace_id = r.workspace_id
      and t.key = r.touchpoint and t.stage = any({}))""",
}


async def all_touchpoints(session: AsyncSession, workspace_id: UUID) -> Journey:
    """Return every touchpoint as one journey, in the order of the stages."""
    rows = await interactions.find_touchpoints(session, workspace_id)
    order = {stage: number for number, stage in enumerate(STAGES)}
    keys = [row.key for row in sorted(rows, key=lambda row: (order.get(row.stage, 9), row.key))]
    steps = [{"touchpoint": key, "notes": {}} for key in keys]
    return Journey(workspace_id=workspace_id, key="", name={}, steps=steps, created_at=utc_now())


class WeakestTouchpoint(NamedTuple):
    """The touchpoint with the lowest score on 0-100."""

    key: str
    score: float


async def find_weakest(
    session: AsyncSession, requests: Mapping[str, MetricRequest]
) -> WeakestTouchpoint | None:
    """Return the weakest of all touchpoints, the one that a map of them marks.

    `requests` has one request by touchpoint for each of `SCORE_METRICS`.
    """
    first_request = requests[SCORE_METRICS[0]]
    journey = await all_touchpoints(session, first_request.workspace.id)
    shrunk = _shrunken_means(await _count_scores(session, requests, SCORE_METRICS), first_request)
    weakest = _weakest_of([step["touchpoint"] for step in journey.steps], shrunk)
    return None if weakest is None else WeakestTouchpoint(weakest, shrunk[weakest])


async def _count_scores(
    session: AsyncSession, requests: Mapping[str, MetricRequest], metrics: Sequence[str]
) -> dict[str, Cells]:
    return {
        name: await METRICS[name].counter.count_by_group(session, requests[name], None)
        for name in metrics
    }


def _weakest_of(touchpoints: Sequence[str], means: Mapping[str, float]) -> str | None:
    """Return the touchpoint with the lowest mean, if there are two to compare."""
    rated = [key for key in touchpoints if key in means]
    return min(rated, key=lambda key: means[key]) if len(rated) > 1 else None


async def read_journey_map(
    session: AsyncSession,
    journey: Journey,
    requests: Mapping[str, MetricRequest],
) -> dict[str, Any]:
    """Return the steps with figures by metric: one request by touchpoint for each of `ON_MAP`."""
    cells = await _count_scores(session, requests, SCORES_ON_MAP)
    times = await _times(session, requests["ttr"])
    first_request = next(iter(requests.values()))
    open_follow_ups = await _open_follow_ups(session, first_request)
    touchpoints = await interactions.find_touchpoints(session, first_request.workspace.id)
    stages = {row.key: row.stage for row in touchpoints}
    shrunk = _shrunken_means(cells, first_request)
    on_map = [step["touchpoint"] for step in journey.steps]
    weakest = _weakest_of(on_map, shrunk)

    def describe_step(touchpoint: str) -> dict[str, Any]:
        return {
            "touchpoint": touchpoint,
            "stage": stages.get(touchpoint),
            **{
                name: _figure(requests[name], cells[name].get((None, touchpoint))) for name in cells
            },
            "ttr": times.get(touchpoint),
            "score_0_100": shrunk.get(touchpoint),
            "open_follow_ups": open_follow_ups.get(touchpoint, 0),
            "weakest": touchpoint == weakest,
        }

    seen = {key[1] for counts in cells.values() for key in counts if key[1]} | set(stages)
    seen |= {touchpoint for touchpoint in times if touchpoint}
    return {
        "key": journey.key,
        "name": journey.name,
        "steps": [
            describe_step(step["touchpoint"]) | {"notes": step["notes"]} for step in journey.steps
        ],
        "elsewhere": [describe_step(key) for key in sorted(seen - set(on_map))],
    }


def _figure(request: MetricRequest, cell: Cell | None) -> dict[str, Any] | None:
    """Return a figure in short, of the scale with most answers, or None without answers."""
    if not cell:
        return None
    sizes: dict[str, int] = {}
    for series, counts in cell.items():
        sizes[series.scale] = sizes.get(series.scale, 0) + counts.n
    scale = max(sorted(sizes), key=lambda name: sizes[name])
    reading = CountReading(scale=scale)
    figure = METRICS[request.metric].counter.make_figure(request, cell, reading, {})
    return short_figure(figure)


async def _times(session: AsyncSession, request: MetricRequest) -> dict[str, FigureDict | None]:
    """Return the times to resolution by touchpoint, in short."""
    counter = MEDIAN_RESOLUTIONS
    counts_by_key = await counter.count_by_group(session, request, None)
    return {
        key[1]: short_figure(
            counter.make_figure(request, counts, counter.choose_reading(request, counts), {})
        )
        for key, counts in counts_by_key.items()
    }


def short_figure(figure: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the part of a figure that a map shows, or None without answers."""
    if not figure["n"]:
        return None
    return {name: figure[name] for name in ("value", "display", "n", "ci", "reliability")}


def _shrunken_means(cells: Mapping[str, Cells], first_request: MetricRequest) -> dict[str, float]:
    """Return each touchpoint's mean on 0-100, drawn towards the mean of all where n is small."""
    by_touchpoint: dict[str, Cell] = {}
    for name in SCORE_METRICS:
        for key, cell in cells[name].items():
            if key[1]:
                pool_into(by_touchpoint.setdefault(key[1], {}), cell)
    means = {}
    for touchpoint, cell in by_touchpoint.items():
        n = pool(cell.values()).n
        if n and not first_request.hides(n):
            means[touchpoint] = (mean_0_100(cell)["mean_0_100"], n)
    if not means:
        return {}
    overall = sum(mean * count for mean, count in means.values()) / sum(
        count for _, count in means.values()
    )
    return {
        touchpoint: (mean * count + overall * _PRIOR) / (count + _PRIOR)
        for touchpoint, (mean, count) in means.items()
    }


async def _open_follow_ups(session: AsyncSession, request: MetricRequest) -> dict[str, int]:
    """Return how many follow-ups of the request's filters are open now, by touchpoint."""
    query = RequestConditions(request)
    for name, values in request.filters.items():
        if name != "survey":
            query.conditions.append(_FOLLOW_UP_FILTERS[name].format(query.bind_texts(values)))
    query.narrow_to_surveys("r.survey_id")
    query.narrow_to_properties("r.properties")
    rows = await run_sql(
        session,
        text(
            "select r.touchpoint, count(*) from response r where r.workspace_id = :workspace "
            f"and r.follow_up_opened_at is not null and {IS_OPEN_SQL} "
            f"and r.state = 'counted' and {query.where('true')} group by 1"
        ).bindparams(**query.bound),
    )
    return dict(tuple(row) for row in rows)
