# SPDX-License-Identifier: Apache-2.0
"""Cursors: where a page of a list ended, and the query of the page that follows."""

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlmodel import col, tuple_

from app.core.base64url import decode_base64url, encode_base64url
from app.core.errors import InvalidInput

K = TypeVar("K")
Q = TypeVar("Q", bound=Select[*tuple[Any, ...]])


def encode_cursor(at: dt.datetime, key: object) -> str:
    """Write where a page ended: the moment by which the list is ordered, then the row's key."""
    text = f"{at.astimezone(dt.UTC).isoformat()}|{key}"
    return encode_base64url(text.encode())


def decode_cursor(cursor: str | None, kind: Callable[[str], K]) -> tuple[dt.datetime, K] | None:
    """Decode a cursor; raise InvalidInput if it is not a cursor of this service."""
    if cursor is None:
        return None
    try:
        text = decode_base64url(cursor).decode()
        moment, _, key = text.partition("|")
        at = dt.datetime.fromisoformat(moment).astimezone(dt.UTC)
        return at, kind(key.replace("\x00", ""))
    except (ValueError, OverflowError):
        msg = "is not a cursor of this list; start without one"
        raise InvalidInput.at("query", "cursor", msg=msg) from None


def newest_first(
    query: Q, model: Any, *, limit: int, cursor: str | None, at: str = "created_at", key: str = "id"
) -> Q:
    """Order a query by its rows' time and key, newest first, and cut it one row after the limit.

    With a cursor it begins after the row where the page before has ended.
    """
    moment, row_key = col(getattr(model, at)), col(getattr(model, key))
    query = query.order_by(moment.desc(), row_key.desc()).limit(limit + 1)
    if position := decode_cursor(cursor, model.model_fields[key].annotation):
        query = query.where(tuple_(moment, row_key) < position)
    return query
