# SPDX-License-Identifier: Apache-2.0
"""Service of the room: read, annotate, restore, reject and delete responses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.clock import rfc3339, utc_now
from app.core.database import Database, run_sql
from app.core.errors import Conflict, Forbidden, NotFound
from app.core.event_consumer import StoredEvent
from app.core.event_types import EventType
from app.core.outbox import emit
from app.interactions.customers import find_customers_by_id
from app.invitations import service as invitations
from app.responses import queries
from app.responses.changes import DELETE, REJECT, RESTORE, change_responses
from app.responses.follow_ups import FollowUpStatus
from app.responses.schemas import ResponsePatch, ResponseWithRevisions
from app.responses.states import integrity_of
from app.workspaces.caller import Caller

REDACT_JOB = "responses.redact_events"
_CLOSED = FollowUpStatus.RESOLVED
# The ids of the responses that exist, and of those that were changed.
ExistingAndChangedIds = tuple[list[UUID], list[UUID]]


async def read(
    session: AsyncSession, workspace_id: UUID, response_id: UUID
) -> ResponseWithRevisions:
    """Return one response, or raise NotFound."""
    row = await queries.find_response(session, workspace_id, response_id)
    if row is None:
        raise NotFound.in_workspace("response")
    return (await responses_out(session, workspace_id, [row]))[0]


async def responses_out(
    session: AsyncSession, workspace_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> list[ResponseWithRevisions]:
    """Return stored rows as the API shows them, with their customers."""
    ids = [row["customer_id"] for row in rows if row["customer_id"]]
    customers = await find_customers_by_id(session, workspace_id, ids)
    return [_response_out(row, customers) for row in rows]


def _response_out(
    row: Mapping[str, Any], customers: Mapping[UUID, dict[str, Any]]
) -> ResponseWithRevisions:
    customer = customers.get(row["customer_id"])
    if customer is None and row["claimed"]:
        customer = {"id": None, "claimed": row["claimed"]}
    return ResponseWithRevisions.model_validate(
        dict(row)
        | {
            "survey": row["survey_key"],
            "touchpoint": row["touchpoint"] or None,
            "integrity": integrity_of(row["state"]),
            "customer": customer,
            "order": row["order_ref"],
            "ticket": row["ticket_ref"],
            "interaction": row["interaction_ref"],
            "claimed": row["public"],
            "import": row["imported_from"],
            "follow_up": {
                "status": row["follow_up"],
                "assignee": row["assignee"],
                "due_at": row["due_at"],
                "opened_at": row["follow_up_opened_at"],
                "closed_at": row["follow_up_closed_at"],
                "notes": row["notes"],
            },
        }
    )


async def annotate(
    session: AsyncSession, caller: Caller, response_id: UUID, patch: ResponsePatch
) -> ResponseWithRevisions:
    """Change tags and follow-up. Rollups do not count them, so they stay."""
    if "tags" in patch.model_fields_set and not caller.may_tag:
        raise Forbidden("This key may follow up, but tags need the scope `write`.")
    current = await run_sql(
        session,
        text(
            "select follow_up, follow_up_opened_at, customer_id from response "
            "where workspace_id = :workspace_id and id = :id and state <> 'deleted' for update"
        ).bindparams(workspace_id=caller.workspace_id, id=response_id),
    )
    row = current.first()
    if row is None:
        raise NotFound.in_workspace("response")
    values = _columns_to_set(caller, patch, row)
    if values:
        await _change_columns(session, caller.workspace_id, response_id, values)
    response = await read(session, caller.workspace_id, response_id)
    if "follow_up" in patch.model_fields_set:
        resolved = (
            "status" in patch.follow_up.model_fields_set
            and patch.follow_up.status is _CLOSED
            and row.follow_up != str(_CLOSED)
        )
        data = response.model_dump(mode="json", include={"id", "survey", "score", "follow_up"})
        data |= {"customer_id": row.customer_id, "resolved": resolved}
        await emit(session, caller.workspace_id, EventType.FOLLOW_UP_UPDATED, data=[data])
    return response


def _columns_to_set(caller: Caller, patch: ResponsePatch, row: Any) -> dict[str, Any]:
    """Return the columns that a patch sets."""
    values: dict[str, Any] = {}
    if "tags" in patch.model_fields_set:
        values["tags"] = list(dict.fromkeys(patch.tags))
    follow_up = patch.follow_up
    if fields := follow_up.model_fields_set:
        values |= follow_up.model_dump(include={"assignee", "due_at"}, exclude_unset=True)
        if "status" in fields:
            values |= _follow_up_columns(row, follow_up.status)
        if "note" in fields:
            note = {"text": follow_up.note, "by": caller.name, "at": rfc3339(utc_now())}
            values["note"] = [note]
    return values


async def _change_columns(
    session: AsyncSession, workspace_id: UUID, response_id: UUID, values: Mapping[str, Any]
) -> None:
    """Set columns of one response; a note is appended."""
    assignments = [
        "notes = notes || :note" if name == "note" else f"{name} = :{name}" for name in values
    ]
    json_names = {"tags", "note"} & set(values)
    statement = text(
        f"update response set {', '.join(assignments)}, updated_at = :now "
        "where workspace_id = :workspace_id and id = :id"
    ).bindparams(*(bindparam(name, type_=JSONB) for name in json_names))
    await run_sql(
        session,
        statement.bindparams(**values, now=utc_now(), workspace_id=workspace_id, id=response_id),
    )


def _follow_up_columns(row: Any, status: FollowUpStatus) -> dict[str, Any]:
    """Return the columns of a follow-up's new status, with when it was opened and closed."""
    now = utc_now()
    opened = None if status is FollowUpStatus.NONE else row.follow_up_opened_at or now
    closed = now if status is _CLOSED else None
    return {
        "follow_up": str(status),
        "follow_up_opened_at": opened,
        "follow_up_closed_at": closed,
    }


