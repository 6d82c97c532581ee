# SPDX-License-Identifier: Apache-2.0
"""The schema's rules, so that the same schema runs on one PostgreSQL and on a cluster."""

import os
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.schema import Table

import app
from app.core.database import Database
from app.core.migrations import downgrade, upgrade
from app.core.postgres import superuser_url
from app.core.settings import Settings
from app.tables import TABLES, metadata
from migrations.types import type_differs

TENANT = [table for table in metadata.sorted_tables if table.info["kind"] == "tenant"]
VERSIONS = sorted(Path("migrations/versions").glob("0*.py"))
SOURCES = [*Path(app.__file__).parent.rglob("*.py"), *VERSIONS]


def first_columns(table: Table) -> dict[str, str]:
    """Return the first column of every key, unique constraint, foreign key and index."""
    columns = {}
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint):
            columns[str(constraint.name)] = constraint.columns.keys()[0]
    for index in table.indexes:
        columns[str(index.name)] = index.columns.keys()[0]
    return columns


# Indexes without the workspace first: those that find old rows of all workspaces, the one that
# orders events, and a GIN index, which cannot hold the workspace.
ACROSS_WORKSPACES = {
    "ix_event_created_at", "ix_event_waking",
    "ix_inbound_event_waits_for",
}  # fmt: skip


@pytest.mark.parametrize("table", TENANT, ids=lambda t: t.name)
def test_the_workspace_comes_first_in_every_key(table: Table) -> None:
    assert table.columns.keys()[0] == "workspace_id"
    assert not table.columns["workspace_id"].nullable
    for name, column in first_columns(table).items():
        if name not in ACROSS_WORKSPACES:
            assert column == "workspace_id", name


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda t: t.name)
def test_foreign_keys_stay_within_a_tenant_and_nothing_is_set_null(table: Table) -> None:
    for key in table.foreign_key_constraints:
        assert key.ondelete in {None, "CASCADE"}
        if key.referred_table.info["kind"] == "tenant":
            assert key.columns.keys()[0] == "workspace_id"
            assert key.elements[0].column.name == "workspace_id"


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda t: t.name)
def test_ids_are_made_by_the_app(table: Table) -> None:
    for column in table.columns:
        assert column.identity is None
        assert column.server_default is None or column.name == "xid"


def test_every_table_is_listed() -> None:
    assert {table.__tablename__ for table in TABLES} == set(metadata.tables)


# Migrations before this one served one version of the program at a time.
FIRST_ADDITIVE = "0026"


@pytest.mark.parametrize(
    "path",
    [version for version in VERSIONS if version.name >= FIRST_ADDITIVE],
    ids=lambda path: path.stem,
)
def test_a_migration_only_adds(path: Path) -> None:
    """The previous version keeps running beside the new one, so its statements must still work."""
    up = path.read_text().partition("def downgrade")[0].lower()
    steps = re.findall(r"drop column|rename (?:column|to)|set not null|drop default|"
                       r"op\.drop_column|nullable=false", up)  # fmt: skip
    steps += re.findall(r"add column [^,;\"]*not null(?![^,;\"]*default)", up)
    assert not steps, f"{path.name}: {steps}"


FORBIDDEN = (
    r"\bcreate (or replace )?(trigger|sequence|function (?!bi_))\b|\bmerge into\b|\bexclude using\b"
)
FORBIDDEN += r"|\bon delete set null\b|\bsecurity definer\b|\bnextval\b|\bpg_advisory_lock\b"


def test_no_source_uses_what_a_cluster_cannot() -> None:
    for path in SOURCES:
        text = path.read_text().lower()
        assert not re.search(FORBIDDEN, text), path
        for upsert in re.findall(r"do update set.*", text):
            assert "now()" not in upsert, path


async def test_models_and_migrations_agree(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        # A coordinator that holds rows itself shows its parts of tables beside them.
        options = {
            "compare_type": type_differs,
            "include_name": lambda name, kind, _: (
                kind != "table" or not re.search(r"_\d{6}$", name)
            ),
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.skipif(
    bool(os.environ.get("AFTERWORD_TEST_CLUSTER_URL")),
    reason="makes a database of its own, which a cluster makes on each node by hand",
)
async def test_migrations_go_down_and_up_again(settings: Settings, database: Database) -> None:
    """From the newest schema to every older one and back, and down to nothing."""
    admin = Database(superuser_url(settings.data_dir))
    connection = await admin.connect()
    await connection.execute("drop database if exists other")
    await connection.execute("create database other owner afterword")
    other = Database(database.url.rsplit("/", 1)[0] + "/other")
    try:
        await upgrade(other)
        for number in range(len(VERSIONS) - 1, 0, -1):
            await downgrade(other, f"{number:04}")
            await upgrade(other)
        await downgrade(other, "base")
        inside = await other.connect()
        tables = await inside.fetch("select tablename from pg_tables where schemaname = 'public'")
        assert [row[0] for row in tables] == ["alembic_version"]
        await inside.close()
        await upgrade(other)
    finally:
        await other.close()
        await connection.execute("drop database other")
        await connection.close()
