# SPDX-License-Identifier: Apache-2.0
"""Interactions are recorded in batches: those that come one by one, and the lines of a batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.batch_retries import write_in_halves, write_with_retries
from app.core.batching import Batcher
from app.core.database import Database
from app.core.errors import AfterwordError
from app.core.signing import SealedBox
from app.interactions.interaction_recorder import InteractionDraft
from app.triggers.interaction_intake import take_and_show, take_interactions
from app.triggers.upload_lanes import split_into_lanes

_MAX_CONCURRENT_BATCHES, _MAX_BATCHES_PER_WORKSPACE, _MAX_BATCH_SIZE = 4, 2, 200
_CHUNK, _LANES = 350, 3

RecordResult = tuple[dict[str, Any], bool]
R = TypeVar("R")
DraftWriter = Callable[[AsyncSession, UUID, Sequence[InteractionDraft]], Awaitable[Sequence[R]]]


class InteractionCommit:
    """Records interactions in batches; each caller gets its result when it is on disk."""

    def __init__(self, database: Database, box: SealedBox, *, max_waiting: int) -> None:
        """Prepare; nothing runs before the first interaction."""
        self._database = database
        self._box = box
        # Uploads share these slots, so that many of them leave connections to others.
        self._chunks = asyncio.Semaphore(_LANES)
        self._batcher: Batcher[InteractionDraft, RecordResult] = Batcher(
            self._write_gathered,
            slots=asyncio.Semaphore(_MAX_CONCURRENT_BATCHES),
            most=_MAX_BATCH_SIZE,
            max_waiting=max_waiting,
            per_workspace=_MAX_BATCHES_PER_WORKSPACE,
        )

    async def submit(self, workspace_id: UUID, draft: InteractionDraft) -> RecordResult:
        """Return the interaction with its decisions as shown, and whether it is new."""
        return await self._batcher.submit(workspace_id, draft)

    async def record_all(
        self, workspace_id: UUID, drafts: Sequence[InteractionDraft], *, triggers: bool
    ) -> list[bool | AfterwordError]:
        """Record many, some at a time; say of each whether it is new, or why it is not stored."""

        async def take(
            session: AsyncSession, workspace_id: UUID, chunk: Sequence[InteractionDraft]
        ) -> list[bool]:
            recorded = await take_interactions(
                session, self._box, workspace_id, chunk, triggers=triggers
            )
            return [interaction.created for interaction in recorded]

        results: dict[int, bool | AfterwordError] = {}

        async def record_lane(positions: list[int]) -> None:
            for at in range(0, len(positions), _CHUNK):
                chunk = positions[at : at + _CHUNK]
                async with self._chunks:
                    written = await self._write(
                        workspace_id, [drafts[position] for position in chunk], take
                    )
                results.update(zip(chunk, written, strict=True))

        # While PostgreSQL writes a chunk of one lane, that of another is prepared here.
        lanes = split_into_lanes(drafts, _LANES)
        ended = await asyncio.gather(*map(record_lane, lanes), return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, BaseException):
                raise outcome
        return [results[position] for position in range(len(drafts))]

    async def close(self) -> None:
        """Record what waits."""
        await self._batcher.close()

    async def _write_gathered(
        self, workspace_id: UUID, drafts: list[InteractionDraft]
    ) -> list[RecordResult | AfterwordError]:
        async def take(
            session: AsyncSession, workspace_id: UUID, chunk: Sequence[InteractionDraft]
        ) -> list[RecordResult]:
            return await take_and_show(session, self._box, workspace_id, chunk)

        return await self._write(workspace_id, drafts, take)

    async def _write(
        self, workspace_id: UUID, drafts: list[InteractionDraft], take: DraftWriter[R]
    ) -> list[R | AfterwordError]:
        """Record a batch; each draft that cannot be stored gets its error."""

        async def record(chunk: Sequence[InteractionDraft]) -> Sequence[R]:
            async with self._database.recording_transaction() as session:
                return await take(session, workspace_id, chunk)

        async def write(chunk: Sequence[InteractionDraft]) -> Sequence[R]:
            return await write_with_retries(lambda _: record(chunk), part="interactions")

        return await write_in_halves(drafts, write)
