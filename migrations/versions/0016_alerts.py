# SPDX-License-Identifier: Apache-2.0
"""Alerts: figures that are watched."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.execute("""
    create table alert (
      workspace_id uuid not null,
      id uuid not null,
      key varchar,
      name varchar not null,
      active boolean not null,
      rules jsonb not null,
      raised jsonb not null,
      seen_until timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_alert primary key (workspace_id, id),
      constraint uq_alert_workspace_id_key unique (workspace_id, key),
      constraint fk_alert_workspace_id foreign key (workspace_id) references workspace (id)
    )
    """)


def downgrade() -> None:
    """Drop it."""
    op.execute("drop table alert")
