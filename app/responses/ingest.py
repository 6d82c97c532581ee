# SPDX-License-Identifier: Apache-2.0
"""The one way in which an answer is taken: from a page, a key, a file or another API's client."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from app.core.database import Database
from app.core.errors import AfterwordError
from app.interactions.customer_resolver import CustomerResolver
from app.interactions.touchpoint_registry import TouchpointRegistry
from app.responses.claims import supersede_claims
from app.responses.group_commit import GroupCommit
from app.responses.replies import refuse
from app.responses.writing import Submission, WriteResult
from app.surveys.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Ingest:
    """Writes answers: first their touchpoints, then the rows; then replaced claims are marked."""

    database: Database
    catalogue: Catalogue
    customers: CustomerResolver
    touchpoints: TouchpointRegistry
    group: GroupCommit

    @classmethod
    def for_command(cls, database: Database, group: GroupCommit) -> Self:
        """Return an `Ingest` with caches of its own, for a command."""
        return cls(
            database,
            Catalogue(database),
            CustomerResolver(database),
            TouchpointRegistry(database),
            group,
        )

    async def take(self, workspace_id: UUID, submission: Submission) -> WriteResult:
        """Write one answer and return when it is on disk; raise Conflict if it is refused."""
        await self._register_touchpoints(workspace_id, [submission])
        written = await self.group.submit(workspace_id, submission)
        refuse(written.outcome)
        await supersede_claims(self.database, self.group.slot, workspace_id, [submission])
        return written

    async def take_many(
        self, workspace_id: UUID, submissions: Sequence[Submission], *, events: bool
    ) -> list[WriteResult | AfterwordError]:
        """Write at most 500 answers as one batch; one that is refused gets its error."""
        await self._register_touchpoints(workspace_id, submissions)
        results = await self.group.write(workspace_id, list(submissions), events=events)
        await supersede_claims(self.database, self.group.slot, workspace_id, submissions)
        return [_result_or_refusal(result) for result in results]

    async def _register_touchpoints(
        self, workspace_id: UUID, submissions: Sequence[Submission]
    ) -> None:
        await self.touchpoints.register(
            workspace_id,
            (submission.row.touchpoint for submission in submissions if not submission.row.test),
        )


def _result_or_refusal(result: WriteResult | AfterwordError) -> WriteResult | AfterwordError:
    if not isinstance(result, AfterwordError):
        try:
            refuse(result.outcome)
        except AfterwordError as error:
            return error
    return result
