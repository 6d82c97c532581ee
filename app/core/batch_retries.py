# SPDX-License-Identifier: Apache-2.0
"""Write a batch while the database goes away and comes back, and find the rows it cannot store."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from app.core.database import is_bad_data, is_connection_lost
from app.core.errors import AfterwordError, Busy, InvalidInput
from app.core.telemetry import RECONNECTS

logger = logging.getLogger(__name__)

_MAX_WAIT_SECONDS, _PAUSE_SECONDS = 30.0, 0.1
T = TypeVar("T")
R = TypeVar("R")


async def write_with_retries(write: Callable[[int], Awaitable[R]], *, part: str) -> R:
    """Return what `write` returns; it is given the number of the try, from 0.

    While the database is away, it is tried again for half a minute, then Busy is raised. Each
    retry counts in `afterword_database_reconnects_total` under `part`.
    """
    deadline = asyncio.get_running_loop().time() + _MAX_WAIT_SECONDS
    number = 0
    while True:
        try:
            return await write(number)
        except Exception as error:
            if isinstance(error, AfterwordError) or not is_connection_lost(error):
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise Busy("The database does not answer; send it again shortly.") from error
            RECONNECTS.labels(part).inc()
            logger.warning("batch is sent again", extra={"why": repr(error)})
        number += 1
        await asyncio.sleep(_PAUSE_SECONDS)


async def write_in_halves(
    items: Sequence[T], write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
) -> list[R | AfterwordError]:
    """Write items together; if one cannot be stored, halve them until it is found.

    That item gets InvalidInput as its result. `write` must store all of its items or none.
    """
    try:
        return list(await write(items))
    except Exception as error:
        if not is_bad_data(error):
            raise
        if len(items) == 1:
            logger.warning("a row could not be stored", extra={"why": repr(error)})
            return [InvalidInput.at("body", msg=f"cannot be stored: {error}")]
    half = len(items) // 2
    return [
        *await write_in_halves(items[:half], write),
        *await write_in_halves(items[half:], write),
    ]
