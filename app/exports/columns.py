# SPDX-License-Identifier: Apache-2.0
"""What a dataset is made of: typed columns with their meaning and their SQL. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Type(StrEnum):
    """How a column's values are written: times in UTC, `json` as a document."""

    ID = "uuid"
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    DATE = "date"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type and meaning, and the SQL that it is read by."""

    name: str
    type: Type
    meaning: str
    sql: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of rows that can be exported, as parts of SQL.

    source: where the rows come from; it ends with conditions, and `$1` is the workspace.
    changed: the time by which a later export finds what is new.
    changed_since: the condition that finds it (`{0}` is the moment), if `changed >= {0}` could use
        no index.
    deleted: the condition of rows that are gone and stand in an export as tombstones.
    changed_source: where tombstones are looked for, if not in `source`.
    filters: the condition of each filter, by its name.
    properties: the document that `property.NAME` looks into.
    """

    meaning: str
    columns: tuple[Column, ...]
    source: str
    changed: str
    order: str
    deleted: str | None = None
    changed_since: str | None = None
    changed_source: str | None = None
    properties: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
