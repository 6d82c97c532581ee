# SPDX-License-Identifier: Apache-2.0
"""An alert says why it cannot be evaluated, as when what it watches is gone."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column."""
    op.execute("alter table alert add column problem text")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table alert drop column problem")
