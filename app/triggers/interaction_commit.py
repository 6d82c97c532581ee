"""Interactions that come one by one are recorded in batches, as answers are written."""

import asyncio
import logging
from uuid import UUID

from app.core.database import BAD_DATA, Database, is_connection_lost
from app.core.errors import AfterwordError, Busy, InvalidInput
from app.core.gathering import Gathering
from app.core.signing import SealedBox
from app.interactions.recording import Draft
from app.triggers.interaction_intake import take_and_show
from app.triggers.schemas import InteractionWithDecisions

logger = logging.getLogger(__name__)

_AT_ONCE, _MOST = 4, 200
_TRIES, _PAUSE = 50, 0.1

RecordResult = tuple[InteractionWithDecisions, bool]


class InteractionCommit:
    """Records interactions in batches; each caller gets its result when it is on disk."""

    def __init__(self, database: Database, box: SealedBox, *, max_waiting: int) -> None:
        """Prepare; nothing runs before the first interaction."""
        self._database = database
        self._box = box
        self._gathering: Gathering[Draft, RecordResult] = Gathering(
            self._write, places=asyncio.Semaphore(_AT_ONCE), most=_MOST, max_waiting=max_waiting
        )

    async def submit(self, workspace_id: UUID, draft: Draft) -> RecordResult:
        """Return the interaction with its decisions, and whether it is new."""
        return await self._gathering.submit(workspace_id, draft)

    async def close(self) -> None:
        """Record what waits."""
        await self._gathering.close()

    async def _write(
        self, workspace_id: UUID, drafts: list[Draft]
    ) -> list[RecordResult | AfterwordError]:
        """Record a batch; if a row cannot be stored, halve the batch until it is found."""
        for _ in range(_TRIES):
            try:
                return list(await self._record(workspace_id, drafts))
            except BAD_DATA as error:
                if len(drafts) == 1:
                    logger.warning("an interaction could not be stored", exc_info=error)
                    return [InvalidInput.at("body", msg=f"cannot be stored: {error}")]
                half = len(drafts) // 2
                return [
                    *await self._write(workspace_id, drafts[:half]),
                    *await self._write(workspace_id, drafts[half:]),
                ]
            except Exception as error:
                if not is_connection_lost(error):
                    raise
            await asyncio.sleep(_PAUSE)
        raise Busy("The database does not answer; send it again shortly.")

    async def _record(self, workspace_id: UUID, drafts: list[Draft]) -> list[RecordResult]:
        async with self._database.recording_transaction() as session:
            return await take_and_show(session, self._box, workspace_id, drafts)
