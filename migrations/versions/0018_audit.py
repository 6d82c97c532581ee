# SPDX-License-Identifier: Apache-2.0
"""Audit entries."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.execute("""
    create table audit_entry (
      workspace_id uuid not null,
      id uuid not null,
      actor varchar not null,
      key_id uuid,
      action varchar not null,
      target jsonb not null,
      at timestamptz not null,
      constraint pk_audit_entry primary key (workspace_id, id)
    )
    """)
    op.execute(
        "create index ix_audit_entry_workspace_id_at_id on audit_entry (workspace_id, at, id)"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table audit_entry")
