# SPDX-License-Identifier: Apache-2.0
"""Record resolved follow-ups as interactions, about which a trigger may ask again."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.database import Database
from app.core.event_consumer import StoredEvent
from app.core.jobs import Job
from app.core.signing import SealedBox
from app.interactions.interaction_recorder import InteractionDraft
from app.interactions.known_types import KnownType
from app.triggers.interaction_intake import take_interactions

RECOVERY_JOB = "triggers.recovery"
TYPE, SOURCE = KnownType.RECOVERY_RESOLVED, "afterword"


async def consume_follow_ups(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Enqueue a job for each follow-up that was resolved."""
    for event in events:
        if event.data.get("resolved"):
            await jobs.enqueue(
                session,
                RECOVERY_JOB,
                workspace_id=event.workspace_id,
                payload={
                    "event": str(event.id),
                    "response": event.data["id"],
                    "customer": event.data["customer_id"],
                },
            )


async def record_recovery(database: Database, box: SealedBox, job: Job) -> None:
    """Record that the customer's trouble was resolved."""
    customer = job.payload["customer"]
    draft = InteractionDraft(
        type=TYPE,
        source=SOURCE,
        external_id=job.payload["event"],
        customer_id=UUID(customer) if customer else None,
        properties={"response": job.payload["response"]},
    )
    async with database.transaction() as session:
        await take_interactions(session, box, job.workspace_id, [draft])
