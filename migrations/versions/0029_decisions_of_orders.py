"""Decisions to invite are found by the number of their order."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute(
        "create index ix_decision_invited_order on decision (workspace_id, order_ref) "
        "where outcome = 'invited' and order_ref is not null"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("drop index ix_decision_invited_order")
