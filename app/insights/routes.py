# SPDX-License-Identifier: Apache-2.0
"""Routes of insights."""

import json
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import Response

from app.core.errors import Forbidden
from app.core.http import json_reply
from app.core.routing import PropertiesDep, ReadSessionDep, router
from app.insights.kinds import KINDS, TERM_COLUMNS, InsightName
from app.insights.parameters import InsightQuery, resolve_insight
from app.insights.request import InsightReply, InsightRequest
from app.insights.schemas import InsightOut
from app.insights.service import InsightCache
from app.metrics.csv_rows import rows_to_csv, wants_csv
from app.metrics.parameters import require_segments
from app.metrics.snapshot import begin_snapshot
from app.workspaces.admission import Analyst
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace

routes = router("Insights")

# The fields that every reply has beside its figures.
_ENVELOPE = frozenset(InsightOut.model_fields) | {"from"}


async def _insight_request(
    session: ReadSessionDep,
    caller: Analyst,
    insight: InsightName,
    query: Annotated[InsightQuery, Query()],
    properties: PropertiesDep,
) -> InsightRequest:
    await begin_snapshot(session)
    workspace = await get_workspace(session, caller.workspace_id)
    if Scope.READ not in caller.scopes:
        require_segments(workspace, properties)
        if KINDS[insight].has_own_words:
            detail = "This key lacks the scope `read`; comments are customers' own words."
            raise Forbidden(detail, reason="scope")
    return await resolve_insight(session, workspace, insight, query, properties)


InsightRequestDep = Annotated[InsightRequest, Depends(_insight_request)]


@routes.get(
    "/v1/insights/{insight}",
    summary="Read an insight",
    response_model=InsightOut,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_insight(
    request: Request, session: ReadSessionDep, insight_request: InsightRequestDep
) -> Response:
    """Return one insight: drivers, pillars, modules, recovery, word of mouth, spending, comments.

    If the data is not enough for an estimate, `rows` is empty and `refused` says why.
    """
    cache: InsightCache = request.app.state.insights
    reply = await cache.reply(session, insight_request)
    if wants_csv(request):
        return Response(_to_csv(reply), media_type="text/csv; charset=utf-8")
    return json_reply(reply)


def _to_csv(reply: InsightReply) -> str:
    """Write one line a row, then the figures of the top level as the line `total`.

    Of a refusal there is one line that says why; warnings stand in the first line.
    """
    rows: list[dict[str, Any]] = list(reply["rows"])
    name_column = KINDS[InsightName(reply["insight"])].total_in
    if reply["insight"] == InsightName.SPENDING:
        spent_before = {row["band"]: row for row in reply.get("before", ())}
        rows = [row | {"before": spent_before.get(row["band"], {})} for row in rows]
    if name_column and reply["refused"] is None:
        figures = {
            name: json.dumps(value) if isinstance(value, list) and value
            and isinstance(value[0], dict) else value
            for name, value in reply.items()
            if name not in _ENVELOPE and name != "before"
        }  # fmt: skip
        rows.append({name_column: "total", "n": reply["n"], **figures})
    if (refused := reply["refused"]) is not None:
        rows = [{"refused": refused["reason"], **refused}]
        del rows[0]["reason"]
    if reply["warnings"]:
        warnings = {"warnings": "; ".join(reply["warnings"])}
        rows[:1] = [rows[0] | warnings] if rows else [warnings]
    has_terms = reply["insight"] == InsightName.COMMENTS and reply["refused"] is None
    return rows_to_csv(rows, columns=TERM_COLUMNS if has_terms else ())
