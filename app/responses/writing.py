"""Writing one batch of answers: folding repeats, judging outcomes, sending again after a loss."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.core.database import RawConnection
from app.responses.statements import INSERT, SHOWN, UPDATE, Row

MOST_ROWS = 500


class Outcome(StrEnum):
    """What became of one submission."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REPLAYED = "replayed"
    CONFLICT = "conflict"
    MISMATCH = "mismatch"
    DELETED = "deleted"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one submission, with what is stored now (None where nothing is shown)."""

    outcome: Outcome
    stored: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Submission:
    """One answer to write; a closed survey's may only change a response that exists."""

    row: Row
    must_exist: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What all submissions of one statement share; `again` after a connection was lost."""

    workspace_id: UUID
    slot: int
    events: bool
    now: dt.datetime
    again: bool = False


async def write_batch(
    connection: RawConnection,
    batch: Batch,
    submissions: Sequence[Submission],
) -> list[Written]:
    """Write at most 500 submissions of one workspace; return an outcome for each, in order.

    Of repeats of one id the highest `seq` is written. Each statement is a transaction of its
    own; after a lost connection the same batch may be sent again, and a row that bears the
    batch's own moment counts as created by it.
    """
    by_id: dict[UUID, list[int]] = defaultdict(list)
    for index, submission in enumerate(submissions):
        by_id[submission.row.id].append(index)
    winners = {
        id_: max(indices, key=lambda i: (submissions[i].row.seq, -i))
        for id_, indices in by_id.items()
    }
    fresh = [submissions[i].row for i in winners.values() if not submissions[i].must_exist]
    created: set[UUID] = set()
    if fresh:
        created = set(await connection.fetchval(INSERT, *_parameters(batch, fresh)))
    rest = [submissions[i].row for i in winners.values() if submissions[i].row.id not in created]
    stored: dict[UUID, dict[str, Any]] = {}
    if rest:
        found = await connection.fetch(UPDATE, *_parameters(batch, rest))
        stored = {record["id"]: dict(record) for record in found}
    outcomes: list[Written | None] = [None] * len(submissions)
    for id_, indices in by_id.items():
        winner = winners[id_]
        record = stored.get(id_)
        own = record is not None and batch.again and record["created_at"] == batch.now
        is_new = id_ in created or own
        shown = _as_stored(submissions[winner].row, batch.now) if is_new else record
        for index in indices:
            outcome = (
                _outcome_of_new(submissions, index, winner=winner, first=indices[0])
                if is_new
                else _outcome_of_old(submissions[index], record, is_winner=index == winner)
            )
            outcomes[index] = Written(outcome, shown)
    return [w for w in outcomes if w is not None]


def _parameters(batch: Batch, rows: Sequence[Row]) -> list[Any]:
    columns = zip(*rows, strict=True)
    return [batch.workspace_id, batch.now, batch.slot, batch.events, *map(list, columns)]


def _as_stored(row: Row, now: dt.datetime) -> dict[str, Any]:
    shown = row._asdict() | {"created_at": now, "updated_at": now}
    return {name: shown[name] for name in SHOWN}


def _outcome_of_new(
    submissions: Sequence[Submission], index: int, *, winner: int, first: int
) -> Outcome:
    """Judge a submission whose id this batch created: the first arrival did, repeats did not."""
    mine, written = submissions[index].row, submissions[winner].row
    if (mine.survey_id, mine.channel) != (written.survey_id, written.channel):
        return Outcome.MISMATCH
    if index == first:
        return Outcome.CREATED
    return _judge_hash(mine.request_hash, written.request_hash) or Outcome.UNCHANGED


def _outcome_of_old(
    submission: Submission, stored: Mapping[str, Any] | None, *, is_winner: bool
) -> Outcome:
    """Judge a submission whose id was there before."""
    if stored is None:
        return Outcome.CLOSED
    if stored["state"] == "deleted":
        return Outcome.DELETED
    row = submission.row
    if (row.survey_id, row.channel) != (stored["survey_id"], stored["channel"]):
        return Outcome.MISMATCH
    if is_winner and stored["updated"]:
        return Outcome.UPDATED
    return _judge_hash(row.request_hash, stored["request_hash"]) or Outcome.UNCHANGED


def _judge_hash(mine: bytes | None, stored: bytes | None) -> Outcome | None:
    """Compare idempotency: 8 bytes of the key's hash, then the body's."""
    if mine is None or stored is None or mine[:8] != stored[:8]:
        return None
    return Outcome.REPLAYED if mine == stored else Outcome.CONFLICT
