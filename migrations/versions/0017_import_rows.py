# SPDX-License-Identifier: Apache-2.0
"""Imports get a source, and `import_row` records what each import made of a response."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.execute("alter table import_run add column if not exists source varchar")
    op.execute("alter table import_run add column if not exists report jsonb")
    op.execute("""
    create table import_row (
      workspace_id uuid not null,
      response_id uuid not null,
      import_id uuid not null,
      external_id varchar,
      content varchar not null,
      seq integer not null,
      before jsonb,
      at timestamptz not null,
      constraint pk_import_row primary key (workspace_id, response_id, import_id),
      constraint fk_import_row_workspace_id foreign key (workspace_id, import_id)
        references import_run (workspace_id, id)
    )
    """)
    op.execute(
        "create index ix_import_row_workspace_id_import_id on import_row (workspace_id, import_id)"
    )


def downgrade() -> None:
    """Drop the table; the columns are empty for the code before."""
    op.execute("drop table import_row")