async def delete(database: Database, slot: int, workspace_id: UUID, response_id: UUID) -> None:
    """Delete a response with its content; a consumer then empties its earlier events."""
    _, deleted = await change_responses(
        database, slot, workspace_id, statement=DELETE, ids=[response_id]
    )
    _require_changed(deleted, deleted)


async def restore(database: Database, slot: int, workspace_id: UUID, response_id: UUID) -> None:
    """Count a response that was held back; its invitation then counts as answered."""
    _require_changed(*await restore_many(database, slot, workspace_id, [response_id]))


async def restore_many(
    database: Database, slot: int, workspace_id: UUID, ids: Sequence[UUID]
) -> ExistingAndChangedIds:
    """Count those of the responses that were held back; their invitations count as answered."""
    known_ids, changed = await change_responses(
        database, slot, workspace_id, statement=RESTORE, ids=ids
    )
    async with database.transaction() as session:
        # A response to an invitation has the invitation's id.
        for invitation in await invitations.lock_all(session, workspace_id, changed):
            await invitations.note_answered(session, invitation)
    return known_ids, changed


async def reject(database: Database, slot: int, workspace_id: UUID, response_id: UUID) -> None:
    """Take a response out of the figures; it stays listed."""
    _require_changed(*await reject_many(database, slot, workspace_id, [response_id]))


async def reject_many(
    database: Database, slot: int, workspace_id: UUID, ids: Sequence[UUID]
) -> ExistingAndChangedIds:
    """Take those of the responses that exist out of the figures."""
    return await change_responses(database, slot, workspace_id, statement=REJECT, ids=ids)


async def consume_deletions(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Enqueue the redaction of earlier events of deleted responses, one job per workspace."""
    deleted: dict[UUID, list[str]] = defaultdict(list)
    for event in events:
        deleted[event.workspace_id].append(event.data["id"])
    for workspace_id, ids in deleted.items():
        await jobs.enqueue(
            session, REDACT_JOB, workspace_id=workspace_id, payload={"responses": ids}
        )


async def redact_events(database: Database, job: jobs.Job) -> None:
    """Empty the events of responses that were deleted; their ids and times stay."""
    kept_fields = "('id', 'survey', 'channel', 'created_at', 'updated_at')"
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "with kept as materialized (select e.xid, e.id, (select jsonb_object_agg(k, v) "
                f"from jsonb_each(e.data) d(k, v) where k in {kept_fields}) as data from event e "
                "where e.workspace_id = :workspace_id and e.type like 'response.%' "
                "and e.data ->> 'id' = any(:ids ::text[])) "
                "update event e set data = k.data from kept k "
                "where e.workspace_id = :workspace_id and e.xid = k.xid and e.id = k.id"
            ).bindparams(workspace_id=job.workspace_id, ids=job.payload["responses"]),
        )


def _require_changed(known_ids: Sequence[UUID], changed: Sequence[UUID]) -> None:
    """Raise NotFound for a response that is unknown, Conflict for one that was not changed."""
    if not known_ids:
        raise NotFound.in_workspace("response")
    if not changed:
        detail = "The state of the response does not allow this; read it to see its `integrity`."
        raise Conflict(detail)
