# SPDX-License-Identifier: Apache-2.0
"""Integrations, what they sent, and answers on their way back."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("inbound_event", "integration", "write_back")

STATEMENTS = (
    """
    create table inbound_event (
      workspace_id uuid not null,
      id uuid not null,
      integration_id uuid not null,
      delivery text not null,
      headers jsonb not null,
      body bytea not null,
      verified boolean not null,
      status text not null,
      reason text,
      interactions jsonb not null,
      received_at timestamptz not null,
      translated_at timestamptz,
      constraint pk_inbound_event primary key (workspace_id, id),
      constraint fk_inbound_event_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create index ix_inbound_event_workspace_id_integration_id_received_at_id
      on inbound_event (workspace_id, integration_id, received_at, id)
    """,
    """
    create index ix_inbound_event_workspace_id_received_at
      on inbound_event (workspace_id, received_at)
    """,
    """
    create table integration (
      id uuid not null,
      workspace_id uuid not null,
      key text not null,
      source text not null,
      touchpoint text,
      mapping jsonb not null,
      signature jsonb,
      secret bytea,
      old_secret bytea,
      token_hash bytea,
      old_token_hash bytea,
      old_until timestamptz,
      write_back bytea,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_integration primary key (id),
      constraint uq_integration_workspace_id_key unique (workspace_id, key),
      constraint fk_integration_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create table write_back (
      workspace_id uuid not null,
      response_id uuid not null,
      integration_id uuid not null,
      ticket text not null,
      status text not null,
      attempts jsonb not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_write_back primary key (workspace_id, response_id),
      constraint fk_write_back_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create index ix_write_back_workspace_id_integration_id_created_at
      on write_back (workspace_id, integration_id, created_at)
    """,
)


def upgrade() -> None:
    """Make the tables and columns, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in reversed(TABLES):
        op.execute(f"drop table {table}")
