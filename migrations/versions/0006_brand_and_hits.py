# SPDX-License-Identifier: Apache-2.0
"""Brand and logo of a workspace, hits of an invitation, and whether an event was emitted."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """alter table workspace add column brand jsonb not null default '{}'""",
    """alter table workspace alter column brand drop default""",
    """alter table invitation add column hits jsonb not null default '[]'""",
    """alter table invitation alter column hits drop default""",
    """alter table response add column told boolean not null default true""",
    """alter table response alter column told drop default""",
    """alter table response add column public boolean not null default true""",
    """alter table response alter column public drop default""",
    """
    create table workspace_logo (
      workspace_id uuid not null,
      version varchar not null,
      media_type varchar not null,
      content bytea not null,
      constraint pk_workspace_logo primary key (workspace_id),
      constraint fk_workspace_logo_workspace_id
        foreign key (workspace_id) references workspace (id)
    )
    """,
)

UNDO = (
    """drop table workspace_logo""",
    """alter table response drop column public""",
    """alter table response drop column told""",
    """alter table invitation drop column hits""",
    """alter table workspace drop column brand""",
)


def upgrade() -> None:
    """Add the columns and the table, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for statement in UNDO:
        op.execute(statement)
