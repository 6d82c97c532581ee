# SPDX-License-Identifier: Apache-2.0
"""Links to one view of the dashboard."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of links."""
    op.execute("""
    create table share_link (
      workspace_id uuid not null,
      id uuid not null,
      token_hash bytea not null,
      path varchar not null,
      expires_at timestamptz not null,
      revoked_at timestamptz,
      created_by varchar not null,
      created_at timestamptz not null,
      constraint pk_share_link primary key (workspace_id, id),
      constraint uq_share_link_workspace_id_token_hash unique (workspace_id, token_hash)
    )
    """)


def downgrade() -> None:
    """Drop the table: shared views open no more."""
    op.execute("drop table share_link")
