"""Bodies and parameters of imports."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.imports.options import ImportOptions, pairs_of, sets_of, values_of
from app.imports.reading import FileOptions

_Many = Annotated[list[Annotated[str, StringConstraints(max_length=400)]], Field(max_length=200)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ImportQuery(BaseModel):
    """What is said of the file; `map`, `set`, `value`, `where` and others may be repeated."""

    model_config = ConfigDict(extra="ignore")

    survey: _Word = Field(description="Key or id of the survey.")
    source: _Word = Field(description="Whose file it is; rows of one source are known again.")
    name: Annotated[str, StringConstraints(max_length=200)] = Field(
        default="upload", description="The file's name; its end tells spreadsheets."
    )
    kind: Literal["answers"] = "answers"
    dry_run: bool = Field(default=False, description="Only look; nothing is stored.")
    map: _Many = Field(default=[], description="COLUMN=FIELD, the last `=` splits.")
    set: _Many = Field(default=[], description="FIELD=VALUE for every row.")
    value: _Many = Field(default=[], description="QUESTION:TEXT=SCORE for texts not understood.")
    where: _Many = Field(default=[], description="COLUMN=VALUE: only such rows.")
    ignore: _Many = Field(default=[], description="Columns to leave out.")
    missing: _Many = Field(default=[], description="COLUMN=VALUE that means: not answered.")
    na: _Many = Field(default=[], description="COLUMN=VALUE that means: not applicable.")
    pivot: Annotated[str, StringConstraints(max_length=400)] | None = Field(
        default=None, description="QUESTION_COLUMN:ANSWER_COLUMN of a file with one answer a row."
    )
    by: _Word | None = Field(default=None, description="With `pivot`: the column of ids.")
    encoding: Annotated[str, StringConstraints(max_length=40)] | None = None
    sheet: Annotated[str, StringConstraints(max_length=100)] | None = None
    skip_rows: int = Field(default=0, ge=0, le=1000, description="Rows before the header.")
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="Of dates without a zone; default: the workspace's."
    )
    date_format: Annotated[str, StringConstraints(max_length=60)] | None = Field(
        default=None, description="strptime's signs, such as %d/%m/%Y."
    )
    undated: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        default=None, description="`now` or a date, for rows without one."
    )
    preset: _Word | None = Field(default=None, description="Another tool's export, by name.")
    allow_rejects: bool = Field(default=False, description="Take what can be taken all the same.")
    replace: UUID | None = Field(
        default=None, description="An import whose rows are taken away where the file lacks them."
    )

    def options(self) -> ImportOptions:
        """Return the options; raise InvalidInput naming the one that is wrong."""
        pivot = self.pivot.partition(":") if self.pivot else None
        return ImportOptions(
            source=self.source,
            file=FileOptions(self.encoding, self.sheet, self.skip_rows),
            maps=dict(pairs_of("map", self.map, wanted="COLUMN=FIELD")),
            ignored=frozenset(self.ignore),
            constants={
                field.casefold() if not field.startswith("property.") else field: value
                for field, value in pairs_of("set", self.set, wanted="FIELD=VALUE")
            },
            values=values_of(self.value),
            where=sets_of("where", self.where),
            pivot=(pivot[0], pivot[2]) if pivot else None,
            by=self.by,
            missing=sets_of("missing", self.missing),
            na=sets_of("na", self.na),
            timezone=self.timezone,
            date_format=self.date_format,
            undated=self.undated,
            preset=self.preset,
            allow_rejects=self.allow_rejects,
            replace=self.replace,
        )


class ImportOut(BaseModel):
    """One file that was read in, as it is listed."""

    id: UUID
    survey_id: UUID
    name: str
    source: str | None
    status: str = Field(description="`reading`, `done`, `refused` or `undone`.")
    lines_done: int
    accepted: int
    duplicates: int
    rejected: int
    created_at: dt.datetime
    updated_at: dt.datetime


class ImportWithReport(ImportOut):
    """One file with what was seen in it and what became of its rows."""

    report: dict[str, Any] | None
