"""Spreading tables over a cluster, where there is one."""

from alembic import op
from sqlalchemy import text


def distribute(table: str, *, reference: bool = False) -> None:
    """Make a table distributed by `workspace_id`, or a reference table; nothing without Citus."""
    connection = op.get_bind()
    citus = text("select 1 from pg_extension where extname = 'citus'")
    if connection.execute(citus).first() is None:
        return
    if reference:
        statement = text("select create_reference_table(:table)")
    else:
        statement = text("select create_distributed_table(:table, 'workspace_id')")
    connection.execute(statement.bindparams(table=table))
