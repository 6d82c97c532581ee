# SPDX-License-Identifier: Apache-2.0
"""Answers are listed by the time at which they were given, and open follow-ups among them."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    op.execute(
        "create index ix_response_workspace_id_responded_at_id "
        "on response (workspace_id, responded_at, id)"
    )
    op.execute(
        "create index ix_response_open on response (workspace_id, responded_at, id) "
        "where follow_up = 'open'"
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("drop index ix_response_open")
    op.execute("drop index ix_response_workspace_id_responded_at_id")
