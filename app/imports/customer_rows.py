# SPDX-License-Identifier: Apache-2.0
"""Read customer files: one row per customer, identified by an id, an e-mail or a phone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.core.text_types import normalize_locale
from app.imports.columns import ColumnUse, Vocabulary, spellings_of
from app.imports.property_fields import PropertyFields
from app.imports.records import Record, hash_of
from app.imports.rows import UnreadableRowError
from app.imports.values import yes_or_no
from app.interactions.customer_schemas import CustomerRow

FIELDS = ("external_id", "email", "name", "locale", "phone", "consent", "do_not_survey", "source")
_COLUMN_FIELDS = {
    "e-mail": "email", "email address": "email", "e-mail address": "email", "mail": "email",
    "customer id": "external_id", "customer_id": "external_id", "full name": "name",
    "language": "locale", "phone number": "phone", "phone_number": "phone",
    "consent.surveys": "consent",
}  # fmt: skip
# The source of a consent that a file states.
IMPORTED = "import"
_MIN_DIGITS = 5
_IDENTIFYING_FIELDS = ("external_id", "email", "phone")


def vocabulary(_preset: str | None) -> Vocabulary:
    """Return what the columns of a customer file may become."""
    return Vocabulary(
        spellings_of({name: name for name in FIELDS}), known=_COLUMN_FIELDS,
        rest_as_properties=True,
        # In a shop's list it is where the customer came from.
        on_request=frozenset({"source"}),
    )  # fmt: skip


@dataclass
class CustomerReader:
    """Reads rows; `notes` counts what was left out, `seen` what the rows hold."""

    uses: Sequence[ColumnUse]
    constants: Mapping[str, str]
    notes: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    _ids_by_email: dict[str, tuple[str | None, str]] = field(default_factory=dict)

    def read(self, line: int, texts: Sequence[str]) -> Record | None:
        """Return the customer of a row, or None where it is empty; raise UnreadableRowError."""
        cells = {
            use.target: (use.name, texts[use.position]) for use in self.uses if texts[use.position]
        }
        cells |= {name: (f"set {name}", value) for name, value in self.constants.items()}
        if not any(use.target in cells for use in self.uses):
            return None
        fields = self._read_fields(cells)
        _require_identity(fields)
        row = self._validate(fields)
        self._require_own_address(line, row)
        name = next(name for name in _IDENTIFYING_FIELDS if name in fields)
        identity = f"{name}:{fields[name].lower() if name == 'email' else fields[name]}"
        if name == "external_id" and "source" in fields:
            # One id of two sources is two customers.
            identity = f"{name}:{fields['source']}:{fields[name]}"
        return Record(line, identity, hash_of(fields), row)

    def _require_own_address(self, line: int, row: CustomerRow) -> None:
        """Refuse an address that an earlier row gave to a customer of another id."""
        if row.email is None or row.external_id is None or not line:
            return
        known = self._ids_by_email.setdefault(row.email.lower(), (row.source, row.external_id))
        if known != (row.source, row.external_id):
            reason = f"`{row.email[:60]}` is that of `{known[1][:40]}` in an earlier row"
            raise UnreadableRowError("email", reason)

    def count(self, record: Record) -> None:
        """Count what a row would give, so that the look can show it."""
        self.seen["customers"] += 1
        self.seen["with_email"] += record.value.email is not None
        self.seen["do_not_survey"] += record.value.do_not_survey

    def _read_fields(self, cells: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        fields: dict[str, Any] = {
            name: cells[name][1] for name in ("external_id", "email", "name", "phone", "source")
            if name in cells
        }  # fmt: skip
        if "phone" in fields and sum(map(str.isdigit, fields["phone"])) < _MIN_DIGITS:
            self.notes[f"phone: `{fields.pop('phone')[:40]}` is not a telephone number"] += 1
        if "locale" in cells:
            text = cells["locale"][1]
            fields["locale"] = normalize_locale(text) or text
        if "consent" in cells:
            fields["consent"] = {
                "surveys": self._read_yes_or_no("consent", cells),
                "source": IMPORTED,
            }
        if "do_not_survey" in cells:
            fields["do_not_survey"] = self._read_yes_or_no("do_not_survey", cells)
        if properties := PropertyFields(self.notes).read(cells):
            fields["properties"] = properties
        return fields

    def _read_yes_or_no(self, name: str, cells: Mapping[str, tuple[str, str]]) -> bool:
        column, text = cells[name]
        answer = yes_or_no(text)
        if answer is None:
            # Whether a customer may be asked must never be guessed or left out.
            raise UnreadableRowError(column, f"`{text[:40]}` is neither yes nor no")
        return answer

    def _validate(self, fields: dict[str, Any]) -> CustomerRow:
        """Return the customer; a name or language that does not fit is left out with a note."""
        try:
            return CustomerRow.model_validate(fields)
        except ValidationError as error:
            for fault in error.errors():
                name = str(fault["loc"][0]) if fault["loc"] else "row"
                value = str(fields.get(name, ""))[:60]
                reason = fault["msg"].removeprefix("Value error, ")
                if name not in {"name", "locale", "phone", "email"} or name not in fields:
                    raise UnreadableRowError(name, f"`{value}` {reason}") from None
                self.notes[f"{name}: `{value}` {reason}"] += 1
                del fields[name]
            _require_identity(fields)
            return CustomerRow.model_validate(fields)

    def figures(self) -> dict[str, Any]:
        """Return what the rows hold."""
        return {name: self.seen[name] for name in ("customers", "with_email", "do_not_survey")}


def _require_identity(fields: Mapping[str, Any]) -> None:
    if not any(name in fields for name in _IDENTIFYING_FIELDS):
        raise UnreadableRowError("external_id", "the row has neither an id, an address nor a phone")
