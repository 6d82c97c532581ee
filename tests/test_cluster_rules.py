# SPDX-License-Identifier: Apache-2.0
"""The code contains no SQL that a cluster refuses; checked without a cluster."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy.schema import Table

import app
from app.core.database import Database
from app.tables import metadata

APP_FOLDER = Path(app.__file__).parent
KINDS = {"tenant", "reference", "queue"}
LOCK = re.compile(r"\bfor (no key )?update\b|\bfor (key )?share\b")
SPREAD = {name for name, table in metadata.tables.items() if table.info["kind"] == "tenant"}
KEPT_WHOLE = {name for name, table in metadata.tables.items() if table.info["kind"] == "reference"}
# Expressions that a cluster does not allow in SET.
REFUSED_IN_SET = r"now\(\)|gen_random_uuid\(\)|clock_timestamp\(\)|\binterval\b|\bselect\b"


def text_of(node: ast.AST) -> str:
    """Return the text of a string, with a mark for each part that is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return str(node.value) if isinstance(node, ast.Constant) else " § "


@cache
def strings() -> list[tuple[str, str]]:
    """Return every string of the service, with the file that has it."""
    return [
        (path.relative_to(APP_FOLDER).as_posix(), text_of(node).lower())
        for path in sorted(APP_FOLDER.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr | ast.Constant)
    ]


def statements() -> list[tuple[str, str]]:
    """Return those strings that look like SQL."""
    sql = re.compile(r"\b(select|update|delete|insert)\b.*\b(from|set|into)\b", re.DOTALL)
    return [(path, text) for path, text in strings() if sql.search(text)]


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda t: t.name)
def test_every_table_says_how_it_is_spread(table: Table) -> None:
    assert table.info["kind"] in KINDS
    if table.info["kind"] == "tenant":
        return
    for key in table.foreign_key_constraints:
        assert key.referred_table.info["kind"] != "tenant", key.name


def test_a_lock_names_its_workspace() -> None:
    for path, statement_sql in statements():
        tables = set(re.findall(r"\b(?:from|update|join) (\w+)", statement_sql)) & SPREAD
        if LOCK.search(statement_sql) and tables:
            assert "workspace_id" in statement_sql, (path, statement_sql)


def test_nothing_is_worked_out_in_set_that_must_be_one_value_everywhere() -> None:
    for path, statement_sql in statements():
        for table, change in re.findall(
            r"\bupdate (\w+)(?: \w+)? set (.*?)(?:\bfrom\b|\bwhere\b|$)", statement_sql, re.DOTALL
        ):
            if table in SPREAD:
                assert not re.search(REFUSED_IN_SET, change), (path, statement_sql)


def test_the_number_of_a_transaction_is_taken_in_few_places() -> None:
    paths = {
        word: sorted({path for path, text in strings() if word in text})
        for word in ("pg_current_xact_id()", "pg_snapshot_xmin(")
    }
    assert paths == {
        "pg_current_xact_id()": [
            "core/outbox.py",
            "responses/cluster_ingest.py",
            "responses/lone_answer.py",
            "responses/statements.py",
        ],
        "pg_snapshot_xmin(": ["core/event_consumer.py"],
    }


def test_the_catalogue_is_not_joined_with_our_tables() -> None:
    for path, statement_sql in statements():
        if re.search(r"\bpg_(class|tables|constraint|namespace|roles)\b", statement_sql):
            names = set(re.findall(r"\b(?:from|join) (\w+)", statement_sql)) & (SPREAD | KEPT_WHOLE)
            assert not names, (path, statement_sql)


async def test_no_policy_asks_a_table(database: Database) -> None:
    connection = await database.connect()
    policies = await connection.fetch("select policyname, qual from pg_policies")
    functions = await connection.fetch(
        "select p.proname, p.prosrc from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname in ('public', 'bi') and p.proname like 'bi%'"
    )
    await connection.close()
    assert policies
    for policy in policies:
        assert "select" not in policy["qual"].lower(), policy["policyname"]
    assert {row["proname"] for row in functions} >= {"bi_workspace", "bi_personal_workspace"}
    for function in functions:
        assert " from " not in function["prosrc"].lower(), function["proname"]
