# SPDX-License-Identifier: Apache-2.0
"""Members of a workspace, their sign-in links and sessions."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table member (
      workspace_id uuid not null,
      id uuid not null,
      email varchar not null,
      name varchar not null,
      role varchar not null,
      locale varchar not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      constraint pk_member primary key (workspace_id, id),
      constraint uq_member_workspace_id_email unique (workspace_id, email),
      constraint fk_member_workspace_id foreign key (workspace_id) references workspace (id)
    )
    """,
    """create index ix_member_email on member (email)""",
    """
    create table sign_in_link (
      workspace_id uuid not null,
      token_hash bytea not null,
      member_id uuid not null,
      expires_at timestamptz not null,
      constraint pk_sign_in_link primary key (workspace_id, token_hash),
      constraint fk_sign_in_link_workspace_id_member_id foreign key (workspace_id, member_id)
        references member (workspace_id, id) on delete cascade
    )
    """,
    """
    create table dashboard_session (
      workspace_id uuid not null,
      token_hash bytea not null,
      member_id uuid,
      key_id uuid,
      locale varchar not null,
      expires_at timestamptz not null,
      constraint pk_dashboard_session primary key (workspace_id, token_hash),
      constraint fk_dashboard_session_workspace_id_member_id foreign key (workspace_id, member_id)
        references member (workspace_id, id) on delete cascade,
      constraint fk_dashboard_session_workspace_id_key_id foreign key (workspace_id, key_id)
        references api_key (workspace_id, id) on delete cascade
    )
    """,
)

UNDO = (
    """drop table dashboard_session""",
    """drop table sign_in_link""",
    """drop table member""",
)


def upgrade() -> None:
    """Add the tables, one statement at a time."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for statement in UNDO:
        op.execute(statement)
