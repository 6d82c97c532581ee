# SPDX-License-Identifier: Apache-2.0
"""Files that wait on the dashboard to be imported; any web process can read them."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute("""
    create table import_upload (
      workspace_id uuid not null,
      id uuid not null,
      content bytea not null,
      created_at timestamptz not null,
      constraint pk_import_upload primary key (workspace_id, id)
    )
    """)


def downgrade() -> None:
    """Drop it: files are sent again."""
    op.execute("drop table import_upload")
