# SPDX-License-Identifier: Apache-2.0
"""Drafts as they stood in the editor, kept for their previews."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute("""
    create table survey_preview (
      workspace_id uuid not null,
      id uuid not null,
      survey_id uuid not null,
      locale varchar not null,
      definition jsonb not null,
      created_at timestamptz not null,
      constraint pk_survey_preview primary key (workspace_id, id)
    )
    """)


def downgrade() -> None:
    """Drop it: previews are made anew."""
    op.execute("drop table survey_preview")
