# SPDX-License-Identifier: Apache-2.0
"""Merge two customers: names, fields, and every row of the merged one."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.errors import Conflict, InvalidInput, not_found_as_field_error
from app.core.jobs import Job
from app.core.notices import notify
from app.core.prepared_statements import as_json
from app.interactions.customer_resolver import CUSTOMER_NOTICES
from app.interactions.customers import get_customer, lock_and_read, lock_cases
from app.interactions.erased_names import remember_names

REASSIGN_JOB = "customers.reassign"
# Answers that are written during a merge may still name the old customer.
REASSIGNED_AFTER = dt.timedelta(seconds=60)

# Every row that names a customer; the time of change makes exports send the row again.
_MOVE = (
    "update interaction set customer_id = :winner, changed_at = :now",
    "update ticket set customer_id = :winner, updated_at = :now",
    "update response set customer_id = :winner, updated_at = :now",
    "update invitation set customer_id = :winner, updated_at = :now",
    "update decision set customer_id = :winner",
)

_MERGE = (
    """update customer_identity set customer_id = :winner
    where workspace_id = :workspace_id and customer_id = :loser""",
    """update customer w set email = coalesce(w.email, l.email), name = coalesce(w.name, l.name),
      locale = coalesce(w.locale, l.locale), properties = l.properties || w.properties,
      consent = cast(:consent as jsonb),
      do_not_survey = w.do_not_survey or l.do_not_survey,
      last_invited_at = greatest(w.last_invited_at, l.last_invited_at), updated_at = :now
    from customer l where w.workspace_id = :workspace_id and w.id = :winner
    and l.workspace_id = :workspace_id and l.id = :loser""",
    """update customer set email = null, name = null, locale = null, properties = '{}',
      consent = null, merged_into = :winner, updated_at = :now
    where workspace_id = :workspace_id and id = :loser""",
    """update customer set merged_into = :winner
    where workspace_id = :workspace_id and merged_into = :loser""",
)


async def merge_customers(
    session: AsyncSession, workspace_id: UUID, *, loser: str, winner: str
) -> dict[str, Any]:
    """Merge one customer into another; where both have a value, the winner keeps its own."""
    with not_found_as_field_error("body", "from"):
        first = await get_customer(session, workspace_id, loser)
    with not_found_as_field_error("body", "into"):
        second = await get_customer(session, workspace_id, winner)
    if first["id"] == second["id"]:
        raise InvalidInput.at("body", "into", msg="is the same customer as `from`")
    if second["erased_at"] is not None or first["erased_at"] is not None:
        raise Conflict("An erased customer cannot be merged.")
    await lock_cases(session, workspace_id, [first["id"]])
    locked = await lock_and_read(session, workspace_id, [first["id"], second["id"]])
    consent = _later_consent(locked[first["id"]]["consent"], locked[second["id"]]["consent"])
    # The merged customer's former name must not appear among the words of others' comments.
    former = [first["name"]] if first["name"] else []
    await remember_names(session, workspace_id, names=former, emails=[])
    bound = {
        "workspace_id": workspace_id, "loser": first["id"], "winner": second["id"],
        "consent": as_json(consent) if consent is not None else None, "now": utc_now(),
    }  # fmt: skip
    for statement in _MERGE:
        names = {name: value for name, value in bound.items() if f":{name}" in statement}
        await run_sql(session, text(statement).bindparams(**names))
    await move_references(session, workspace_id, loser=first["id"], winner=second["id"])
    await notify(session, CUSTOMER_NOTICES, str(workspace_id))
    await jobs.enqueue(
        session,
        REASSIGN_JOB,
        workspace_id=workspace_id,
        payload={"loser": str(first["id"]), "winner": str(second["id"])},
        run_at=utc_now() + REASSIGNED_AFTER,
    )
    return await get_customer(session, workspace_id, str(second["id"]))


def _later_consent(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return the consent that was stated later; a merge must not overrule the customer."""
    if first is None or second is None:
        return first or second
    return max(second, first, key=lambda consent: dt.datetime.fromisoformat(consent["at"]))


async def move_references(
    session: AsyncSession, workspace_id: UUID, *, loser: UUID, winner: UUID | None
) -> None:
    """Move all rows of one customer to another. Stored counts have no customer, so they stay."""
    for update in _MOVE:
        bound = {"now": utc_now()} if ":now" in update else {}
        await run_sql(
            session,
            text(
                f"{update} where workspace_id = :workspace_id and customer_id = :loser"
            ).bindparams(workspace_id=workspace_id, loser=loser, winner=winner, **bound),
        )


async def reassign_merged(database: Database, job: Job) -> None:
    """Move the rows that were still being written when two customers were merged."""
    async with database.transaction() as session:
        await move_references(
            session,
            job.workspace_id,
            loser=UUID(job.payload["loser"]),
            winner=UUID(job.payload["winner"]),
        )
