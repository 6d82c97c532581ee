# SPDX-License-Identifier: Apache-2.0
"""How far customers carry the word is a setting of the workspace."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the setting; without it the usual saying is assumed, one and ten."""
    op.execute("alter table workspace add column if not exists word_of_mouth jsonb")


def downgrade() -> None:
    """Leave the column: the code before does not read it."""
