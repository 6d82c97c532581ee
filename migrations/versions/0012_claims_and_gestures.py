# SPDX-License-Identifier: Apache-2.0
"""Keys for derived ids, gestures of responses, and the shop that numbered an order."""

import datetime as dt
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a derivation key to workspaces, the gesture to responses, the shop to interactions."""
    op.execute("alter table workspace add column derivation_key bytea")
    op.execute("alter table workspace add column derived_since timestamptz")
    bind = op.get_bind()
    now = dt.datetime.now(dt.UTC)
    # One by one: a cluster's reference table takes no random value from SQL.
    for (id_,) in bind.execute(sa.text("select id from workspace")).all():
        bind.execute(
            sa.text(
                "update workspace set derivation_key = :key, derived_since = :now where id = :id"
            ).bindparams(key=secrets.token_bytes(32), now=now, id=id_)
        )
    op.execute("alter table workspace alter column derivation_key set not null")
    op.execute("alter table response add column gesture boolean")
    op.execute("alter table interaction add column order_source varchar")
    op.execute("alter table interaction add column changed_at timestamptz")
    op.execute(
        "create index ix_interaction_changed on interaction "
        "(workspace_id, coalesce(changed_at, created_at), id)"
    )


def downgrade() -> None:
    """Forget them."""
    op.execute("drop index ix_interaction_changed")
    op.execute("alter table interaction drop column changed_at")
    op.execute("alter table interaction drop column order_source")
    op.execute("alter table response drop column gesture")
    op.execute("alter table workspace drop column derived_since")
    op.execute("alter table workspace drop column derivation_key")
