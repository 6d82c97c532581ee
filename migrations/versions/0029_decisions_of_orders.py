# SPDX-License-Identifier: Apache-2.0
"""Decisions to invite are found by their key first, and by the number of their order."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_ONCE = "create unique index {name} on decision ({columns}) where outcome = 'invited'"


def upgrade() -> None:
    """Reverse the columns of one index, and add another."""
    _hold_writers()
    op.execute(
        "create index ix_decision_invited_order on decision (workspace_id, order_ref) "
        "where outcome = 'invited' and order_ref is not null"
    )
    _turn("workspace_id, once_key, trigger_id")


def downgrade() -> None:
    """Turn it back, and drop the other."""
    _hold_writers()
    op.execute("drop index ix_decision_invited_order")
    _turn("workspace_id, trigger_id, once_key")


def _hold_writers() -> None:
    """Take the strongest lock first; upgrading it later could deadlock with a writer."""
    op.execute("lock table decision in access exclusive mode")


def _turn(columns: str) -> None:
    op.execute(_ONCE.format(name="uq_decision_turned", columns=columns))
    op.execute("drop index uq_decision_once")
    op.execute("alter index uq_decision_turned rename to uq_decision_once")
