# SPDX-License-Identifier: Apache-2.0
"""Claims: what public pages state about an order, ticket or customer without a proof.

A claim never replaces another answer. If a caller with a secret key, or the invited customer,
answers about the same case, the claim is taken out of the figures, in either order of arrival.
"""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, run_sql
from app.responses.body import ResponseIn
from app.responses.changes import SUPERSEDE, change_responses, is_superseded_sql
from app.responses.submission import claim_ids
from app.responses.writing import Submission
from app.surveys.compiled import CompiledSurvey


async def supersede_claims(
    database: Database, slot: int, workspace_id: UUID, submissions: Iterable[Submission]
) -> None:
    """Take claims out of the figures if a trusted answer about their case exists.

    Call it after each write of a claim or a trusted response: of two such writes at the same time,
    at least one then sees the other.
    """
    ids: dict[str, list[UUID]] = defaultdict(list)
    for submission in submissions:
        if submission.case_kind is not None:
            ids[submission.case_kind] += submission.claims
    for per, claims in ids.items():
        superseded = await _find_superseded(database, workspace_id, per, claims)
        if superseded:
            statement = SUPERSEDE[per]
            await change_responses(
                database, slot, workspace_id, statement=statement, ids=superseded
            )


async def _find_superseded(
    database: Database, workspace_id: UUID, per: str, claims: list[UUID]
) -> list[UUID]:
    if not claims:
        return []
    query = (
        "select o.id from response o where o.workspace_id = :workspace_id "
        f"and o.id = any(:ids) and {is_superseded_sql(per, ':workspace_id')}"
    )
    async with database.session() as session:
        rows = await run_sql(session, text(query).bindparams(workspace_id=workspace_id, ids=claims))
        return [row.id for row in rows]


_ANSWERED = text("""
select exists (
  select from response r where r.workspace_id = :workspace_id and r.id = any(:claims)
  union all
  select from response r where r.workspace_id = :workspace_id and r.survey_id = :survey_id
  and not r.public and r.state = 'counted'
  and (r.order_ref = :order_ref or r.ticket_ref = :ticket_ref)
)""")


async def is_answered(session: AsyncSession, survey: CompiledSurvey, body: ResponseIn) -> bool:
    """Tell whether the order or ticket that a page names has had its one answer."""
    claims = claim_ids(body, survey)
    if not claims:
        return False
    per = survey.one_answer_per
    rows = await run_sql(
        session,
        _ANSWERED.bindparams(
            workspace_id=survey.workspace_id,
            survey_id=survey.id,
            claims=claims,
            order_ref=body.order if per == "order" else None,
            ticket_ref=body.ticket if per == "ticket" else None,
        ),
    )
    return bool(rows.one()[0])
