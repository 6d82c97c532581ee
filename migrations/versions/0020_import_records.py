# SPDX-License-Identifier: Apache-2.0
"""Imports of tickets and customers."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a kind to imports, make their survey optional, and add import records."""
    op.execute("alter table import_run add column if not exists kind varchar")
    op.execute("alter table import_run alter column survey_id drop not null")
    op.execute("""
    create table import_record (
      workspace_id uuid not null,
      record_id uuid not null,
      import_id uuid not null,
      external_id varchar,
      customer_id uuid,
      content varchar not null,
      before jsonb,
      after jsonb,
      at timestamptz not null,
      constraint pk_import_record primary key (workspace_id, record_id, import_id),
      constraint fk_import_record_workspace_id foreign key (workspace_id, import_id)
        references import_run (workspace_id, id)
    )
    """)
    op.execute(
        "create index ix_import_record_workspace_id_import_id "
        "on import_record (workspace_id, import_id)"
    )


def downgrade() -> None:
    """Drop the table, and the imports that the code before cannot show."""
    op.execute("drop table import_record")
    op.execute("delete from import_run where survey_id is null")
    op.execute("alter table import_run alter column survey_id set not null")
    op.execute("alter table import_run drop column kind")
