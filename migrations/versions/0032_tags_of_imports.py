# SPDX-License-Identifier: Apache-2.0
"""Imports note the tags that they write, so that an undo sees those that a person gave."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; of earlier rows the tags are not known."""
    op.execute("alter table import_row add column tags jsonb")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table import_row drop column tags")
