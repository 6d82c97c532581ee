# SPDX-License-Identifier: Apache-2.0
"""Turn a row of texts into the body of a response; rows that cannot be read are rejected."""

import csv
import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, get_args

import msgspec

from app.core.errors import AfterwordError
from app.core.property_filters import MAX_PROPERTIES, PROPERTY
from app.core.text_types import (
    LOCALE,
    MAX_LOCALE_CHARACTERS,
    MAX_TOUCHPOINT_CHARACTERS,
    TOUCHPOINT_KEY,
    normalize_email,
)
from app.imports.columns import ColumnUse
from app.imports.dates import DateReading
from app.imports.options import ImportOptions
from app.imports.property_fields import add_property
from app.imports.table import Table, too_wide
from app.imports.values import CellReader, OtherScaleError, find_conflicting_words, fold, reader_of
from app.responses.body import MAX_TAG_CHARACTERS, MAX_TAGS, Channel, ResponseIn, check_response
from app.surveys.compiled import CheckedAnswers, CompiledSurvey
from app.surveys.scales import scale_of

_TOUCHPOINT = re.compile(rf"(?=.{{1,{MAX_TOUCHPOINT_CHARACTERS}}}$){TOUCHPOINT_KEY}")
_MAX_ID_CHARACTERS = 128
# Of a customer's fields; the others may have 200 characters.
_MAX_OF_CUSTOMER_CHARACTERS = {"external_id": _MAX_ID_CHARACTERS}
_MAX_CACHED_TEXTS = 10_000
# Where the id of a row is kept until its body is whole.
_EXTERNAL_ID = "external id"
# Stores the text of a column in a body.
FieldWriter = Callable[[dict[str, Any], str, str], None]
_encode = msgspec.json.Encoder(order="deterministic").encode


def touchpoint_key_or_none(text: str) -> str | None:
    """Return a text that can be a touchpoint's key, else None."""
    return text if _TOUCHPOINT.fullmatch(text) else None


class UnreadableRowError(Exception):
    """A row that cannot be taken: the column, its value, and what is accepted instead."""

    def __init__(self, column: str, reason: str, rows: int = 1) -> None:
        """Say why; `reason` quotes the value, and `rows` counts the rows of the file in it."""
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.rows = rows


def require_sound(
    table: Table, line: int, cells: Sequence[str], is_readable: Callable[[Sequence[str]], bool]
) -> None:
    """Refuse a row with more cells than columns: it is unclear which cell belongs to which.

    Rows that were joined are refused if one of them has, or if they contradict each other. A row
    with other rows inside a cell is refused too: somebody has forgotten to close a quote.
    """
    if fault := table.faults.get(line):
        raise UnreadableRowError("row", fault)
    if len(cells) > len(table.columns):
        raise UnreadableRowError("row", too_wide(cells, table.columns))
    if table.delimiter is not None and table.originals is None and len(table.columns) > 1:
        lines = [line for cell in cells if "\n" in cell or "\r" in cell
                 for line in cell.splitlines()[1:]]  # fmt: skip
        inside = [line for line in lines if _is_row(line, table, is_readable)]
        if inside:
            reason = (
                f"a quote opens in this row, and {len(inside):,} rows after it (the first is "
                f"`{inside[0][:60]}`) are in it; close it, or double it"
            )
            raise UnreadableRowError("row", reason, rows=1 + len(inside))


def _is_row(line: str, table: Table, is_readable: Callable[[Sequence[str]], bool]) -> bool:
    """Tell whether a line of a cell could be a row of the file, perhaps a too wide one."""
    width = len(table.columns)
    cells = next(csv.reader([line], delimiter=table.delimiter or ","), [])
    return len(cells) >= width and is_readable([cell.strip() for cell in cells[:width]])


class ParsedRow(NamedTuple):
    """One row as it is taken: its body, checked, and what identifies it in its source."""

    line: int
    body: ResponseIn
    checked: CheckedAnswers
    external_id: str | None
    content: str
    # Whether the file says when it was given.
    is_dated: bool = True


