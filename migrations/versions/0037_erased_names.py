# SPDX-License-Identifier: Apache-2.0
"""Hashes of the names of erased customers, which must not stand among the words of comments."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute("""
    create table erased_name (
      workspace_id uuid not null,
      word_hash bytea not null,
      erased_at timestamptz not null,
      constraint pk_erased_name primary key (workspace_id, word_hash)
    )
    """)


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table erased_name")
