# SPDX-License-Identifier: Apache-2.0
"""Write and restore imported tickets and customers, through the same services as the API."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import AfterwordError
from app.imports.customer_rows import IMPORTED
from app.imports.record_import import RecordNote, WrittenRecord
from app.imports.records import Record
from app.imports.ticket_rows import TicketHistory
from app.interactions.customer_restoring import delete_unreferenced, fields_of, restore_customer
from app.interactions.customer_schemas import CustomerRow
from app.interactions.customers import find_customers_by_id, find_existing, put_customer
from app.interactions.history_rewrite import Rewrite, read_as_stored
from app.interactions.interaction_recorder import interaction_id, record


class TicketWriter:
    """Writes the events of tickets as interactions, without running triggers."""

    async def write(
        self,
        session: AsyncSession,
        workspace_id: UUID,
        records: Sequence[Record],
        known: Mapping[UUID, Any],
    ) -> list[WrittenRecord]:
        """Record the interactions of rows; those of an earlier import of a row are replaced."""
        if not records:
            return []
        earlier = {entry.id: _ids(known[entry.id].after) for entry in records if entry.id in known}
        replaced = {id_ for ids in earlier.values() for id_ in ids}
        stored_rows = {
            row["id"]: row for row in await read_as_stored(session, workspace_id, replaced)
        }
        drafts = [draft for entry in records for draft in entry.value.drafts]
        new_ids = {
            interaction_id(workspace_id, draft.source, draft.external_id) for draft in drafts
        }
        tickets = {(row["source"], row["ticket"]) for row in stored_rows.values()}
        interactions = await record(
            session, workspace_id, drafts,
            change=Rewrite(frozenset(replaced), frozenset(replaced - new_ids), (),
                           frozenset(tickets)),
        )  # fmt: skip
        recorded = iter(interactions)
        results = []
        for entry in records:
            history: TicketHistory = entry.value
            own = [next(recorded) for _ in history.drafts]
            own_ids = [
                str(interaction.id)
                for interaction in own
                if interaction.created or interaction.id in replaced
            ]
            rows = [
                stored_rows[str(id_)]
                for id_ in earlier.get(entry.id, ())
                if str(id_) in stored_rows
            ]
            customer = next(
                (interaction.customer_id for interaction in own if interaction.customer_id), None
            )
            results.append(
                WrittenRecord(
                    rows or None, {"interactions": own_ids}, customer, external_id=history.ticket
                )
            )
        return results

    async def put_back(
        self, session: AsyncSession, workspace_id: UUID, notes: Sequence[RecordNote]
    ) -> set[UUID]:
        """Withdraw the interactions that rows made, and restore those that they replaced."""
        made_ids = {id_ for note in notes for id_ in _ids(note.after)}
        current_rows = await read_as_stored(session, workspace_id, made_ids)
        restored = [row for note in notes for row in note.before or ()]
        restored_ids = {UUID(row["id"]) for row in restored}
        tickets = {(row["source"], row["ticket"]) for row in (*current_rows, *restored)}
        await record(
            session, workspace_id, [],
            change=Rewrite(frozenset(), frozenset(made_ids - restored_ids), tuple(restored),
                           frozenset(tickets)),
        )  # fmt: skip
        return set()

    def is_made_by(self, state: Any, after: Any) -> bool:
        """Tell whether all interactions of a state are those that an import made."""
        ids = set(_ids(after))
        return all(UUID(row["id"]) in ids for row in state)


def _ids(after: Any) -> list[UUID]:
    return [UUID(id_) for id_ in (after or {}).get("interactions", ())]


class CustomerWriter:
    """Writes customers as the API's batch does."""

    async def write(
        self,
        session: AsyncSession,
        workspace_id: UUID,
        records: Sequence[Record],
        known: Mapping[UUID, Any],
    ) -> list[WrittenRecord]:
        """Store customers; one that cannot be stored is reported, and the others stay."""
        results = {}
        # Sorted, so that two writers cannot deadlock.
        for entry in sorted(records, key=lambda r: (str(r.identity), r.line)):
            earlier = known[entry.id].after if entry.id in known else None
            results[entry.id] = await self._put(session, workspace_id, entry.value, earlier)
        return [results[entry.id] for entry in records]

    async def _put(
        self, session: AsyncSession, workspace_id: UUID, row: CustomerRow, earlier: Any
    ) -> WrittenRecord:
        try:
            async with session.begin_nested():
                existing = await find_existing(session, workspace_id, row)
                lifted = _refusals_lifted(row, existing, earlier or {}) if existing else set()
                if lifted:
                    fields = row.model_dump(exclude_unset=True, exclude=lifted)
                    row = CustomerRow.model_validate(fields)
                after, _ = await put_customer(session, workspace_id, row)
        except AfterwordError as error:
            return WrittenRecord(problem=error.detail)
        return WrittenRecord(
            fields_of(existing) if existing else None, fields_of(after), after["id"],
            external_id=row.external_id,
            notes=tuple(_REFUSED_HERE[name] for name in sorted(lifted)),
        )  # fmt: skip

    async def put_back(
        self, session: AsyncSession, workspace_id: UUID, notes: Sequence[RecordNote]
    ) -> set[UUID]:
        """Restore customers; one that was changed since stays, and so does a new one in use."""
        left = set()
        ids = [note.customer_id for note in notes if note.customer_id]
        customers = await find_customers_by_id(session, workspace_id, ids)
        for note in notes:
            customer = customers.get(note.customer_id) if note.customer_id else None
            if customer is None:
                continue
            if note.after is None or not _has_values(fields_of(customer), note.after):
                left.add(note.record_id)
            elif note.before is not None:
                await restore_customer(session, workspace_id, customer["id"], note.before)
            elif not await delete_unreferenced(session, workspace_id, customer["id"]):
                if note.state_before is None:
                    left.add(note.record_id)
                else:
                    # Other rows refer to the customer, so it gets the fields that the import found.
                    await restore_customer(session, workspace_id, customer["id"], note.state_before)
        return left

    def is_made_by(self, state: Any, after: Any) -> bool:
        """Tell whether nobody has changed a customer since an import wrote it."""
        return after is not None and _has_values(state, after)


_REFUSED_HERE = {
    "consent": "consent: the customer has refused since, and a file cannot change that",
    "do_not_survey": "do_not_survey: the customer is marked in Afterword, and a file cannot "
    "change that",
}


def _refusals_lifted(
    row: CustomerRow, existing: Mapping[str, Any], earlier: Mapping[str, Any]
) -> set[str]:
    """Return the fields by which a row would withdraw a refusal that was not imported.

    A file has no time, so it may be older than what the customer said here. `earlier` has the
    customer's fields after the previous import of this row.
    """
    lifted = set()
    consent = existing["consent"] or {}
    is_refused_here = consent.get("surveys") is False and consent.get("source") != IMPORTED
    if is_refused_here and row.consent is not None and row.consent.surveys:
        lifted.add("consent")
    is_lifted = "do_not_survey" in row.model_fields_set and not row.do_not_survey
    if is_lifted and existing["do_not_survey"] and not earlier.get("do_not_survey"):
        lifted.add("do_not_survey")
    return lifted


def _has_values(fields: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all(fields[name] == after[name] for name in after)
