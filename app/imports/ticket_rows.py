# SPDX-License-Identifier: Apache-2.0
"""Read ticket files: one row per ticket with its times, or one row per event."""

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.core.clock import MAX_CLOCK_LEAD, utc_now
from app.core.text_types import normalize_email
from app.imports.columns import ColumnUse, Vocabulary, spellings_of
from app.imports.dates import DateReading
from app.imports.options import DOTTED_TYPE
from app.imports.presets import presets
from app.imports.property_fields import PropertyFields
from app.imports.records import Record, hash_of
from app.imports.rows import UnreadableRowError, touchpoint_key_or_none
from app.imports.values import fold, yes_or_no
from app.interactions.customer_resolver import CustomerReference
from app.interactions.interaction_recorder import InteractionDraft
from app.interactions.known_types import KnownType
from app.interactions.resolution import TicketEvent, progress_of
from app.interactions.ticket_statements import GAMMA, ZERO_BUCKET

# The times of a ticket with their events; equal times are ordered as in `resolution`. If there
# is a `first_solved`, `solved` is the time when the ticket was last solved.
TIMES = {
    "opened": KnownType.TICKET_OPENED,
    "first_reply": KnownType.TICKET_REPLIED,
    "first_solved": KnownType.TICKET_SOLVED,
    "reopened": KnownType.TICKET_REOPENED,
    "solved": KnownType.TICKET_SOLVED,
    "closed": KnownType.TICKET_CLOSED,
}
_MINUTES = {"first_reply_minutes": "first_reply", "first_solved_minutes": "first_solved"}
FIELDS = (
    "id",
    *TIMES,
    *_MINUTES,
    "customer.email",
    "customer.external_id",
    "customer.name",
    "agent",
    "team",
    "touchpoint",
    "event",
    "at",
    "event_id",
)
_TARGETS = {name: name for name in FIELDS} | {
    "customer_email": "customer.email", "customer_id": "customer.external_id",
}  # fmt: skip
_MAX_ID_CHARACTERS = 100
_COUNT = re.compile(r"\d{1,4}(?:[.,]0+)?")
# What stands for no time in exports.
_NO_TIME = frozenset({"-", "–", "—", "null", "none", "n/a", "na", "nan", "nat"})
_KNOWN_EVENTS = {
    "opened": KnownType.TICKET_OPENED,
    "created": KnownType.TICKET_OPENED,
    "new": KnownType.TICKET_OPENED,
    "replied": KnownType.TICKET_REPLIED,
    "solved": KnownType.TICKET_SOLVED,
    "resolved": KnownType.TICKET_SOLVED,
    "reopened": KnownType.TICKET_REOPENED,
    "closed": KnownType.TICKET_CLOSED,
    "on hold": KnownType.TICKET_ON_HOLD,
}


def vocabulary(preset: str | None) -> Vocabulary:
    """Return what the columns of a ticket file may become."""
    known = presets("tickets")[preset] if preset else {"columns": {}, "unwanted": []}
    return Vocabulary(
        targets=spellings_of(_TARGETS),
        known=known["columns"],
        unwanted=frozenset(known["unwanted"]),
        rest_as_properties=True,
    )


@dataclass(frozen=True, slots=True)
class TicketHistory:
    """The interactions that one row describes for one ticket."""

    ticket: str
    drafts: tuple[InteractionDraft, ...]


