"""A follow-up that was resolved is a moment of its own, about which a trigger may ask again."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import jobs
from app.core.database import Database
from app.core.feed import News
from app.core.jobs import Job
from app.core.signing import SealedBox
from app.interactions.recording import Draft
from app.triggers.telling import tell

RECOVERY_JOB = "triggers.recovery"
TYPE, SOURCE = "recovery.resolved", "afterword"


async def hear_follow_ups(session: AsyncSession, news: Sequence[News]) -> None:
    """Have the resolved ones told."""
    for one in news:
        if one.data.get("resolved"):
            await jobs.enqueue(
                session,
                RECOVERY_JOB,
                workspace_id=one.workspace_id,
                payload={
                    "event": str(one.id),
                    "response": one.data["id"],
                    "customer": one.data["customer_id"],
                },
            )


async def tell_recovery(database: Database, box: SealedBox, job: Job) -> None:
    """Record that the customer's trouble was resolved."""
    customer = job.payload["customer"]
    draft = Draft(
        type=TYPE,
        source=SOURCE,
        external_id=job.payload["event"],
        customer_id=UUID(customer) if customer else None,
        properties={"response": job.payload["response"]},
    )
    async with database.transaction() as session:
        await tell(session, box, job.workspace_id, [draft])
