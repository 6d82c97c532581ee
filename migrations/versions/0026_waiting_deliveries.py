# SPDX-License-Identifier: Apache-2.0
"""Deliveries that wait for something are found by what they wait for."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute(
        "create index ix_inbound_event_waits_for on inbound_event using gin (waits_for) "
        "where waits_for <> '[]'"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("drop index ix_inbound_event_waits_for")