@dataclass
class TicketReader:
    """Reads rows; `notes` counts what was left out, `seen` what the rows would give."""

    uses: Sequence[ColumnUse]
    constants: Mapping[str, str]
    source: str
    dates: DateReading
    event_names: Mapping[str, str]
    notes: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    _times: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Find out which form the file has."""
        targets = {use.target for use in self.uses} | set(self.constants)
        self.by_event = "event" in targets
        self._named = {fold(name): type_ for name, type_ in self.event_names.items()}

    def read(self, line: int, texts: Sequence[str]) -> Record | None:
        """Return the progress of a row, or None if it is empty; raise UnreadableRowError."""
        cells = {
            use.target: (use.name, texts[use.position]) for use in self.uses if texts[use.position]
        }
        for name in (*TIMES, *_MINUTES):
            if name in cells and cells[name][1].casefold() in _NO_TIME:
                del cells[name]
        cells |= {name: (f"set {name}", value) for name, value in self.constants.items()}
        if "id" not in cells:
            raise UnreadableRowError("id", "is empty; every row names its ticket")
        column, ticket = cells["id"]
        if len(ticket) > _MAX_ID_CHARACTERS:
            raise UnreadableRowError(column, f"is longer than {_MAX_ID_CHARACTERS} characters")
        events = self._event(cells) if self.by_event else self._events(cells)
        common = self._read_shared_fields(cells)
        drafts = tuple(
            InteractionDraft(type=type_, source=self.source, external_id=external_id, ticket=ticket,
                  occurred_at=at, **common)
            for external_id, type_, at in events
        )  # fmt: skip
        content = hash_of(
            [(draft.external_id, draft.type, str(draft.occurred_at)) for draft in drafts], common
        )
        return Record(line, self._identity(cells, ticket), content, TicketHistory(ticket, drafts))

    def _identity(self, cells: Mapping[str, tuple[str, str]], ticket: str) -> str | None:
        if not self.by_event:
            return f"ticket:{ticket}"
        return f"event:{cells['event_id'][1]}" if "event_id" in cells else None

    def _events(self, cells: Mapping[str, tuple[str, str]]) -> list[tuple[str, str, dt.datetime]]:
        """Return the events of a row that describes a whole ticket."""
        times = {
            name: self._time(*cells[name])
            for name in TIMES
            if name in cells and not (name == "reopened" and self._is_flag_or_count(cells[name]))
        }
        self._add_minutes(cells, times)
        if "first_solved" in times and times.get("solved") in {None, times["first_solved"]}:
            times["solved"] = times.pop("first_solved")
        if "reopened" not in times and "solved" in times and self._was_reopened(cells):
            # It was reopened at an unknown time, at the latest when it was last solved.
            times["reopened"] = times["solved"]
        if not times:
            column = next(iter(cells.values()))[0]
            raise UnreadableRowError(column, "the row has no time at all")
        ticket = cells["id"][1]
        return [(f"{ticket}:{name}", TIMES[name], at) for name, at in times.items()]

    def _add_minutes(
        self, cells: Mapping[str, tuple[str, str]], times: dict[str, dt.datetime]
    ) -> None:
        """Add the times that are given as minutes since the opening."""
        for name, target in _MINUTES.items():
            if name in cells and "opened" in times and target not in times:
                times[target] = times["opened"] + self._minutes(*cells[name])

    @staticmethod
    def _was_reopened(cells: Mapping[str, tuple[str, str]]) -> bool:
        """Tell whether a cell says that it was reopened: yes, or how often."""
        if "reopened" not in cells:
            return False
        text = cells["reopened"][1]
        is_none = bool(_COUNT.fullmatch(text)) and float(text.replace(",", ".")) == 0
        return not is_none and yes_or_no(text) is not False

    def _is_flag_or_count(self, cell: tuple[str, str]) -> bool:
        """Tell whether a cell only says that it was reopened, or how often."""
        text = cell[1]
        return yes_or_no(text) is not None or bool(_COUNT.fullmatch(text))

    def _event(self, cells: Mapping[str, tuple[str, str]]) -> list[tuple[str, str, dt.datetime]]:
        """Return the event of a row that describes one event."""
        column, text = cells.get("event", ("event", ""))
        type_ = self._named.get(fold(text)) or _KNOWN_EVENTS.get(fold(text))
        if type_ is None and DOTTED_TYPE.fullmatch(text):
            type_ = text
        if type_ is None:
            reason = f"`{text[:40]}` is not an event; say what it means with `event_name`"
            raise UnreadableRowError(column, reason)
        if "at" not in cells:
            raise UnreadableRowError("at", "is empty")
        at = self._time(*cells["at"])
        own = cells["event_id"][1] if "event_id" in cells else ""
        return [
            (
                own[:128] or f"{cells['id'][1]}:{type_}:{at:%Y%m%dT%H%M%S.%f}"[:128],
                type_,
                at,
            )
        ]

    def _time(self, column: str, text: str) -> dt.datetime:
        try:
            moment = self.dates.read(text)
        except ValueError as error:
            raise UnreadableRowError(column, str(error)) from None
        if not moment.year >= 1900 or moment > utc_now() + MAX_CLOCK_LEAD:
            raise UnreadableRowError(column, f"`{text[:40]}` is before 1900 or in the future")
        return moment

    @staticmethod
    def _minutes(column: str, text: str) -> dt.timedelta:
        if re.fullmatch(r"\d{1,3}([.,]\d{3})+", text):
            reason = (
                f"`{text[:40]}` may be a number with thousands or with decimals; write it without "
                "a sign between its digits"
            )
            raise UnreadableRowError(column, reason)
        try:
            minutes = float(text.replace(",", "."))
            if minutes < 0:
                raise UnreadableRowError(column, f"`{text[:40]}` is before the opening")
            return dt.timedelta(minutes=minutes)
        except (ValueError, OverflowError):
            raise UnreadableRowError(column, f"`{text[:40]}` is not a number of minutes") from None

    def _read_shared_fields(self, cells: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        """Return what all events of a row share."""
        properties = PropertyFields(self.notes).read(cells)
        for name in ("agent", "team"):
            if name in cells:
                properties[name] = cells[name][1][:256]
        touchpoint = ""
        if "touchpoint" in cells:
            column, text = cells["touchpoint"]
            touchpoint = touchpoint_key_or_none(text) or ""
            if not touchpoint:
                self.notes[f"{column}: `{text[:40]}` is not a key of a touchpoint"] += 1
        return {
            "properties": properties,
            "touchpoint": touchpoint,
            "customer": self._customer(cells),
        }

    def _customer(self, cells: Mapping[str, tuple[str, str]]) -> CustomerReference | None:
        values = {
            name: cells[f"customer.{name}"][1]
            for name in ("email", "external_id", "name") if f"customer.{name}" in cells
        }  # fmt: skip
        if "email" in values:
            column, text = cells["customer.email"]
            values["email"] = normalize_email(text) or ""
            if not values["email"]:
                self.notes[f"{column}: `{text[:60]}` is not an e-mail address"] += 1
        if not values.get("email") and not values.get("external_id"):
            return None
        return CustomerReference(
            external_id=(values.get("external_id") or "")[:128] or None, source=self.source,
            email=values.get("email") or None, name=values.get("name", "")[:200] or None,
        )  # fmt: skip

    def count(self, record: Record) -> None:
        """Count what a row would give, so that the look can show it."""
        drafts: Sequence[InteractionDraft] = record.value.drafts
        if self.by_event:
            self.seen[drafts[0].type] += 1
            return
        progress = progress_of(
            TicketEvent(draft.occurred_at, draft.type, UUID(int=number))
            for number, draft in enumerate(drafts) if draft.occurred_at
        )  # fmt: skip
        self.seen["tickets"] += 1
        self.seen["solved"] += progress.first_solved_at is not None
        self.seen["reopened"] += progress.reopened
        self.seen["invalid"] += progress.invalid
        if progress.opened_at and progress.first_solved_at and not progress.invalid:
            seconds = (progress.first_solved_at - progress.opened_at).total_seconds()
            self._times[math.ceil(math.log(seconds, GAMMA)) if seconds > 0 else ZERO_BUCKET] += 1

    def figures(self) -> dict[str, Any]:
        """Return what the rows would give: tickets and their median time, or events by type."""
        if self.by_event:
            return {"events": dict(self.seen.most_common(50))}
        names = ("tickets", "solved", "reopened", "invalid")
        return {name: self.seen[name] for name in names} | {"median_seconds": self._median()}

    def _median(self) -> float | None:
        """Return the median first time to resolution, to 1 %, as figures of tickets are."""
        half, passed = (self._times.total() + 1) // 2, 0
        for bucket, count in sorted(self._times.items()):
            passed += count
            if passed >= half:
                return 0.0 if bucket == ZERO_BUCKET else round(2 * GAMMA**bucket / (GAMMA + 1), 1)
        return None
