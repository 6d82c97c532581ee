# SPDX-License-Identifier: Apache-2.0
"""`GET metrics`: whole numbers, as Delighted counted them."""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from app.core.clock import utc_now
from app.delighted.request import DelightedRequest
from app.metrics.counts import round_half_away
from app.metrics.parameters import MetricQuery, resolve
from app.metrics.service import measure
from app.responses.queries import segments_with
from app.surveys.question_types import QuestionType
from app.surveys.scales import BANDS
from app.workspaces.service import get_workspace

_DEFAULT_PERIOD = dt.timedelta(days=30)
_BAND_NAMES = tuple(map(str, BANDS[QuestionType.NPS]))


def _parts_of_union(names: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield which answers to add and to subtract for those that have a value in any segment.

    Inclusion and exclusion: what two segments have in common is in both, and counts once.
    """
    if not names:
        yield 1, ()
    for size in range(1, len(names) + 1):
        for part in itertools.combinations(names, size):
            yield (1 if size % 2 else -1), part


async def get_metrics(request: DelightedRequest) -> dict[str, Any]:
    """Return the NPS of the key's survey; without times, of the last 30 days."""
    parameters = request.parameters
    survey = await request.survey()
    session, workspace_id = request.session, request.caller.workspace_id
    workspace = await get_workspace(session, workspace_id)
    until = parameters.end("until") or utc_now()
    since = parameters.moment("since") or until - _DEFAULT_PERIOD
    query = MetricQuery(
        from_=since.isoformat(), to=max(until, since + dt.timedelta(seconds=1)).isoformat(),
        survey=[survey.key], channel=[*parameters.names("groups"), *parameters.names("groups[]")],
    )  # fmt: skip
    trend = parameters.text("trend")
    segments = await segments_with(session, workspace_id, trend) if trend else []
    counts: Counter[str] = Counter()
    # No segment has the value of an unknown trend, so nothing is counted.
    parts = _parts_of_union(segments) if segments or trend is None else ()
    for sign, names in parts:
        properties = {name: [str(trend)] for name in names}
        metric_request = await resolve(session, workspace, "nps", query, properties)
        part = (await measure(session, metric_request))["total"].get("counts") or {}
        counts.update({name: sign * number for name, number in part.items()})
    n = sum(counts[f"{name}s"] for name in _BAND_NAMES)
    net = counts["promoters"] - counts["detractors"]
    figures = {"nps": int(round_half_away(100 * net / n)) if n else 0, "response_count": n}
    for name in _BAND_NAMES:
        count = counts[f"{name}s"]
        figures |= {
            f"{name}_count": count,
            f"{name}_percent": int(round_half_away(100 * count / n)) if n else 0,
        }
    return figures
