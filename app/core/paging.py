# SPDX-License-Identifier: Apache-2.0
"""Lists: newest first, cut by `limit`, continued by an opaque cursor that stays stable."""

import datetime as dt
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from app.core.errors import InvalidInput

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")

Limit = Annotated[int, Query(ge=1, le=500, description="Rows a page.")]
CursorParam = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before.")
]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name the page of a kind of rows plainly, for generated clients."""
        return f"{params[0].__name__}Page"


def encode_cursor(at: dt.datetime, key: object) -> str:
    """Write where a page ended: the moment by which the list is ordered, then the row's key."""
    text = f"{at.astimezone(dt.UTC).isoformat()}|{key}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: Callable[[str], K]) -> tuple[dt.datetime, K] | None:
    """Read a cursor whose key is of this kind; raise InvalidInput where it is none of ours."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, key = text.partition("|")
        at = dt.datetime.fromisoformat(moment).astimezone(dt.UTC)
        return at, kind(key.replace("\x00", ""))
    except (ValueError, OverflowError):
        msg = "is no cursor of this list; start without one"
        raise InvalidInput.at("query", "cursor", msg=msg) from None


def page_of(
    rows: Sequence[R],
    limit: int,
    *,
    position: Callable[[R], tuple[dt.datetime, object]],
    show: Callable[[R], T],
) -> Page[T]:
    """Make a page of `limit + 1` fetched rows; the last one shows that another page follows."""
    kept = rows[:limit]
    more = len(rows) > limit
    return Page(
        data=[show(row) for row in kept],
        next_cursor=encode_cursor(*position(kept[-1])) if more else None,
    )
