# SPDX-License-Identifier: Apache-2.0
"""Integration settings, what inbound events wait for, and the contact of an interaction."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    """alter table integration add column preset varchar""",
    """alter table integration add column timezone varchar""",
    """alter table integration add column accept_test boolean not null default false""",
    """alter table integration alter column accept_test drop default""",
    """alter table integration add column status_map jsonb not null default '{}'""",
    """alter table integration alter column status_map drop default""",
    """alter table inbound_event add column case_ref varchar""",
    """alter table inbound_event add column waits_for jsonb not null default '[]'""",
    """alter table inbound_event alter column waits_for drop default""",
    """alter table inbound_event add column notes jsonb not null default '[]'""",
    """alter table inbound_event alter column notes drop default""",
    """
    create index ix_inbound_event_case
      on inbound_event (workspace_id, integration_id, case_ref, received_at)
      where case_ref is not null
    """,
    """
    create index ix_inbound_event_waiting on inbound_event (workspace_id, integration_id)
      where waits_for <> '[]'
    """,
    """
    create table order_name (
      workspace_id uuid not null,
      source varchar not null,
      name varchar not null,
      order_ref varchar not null,
      created_at timestamptz not null,
      constraint pk_order_name primary key (workspace_id, source, name),
      constraint fk_order_name_workspace_id foreign key (workspace_id) references workspace (id)
    )
    """,
    """alter table interaction add column contact jsonb""",
    """alter table customer add column told_at jsonb not null default '{}'""",
    """alter table customer alter column told_at drop default""",
    """alter table webhook_endpoint add column headers bytea""",
    """alter table webhook_endpoint add column header_names jsonb not null default '[]'""",
    """alter table webhook_endpoint alter column header_names drop default""",
)

UNDO = (
    """alter table webhook_endpoint drop column header_names""",
    """alter table webhook_endpoint drop column headers""",
    """alter table customer drop column told_at""",
    """alter table interaction drop column contact""",
    """drop table order_name""",
    """drop index ix_inbound_event_waiting""",
    """drop index ix_inbound_event_case""",
    """alter table inbound_event drop column notes""",
    """alter table inbound_event drop column waits_for""",
    """alter table inbound_event drop column case_ref""",
    """alter table integration drop column status_map""",
    """alter table integration drop column accept_test""",
    """alter table integration drop column timezone""",
    """alter table integration drop column preset""",
)


def upgrade() -> None:
    """Add the columns and the table, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for statement in UNDO:
        op.execute(statement)
