# SPDX-License-Identifier: Apache-2.0
"""Due jobs are found by their kind, so that a crowd of one kind hides nothing of another."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the index."""
    op.execute("create index ix_job_kind_run_at on job (kind, run_at) where dead_at is null")
    op.execute("drop index ix_job_run_at")


def downgrade() -> None:
    """Put the old one back."""
    op.execute("create index ix_job_run_at on job (run_at) where dead_at is null")
    op.execute("drop index ix_job_kind_run_at")