@dataclass
class RowReader:
    """Reads rows; `notes` counts what was left out of rows that are taken."""

    survey: CompiledSurvey
    uses: Sequence[ColumnUse]
    options: ImportOptions
    dates: DateReading | None
    undated: dt.datetime | None
    notes: Counter[str] = field(default_factory=Counter)
    # How many values of a column are of another scale than its question.
    misfits: Counter[str] = field(default_factory=Counter)
    # How many values of a question's column were left out, by question and column.
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Prepare a reader for each question."""
        definition = self.survey.definition
        by_key = {question.key: question for question in definition.questions}
        self._readers: dict[str, CellReader] = {
            key: reader_of(question, self.options.values.get(key, {}))
            for key, question in by_key.items()
        }
        # Answers by cell text, since most columns hold few different texts.
        self._answers_by_text: dict[tuple[str, str], Any] = {}
        main = definition.main_question
        self.decisive = {main.key} if main else set(by_key)
        self._missing = {
            use.position: self.options.missing[use.name.casefold()]
            for use in self.uses
            if use.name.casefold() in self.options.missing
        }
        self._field_writers: dict[str, FieldWriter] = {
            "responded_at": self._responded_at, "channel": self._channel,
            "touchpoint": self._touchpoint, "locale": self._locale, "tags": self._tags,
            "order": partial(self._short, "order"), "ticket": partial(self._short, "ticket"),
            "external_id": self._external_id,
        }  # fmt: skip
        self._question_uses = [
            (use.target, use.name, use.position, use.more)
            for use in self.uses
            if use.target in by_key
        ]
        self._field_uses = [
            (self._writer_of(use.target), use.name, use.position)
            for use in self.uses
            if use.target not in by_key
        ]
        constants = [(name, f"set {name}", text) for name, text in self.options.constants.items()]
        self._constant_answers = [constant for constant in constants if constant[0] in by_key]
        self._constant_fields = [
            (self._writer_of(name), column, text)
            for name, column, text in constants
            if name not in by_key and text
        ]

    def clear(self) -> None:
        """Forget what was noted, before the file is read again."""
        self.notes.clear()
        self.misfits.clear()
        self.unread.clear()

    def read(self, line: int, cells: Sequence[str]) -> ParsedRow | None:
        """Return the row, or None where it holds no answer; raise UnreadableRowError."""
        answers: dict[str, Any] = {}
        body: dict[str, Any] = {"survey": self.survey.key, "channel": "import", "answers": answers}
        for target, column, position, more in self._question_uses:
            text = self._text(position, cells)
            if more:
                chosen = [cell for cell in (text, *(cells[part] for part in more)) if cell]
                text = json.dumps(chosen, ensure_ascii=False) if chosen else ""
            answers[target] = self._answer(target, column, text)
        for target, column, text in self._constant_answers:
            answers[target] = self._answer(target, column, text)
        if not any(value is not None for value in answers.values()):
            return None
        for write, column, position in self._field_uses:
            if text := self._text(position, cells):
                write(body, column, text)
        for write, column, text in self._constant_fields:
            write(body, column, text)
        self._complete(body)
        return self._check_row(line, body, body.pop(_EXTERNAL_ID, None))

    def is_readable(self, cells: Sequence[str]) -> bool:
        """Tell whether cells could be a row that is taken; nothing is noted."""
        counters: list[Counter[Any]] = [self.notes, self.misfits, self.unread]
        noted = [Counter(counts) for counts in counters]
        try:
            return self.read(0, cells) is not None
        except UnreadableRowError:
            return False
        finally:
            for counts, before in zip(counters, noted, strict=True):
                counts.clear()
                counts.update(before)

    def _text(self, position: int, cells: Sequence[str]) -> str:
        """Return a cell, empty if its value stands for none."""
        text = cells[position]
        if not self._missing:
            return text
        missing = self._missing.get(position)
        return "" if missing is not None and text.casefold() in missing else text

    def _writer_of(self, target: str) -> FieldWriter:
        """Return the function that stores a field that is not an answer.

        A value that does not fit is left out with a note.
        """
        if target.startswith(PROPERTY):
            return partial(self._property, target.removeprefix(PROPERTY))
        if target.startswith("customer."):
            return partial(self._customer, target.removeprefix("customer."))
        return self._field_writers[target]

    def _answer(self, target: str, column: str, text: str) -> Any:
        cached = self._answers_by_text.get((target, text), self)
        if cached is not self:
            return cached
        if text.casefold() in self.options.na.get(column.casefold(), ()):
            return "na"
        if not text:
            return None
        try:
            answer = self._readers[target](text)
        except ValueError as error:
            if isinstance(error, OtherScaleError):
                self.misfits[column] += 1
            if target in self.decisive:
                raise UnreadableRowError(column, str(error)) from None
            self._leave_out(column, str(error))
            self.unread[target, column] += 1
            return None
        if len(text) < _MAX_ID_CHARACTERS and len(self._answers_by_text) < _MAX_CACHED_TEXTS:
            self._answers_by_text[target, text] = answer
        return answer

    def conflicting_words(self) -> str | None:
        """Return what to do if words of one column are different steps, but give one score."""
        texts_by_target: dict[str, dict[str, int]] = {}
        for (target, text), answer in self._answers_by_text.items():
            if isinstance(answer, int) and fold(text) not in map(
                fold, self.options.values.get(target, {})
            ):
                texts_by_target.setdefault(target, {})[text] = answer
        questions = {question.key: question for question in self.survey.definition.questions}
        for target, texts in texts_by_target.items():
            points = scale_of(questions[target].type, questions[target].points).high
            if conflicting_words := find_conflicting_words(texts, points):
                answer = texts[conflicting_words[0]]
                first, second, *_ = conflicting_words
                return (
                    f"`{first}` and `{second}` are different steps of a scale that is not the one "
                    f"of `{target}`; say with `value` what each means, such as "
                    f"{target}:{first}={answer}."
                )
        return None

    def _leave_out(self, column: str, reason: str) -> None:
        self.notes[f"{column}: {reason}"] += 1

    def _external_id(self, body: dict[str, Any], column: str, text: str) -> None:
        if len(text) > _MAX_ID_CHARACTERS:
            raise UnreadableRowError(
                column, f"`{text[:40]}…` is longer than {_MAX_ID_CHARACTERS} characters"
            )
        body[_EXTERNAL_ID] = text

    def _responded_at(self, body: dict[str, Any], column: str, text: str) -> None:
        assert self.dates is not None  # noqa: S101 - a column of dates has its reading
        try:
            body["responded_at"] = self.dates.read(text).isoformat()
        except ValueError as error:
            raise UnreadableRowError(column, str(error)) from None

    def _channel(self, body: dict[str, Any], column: str, text: str) -> None:
        if text.lower() in get_args(Channel):
            body["channel"] = text.lower()
        else:
            self._leave_out(column, f"`{text[:40]}` is not a channel")

    def _touchpoint(self, body: dict[str, Any], column: str, text: str) -> None:
        if touchpoint_key_or_none(text) is not None:
            body["touchpoint"] = text
        else:
            self._leave_out(column, f"`{text[:40]}` is not a key of a touchpoint")

    def _locale(self, body: dict[str, Any], column: str, text: str) -> None:
        language, separator, region = text.partition("-" if "-" in text else "_")
        locale = language.lower() + separator + region
        if len(locale) <= MAX_LOCALE_CHARACTERS and re.fullmatch(LOCALE, locale):
            body["locale"] = locale
        else:
            self._leave_out(column, f"`{text[:40]}` is not a locale such as en or pl-PL")

    def _tags(self, body: dict[str, Any], column: str, text: str) -> None:
        listed = text.strip('[]"').replace('", "', ";").replace('","', ";")
        tags = [part.strip() for part in re.split(r"[;|,]", listed) if part.strip()]
        fit = [tag for tag in dict.fromkeys(tags) if len(tag) <= MAX_TAG_CHARACTERS][:MAX_TAGS]
        if len(fit) < len(set(tags)):
            limits = f"longer than {MAX_TAG_CHARACTERS} characters, or more than {MAX_TAGS}"
            self._leave_out(column, f"has tags {limits}")
        body["tags"] = fit

    def _short(self, target: str, body: dict[str, Any], column: str, text: str) -> None:
        if len(text) > _MAX_ID_CHARACTERS:
            self._leave_out(column, f"is longer than {_MAX_ID_CHARACTERS} characters")
        else:
            body[target] = text

    def _property(self, name: str, body: dict[str, Any], column: str, text: str) -> None:
        properties = body.get("properties", {})
        if reason := add_property(properties, name, text, most=MAX_PROPERTIES):
            self._leave_out(column, reason)
        else:
            body["properties"] = properties

    def _customer(self, name: str, body: dict[str, Any], column: str, text: str) -> None:
        email = normalize_email(text) if name == "email" else None
        if name == "email" and email is None:
            self._leave_out(column, f"`{text[:60]}` is not an e-mail address")
        elif len(text) > (most := _MAX_OF_CUSTOMER_CHARACTERS.get(name, 200)):
            self._leave_out(column, f"is longer than {most} characters")
        else:
            body.setdefault("customer", {})[name] = email or text

    def _complete(self, body: dict[str, Any]) -> None:
        if "responded_at" not in body:
            if self.undated is None:
                column = next(
                    (use.name for use in self.uses if use.target == "responded_at"), "date"
                )
                raise UnreadableRowError(column, "is empty; set `undated` for rows without a date")
            body["responded_at"] = self.undated.isoformat()
        if self.options.ticket_source and "ticket" in body:
            # Ticket 1 of one helpdesk is not ticket 1 of another.
            source = self.options.ticket_source
            body["interaction"] = {"source": source, "external_id": body["ticket"]}
        customer = body.get("customer")
        if customer and not (customer.get("email") or customer.get("external_id")):
            self._leave_out("customer", "has a name and neither an address nor an id")
            del body["customer"]

    def _check_row(self, line: int, body: dict[str, Any], external_id: str | None) -> ParsedRow:
        try:
            decoded = check_response(msgspec.convert(body, ResponseIn), has_normalized_email=True)
            checked = self.survey.check(decoded.answers, complete=True)
        except msgspec.ValidationError as error:
            raise UnreadableRowError("row", str(error)) from None
        except AfterwordError as error:
            where = error.errors[0] if error.errors else {"loc": ["row"], "msg": error.detail}
            raise UnreadableRowError(str(where["loc"][-1]), where["msg"]) from None
        is_dated = self.undated is None or body["responded_at"] != self.undated.isoformat()
        content = _hash(body, is_dated=is_dated)
        return ParsedRow(line, decoded, checked, external_id, content, is_dated)


def row_hash(values: Any) -> str:
    """Return the hash of values that can stand in JSON."""
    return hashlib.sha256(_encode(values)).hexdigest()


def _hash(body: Mapping[str, Any], *, is_dated: bool) -> str:
    """Return the hash by which equal rows are recognised; an assumed time is not part of it."""
    if is_dated:
        return row_hash(body)
    return row_hash({name: value for name, value in body.items() if name != "responded_at"})
