# SPDX-License-Identifier: Apache-2.0
"""Invitations, suppressed addresses, triggers and their decisions."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("decision", "suppression", "invitation", "trigger")

STATEMENTS = (
    """
    create table decision (
      workspace_id uuid not null,
      interaction_id uuid not null,
      trigger_id uuid not null,
      id uuid not null,
      outcome text not null,
      reason text,
      detail text,
      invitation_id uuid,
      once_key text not null,
      customer_id uuid,
      ticket text,
      order_ref text,
      at timestamptz not null,
      constraint pk_decision primary key (workspace_id, interaction_id, trigger_id),
      constraint fk_decision_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create index ix_decision_workspace_id_at_id
      on decision (workspace_id, at, id)
    """,
    """
    create index ix_decision_workspace_id_invitation_id
      on decision (workspace_id, invitation_id)
    """,
    """
    create unique index uq_decision_once
      on decision (workspace_id, trigger_id, once_key)
      where outcome = 'invited'
    """,
    """
    create table suppression (
      workspace_id uuid not null,
      kind text not null,
      address_hash bytea not null,
      email text,
      detail text,
      created_at timestamptz not null,
      constraint pk_suppression primary key (workspace_id, kind, address_hash),
      constraint fk_suppression_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create index ix_suppression_workspace_id_created_at
      on suppression (workspace_id, created_at)
    """,
    """
    create table invitation (
      workspace_id uuid not null,
      id uuid not null,
      survey_id uuid not null,
      customer_id uuid,
      channel text not null,
      status text not null,
      reason text,
      detail text,
      email text,
      name text,
      locale text,
      token_hash bytea not null,
      token bytea not null,
      trigger_id uuid,
      interaction_id uuid,
      source text,
      ticket text,
      order_ref text,
      touchpoint text not null,
      context jsonb not null,
      test boolean not null,
      send_at timestamptz not null,
      queued boolean not null,
      sent_at timestamptz,
      opened_at timestamptz,
      answered_at timestamptz,
      expires_seconds integer not null,
      expires_at timestamptz,
      remind_seconds integer,
      remind_at timestamptz,
      reminded_at timestamptz,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_invitation primary key (workspace_id, id),
      constraint fk_invitation_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id),
      constraint uq_invitation_workspace_id_token_hash unique (workspace_id, token_hash)
    )
    """,
    """
    create index ix_invitation_email
      on invitation (workspace_id, lower(email))
    """,
    """
    create index ix_invitation_open
      on invitation (workspace_id, expires_at)
      where status in ('sent', 'stored', 'opened')
    """,
    """
    create index ix_invitation_waiting
      on invitation (workspace_id, send_at)
      where status = 'scheduled' and not queued
    """,
    """
    create index ix_invitation_workspace_id_created_at_id
      on invitation (workspace_id, created_at, id)
    """,
    """
    create index ix_invitation_workspace_id_customer_id_send_at
      on invitation (workspace_id, customer_id, send_at)
      where customer_id is not null
    """,
    """
    create index ix_invitation_workspace_id_order_ref
      on invitation (workspace_id, order_ref)
      where order_ref is not null
    """,
    """
    create index ix_invitation_workspace_id_sent_at
      on invitation (workspace_id, sent_at)
    """,
    """
    create index ix_invitation_workspace_id_ticket
      on invitation (workspace_id, ticket)
      where ticket is not null
    """,
    """
    create table trigger (
      workspace_id uuid not null,
      id uuid not null,
      key text,
      name text not null,
      on_type text not null,
      survey_id uuid not null,
      active boolean not null,
      priority integer not null,
      rules jsonb not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_trigger primary key (workspace_id, id),
      constraint fk_trigger_workspace_id_survey_id foreign key(workspace_id, survey_id)
        references survey (workspace_id, id),
      constraint uq_trigger_workspace_id_key unique (workspace_id, key)
    )
    """,
    """
    create index ix_trigger_workspace_id_on_type
      on trigger (workspace_id, on_type)
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
