# SPDX-License-Identifier: Apache-2.0
"""Routes of exports: whole tables for BI tools, streamed."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from app.core.clock import rfc3339, utc_now
from app.core.database import Database
from app.core.errors import InvalidInput, NotAcceptable, TooManyRequests
from app.core.parameters import PROPERTY_PARAMETER
from app.core.routing import PropertiesDep, ReadSessionDep, router
from app.exports.columns import Dataset
from app.exports.datasets import DATASETS, with_question_columns
from app.exports.parquet import ParquetWriter, is_installed
from app.exports.streaming import (
    CsvWriter,
    NdjsonWriter,
    RowWriter,
    build_query,
    find_question_keys,
    read_latest_time,
    start_stream,
    stream,
)
from app.interactions.customers import require_customer
from app.responses.filter_values import require_known
from app.responses.follow_ups import FollowUpStatus
from app.responses.states import Integrity
from app.surveys.bands import Band
from app.workspaces.admission import Reader
from app.workspaces.schemas import Moment

routes = router("Exports")

# The next export begins this much earlier, to find rows whose transaction is still open now.
_EXPORT_OVERLAP = dt.timedelta(seconds=60)
_MAX_AT_ONCE = 8
_export_slots = asyncio.Semaphore(_MAX_AT_ONCE)
_NO_FILTERS = {"format", "updated_since", "wide", "property_value"}


class ExportFormat(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


DatasetName = StrEnum("DatasetName", [(name.upper(), name) for name in DATASETS])  # type: ignore[misc]


class ColumnOut(BaseModel):
    """One column of an export."""

    name: str
    type: str = Field(description="uuid, text, integer, number, boolean, time, date or json.")
    meaning: str


class DatasetOut(BaseModel):
    """One export."""

    name: str
    meaning: str
    filters: list[str]
    incremental: bool = Field(description="Whether `updated_since` finds what has changed.")
    tombstones: bool = Field(description="Whether deleted rows are exported as tombstones.")
    columns: list[ColumnOut]


class Dictionary(BaseModel):
    """Every export with its columns."""

    data: list[DatasetOut]


class ExportFilter(BaseModel):
    """Which rows to export; each export takes the filters that its dictionary names."""

    format: ExportFormat = ExportFormat.CSV
    updated_since: Moment | None = Field(
        default=None,
        description="Only rows changed since then; pass the header `Next-Updated-Since` of your "
        "previous export.",
    )
    survey: str | None = Field(default=None, max_length=64, description="Id or key.")
    touchpoint: str | None = Field(default=None, max_length=64)
    channel: str | None = Field(default=None, max_length=32)
    locale: str | None = Field(default=None, max_length=35)
    source: str | None = Field(default=None, max_length=128)
    type: str | None = Field(default=None, max_length=128)
    status: str | None = Field(default=None, max_length=32)
    agent: str | None = Field(default=None, max_length=128)
    customer: str | None = Field(
        default=None, max_length=320, description="Id, external id, e-mail address or phone number."
    )
    order: str | None = Field(default=None, max_length=128)
    ticket: str | None = Field(default=None, max_length=128)
    band: Band | None = None
    integrity: Integrity | None = None
    follow_up: FollowUpStatus | None = None
    assignee: str | None = Field(default=None, max_length=128)
    overdue: bool | None = None
    tag: str | None = Field(default=None, max_length=128)
    min_score: int | None = Field(default=None, ge=0, le=10)
    max_score: int | None = Field(default=None, ge=0, le=10)
    has_comment: bool | None = None
    q: str | None = Field(default=None, max_length=128, description="Part of a comment.")
    since: Moment | None = Field(
        default=None, description="Only rows from this time on (the row's own time)."
    )
    until: Moment | None = Field(default=None, description="Of the row's own time, exclusive.")
    property_value: str | None = Field(
        default=None,
        alias=PROPERTY_PARAMETER,
        max_length=256,
        description="Value of any property, by its name, such as `property.store=WAW-1`.",
    )
    wide: bool = Field(default=False, description="Of responses: one column a question.")


@routes.get("/v1/exports/dictionary", summary="Describe the exports")
async def get_dictionary(_caller: Reader) -> Dictionary:
    """Return every export with its columns, their types and meanings."""
    return Dictionary(
        data=[
            DatasetOut(
                name=name,
                meaning=known.meaning,
                filters=sorted(known.filters),
                incremental=bool(known.changed),
                tombstones=bool(known.changed),
                columns=[
                    ColumnOut(name=column.name, type=str(column.type), meaning=column.meaning)
                    for column in known.columns
                ],
            )
            for name, known in DATASETS.items()
        ]
    )


@routes.get(
    "/v1/exports/{dataset}",
    summary="Export rows",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The rows, streamed; the header `Next-Updated-Since` says from when "
            "the next export should ask.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
    },
)
async def export_rows(
    request: Request,
    session: ReadSessionDep,
    caller: Reader,
    dataset: DatasetName,
    filters: Annotated[ExportFilter, Query()],
    properties: PropertiesDep,
) -> StreamingResponse:
    """Stream rows in constant memory; a row of an earlier export has the same id again."""
    database: Database = request.app.state.read_database
    began = min(utc_now(), await read_latest_time(session))
    for name in ("survey", "touchpoint"):
        if value := getattr(filters, name):
            await require_known(session, caller.workspace_id, name, [value])
    if filters.customer:
        await require_customer(session, caller.workspace_id, filters.customer)
    chosen = DATASETS[dataset]
    given_filters = _filters(dataset, filters)
    if properties and not chosen.properties:
        msg = f"{dataset} have no properties"
        raise InvalidInput.at("query", f"property.{min(properties)}", msg=msg)
    if filters.wide:
        keys = await find_question_keys(session, caller.workspace_id, filters.survey)
        chosen = with_question_columns(chosen, keys)
    query, bound = build_query(
        chosen, given_filters, properties=properties, updated_since=filters.updated_since
    )
    writer = _writer(chosen, filters.format)
    parts = stream(database, writer, caller.workspace_id, query=query, bound=bound)
    return StreamingResponse(
        await start_stream(_within_slots(parts)),
        media_type=writer.media_type,
        headers={
            "Next-Updated-Since": rfc3339(began - _EXPORT_OVERLAP),
            "Content-Disposition": f'attachment; filename="{dataset}.{filters.format}"',
        },
    )


async def _within_slots(parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Hold one of the few slots for exports: each has a connection of its own to the database."""
    if _export_slots.locked():
        detail = f"{_MAX_AT_ONCE} exports run already in this process; try again shortly."
        raise TooManyRequests(detail, headers={"Retry-After": "30"})
    async with _export_slots, contextlib.aclosing(parts):
        async for part in parts:
            yield part


def _filters(dataset: DatasetName, filters: ExportFilter) -> dict[str, Any]:
    """Return the given filters; raise InvalidInput for a filter that this dataset lacks."""
    known = DATASETS[dataset]
    values = filters.model_dump(exclude_none=True, exclude=_NO_FILTERS)
    for name in values:
        if name not in known.filters:
            msg = f"is not a filter of {dataset}; it has {', '.join(sorted(known.filters))}"
            raise InvalidInput.at("query", name, msg=msg)
    if filters.updated_since is not None and not known.changed:
        msg = f"cannot be used with {dataset}: counts of past days still change; export all of them"
        raise InvalidInput.at("query", "updated_since", msg=msg)
    if filters.wide and dataset != "responses":
        raise InvalidInput.at("query", "wide", msg="is for responses alone")
    return values


def _writer(dataset: Dataset, format_: ExportFormat) -> RowWriter:
    columns = dataset.columns
    if format_ is ExportFormat.CSV:
        return CsvWriter(columns)
    if format_ is ExportFormat.NDJSON:
        return NdjsonWriter(columns)
    if not is_installed():
        raise NotAcceptable("This service cannot write Parquet; install `afterword[parquet]`.")
    return ParquetWriter(columns)
