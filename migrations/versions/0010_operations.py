# SPDX-License-Identifier: Apache-2.0
"""Service flags, the retention of a workspace, and erasures."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table service_flag (
      name varchar not null,
      value varchar not null,
      set_at timestamptz not null,
      constraint pk_service_flag primary key (name)
    )
    """,
    """alter table workspace add column retention_days integer""",
    """
    create table erasure (
      workspace_id uuid not null,
      id uuid not null,
      customer_id uuid not null,
      reason varchar not null,
      erased jsonb not null,
      created_at timestamptz not null,
      constraint pk_erasure primary key (workspace_id, id),
      constraint fk_erasure_workspace_id foreign key (workspace_id) references workspace (id)
    )
    """,
    """
    create index ix_inbound_event_open on inbound_event (workspace_id, integration_id, status)
      where status in ('received', 'failed')
    """,
    """
    create index ix_response_claimed on response (workspace_id, created_at)
      where claimed is not null
    """,
    """
    create index ix_erasure_workspace_id_created_at_id on erasure (workspace_id, created_at, id)
    """,
)

UNDO = (
    """drop index ix_response_claimed""",
    """drop index ix_inbound_event_open""",
    """drop table erasure""",
    """alter table workspace drop column retention_days""",
    """drop table service_flag""",
)


def upgrade() -> None:
    """Add the tables and the column, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for statement in UNDO:
        op.execute(statement)
