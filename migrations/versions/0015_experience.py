# SPDX-License-Identifier: Apache-2.0
"""Add the workspace setting `word_of_mouth`."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; null means the default rates, 1 and 10."""
    op.execute("alter table workspace add column if not exists word_of_mouth jsonb")


def downgrade() -> None:
    """Leave the column: an older program does not read it."""
