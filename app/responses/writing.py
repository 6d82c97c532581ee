# SPDX-License-Identifier: Apache-2.0
"""Write one batch of responses: merge repeats, return outcomes, repeat after a lost connection."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from app.core.database import RawConnection
from app.responses import cluster_ingest, lone_answer
from app.responses.event_data import lone_event_data
from app.responses.rows import (
    ResponseRow,
    StoredResponse,
    column_values,
    encode_rows,
    stored_response_of,
)
from app.responses.statements import FIND_FORMER, INSERT, UPDATE

MAX_ROWS = 500


class WriteOutcome(StrEnum):
    """What became of one submission."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REPLAYED = "replayed"
    CONFLICT = "conflict"
    MISMATCH = "mismatch"
    DELETED = "deleted"
    CLOSED = "closed"


class WriteResult(NamedTuple):
    """The outcome of one submission, with the row as it is stored now, None for none."""

    outcome: WriteOutcome
    row: ResponseRow | StoredResponse | None
    now: dt.datetime

    @property
    def stored(self) -> StoredResponse | None:
        """What a reply shows of the row; made when it is asked for, which imports never do."""
        return (
            stored_response_of(self.row, self.now)
            if isinstance(self.row, ResponseRow)
            else self.row
        )


@dataclass(frozen=True, slots=True)
class FormerId:
    """The id that a response would have had before `since`, when ids could be guessed."""

    id: UUID
    since: dt.datetime


class Submission(msgspec.Struct, frozen=True):
    """One answer to write; with `must_exist` it only changes a response that exists.

    `former` is an older id under which the same response may be stored. `claims` are the ids
    under which public pages may have stored an answer about the same `case_kind`.
    """

    row: ResponseRow
    must_exist: bool = False
    former: FormerId | None = None
    case_kind: str | None = None
    claims: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """What all submissions of one statement share.

    `is_retry` after a connection was lost; `has_lone_function` where the connection could make
    the function of `lone_answer`.
    """

    workspace_id: UUID
    slot: int
    events: bool
    now: dt.datetime
    is_retry: bool
    on_cluster: bool
    has_lone_function: bool


async def write_batch(
    connection: RawConnection,
    batch: WriteBatch,
    submissions: Sequence[Submission],
) -> list[WriteResult]:
    """Write at most 500 submissions of one workspace; return an outcome for each, in order.

    Of repeats of one id the highest `seq` is written. Each statement is a transaction of its
    own; after a lost connection the same batch may be sent again, and a row that bears the
    batch's own moment counts as created by it.
    """
    by_id: dict[UUID, list[Submission]] = defaultdict(list)
    await _use_former_ids(connection, batch, submissions)
    for submission in submissions:
        by_id[submission.row.id].append(submission)
    # Of equal numbers the first arrival wins.
    winners = [max(repeats, key=lambda s: s.row.seq) for repeats in by_id.values()]
    created, stored = await _store(connection, batch, winners)
    outcomes: dict[int, WriteResult] = {}
    for winner in winners:
        id_ = winner.row.id
        old, seq = stored.get(id_, (None, 0))
        is_new = id_ in created or (
            old is not None and batch.is_retry and old.created_at == batch.now
        )
        row = winner.row if is_new else old
        for submission, outcome in _outcomes(by_id[id_], row, 0 if is_new else seq, is_new=is_new):
            outcomes[id(submission)] = WriteResult(outcome, row, batch.now)
    return [outcomes[id(submission)] for submission in submissions]


async def _use_former_ids(
    connection: RawConnection, batch: WriteBatch, submissions: Sequence[Submission]
) -> None:
    """Give a submission its former id if its response is stored under that."""
    formers = {
        submission.former.id: submission.former.since
        for submission in submissions
        if submission.former is not None
    }
    if not formers:
        return
    rows = await connection.fetch(
        FIND_FORMER, batch.workspace_id, list(formers), max(formers.values())
    )
    stored = {row["id"] for row in rows}
    for submission in submissions:
        if submission.former is not None and submission.former.id in stored:
            submission.row.id = submission.former.id


