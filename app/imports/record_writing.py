"""How tickets and customers are written and put back, by the services that everybody uses."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import AfterwordError
from app.imports.record_taking import Made
from app.imports.records import Record
from app.imports.ticket_rows import TicketStory
from app.interactions.customer_history import put_back, remove_unnamed, said_of
from app.interactions.customer_schemas import CustomerRow
from app.interactions.customers import (
    find_by_email,
    find_by_phone,
    find_customer,
    find_customers_by_id,
    put_customer,
)
from app.interactions.recording import interaction_id, record
from app.interactions.rewriting import Rewrite, read_as_stored


class TicketWriter:
    """Writes the stories of tickets as interactions, which no trigger hears."""

    async def write(
        self,
        session: AsyncSession,
        workspace_id: UUID,
        records: Sequence[Record],
        known: Mapping[UUID, Any],
    ) -> list[Made]:
        """Record the interactions of rows; those that a row told before are replaced."""
        if not records:
            return []
        earlier = {r.id: _ids(known[r.id].after) for r in records if r.id in known}
        replaced = {id_ for ids in earlier.values() for id_ in ids}
        before = {row["id"]: row for row in await read_as_stored(session, workspace_id, replaced)}
        drafts = [draft for r in records for draft in r.value.drafts]
        told = {interaction_id(workspace_id, d.source, d.external_id) for d in drafts}
        tickets = {(row["source"], row["ticket"]) for row in before.values()}
        found = await record(
            session, workspace_id, drafts,
            change=Rewrite(frozenset(replaced), frozenset(replaced - told), (), frozenset(tickets)),
        )  # fmt: skip
        recorded = iter(found)
        made = []
        for one in records:
            story: TicketStory = one.value
            own = [next(recorded) for _ in story.drafts]
            mine = [str(i.id) for i in own if i.created or i.id in replaced]
            rows = [before[str(id_)] for id_ in earlier.get(one.id, ()) if str(id_) in before]
            customer = next((i.customer_id for i in own if i.customer_id), None)
            made.append(
                Made(rows or None, {"interactions": mine}, customer, external_id=story.ticket)
            )
        return made

    async def put_back(
        self, session: AsyncSession, workspace_id: UUID, notes: Sequence[Any]
    ) -> set[UUID]:
        """Withdraw what rows told, and tell again what they replaced."""
        told = {id_ for note in notes for id_ in _ids(note.after)}
        now = await read_as_stored(session, workspace_id, told)
        restored = [row for note in notes for row in note.before or ()]
        kept = {UUID(row["id"]) for row in restored}
        tickets = {(row["source"], row["ticket"]) for row in (*now, *restored)}
        await record(
            session, workspace_id, [],
            change=Rewrite(frozenset(), frozenset(told - kept), tuple(restored),
                           frozenset(tickets)),
        )  # fmt: skip
        return set()


def _ids(after: Any) -> list[UUID]:
    return [UUID(id_) for id_ in (after or {}).get("interactions", ())]


class CustomerWriter:
    """Writes customers as the API's batch does."""

    async def write(
        self,
        session: AsyncSession,
        workspace_id: UUID,
        records: Sequence[Record],
        known: Mapping[UUID, Any],  # noqa: ARG002 - a customer is found by its own names
    ) -> list[Made]:
        """Put customers; one that cannot be is told of, and the others stay."""
        made = {}
        # In one order, so that two writers never wait for each other in a circle.
        for one in sorted(records, key=lambda r: (str(r.identity), r.line)):
            made[one.id] = await self._put(session, workspace_id, one.value)
        return [made[one.id] for one in records]

    async def _put(self, session: AsyncSession, workspace_id: UUID, row: CustomerRow) -> Made:
        try:
            async with session.begin_nested():
                before = await self._known(session, workspace_id, row)
                after, _ = await put_customer(session, workspace_id, row)
        except AfterwordError as error:
            return Made(problem=error.detail)
        return Made(
            said_of(before) if before else None, said_of(after), after["id"],
            external_id=row.external_id,
        )  # fmt: skip

    async def _known(
        self, session: AsyncSession, workspace_id: UUID, row: CustomerRow
    ) -> dict[str, Any] | None:
        if row.external_id is not None:
            found = await find_customer(session, workspace_id, row.external_id, source=row.source)
            if found is not None:
                return found
        if row.email is not None:
            return await find_by_email(session, workspace_id, row.email)
        return await find_by_phone(session, workspace_id, row.phone or "") if row.phone else None

    async def put_back(
        self, session: AsyncSession, workspace_id: UUID, notes: Sequence[Any]
    ) -> set[UUID]:
        """Make customers what they were; what was changed since, or is named elsewhere, is left."""
        left = set()
        ids = [note.customer_id for note in notes if note.customer_id]
        now = await find_customers_by_id(session, workspace_id, ids)
        for note in notes:
            customer = now.get(note.customer_id)
            if customer is None:
                continue
            if note.after is None or not _same(said_of(customer), note.after):
                left.add(note.record_id)
            elif note.before is not None:
                await put_back(session, workspace_id, customer["id"], note.before)
            elif not await remove_unnamed(session, workspace_id, customer["id"]):
                left.add(note.record_id)
        return left


def _same(now: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all(now[name] == after[name] for name in after)
