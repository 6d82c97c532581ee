# SPDX-License-Identifier: Apache-2.0
"""Questions with several choices count in the metric `choice` in BI, as they do in the API."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_VIEWS = ("figures_daily", "metric_daily", "metric_daily_by_segment")
# How PostgreSQL writes the metric of a question that is not its survey's recommendation.
_OWN_TYPE = re.compile(r"(WHEN \w+\.recommends THEN 'nps'::[a-z ]+\s+ELSE )(\w+\.type)(\s+END)")
_OWN_METRIC = r"\1CASE \2 WHEN 'choices' THEN 'choice' ELSE \2 END\3"


def _definition(view: str) -> str:
    query = sa.text("select pg_get_viewdef(cast(:name as regclass))").bindparams(name=f"bi.{view}")
    definition: str = op.get_bind().execute(query).scalar_one()
    return definition


def upgrade() -> None:
    """Replace the views; their columns, comments and rights stay."""
    for view in _VIEWS:
        definition = _definition(view)
        if "WHEN 'choices'" in definition or "q.metric" in definition:
            # A downgrade kept the view of this migration, or of a later one: it is right already.
            continue
        changed, n = _OWN_TYPE.subn(_OWN_METRIC, definition)
        if not n:
            msg = f"bi.{view} does not name the metric as this migration expects"
            raise RuntimeError(msg)
        # `create or replace view` drops every option that is not repeated.
        op.execute(f"create or replace view bi.{view} with (security_invoker = true) as {changed}")


def downgrade() -> None:
    """Leave it: the older program reads these views as well."""
