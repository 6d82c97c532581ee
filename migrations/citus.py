# SPDX-License-Identifier: Apache-2.0
"""Spreading the tables over a cluster, where there is one (Citus).

Migrations do not distribute tables. One step after them does, by the `kind` of each table. It can
be repeated: on a database that has become a cluster, and after a new table was added.
"""

from sqlalchemy import Connection, text

from app.responses import cluster_ingest
from app.tables import metadata

_FOREIGN_KEYS = text("""
select conrelid::regclass::text as of, conname as name, pg_get_constraintdef(oid) as says
from pg_constraint
where contype = 'f' and (conrelid::regclass::text = any(:tables)
  or confrelid::regclass::text = any(:tables))
""")
_SPREAD = """select logicalrelid::text from pg_dist_partition
where partmethod <> 'n' or repmodel = 't'"""
# All other distributed tables are colocated with this one.
_ANCHOR = "response"


def is_cluster(connection: Connection) -> bool:
    """Tell whether the database is a cluster's coordinator."""
    rows = connection.execute(text("select 1 from pg_extension where extname = 'citus'"))
    return rows.first() is not None


def spread(connection: Connection) -> list[str]:
    """Spread every table that is not spread yet, as its kind says; return their names.

    A foreign key stands only between tables that are spread: those of tables to be spread are
    taken off and put on again. Nothing is done where there is no cluster.
    """
    if not is_cluster(connection):
        return []
    existing = _names(connection, "select tablename from pg_tables where schemaname = 'public'")
    done = _names(connection, _SPREAD)
    kinds = {name: table.info["kind"] for name, table in metadata.tables.items()}
    tables = {
        name: kind for name, kind in kinds.items() if kind != "queue" and name in existing - done
    }
    if not tables:
        return []
    connection.execute(text("set local citus.multi_shard_modify_mode = 'sequential'"))
    # Nodes lack the types and functions that were made before they joined.
    connection.execute(text("create schema if not exists bi"))
    connection.execute(text("grant usage on schema bi to public"))
    keys = connection.execute(_FOREIGN_KEYS.bindparams(tables=list(tables))).all()
    for key in keys:
        connection.execute(text(f"alter table {key.of} drop constraint {key.name}"))
    order = sorted(tables, key=lambda name: (tables[name] != "reference", name != _ANCHOR, name))
    for table in order:
        if tables[table] == "reference":
            statement = text("select create_reference_table(:table)")
        elif table == _ANCHOR:
            statement = text("select create_distributed_table(:table, 'workspace_id')")
        else:
            statement = text(
                "select create_distributed_table(:table, 'workspace_id', colocate_with => :anchor)"
            ).bindparams(anchor=_ANCHOR)
        connection.execute(statement.bindparams(table=table))
    for key in keys:
        connection.execute(text(f"alter table {key.of} add constraint {key.name} {key.says}"))
    return order


def make_functions(connection: Connection) -> None:
    """Create the functions that run on a workspace's node, and distribute them."""
    if not is_cluster(connection):
        return
    # Sent to the driver directly: `%` and `:` in the body are not parameters.
    connection.exec_driver_sql(cluster_ingest.FUNCTION)
    connection.execute(
        text(
            "select create_distributed_function(cast(:signature as regprocedure), 'p_workspace', "
            "colocate_with := :anchor)"
        ).bindparams(signature=cluster_ingest.SIGNATURE, anchor=_ANCHOR)
    )


def _names(connection: Connection, query: str) -> set[str]:
    return {row[0] for row in connection.execute(text(query))}
