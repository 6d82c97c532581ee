# SPDX-License-Identifier: Apache-2.0
"""What `afterword doctor` says of a cluster: its nodes, its tables and where the rows lie."""

from sqlalchemy import text
from sqlmodel import SQLModel

from app.cli.findings import Finding, Severity, check
from app.core.database import Database, is_cluster, run_sql

# The fullest node may hold this many times what the nodes hold on average.
_MAX_TIMES_AVERAGE = 3
_NODES = "select nodename, nodeport, isactive from pg_dist_node order by groupid, nodeid"
_HEALTH = """select from_nodename, to_nodename from citus_check_cluster_node_health()
where not coalesce(result, false)"""
_BYTES = """select nodename, nodeport, sum(shard_size)::int8 as bytes from citus_shards
where citus_table_type = 'distributed' group by 1, 2 order by 3 desc"""
_SPREAD = "select logicalrelid::text as name from pg_dist_partition"


async def examine(database: Database) -> list[Finding]:
    """Return findings on the cluster; none where the database is one PostgreSQL."""
    async with database.session() as session:
        if not await is_cluster(session):
            return []
        release = (await run_sql(session, text("select citus_version() as found"))).one().found
        nodes = (await run_sql(session, text(_NODES))).all()
        unreached = (await run_sql(session, text(_HEALTH))).all()
        spread = {row.name for row in await run_sql(session, text(_SPREAD))}
        node_sizes = (await run_sql(session, text(_BYTES))).all()
    idle = [f"{node.nodename}:{node.nodeport}" for node in nodes if not node.isactive]
    unreachable_pairs = [f"{row.from_nodename} to {row.to_nodename}" for row in unreached]
    waiting = sorted(
        name
        for name, table in SQLModel.metadata.tables.items()
        if table.info["kind"] != "queue" and name not in spread
    )
    return [
        Finding(Severity.OK, f"{release.split(' on ')[0]}, {len(nodes)} nodes"),
        check(
            not idle, "all nodes are active", f"nodes are not active: {', '.join(idle)}",
            "bring them back, or move what they hold and `select citus_remove_node(…)`",
        ),
        check(
            not unreachable_pairs, "the nodes reach each other",
            f"nodes do not reach each other: {', '.join(unreachable_pairs)}",
            "look at the network between them and at pg_hba.conf",
        ),
        check(
            not waiting, "all tables are spread", f"tables are not spread: {', '.join(waiting)}",
            "run `afterword migrate`",
        ),
        _skew_of([(f"{row.nodename}:{row.nodeport}", row.bytes) for row in node_sizes], len(nodes)),
    ]  # fmt: skip


def _skew_of(node_sizes: list[tuple[str, int]], nodes: int) -> Finding:
    total = sum(size for _, size in node_sizes)
    name, most = node_sizes[0] if node_sizes else ("", 0)
    sizes = ", ".join(f"{node} {size / 1e6:,.0f} MB" for node, size in node_sizes) or "no node yet"
    # With little data, an uneven distribution is normal.
    even = total < 1e9 or most * nodes <= total * _MAX_TIMES_AVERAGE
    return check(
        even, f"rows lie on {sizes}", f"rows lie unevenly: {sizes}",
        f"{name} holds most of them: `select citus_rebalance_start()`", bad=Severity.WARN,
    )  # fmt: skip
