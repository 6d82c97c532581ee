# SPDX-License-Identifier: Apache-2.0
"""The cursors of the outbox's consumers, and indexes of answers by their case."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("feed_place",)

STATEMENTS = (
    """
    create index ix_event_waking
      on event (xid, id)
      where (type not in ('response.created', 'response.updated') or data ->> 'ticket' is not null)
    """,
    """drop index ix_event_created_at""",
    """create index ix_event_created_at on event using brin (created_at)""",
    """create index ix_response_about
      on response (workspace_id, (interaction_ref ->> 'external_id'))
      where interaction_ref is not null""",
    """
    create table feed_place (
      consumer text not null,
      xid BIGINT not null,
      id uuid not null,
      constraint pk_feed_place primary key (consumer)
    )
    """,
)

UNDO = (
    """drop index ix_event_created_at""",
    """create index ix_event_created_at on event (created_at)""",
    """drop index ix_response_about""",
    """drop index ix_event_waking""",
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
