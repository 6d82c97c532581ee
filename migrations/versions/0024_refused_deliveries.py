# SPDX-License-Identifier: Apache-2.0
"""When a delivery was last refused, and why."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two columns."""
    op.execute("alter table integration add column refused_at timestamptz")
    op.execute("alter table integration add column refused_reason varchar")


def downgrade() -> None:
    """Drop them."""
    op.execute("alter table integration drop column refused_at, drop column refused_reason")
