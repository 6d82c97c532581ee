# SPDX-License-Identifier: Apache-2.0
"""Imports note the rows that a file held unchanged, and keep the rows that were rejected."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns."""
    op.execute("alter table import_run add column rejects text")
    op.execute("alter table import_row add column was_there boolean not null default false")


def downgrade() -> None:
    """Delete the rows that an import found unchanged."""
    op.execute("delete from import_row where was_there")
    op.execute("alter table import_row drop column was_there")
    op.execute("alter table import_run drop column rejects")
