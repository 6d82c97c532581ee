# SPDX-License-Identifier: Apache-2.0
"""Tickets: computed from their interactions whenever one of these arrives, and counted."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.config_lock import config_lock_sql
from app.core.database import Database, run_sql
from app.core.ids import derived_uuid
from app.core.prepared_statements import PreparedStatement, as_json
from app.interactions.resolution import TicketEvent, TicketProgress, progress_of
from app.interactions.schedule import Schedule, business_seconds
from app.interactions.ticket_statements import DIFFERENCES, REBUILD, SAVE

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class LockedConfiguration:
    """The locked configuration under which a workspace's tickets are counted."""

    workspace_id: UUID
    version: int
    schedule: Schedule | None


@dataclass(frozen=True, slots=True)
class ComputedTickets:
    """How tickets stand now, and how they stood before the new interactions, by id."""

    progress: Mapping[UUID, TicketProgress]
    before: Mapping[UUID, TicketProgress]


@lru_cache(10_000)
def ticket_id(workspace_id: UUID, source: str, ticket: str) -> UUID:
    """Return the id of a ticket, derived from its source and its number there."""
    return derived_uuid(str(workspace_id), "ticket", source, ticket)


_SHARE_CONFIGURATION_LOCK = PreparedStatement(f"""
select config, configs from workspace_config where workspace_id = :workspace_id and (select
  pg_advisory_xact_lock_shared({config_lock_sql(":key")}) is not null)
for key share
""")


async def share_configuration_lock(
    session: AsyncSession, workspace_id: UUID
) -> LockedConfiguration:
    """Lock the workspace's configuration as shared until the transaction ends, and return it."""
    (row,) = await _SHARE_CONFIGURATION_LOCK.run(
        session, workspace_id=workspace_id, key=str(workspace_id)
    )
    present = row["configs"][str(row["config"])]
    hours = present.get("business_hours")
    schedule = Schedule.from_settings(hours, timezone=present["timezone"]) if hours else None
    return LockedConfiguration(workspace_id, row["config"], schedule)


_MAKE = PreparedStatement("""
insert into ticket (workspace_id, id, source, ticket, status, touchpoint, properties,
  reopened, invalid, counted_as, created_at, updated_at)
select cast(:workspace_id as uuid), n.id, n.source, n.ticket, 'open', '', '{}',
  false, false, cast(:config as int), cast(:now as timestamptz), cast(:now as timestamptz)
from unnest(cast(:ids as uuid[]), cast(:sources as text[]), cast(:tickets as text[]))
  n(id, source, ticket)
order by n.id on conflict do nothing returning id
""")


async def lock_tickets(
    session: AsyncSession, configuration: LockedConfiguration, names: Iterable[tuple[str, str]]
) -> None:
    """Make the tickets that are new and lock all of them, in order.

    Inserting a ticket locks it, so only the existing tickets are locked by a query.
    """
    tickets = [(ticket_id(configuration.workspace_id, *name), *name) for name in set(names)]
    if not tickets:
        return
    ids = [id_ for id_, _, _ in tickets]
    inserted = await _MAKE.run(
        session,
        workspace_id=configuration.workspace_id,
        ids=ids,
        sources=[source for _, source, _ in tickets],
        tickets=[ticket for _, _, ticket in tickets],
        config=configuration.version,
        now=utc_now(),
    )
    new = {row["id"] for row in inserted}
    await _lock(session, configuration.workspace_id, [id_ for id_ in ids if id_ not in new])


async def delete_empty_tickets(
    session: AsyncSession, workspace_id: UUID, names: Iterable[tuple[str, str]]
) -> None:
    """Delete locked tickets that have no interactions."""
    await run_sql(
        session,
        text(
            "delete from ticket t where t.workspace_id = :workspace_id and t.id = any(:ids) "
            "and not exists (select from interaction i where i.workspace_id = :workspace_id "
            "and i.source = t.source and i.ticket = t.ticket)"
        ).bindparams(
            workspace_id=workspace_id, ids=[ticket_id(workspace_id, *name) for name in names]
        ),
    )


_LOCK = PreparedStatement(
    "select 1 from ticket where workspace_id = :workspace_id and id = any(:ids) "
    "order by id for update"
)


async def _lock(session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]) -> None:
    if ids:
        await _LOCK.run(session, workspace_id=workspace_id, ids=list(ids))


_SAVE = PreparedStatement(SAVE)


async def compute_tickets(
    session: AsyncSession,
    configuration: LockedConfiguration,
    ids: Sequence[UUID],
    known: Mapping[UUID, Sequence[Mapping[str, Any]]],
    created: Collection[UUID],
    *,
    is_rewrite: bool,
) -> ComputedTickets:
    """Compute locked tickets from all their interactions, and save them.

    `known` has the interactions of tickets that were read already; `created` are the ids of new
    interactions. A rewrite may leave tickets without interactions.
    """
    unread = [id_ for id_ in ids if id_ not in known]
    histories = {**known, **await _histories_of(session, configuration.workspace_id, unread)}
    if is_rewrite:
        histories = {**dict.fromkeys(ids, ()), **histories}
    before = {id_: _progress_without(history, created) for id_, history in histories.items()}
    return ComputedTickets(await _save_tickets(session, configuration, histories), before)


