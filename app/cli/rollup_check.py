# SPDX-License-Identifier: Apache-2.0
"""Whether the counts that figures are read from agree with the rows."""

from typing import Any
from uuid import UUID

from app.core.database import Database
from app.interactions.tickets import ticket_differences
from app.responses import rollups


async def differences(database: Database, workspace_id: UUID) -> list[dict[str, Any]]:
    """Return every cell of answers and of tickets whose count differs from its rows."""
    return [
        *await rollups.differences(database, workspace_id),
        *await ticket_differences(database, workspace_id),
    ]
