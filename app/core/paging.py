# SPDX-License-Identifier: Apache-2.0
"""Lists: newest first, cut by `limit`, continued by an opaque cursor that stays stable."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from app.core.cursors import encode_cursor

T = TypeVar("T")
R = TypeVar("R")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="Pass it as `cursor`; null on the last page.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name the page of a kind of rows plainly, for generated clients."""
        return f"{params[0].__name__}Page"


def cut_page(
    rows: Sequence[R], limit: int, *, position: Callable[[R], tuple[dt.datetime, object]]
) -> tuple[Sequence[R], str | None]:
    """Return the first `limit` of `limit + 1` fetched rows, and the cursor if one more follows."""
    more = len(rows) > limit
    return rows[:limit], encode_cursor(*position(rows[limit - 1])) if more else None


def page_of(
    rows: Sequence[R],
    limit: int,
    *,
    position: Callable[[R], tuple[dt.datetime, object]],
    show: Callable[[R], T],
) -> Page[T]:
    """Make a page of `limit + 1` fetched rows; the last one shows that another page follows."""
    shown_rows, next_cursor = cut_page(rows, limit, position=position)
    return Page(data=[show(row) for row in shown_rows], next_cursor=next_cursor)