async def _save_tickets(
    session: AsyncSession,
    configuration: LockedConfiguration,
    histories: Mapping[UUID, Sequence[Mapping[str, Any]]],
) -> dict[UUID, TicketProgress]:
    """Compute locked tickets from all their interactions, oldest first, and count them anew."""
    progress_by_id = {}
    rows = []
    for id_, history in histories.items():
        progress = progress_of(
            TicketEvent(interaction["occurred_at"], interaction["type"], interaction["id"])
            for interaction in history
        )
        progress_by_id[id_] = progress
        rows.append(
            {"id": id_, **_row(progress, history), **_times(progress, configuration.schedule)}
        )
    if rows:
        await _SAVE.run(
            session, workspace_id=configuration.workspace_id, now=utc_now(),
            ids=list(progress_by_id), rows=as_json(rows),
        )  # fmt: skip
    return progress_by_id


def _progress_without(
    history: Sequence[Mapping[str, Any]], left_out: Collection[UUID]
) -> TicketProgress:
    """Return how far a ticket was without these interactions."""
    return progress_of(
        TicketEvent(interaction["occurred_at"], interaction["type"], interaction["id"])
        for interaction in history
        if interaction["id"] not in left_out
    )


def _row(progress: TicketProgress, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the columns of a ticket; of differing interactions the latest wins."""
    properties: dict[str, Any] = {}
    customer_id, touchpoint = None, ""
    for interaction in history:
        properties |= interaction["properties"]
        customer_id = interaction["customer_id"] or customer_id
        touchpoint = interaction["touchpoint"] or touchpoint
    return {
        "status": str(progress.status),
        "customer_id": customer_id,
        "touchpoint": touchpoint,
        "properties": properties,
        "opened_at": progress.opened_at,
        "first_reply_at": progress.first_reply_at,
        "first_solved_at": progress.first_solved_at,
        "last_solved_at": progress.last_solved_at,
        "reopened": progress.reopened,
        "invalid": progress.invalid,
    }


def _times(progress: TicketProgress, schedule: Schedule | None) -> dict[str, int | None]:
    """Return the seconds of each measure by both clocks; null where there is none."""
    resolved = progress.is_resolved and not progress.invalid
    ends = {
        "first": progress.first_solved_at if resolved else None,
        "full": progress.last_solved_at if resolved else None,
        "reply": progress.first_reply_at,
    }
    times: dict[str, int | None] = {}
    for measure, end in ends.items():
        start = progress.opened_at
        if start is None or end is None or end < start:
            times |= {f"{measure}_seconds": None, f"{measure}_business": None}
            continue
        times[f"{measure}_seconds"] = int((end - start).total_seconds())
        times[f"{measure}_business"] = (
            business_seconds(schedule, start, end) if schedule is not None else None
        )
    return times


_HISTORIES = PreparedStatement(
    """
select t.id as ticket_id, i.id, i.type, i.occurred_at, i.properties, i.customer_id, i.touchpoint
from ticket t join interaction i on i.workspace_id = t.workspace_id
  and i.ticket = t.ticket and i.source = t.source and not i.test
where t.workspace_id = :workspace_id and t.id = any(:ids)
order by i.occurred_at, i.id
"""
)


async def _histories_of(
    session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, Sequence[Mapping[str, Any]]]:
    """Return the interactions of tickets, oldest first."""
    if not ids:
        return {}
    histories: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in await _HISTORIES.run(session, workspace_id=workspace_id, ids=list(ids)):
        histories[row["ticket_id"]].append(row)
    return dict(histories)


async def recount_tickets(database: Database, workspace_id: UUID) -> None:
    """Compute tickets anew that were counted under an older configuration, 500 at a time."""
    last = UUID(int=0)
    while True:
        async with database.transaction() as session:
            configuration = await share_configuration_lock(session, workspace_id)
            rows = await run_sql(
                session,
                text(
                    "select id from ticket where workspace_id = :workspace_id and id > :last "
                    "and counted_as <> :config order by id limit :chunk for update"
                ).bindparams(
                    workspace_id=workspace_id, last=last, config=configuration.version, chunk=_CHUNK
                ),
            )
            ids = [row.id for row in rows]
            if not ids:
                return
            await _save_tickets(
                session, configuration, await _histories_of(session, workspace_id, ids)
            )
            last = ids[-1]


async def ticket_differences(database: Database, workspace_id: UUID) -> list[dict[str, Any]]:
    """Return the ticket counts that do not match the tickets; there should be none."""
    async with database.session() as session:
        rows = await run_sql(session, text(DIFFERENCES).bindparams(workspace_id=workspace_id))
        return [dict(row._mapping) for row in rows]


async def rebuild_ticket_counts(database: Database, workspace_id: UUID) -> None:
    """Count all tickets of a workspace anew, while its writers wait."""
    async with database.transaction() as session:
        for statement in (
            "select 1 from workspace_config where workspace_id = :workspace_id for update",
            "delete from ticket_count where workspace_id = :workspace_id",
            REBUILD,
        ):
            await run_sql(session, text(statement).bindparams(workspace_id=workspace_id))
