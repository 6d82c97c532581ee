# SPDX-License-Identifier: Apache-2.0
"""Interactions, tickets with their counts, and what customers and workspaces need for them."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("interaction", "ticket", "ticket_count")

STATEMENTS = (
    """alter table customer add column properties jsonb not null default '{}'""",
    """alter table customer alter column properties drop default""",
    """alter table customer add column consent jsonb""",
    """alter table customer add column do_not_survey boolean not null default false""",
    """alter table customer alter column do_not_survey drop default""",
    """alter table customer add column last_invited_at timestamptz""",
    """alter table customer add column merged_into uuid""",
    """alter table customer add column erased_at timestamptz""",
    """create index ix_customer_workspace_id_created_at_id on customer (workspace_id, created_at, id)""",
    """create index ix_customer_identity_workspace_id_value on customer_identity (workspace_id, value)""",
    """alter table workspace add column throttle jsonb""",
    """alter table workspace add column require_consent boolean not null default false""",
    """alter table workspace alter column require_consent drop default""",
    """alter table workspace add column mail jsonb not null default '{}'""",
    """alter table workspace alter column mail drop default""",
    """alter table workspace add column identity_secret bytea""",
    """alter table workspace add column old_identity_secret bytea""",
    """alter table workspace add column old_identity_until timestamptz""",
    """
    create table interaction (
      workspace_id uuid not null,
      id uuid not null,
      type text not null,
      source text not null,
      external_id text not null,
      ticket text,
      order_ref text,
      touchpoint text not null,
      customer_id uuid,
      locale text,
      amount NUMERIC,
      currency text,
      properties jsonb not null,
      test boolean not null,
      occurred_at timestamptz not null,
      created_at timestamptz not null,
      constraint pk_interaction primary key (workspace_id, id),
      constraint fk_interaction_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create index ix_interaction_workspace_id_created_at_id
      on interaction (workspace_id, created_at, id)
    """,
    """
    create index ix_interaction_workspace_id_customer_id_occurred_at
      on interaction (workspace_id, customer_id, occurred_at)
      where customer_id is not null
    """,
    """
    create index ix_interaction_workspace_id_order_ref_occurred_at
      on interaction (workspace_id, order_ref, occurred_at)
      where order_ref is not null
    """,
    """
    create index ix_interaction_workspace_id_ticket_source_occurred_at
      on interaction (workspace_id, ticket, source, occurred_at)
      where ticket is not null
    """,
    """
    create table ticket (
      workspace_id uuid not null,
      id uuid not null,
      source text not null,
      ticket text not null,
      status text not null,
      customer_id uuid,
      touchpoint text not null,
      properties jsonb not null,
      opened_at timestamptz,
      first_reply_at timestamptz,
      first_solved_at timestamptz,
      last_solved_at timestamptz,
      reopened boolean not null,
      invalid boolean not null,
      first_seconds BIGINT,
      first_business BIGINT,
      full_seconds BIGINT,
      full_business BIGINT,
      reply_seconds BIGINT,
      reply_business BIGINT,
      counted_as integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_ticket primary key (workspace_id, id),
      constraint fk_ticket_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
    """,
    """
    create index ix_ticket_workspace_id_first_reply_at
      on ticket (workspace_id, first_reply_at)
    """,
    """
    create index ix_ticket_workspace_id_first_solved_at
      on ticket (workspace_id, first_solved_at)
    """,
    """
    create index ix_ticket_workspace_id_last_solved_at
      on ticket (workspace_id, last_solved_at)
    """,
    """
    create index ix_ticket_workspace_id_opened_at
      on ticket (workspace_id, opened_at)
    """,
    """
    create index ix_ticket_workspace_id_ticket
      on ticket (workspace_id, ticket)
    """,
    """
    create index ix_ticket_workspace_id_updated_at_id
      on ticket (workspace_id, updated_at, id)
    """,
    """
    create table ticket_count (
      workspace_id uuid not null,
      measure text not null,
      clock text not null,
      segment text not null,
      local_date date not null,
      source text not null,
      touchpoint text not null,
      value text not null,
      bucket integer not null,
      n integer not null,
      seconds BIGINT not null,
      constraint pk_ticket_count primary key (workspace_id, measure, clock, segment, local_date, source, touchpoint, value, bucket),
      constraint fk_ticket_count_workspace_id foreign key(workspace_id)
        references workspace (id)
    )
     with (fillfactor = 70)
    """,
)

UNDO = (
    """drop index ix_customer_identity_workspace_id_value""",
    """drop index ix_customer_workspace_id_created_at_id""",
    """alter table customer drop column erased_at, drop column merged_into, drop column last_invited_at, drop column do_not_survey, drop column consent, drop column properties""",
    """alter table workspace drop column old_identity_until, drop column old_identity_secret, drop column identity_secret, drop column mail, drop column require_consent, drop column throttle""",
)


def upgrade() -> None:
    """Make the tables and columns, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in reversed(TABLES):
        op.execute(f"drop table {table}")
    for statement in UNDO:
        op.execute(statement)
