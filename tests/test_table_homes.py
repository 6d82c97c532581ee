# SPDX-License-Identifier: Apache-2.0
"""The SQL of each table has its home: its own room, and those that are named here."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from tests.test_homes import GLOSSARY, ROOT, SOURCES, classes

# Which rooms beside a table's own may name it in SQL: those that read or erase across rooms.
READERS = {
    "bi_access": {"core"},
    "customer": {"exports", "insights", "invitations", "responses", "triggers"},
    "customer_identity": {"exports", "responses"},
    "delivery": {"exports"},
    "event": {"exports", "responses", "webhooks"},
    "feed_place": {"exports"},
    "import_row": {"exports", "responses"},
    "import_record": {"exports"},
    "import_run": {"exports", "responses"},
    "import_upload": {"exports"},
    "inbound_event": {"exports"},
    "interaction": {"exports", "insights", "integrations", "responses", "triggers"},
    "decision": {"interactions"},
    "invitation": {
        *("exports", "integrations", "interactions", "metrics", "responses", "triggers"),
    },
    "job": {"exports", "integrations"},
    "question": {"exports", "insights", "interactions", "metrics", "responses"},
    "response": {
        *("alerts", "exports", "imports", "insights", "integrations", "interactions"),
        *("metrics", "surveys", "workspaces"),
    },
    "rollup": {"exports", "interactions", "surveys"},
    "suppression": {"exports"},
    "survey": {
        *("exports", "insights", "integrations", "invitations", "metrics", "responses"),
        *("triggers", "workspaces"),
    },
    "survey_version": {"interactions", "invitations", "responses"},
    "ticket": {"exports", "insights", "integrations", "metrics", "triggers"},
    "touchpoint": {"insights", "metrics"},
    "trigger": {"invitations"},
    "workspace": {
        *("exports", "insights", "interactions", "responses", "surveys"),
        *("triggers", "webhooks"),
    },
    "workspace_config": {"interactions", "responses"},
}


# Where a room reads or erases rows of a room above or beside it, and why. Each only asks whether
# rows exist, or erases them; calling the other room would make an import circle.
UPWARD = {
    ("core", "bi_access"): "which connections are BI tools', so that they hold back no event",
    ("exports", "import_record"): "an erasure empties what was read from files, too",
    ("exports", "import_upload"): "an erasure removes files that wait to be imported",
    ("exports", "import_run"): "an erasure empties what was read from files, too",
    ("responses", "import_run"): "which import an answer came from",
    ("exports", "import_row"): "an erasure empties what was read from files, too",
    ("interactions", "decision"): "a merge moves what names a customer",
    ("interactions", "invitation"): "a merge moves what names a customer",
    ("interactions", "response"): "a merge moves what names a customer",
    ("interactions", "question"): "which touchpoints a survey names",
    ("interactions", "survey_version"): "which touchpoints a survey names",
    ("interactions", "rollup"): "whether a touchpoint was counted, so that it stays",
    ("invitations", "trigger"): "whether a trigger that a filter names exists",
    ("responses", "import_row"): "which import an answer came from",
    ("surveys", "response"): "whether a survey has answers, so that it stays",
    ("surveys", "rollup"): "whether a survey has counts, so that it stays",
    ("workspaces", "response"): "how many answers a recount has before it",
    ("workspaces", "survey"): "whether the survey exists to which a key is bound",
}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "app").parts[0].removesuffix(".py")


@cache
def owners() -> dict[str, str]:
    rooms = {}
    for name, path in classes():
        model = next(
            (subclass for subclass in SQLModel.__subclasses__() if subclass.__name__ == name), None
        )
        if model is not None and hasattr(model, "__table__"):
            rooms[model.__table__.name] = room_of(path)
    return rooms


def test_a_tables_sql_stands_in_the_rooms_that_may_name_it() -> None:
    readers: dict[str, set[str]] = {}
    for path in SOURCES:
        text = path.read_text()
        for table, owner in owners().items():
            if room_of(path) != owner and re.search(rf"\b(from|join|into|update) {table}\b", text):
                readers.setdefault(table, set()).add(room_of(path))
    for table in readers | READERS:
        assert readers.get(table, set()) == READERS.get(table, set()), table


# Modules whose statements take their table from a variable, and which tables these are.
BY_VARIABLE = {
    "alerts/service.py": "what a metric counts, from its counter",
    "core/expiry.py": "the traffic that expires, from each room's own `Expiry`",
    "exports/copy_preparation.py": "every table, to be counted",
    "exports/erasure.py": "responses and interactions",
    "integrations/service.py": "its own",
    "interactions/customers.py": "its own",
    "interactions/queries.py": "its own",
    "interactions/ticket_statements.py": "its own tickets, or rows of the same statement",
    "insights/recovery.py": "rows of the same statement",
    "metrics/counting.py": "answers or their counts",
    "metrics/ratios.py": "invitations or follow-ups",
    "metrics/ticket_times.py": "tickets or their counts",
    "responses/event_data.py": "rows of the same statement",
    "responses/statements.py": "rows of the same statement",
    "workspaces/sessions.py": "its own",
}


def test_a_table_that_is_named_by_a_variable_is_listed() -> None:
    by_variable = re.compile(
        r"\b(from|join|into|update) \{[a-z_.]*(table|source|moved|configs|_main)\b", re.IGNORECASE
    )
    paths = {
        str(path.relative_to(ROOT / "app"))
        for path in SOURCES
        if by_variable.search(path.read_text())
    }
    assert paths == set(BY_VARIABLE)


def test_sql_reaches_up_only_where_it_is_said_why() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(
        contract["layers"]
        for contract in contracts["contracts"]
        if contract.get("containers") == ["app"]
    )
    floors = {
        room.strip(): -number for number, layer in enumerate(layers) for room in layer.split("|")
    }
    homes = owners()
    upward = {
        (room, table)
        for table, rooms in READERS.items()
        for room in rooms
        if floors[room] <= floors[homes[table]]
    }
    assert upward == set(UPWARD)


@pytest.mark.parametrize("name", sorted(owners()))
def test_every_table_has_its_word(name: str) -> None:
    words = {
        "customer_identity": "customer identity", "ticket_count": "ticket count",
        "feed_place": "consumer cursor", "inbound_event": "inbound event",
    }  # fmt: skip
    assert re.search(rf"\b{words.get(name, name.replace('_', ' '))}", GLOSSARY), name
