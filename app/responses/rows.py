# SPDX-License-Identifier: Apache-2.0
"""One response as it is written, and as a reply shows it. Pure."""

import datetime as dt
from typing import Any, get_args
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from app.responses.states import ResponseState

_SQL_TYPES = {
    UUID: "uuid",
    int: "int4",
    bool: "bool",
    str: "text",
    ResponseState: "text",
    Raw: "jsonb",
    dt.datetime: "timestamptz",
}
_BYTES = {"request_hash"}


class ResponseRow(Struct, kw_only=True, omit_defaults=True):
    """The columns of one response; what is left out is null.

    `request_hash` is hex as PostgreSQL reads it. `event_id` names the event about the row, and
    `event_data` is its data, but for survey and customer, if the row comes alone. `editable_from`
    is the time of the oldest response that this submission may still change, `about` the
    interaction that the events report, `gesture` whether the page that sent it saw a person move.
    """

    id: UUID
    survey_id: UUID
    survey_version: int
    seq: int
    channel: str
    touchpoint: str
    locale: str
    complete: bool
    test: bool
    state: ResponseState
    score: int | None = None
    band: str | None = None
    answers: Raw
    scores: Raw
    comment: str | None = None
    properties: Raw
    customer_id: UUID | None = None
    claimed: Raw | None = None
    order_ref: str | None = None
    ticket_ref: str | None = None
    interaction_ref: Raw | None = None
    external_id: str | None = None
    tags: Raw
    imported: bool
    import_id: UUID | None = None
    follow_up: str
    responded_at: dt.datetime
    request_hash: str | None = None
    event_id: UUID
    event_data: Raw | None = None
    editable_from: dt.datetime | None = None
    about: Raw | None = None
    gesture: bool | None = None


class StoredResponse(Struct, kw_only=True):
    """What a reply shows of a stored response."""

    id: UUID
    survey_id: UUID
    survey_version: int
    seq: int
    channel: str
    touchpoint: str
    locale: str
    complete: bool
    test: bool
    state: ResponseState
    score: int | None
    band: str | None
    order_ref: str | None
    ticket_ref: str | None
    interaction_ref: Raw | str | None
    external_id: str | None
    tags: Raw | str
    imported: bool
    follow_up: str
    request_hash: str | None
    responded_at: dt.datetime
    created_at: dt.datetime
    updated_at: dt.datetime


def sql_type(name: str) -> str:
    """Return the type that a column of `ResponseRow` has in SQL."""
    if name in _BYTES:
        return "bytea"
    annotation = ResponseRow.__annotations__[name]
    if annotation not in _SQL_TYPES:
        annotation = get_args(annotation)[0]
    return _SQL_TYPES[annotation]


def stored_response_of(row: ResponseRow, now: dt.datetime) -> StoredResponse:
    """Return the stored form of a row that was just created."""
    return StoredResponse(
        id=row.id,
        survey_id=row.survey_id,
        survey_version=row.survey_version,
        seq=row.seq,
        channel=row.channel,
        touchpoint=row.touchpoint,
        locale=row.locale,
        complete=row.complete,
        test=row.test,
        state=row.state,
        score=row.score,
        band=row.band,
        order_ref=row.order_ref,
        ticket_ref=row.ticket_ref,
        interaction_ref=row.interaction_ref,
        external_id=row.external_id,
        tags=row.tags,
        imported=row.imported,
        follow_up=row.follow_up,
        request_hash=row.request_hash,
        responded_at=row.responded_at,
        created_at=now,
        updated_at=now,
    )


def encode_rows(rows: list[ResponseRow]) -> str:
    """Write rows as the JSON document that the statements read."""
    return msgspec.json.encode(rows).decode()


def column_values(row: ResponseRow) -> list[Any]:
    """Return the values of one row in the order of its columns, documents as text."""
    values = msgspec.structs.astuple(row)
    return [bytes(value).decode() if isinstance(value, Raw) else value for value in values]
