# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys are found by their age within a workspace, where old ones are deleted."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the index across workspaces."""
    op.execute(
        "create index ix_idempotency_workspace_id_created_at "
        "on idempotency (workspace_id, created_at)"
    )
    op.execute("drop index ix_idempotency_created_at")


def downgrade() -> None:
    """Bring it back."""
    op.execute("create index ix_idempotency_created_at on idempotency (created_at)")
    op.execute("drop index ix_idempotency_workspace_id_created_at")
