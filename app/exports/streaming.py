# SPDX-License-Identifier: Apache-2.0
"""Rows on their way out: read by a cursor, written as they come, in constant memory."""

import contextlib
import csv
import datetime as dt
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgspec
from asyncpg import Record
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339
from app.core.database import Database, run_sql
from app.core.lookup import is_referenced_sql
from app.core.text_types import escape_csv_formula
from app.exports.columns import Column, Dataset, Type

_ROWS_AT_ONCE = 2000
_OF_TOMBSTONES = {"id", "updated_at", "deleted_at"}
_encode = msgspec.json.Encoder().encode


class RowWriter(Protocol):
    """Writes rows in one format; each call returns the bytes that are ready."""

    media_type: str

    def begin(self) -> bytes:
        """Write what stands before the rows."""
        ...

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Write some rows, their values in the order of the columns."""
        ...

    def end(self) -> bytes:
        """Write what stands after the rows."""
        ...


class CsvWriter:
    """CSV by RFC 4180; the first line names the columns, formulas are escaped."""

    media_type = "text/csv; charset=utf-8"

    def __init__(self, columns: Sequence[Column]) -> None:
        """Prepare for these columns."""
        self._columns = columns
        self._out = io.StringIO(newline="")
        self._csv = csv.writer(self._out)

    def begin(self) -> bytes:
        """Write the names."""
        self._csv.writerow([column.name for column in self._columns])
        return self._drain()

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Write some rows."""
        self._csv.writerows([_cell(value) for value in row] for row in rows)
        return self._drain()

    def end(self) -> bytes:
        """Write nothing more."""
        return b""

    def _drain(self) -> bytes:
        text = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return text.encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return rfc3339(value)
    return escape_csv_formula(value) if isinstance(value, str) else value


class NdjsonWriter:
    """One JSON object a line; a tombstone holds nothing but its id and times."""

    media_type = "application/x-ndjson"

    def __init__(self, columns: Sequence[Column]) -> None:
        """Prepare for these columns."""
        self._names = [column.name for column in columns]
        self._documents = {
            number for number, column in enumerate(columns) if column.type is Type.JSON
        }
        self._deleted_at = self._names.index("deleted_at") if "deleted_at" in self._names else None

    def begin(self) -> bytes:
        """Write nothing before."""
        return b""

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Write some rows."""
        return b"".join(_encode(self._object(row)) + b"\n" for row in rows)

    def _object(self, row: Sequence[Any]) -> dict[str, Any]:
        members = {
            name: msgspec.Raw(value.encode())
            if number in self._documents and value
            else _plain_value(value)
            for number, (name, value) in enumerate(zip(self._names, row, strict=True))
        }
        if self._deleted_at is not None:
            if row[self._deleted_at] is not None:
                return {name: members[name] for name in ("id", "updated_at", "deleted_at")}
            del members["deleted_at"]
        return members

    def end(self) -> bytes:
        """Write nothing after."""
        return b""


def _plain_value(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return rfc3339(value)
    if isinstance(value, UUID):
        return str(value)
    return str(value) if isinstance(value, Decimal) else value


def build_query(
    dataset: Dataset,
    given_filters: Mapping[str, Any],
    *,
    properties: Mapping[str, Sequence[str]],
    updated_since: dt.datetime | None,
) -> tuple[str, list[Any]]:
    """Return the query of an export and what is bound behind the workspace.

    If a reader asks for changes, rows that were deleted or no longer match the filter are returned
    as tombstones, because the reader may have them from an earlier export.
    """
    bound: list[Any] = []
    inside: list[str] = []
    for name, value in given_filters.items():
        bound.append(value)
        inside.append(dataset.filters[name].format(f"${len(bound) + 1}"))
    for name, values in properties.items():
        bound += [name, list(values)]
        property_sql = f"{dataset.properties} ->> ${len(bound)}::text"
        inside.append(f"{property_sql} = any(${len(bound) + 1}::text[])")
    source, is_deleted_sql = dataset.source, dataset.deleted or "false"
    if updated_since is None or not dataset.changed:
        conditions = [*inside, *([f"not ({is_deleted_sql})"] if dataset.changed else [])]
    else:
        bound.append(updated_since)
        since = dataset.changed_since or f"{dataset.changed} >= {{0}}"
        conditions = [since.format(f"${len(bound) + 1}")]
        source = dataset.changed_source or source
        inside_sql = " and ".join(f"coalesce({condition}, false)" for condition in inside)
        is_deleted_sql = f"{is_deleted_sql} or not ({inside_sql})" if inside else is_deleted_sql
    columns = ", ".join(
        f'case when {is_deleted_sql} then {dataset.changed} end as "deleted_at"'
        if column.name == "deleted_at"
        else f'{column.sql} as "{column.name}"'
        for column in dataset.columns
    )
    narrowed = "".join(f" and {condition}" for condition in conditions)
    grouped = "" if dataset.changed else " group by 1, 2, 3, 4, 5, 6, 7, 8"
    return f"select {columns} {source}{narrowed}{grouped} order by {dataset.order}", bound


async def find_question_keys(
    session: AsyncSession, workspace_id: UUID, survey: str | None
) -> list[str]:
    """Return the keys of a survey's published questions, or of all surveys'."""
    rows = await run_sql(
        session,
        text(
            "select distinct q.key from question q "
            "join survey s on s.workspace_id = q.workspace_id and s.id = q.survey_id "
            "where q.workspace_id = :workspace_id and (:survey ::text is null "
            f"or {is_referenced_sql('s', ':survey')}) order by 1"
        ).bindparams(workspace_id=workspace_id, survey=survey),
    )
    return [row.key for row in rows]


def _values_to_write(row: Record) -> tuple[Any, ...]:
    """Return a row's values; of a tombstone only its id and times."""
    if row.get("deleted_at") is None:
        return tuple(row.values())
    return tuple(value if name in _OF_TOMBSTONES else None for name, value in row.items())


async def read_latest_time(session: AsyncSession) -> dt.datetime:
    """Return the time up to which this database has all changes; a replica may lag behind."""
    rows = await run_sql(
        session,
        text(
            "select case when pg_is_in_recovery() "
            "then least(now(), coalesce(pg_last_xact_replay_timestamp(), now())) else now() end"
        ),
    )
    latest_time: dt.datetime = rows.one()[0]
    return latest_time


async def start_stream(parts: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """Wait for the first part, so that an early failure gives an error and not a broken stream."""
    first = await anext(parts)

    async def rest() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(parts):
            yield first
            async for part in parts:
                yield part

    return rest()


async def stream(
    database: Database, writer: RowWriter, workspace_id: UUID, *, query: str, bound: Sequence[Any]
) -> AsyncGenerator[bytes]:
    """Yield the rows of one moment, a few thousand at a time, on a connection of their own.

    A cursor that is declared in SQL makes PostgreSQL prefer a plan that gives the first rows at
    once, instead of sorting ten million rows first.
    """
    connection = await database.connect(jit="off")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(
                f"declare exported no scroll cursor for {query}", workspace_id, *bound
            )
            yield writer.begin()
            while rows := await connection.fetch(f"fetch forward {_ROWS_AT_ONCE} from exported"):
                yield writer.write([_values_to_write(row) for row in rows])
            yield writer.end()
    finally:
        await connection.close()