async def _store(
    connection: RawConnection, batch: WriteBatch, winners: Sequence[Submission]
) -> tuple[set[UUID], dict[UUID, tuple[StoredResponse, int]]]:
    """Insert what is new, update the rest; return the new ids, and the old with their old `seq`."""
    fresh = [winner.row for winner in winners if not winner.must_exist]
    created: set[UUID] = set()
    if fresh:
        created = set(await _insert(connection, batch, fresh))
    old_rows = [winner.row for winner in winners if winner.row.id not in created]
    stored: dict[UUID, tuple[StoredResponse, int]] = {}
    if old_rows:
        for record in await connection.fetch(
            UPDATE, *_shared_parameters(batch), encode_rows(old_rows)
        ):
            values = dict(record)
            earlier_seq = values.pop("seq_before")
            stored[values["id"]] = StoredResponse(**values), earlier_seq
    return created, stored


def _outcomes(
    repeats: Sequence[Submission],
    stored: ResponseRow | StoredResponse | None,
    seq: int,
    *,
    is_new: bool,
) -> Iterator[tuple[Submission, WriteOutcome]]:
    """Yield the outcome of each submission of one id, in the order of arrival.

    `seq` is that of the stored row.
    """
    for submission in repeats:
        row = submission.row
        first = is_new and seq == 0
        outcome = _refusal(row, stored) or _outcome_by_hash(row, stored, first=first)
        if outcome is None:
            grows = stored is not None and seq < row.seq <= stored.seq
            outcome = WriteOutcome.UPDATED if grows else WriteOutcome.UNCHANGED
            if first:
                outcome = WriteOutcome.CREATED
        seq = max(seq, row.seq)
        yield submission, outcome


async def _insert(
    connection: RawConnection, batch: WriteBatch, rows: list[ResponseRow]
) -> list[UUID]:
    """Insert the rows whose ids are new and return these ids."""
    created: list[UUID]
    if batch.on_cluster:
        number = await connection.fetchval(cluster_ingest.TAKE_NUMBER)
        try:
            parameters = (*_shared_parameters(batch), encode_rows(rows), number)
            created = await connection.fetchval(cluster_ingest.CALL, *parameters)
        finally:
            await connection.execute(cluster_ingest.RELEASE_NUMBER, number)
    elif len(rows) == 1 and batch.has_lone_function:
        (row,) = rows
        row.event_data = lone_event_data(row, batch.now) if batch.events else None
        parameters = (*_shared_parameters(batch), *column_values(row))
        is_new = await connection.fetchval(lone_answer.CALL, *parameters)
        row.event_data = None
        created = [row.id] if is_new else []
    else:
        created = await connection.fetchval(INSERT, *_shared_parameters(batch), encode_rows(rows))
    return created


def _shared_parameters(batch: WriteBatch) -> list[Any]:
    return [batch.workspace_id, batch.now, batch.slot, batch.events]


def _refusal(row: ResponseRow, stored: ResponseRow | StoredResponse | None) -> WriteOutcome | None:
    """Return why nothing of this submission may be stored under its id."""
    if stored is None:
        return WriteOutcome.CLOSED
    if stored.state == "deleted":
        return WriteOutcome.DELETED
    if (row.survey_id, row.channel) != (stored.survey_id, stored.channel):
        return WriteOutcome.MISMATCH
    return None


def _outcome_by_hash(
    row: ResponseRow, stored: ResponseRow | StoredResponse | None, *, first: bool
) -> WriteOutcome | None:
    """Return the outcome of a row with an idempotency key: its body must be the stored one."""
    if row.request_hash is None or stored is None:
        return None
    if row.request_hash != stored.request_hash:
        return WriteOutcome.CONFLICT
    return WriteOutcome.CREATED if first else WriteOutcome.REPLAYED
