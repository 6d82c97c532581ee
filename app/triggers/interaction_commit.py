"""Interactions are recorded in batches: those that come one by one, and the lines of a batch."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import BAD_DATA, Database, is_connection_lost
from app.core.errors import AfterwordError, Busy, InvalidInput
from app.core.gathering import Gathering
from app.core.signing import SealedBox
from app.interactions.recording import Draft
from app.triggers.interaction_intake import take_and_show, take_interactions

logger = logging.getLogger(__name__)

_AT_ONCE, _ABREAST, _MOST = 4, 2, 200
_CHUNK, _CHUNKS_AT_ONCE = 350, 3
_TRIES, _PAUSE = 50, 0.1

RecordResult = tuple[dict[str, Any], bool]
R = TypeVar("R")
Take = Callable[[AsyncSession, UUID, list[Draft]], Awaitable[Sequence[R]]]


class InteractionCommit:
    """Records interactions in batches; each caller gets its result when it is on disk."""

    def __init__(self, database: Database, box: SealedBox, *, max_waiting: int) -> None:
        """Prepare; nothing runs before the first interaction."""
        self._database = database
        self._box = box
        self._gathering: Gathering[Draft, RecordResult] = Gathering(
            self._write_gathered, places=asyncio.Semaphore(_AT_ONCE), most=_MOST,
            max_waiting=max_waiting, abreast=_ABREAST,
        )  # fmt: skip

    async def submit(self, workspace_id: UUID, draft: Draft) -> RecordResult:
        """Return the interaction with its decisions as shown, and whether it is new."""
        return await self._gathering.submit(workspace_id, draft)

    async def record_all(
        self, workspace_id: UUID, drafts: Sequence[Draft], *, triggers: bool
    ) -> list[bool | AfterwordError]:
        """Record many, some at a time; say of each whether it is new, or why it is not stored."""

        async def take(session: AsyncSession, workspace_id: UUID, some: list[Draft]) -> list[bool]:
            recorded = await take_interactions(
                session, self._box, workspace_id, some, triggers=triggers
            )
            return [interaction.created for interaction in recorded]

        # While PostgreSQL writes one chunk, the next is prepared here.
        places = asyncio.Semaphore(_CHUNKS_AT_ONCE)

        async def write(some: list[Draft]) -> list[bool | AfterwordError]:
            async with places:
                return await self._write(workspace_id, some, take)

        written = await asyncio.gather(
            *(write(list(drafts[at : at + _CHUNK])) for at in range(0, len(drafts), _CHUNK)),
            return_exceptions=True,
        )
        results: list[bool | AfterwordError] = []
        for outcome in written:
            if isinstance(outcome, BaseException):
                raise outcome
            results += outcome
        return results

    async def close(self) -> None:
        """Record what waits."""
        await self._gathering.close()

    async def _write_gathered(
        self, workspace_id: UUID, drafts: list[Draft]
    ) -> list[RecordResult | AfterwordError]:
        async def take(
            session: AsyncSession, workspace_id: UUID, some: list[Draft]
        ) -> list[RecordResult]:
            return await take_and_show(session, self._box, workspace_id, some)

        return await self._write(workspace_id, drafts, take)

    async def _write(
        self, workspace_id: UUID, drafts: list[Draft], take: Take[R]
    ) -> list[R | AfterwordError]:
        """Record a batch; if a row cannot be stored, halve the batch until it is found."""
        for _ in range(_TRIES):
            try:
                async with self._database.recording_transaction() as session:
                    return list(await take(session, workspace_id, drafts))
            except BAD_DATA as error:
                if len(drafts) == 1:
                    logger.warning("an interaction could not be stored", exc_info=error)
                    return [InvalidInput.at("body", msg=f"cannot be stored: {error}")]
                half = len(drafts) // 2
                return [
                    *await self._write(workspace_id, drafts[:half], take),
                    *await self._write(workspace_id, drafts[half:], take),
                ]
            except Exception as error:
                if not is_connection_lost(error):
                    raise
            await asyncio.sleep(_PAUSE)
        raise Busy("The database does not answer; send it again shortly.")
