# SPDX-License-Identifier: Apache-2.0
"""Bodies and parameters of imports."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    computed_field,
    field_validator,
)

from app.core.clock import utc_now
from app.core.errors import InvalidInput
from app.core.property_filters import PROPERTY
from app.imports.options import (
    ImportOptions,
    ImportTarget,
    event_names_of,
    pairs_of,
    sets_of,
    values_of,
)
from app.imports.table_reader import FileOptions

_Many = Annotated[list[Annotated[str, StringConstraints(max_length=400)]], Field(max_length=200)]
_Column = Annotated[str, StringConstraints(min_length=1, max_length=200)] | None
_TICKET_COLUMNS = ("id", "opened", "first_reply", "solved", "reopened", "closed", "agent", "team",
                   "touchpoint", "event", "at")  # fmt: skip
# An import that has noted no progress for so long was interrupted.
INTERRUPTED_AFTER = dt.timedelta(seconds=10)
_Word = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ImportQuery(BaseModel):
    """The options of an import; `map`, `set`, `value`, `where` and others may be repeated."""

    model_config = ConfigDict(extra="ignore")

    survey: _Word | None = Field(default=None, description="Of answers: key or id of the survey.")
    source: _Word = Field(
        description="The file's source. A row that was imported from it before is recognised."
    )
    name: Annotated[str, StringConstraints(max_length=200)] = Field(
        default="upload", description="The file's name; its extension marks a spreadsheet."
    )
    kind: Literal["answers", "tickets", "customers"] = Field(
        default="answers", description="What a row is."
    )
    dry_run: bool = Field(default=False, description="Only look; nothing is stored.")
    map: _Many = Field(default=[], description="COLUMN=FIELD, split at the last `=`.")
    set: _Many = Field(default=[], description="FIELD=VALUE for every row.")
    value: _Many = Field(default=[], description="QUESTION:TEXT=SCORE for texts not understood.")
    where: _Many = Field(default=[], description="COLUMN=VALUE: only such rows.")
    ignore: _Many = Field(default=[], description="Columns to leave out.")
    missing: _Many = Field(default=[], description="COLUMN=VALUE that means: not answered.")
    na: _Many = Field(default=[], description="COLUMN=VALUE that means: not applicable.")
    pivot: Annotated[str, StringConstraints(max_length=400)] | None = Field(
        default=None, description="QUESTION_COLUMN:ANSWER_COLUMN of a file with one answer per row."
    )
    by: _Word | None = Field(default=None, description="With `pivot`: the column of ids.")
    encoding: Annotated[str, StringConstraints(max_length=40)] | None = None
    sheet: Annotated[str, StringConstraints(max_length=100)] | None = None
    skip_rows: int = Field(default=0, ge=0, le=1000, description="Rows before the header.")
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="Of dates without a zone; default: the workspace's."
    )
    date_format: Annotated[str, StringConstraints(max_length=60)] | None = Field(
        default=None, description="`dmy`, `mdy`, or a form for strptime such as %d/%m/%Y."
    )
    undated: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        default=None, description="`now` or a date, for rows without one."
    )
    preset: _Word | None = Field(default=None, description="Another tool's export, by name.")
    allow_rejects: bool = Field(
        default=False, description="Take the valid rows even if many are rejected."
    )
    replace: UUID | None = Field(
        default=None, description="An earlier import; its rows that this file lacks are removed."
    )

    ticket_source: _Word | None = Field(
        default=None, description="Of answers: the helpdesk that numbered the tickets."
    )
    id: _Column = Field(default=None, description="For tickets: the column with their number.")
    opened: _Column = Field(default=None, description="Of tickets: the column of the opening time.")
    first_reply: _Column = Field(
        default=None, description="Of tickets: the column of the first reply's time."
    )
    solved: _Column = Field(
        default=None, description="Of tickets: the column of the time when it was solved."
    )
    reopened: _Column = Field(
        default=None,
        description="Of tickets: the column of the time when it was reopened; or how often, or "
        "yes or no.",
    )
    closed: _Column = Field(
        default=None, description="Of tickets: the column of the time when it was closed."
    )
    customer_email: _Column = Field(
        default=None, description="Of tickets: the column of the customer's e-mail."
    )
    customer_id: _Column = Field(
        default=None, description="Of tickets: the column of the customer's id at the source."
    )
    agent: _Column = Field(
        default=None, description="Of tickets: the column of the agent who solved it."
    )
    team: _Column = Field(default=None, description="Of tickets: the column of the agent's team.")
    touchpoint: _Column = Field(
        default=None, description="Of tickets: the column of the touchpoint's key."
    )
    event: _Column = Field(
        default=None, description="For files of one event a row: the column of the event's name."
    )
    at: _Column = Field(
        default=None, description="For files of one event a row: the column of the event's time."
    )
    event_name: _Many = Field(default=[], description="NAME=TYPE, such as Resolved=ticket.solved.")

    def target(self) -> ImportTarget:
        """Return what the file becomes."""
        if self.kind == "answers" and self.survey is None:
            raise InvalidInput.at(
                "query", "survey", msg="is required for answers: the key or id of their survey"
            )
        return ImportTarget(self.kind, self.survey if self.kind == "answers" else None)

    def options(self) -> ImportOptions:
        """Return the options; raise InvalidInput naming the one that is wrong."""
        pivot = self.pivot.partition(":") if self.pivot else None
        return ImportOptions(
            source=self.source,
            file=FileOptions(self.encoding, self.sheet, self.skip_rows),
            maps=self._maps(),
            ignored=frozenset(self.ignore),
            constants={
                field.casefold() if not field.startswith(PROPERTY) else field: value
                for field, value in pairs_of("set", self.set, form="FIELD=VALUE")
            },
            values=values_of(self.value),
            where=sets_of("where", self.where),
            pivot=(pivot[0], pivot[2]) if pivot else None,
            by=self.by,
            missing=sets_of("missing", self.missing),
            named_missing=frozenset(sets_of("missing", self.missing)),
            na=sets_of("na", self.na),
            timezone=self.timezone,
            date_format=self.date_format,
            undated=self.undated,
            preset=self.preset,
            allow_rejects=self.allow_rejects,
            replace=self.replace,
            ticket_source=self.ticket_source,
            event_names=event_names_of(self.event_name),
        )

    def _maps(self) -> dict[str, str]:
        """Return what columns become; InvalidInput for one that would become two things."""
        maps: dict[str, str] = {}
        for column, target in pairs_of("map", self.map, form="COLUMN=FIELD"):
            _add_use(maps, column, target, option="map")
        for target, column in self._named_columns().items():
            option = target.replace("customer.external_id", "customer_id").replace(".", "_")
            _add_use(maps, column, target, option=option)
        return maps

    def _named_columns(self) -> dict[str, str]:
        """Return the columns of tickets that have parameters of their own, by what they become."""
        columns = {
            "customer.email": self.customer_email, "customer.external_id": self.customer_id,
            **{name: getattr(self, name) for name in _TICKET_COLUMNS},
        }  # fmt: skip
        return {target: column for target, column in columns.items() if column is not None}


def _add_use(maps: dict[str, str], column: str, target: str, *, option: str) -> None:
    other = maps.setdefault(column, target)
    if other != target:
        msg = f"`{column[:80]}` is the column of `{other}` already; use each column once"
        raise InvalidInput.at("query", option, msg=msg)


class ImportOut(BaseModel):
    """One file that was read in, as it is listed."""

    id: UUID
    kind: str = Field(description="`answers`, `tickets` or `customers`.")
    survey_id: UUID | None
    name: str
    source: str | None
    status: str = Field(description="`reading`, `done`, `refused` or `undone`.")
    lines_done: int
    accepted: int
    duplicates: int
    rejected: int
    created_at: dt.datetime
    updated_at: dt.datetime

    # mypy does not know decorated properties.
    @computed_field(  # type: ignore[prop-decorator]
        description="Whether it was interrupted; send the same file again to continue it."
    )
    @property
    def interrupted(self) -> bool:
        """Whether it was interrupted while it was read."""
        return self.status == "reading" and utc_now() - self.updated_at > INTERRUPTED_AFTER

    @field_validator("kind", mode="before")
    @classmethod
    def _of_answers(cls, kind: str | None) -> str:
        return kind or "answers"


class ImportWithReport(ImportOut):
    """One file with what was seen in it and what became of its rows."""

    report: dict[str, Any] | None
