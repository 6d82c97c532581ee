# SPDX-License-Identifier: Apache-2.0
"""Webhook endpoints and deliveries, and whether `response.completed` was emitted."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    """alter table response add column settled boolean not null default true""",
    """alter table response alter column settled drop default""",
    """
    create index ix_response_unsettled on response (workspace_id, updated_at)
      where not settled and state = 'counted'
    """,
    """
    create table webhook_endpoint (
      workspace_id uuid not null,
      id uuid not null,
      url varchar not null,
      format varchar not null,
      events jsonb not null,
      filter jsonb not null,
      include_personal boolean not null,
      secret bytea not null,
      old_secret bytea,
      old_until timestamptz,
      listens_from timestamptz not null,
      failing_since timestamptz,
      disabled_at timestamptz,
      disabled_reason varchar,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_webhook_endpoint primary key (workspace_id, id),
      constraint fk_webhook_endpoint_workspace_id
        foreign key (workspace_id) references workspace (id)
    )
    """,
    """
    create index ix_webhook_endpoint_workspace_id_created_at_id
      on webhook_endpoint (workspace_id, created_at, id)
    """,
    """
    create table delivery (
      workspace_id uuid not null,
      id uuid not null,
      endpoint_id uuid not null,
      type varchar not null,
      webhook_id uuid not null,
      event_xid bigint,
      event_id uuid,
      sample jsonb,
      once boolean not null,
      status varchar not null,
      attempts jsonb not null,
      tries integer not null,
      next_at timestamptz not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_delivery primary key (workspace_id, id),
      constraint fk_delivery_workspace_id_endpoint_id foreign key (workspace_id, endpoint_id)
        references webhook_endpoint (workspace_id, id) on delete cascade
    )
    """,
    """
    create index ix_delivery_workspace_id_endpoint_id_created_at_id
      on delivery (workspace_id, endpoint_id, created_at, id)
    """,
    """
    create index ix_delivery_pending on delivery (workspace_id, endpoint_id, next_at)
      where status = 'pending'
    """,
    """
    create index ix_delivery_failed on delivery (workspace_id, endpoint_id)
      where status = 'failed'
    """,
    """create index ix_delivery_workspace_id_created_at on delivery (workspace_id, created_at)""",
)

UNDO = (
    """drop table delivery""",
    """drop table webhook_endpoint""",
    """alter table response drop column settled""",
)


def upgrade() -> None:
    """Add the column and the tables, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for statement in UNDO:
        op.execute(statement)
