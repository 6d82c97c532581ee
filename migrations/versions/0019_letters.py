# SPDX-License-Identifier: Apache-2.0
"""Members may have a letter, weekly or daily."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add how often the letter comes, and when it came last; nobody has one yet."""
    op.execute("alter table member add column if not exists digest varchar not null default 'off'")
    op.execute("alter table member alter column digest drop default")
    op.execute("alter table member add column if not exists letter_on date")


def downgrade() -> None:
    """Take the columns away: the code before makes members without them."""
    op.execute("alter table member drop column digest")
    op.execute("alter table member drop column letter_on")
