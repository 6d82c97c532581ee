# SPDX-License-Identifier: Apache-2.0
"""The options of an import: what its columns mean, and how strict it is."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal
from uuid import UUID

from app.core.errors import InvalidInput
from app.core.text_types import INTERACTION_TYPE, MAX_TYPE_CHARACTERS
from app.imports.table import RejectsOrigin
from app.imports.table_reader import FileOptions

FIELDS = (
    "external_id", "responded_at", "channel", "touchpoint", "locale", "order", "ticket", "tags",
    "customer.email", "customer.external_id", "customer.name",
)  # fmt: skip
# A type of interaction as files name it, such as ticket.solved.
DOTTED_TYPE = re.compile(rf"(?=.{{3,{MAX_TYPE_CHARACTERS}}}$)(?=.*\.){INTERACTION_TYPE}")
_COPY = re.compile(
    r"(?: ?[(\[]\d+(?:-\d+)?[)\]]|[ _.-]+v\d+"
    r"|(?: [-–—])?[ _.–—-]+(?:final|finał|copy|kopia|copie|kopie|copia|cópia"
    r"|corrected|poprawion[yae]|korrigiert|corrigée?|corregid[oa]|corrett[oa]|corrigid[oa]|corectat)"
    r"(?:[ _-]?\d+)?|\.rejected)$"
    r"|^(?:copy of|kopie von|kopia|copie de|copie a|copia de|copia di|cópia de) ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ImportTarget:
    """What a file becomes: tickets, customers, or answers to the survey of this key or id."""

    kind: Literal["answers", "tickets", "customers"]
    survey: str | None = None


@dataclass(frozen=True)
class ImportOptions:
    """How a file is read; columns and fields are compared without case."""

    source: str
    file: FileOptions = field(default_factory=FileOptions)
    maps: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pivot: tuple[str, str] | None = None
    by: str | None = None
    missing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    na: Mapping[str, frozenset[str]] = field(default_factory=dict)
    timezone: str | None = None
    date_format: str | None = None
    undated: str | None = None
    preset: str | None = None
    allow_rejects: bool = False
    replace: UUID | None = None
    ticket_source: str | None = None
    event_names: Mapping[str, str] = field(default_factory=dict)
    # The columns of `missing` that the caller has named; the others are a preset's.
    named_missing: frozenset[str] = frozenset()

    def of_rejects(self, origin: RejectsOrigin | None) -> "ImportOptions":
        """Return the options with the source that a file of rejected rows names."""
        if origin is None:
            return self
        if self.replace is not None:
            msg = "a file of rejected rows has only these rows; leave `replace` out"
            raise InvalidInput.at("query", "replace", msg=msg)
        zone = self.timezone or origin.timezone
        return replace(self, timezone=zone, source=origin.source)


def source_of(file_name: str) -> str:
    """Return the source that a file's name stands for; copies and corrections share one."""
    stem = PurePath(file_name).stem
    while (shorter := _COPY.sub("", stem)) != stem and shorter:
        stem = shorter
    return stem.strip()[:128] or "file"


def pairs_of(name: str, options: Iterable[str], *, form: str) -> list[tuple[str, str]]:
    """Split options such as NAME=VALUE; raise InvalidInput for another form.

    A mapping is split at its last `=`, since headers may have one; others at their first.
    """
    pairs = []
    for option in options:
        left, separator, right = (
            option.rpartition("=") if name in {"map", "value"} else option.partition("=")
        )
        if not separator or not left.strip():
            raise InvalidInput.at("query", name, msg=f"`{option[:80]}` must be {form}")
        pairs.append((left.strip(), right.strip()))
    return pairs


def event_names_of(options: Iterable[str]) -> dict[str, str]:
    """Return the types of options such as NAME=TYPE, by name; a type is such as ticket.solved."""
    types = dict(pairs_of("event_name", options, form="NAME=TYPE"))
    for type_ in types.values():
        if not DOTTED_TYPE.fullmatch(type_):
            msg = f"`{type_[:40]}` is not a type of interaction; use one such as ticket.solved"
            raise InvalidInput.at("query", "event_name", msg=msg)
    return types


def sets_of(name: str, options: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the values of options such as COLUMN=VALUE, by column."""
    by_column: dict[str, set[str]] = {}
    for column, value in pairs_of(name, options, form="COLUMN=VALUE"):
        by_column.setdefault(column.casefold(), set()).add(value.casefold())
    return {column: frozenset(values) for column, values in by_column.items()}


def values_of(options: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the scores of options such as QUESTION:TEXT=SCORE, by question and text."""
    by_question: dict[str, dict[str, str]] = {}
    for left, score in pairs_of("value", options, form="QUESTION:TEXT=SCORE"):
        question, separator, text = left.partition(":")
        if not separator or not text:
            raise InvalidInput.at(
                "query", "value", msg=f"`{left[:80]}` must be QUESTION:TEXT=SCORE"
            )
        by_question.setdefault(question, {})[text] = score
    return by_question


def undated_moment(undated: str | None, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    """Return the time for answers without a date: now, or the given date in a zone."""
    if undated is None:
        return None
    if undated == "now":
        return now
    try:
        moment = dt.datetime.fromisoformat(undated)
    except ValueError:
        msg = "must be `now` or a date such as 2026-11-01"
        raise InvalidInput.at("query", "undated", msg=msg) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
