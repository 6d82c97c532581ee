"""`afterword import`: answers from a CSV or NDJSON file, resumable, with a report of bad lines."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, assert_never
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core.batch_lines import BatchLine, LinesReport
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import InvalidInput
from app.core.ids import derived_uuid
from app.core.text import did_you_mean
from app.interactions.customer_resolver import CustomerResolver
from app.responses import imports
from app.responses.batch_writing import Ingest, write_lines
from app.responses.group_commit import GroupCommit
from app.responses.submission import SubmissionOrigin
from app.surveys import service as surveys
from app.surveys.catalogue import Catalogue
from app.surveys.question_types import (
    OptionAnswers,
    QuestionType,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
)
from app.surveys.schemas import Definition
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope, expand
from app.workspaces.service import find_workspace

_CHUNK = 2000
_FIELDS = (
    "external_id", "channel", "touchpoint", "locale", "order", "ticket", "responded_at", "tags",
    "customer.external_id", "customer.email", "customer.name",
)  # fmt: skip
_PROPERTY = "property."
_YES, _NO = {"true", "yes", "y", "1"}, {"false", "no", "n", "0"}


@dataclass(frozen=True)
class ImportPlan:
    """What to read, and what its columns mean."""

    file: Path
    survey: str
    maps: dict[str, str] = field(default_factory=dict)
    missing: dict[str, set[str]] = field(default_factory=dict)
    na: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def from_options(
        cls, file: Path, *, survey: str, maps: list[str], missing: list[str], na: list[str]
    ) -> "ImportPlan":
        """Read the options `COLUMN=…` of the command."""
        codes: list[dict[str, set[str]]] = [{}, {}]
        for found, options in zip(codes, (missing, na), strict=True):
            for column, value in map(_pair, options):
                found.setdefault(column, set()).add(value.casefold())
        return cls(file, survey, dict(map(_pair, maps)), *codes)

    @property
    def is_csv(self) -> bool:
        """Whether the file is a table; else each line is a JSON object."""
        return self.file.suffix.lower() not in {".ndjson", ".jsonl"}

    def fingerprint(self) -> str:
        """Return what makes this import the same as one before: file, survey, mapping."""
        content = hashlib.sha256(self.file.read_bytes()).hexdigest()
        options = [
            sorted(self.maps.items()),
            *(sorted((c, *sorted(v)) for c, v in d.items()) for d in (self.missing, self.na)),
        ]
        return content + self.survey + json.dumps(options)


def _pair(option: str) -> tuple[str, str]:
    name, separator, value = option.partition("=")
    if not separator or not name:
        raise InvalidInput(f"`{option}` must be COLUMN=VALUE.")
    return name, value


async def import_file(
    database: Database, plan: ImportPlan, *, workspace: str, events: bool, console: Console
) -> int:
    """Read the whole file; return the number of rejected lines, which lie in a file beside it."""
    async with database.transaction() as session:
        found = await find_workspace(session, workspace)
        survey = await surveys.find(session, found.id, plan.survey)
        definition = await surveys.definition_of(session, survey, survey.latest_version)
        import_id = derived_uuid(str(found.id), "import", plan.fingerprint())
        run = await imports.begin(
            session, found.id, import_id=import_id, survey_id=survey.id, name=plan.file.name
        )
    group = GroupCommit(database, slot=0, max_waiting=_CHUNK)
    ingest = Ingest(database, Catalogue(database), CustomerResolver(database), group)
    origin = SubmissionOrigin(_importer(found.id), now=utc_now(), import_id=import_id)
    lines = _csv_lines(plan, definition, console) if plan.is_csv else _json_lines(plan)
    if run.status == "done":
        console.print(
            f"This file was read in before with these options: {run.accepted:,} accepted, "
            f"{run.rejected:,} rejected. Import {import_id}"
        )
        return run.rejected
    if run.lines_done:
        console.print(f"Goes on after line {run.lines_done:,} of a run that was broken off.")
    report_path = plan.file.with_name(plan.file.name + ".rejected.ndjson")
    total = LinesReport()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=console) as progress,
        report_path.open("a", encoding="utf-8") as rejects,
    ):
        task = progress.add_task(plan.file.name, total=_count_lines(plan), completed=run.lines_done)
        rest = (line for line in lines if line.number > run.lines_done)
        while chunk := list(islice(rest, _CHUNK)):
            report = await write_lines(ingest, origin, chunk, events=events)
            texts = {line.number: line.text.decode(errors="replace") for line in chunk}
            for rejected in sorted(report.rejected, key=lambda r: r["line"]):
                rejects.write(json.dumps(rejected | {"text": texts[rejected["line"]]}) + "\n")
            rejects.flush()
            async with database.transaction() as session:
                await imports.advance(session, run, report, lines_done=chunk[-1].number)
            total.accepted += report.accepted
            total.duplicates += report.duplicates
            total.rejected += report.rejected
            progress.update(task, completed=chunk[-1].number)
    await group.close()
    async with database.transaction() as session:
        await imports.set_status(session, found.id, import_id, "done")
    console.print(
        f"{total.accepted:,} accepted, {total.duplicates:,} known before, "
        f"{len(total.rejected):,} rejected. Import {import_id}"
    )
    all_rejected = run.rejected + len(total.rejected)
    if all_rejected:
        console.print(f"The rejected lines, with reasons: {report_path}")
    elif report_path.stat().st_size == 0:
        report_path.unlink()
    return all_rejected


def _importer(workspace_id: UUID) -> Caller:
    return Caller(
        workspace_id=workspace_id, key_id=workspace_id, name="import", scopes=expand([Scope.WRITE]),
        test=False, survey=None, rate_limit=None, bootstrap=False, expires_at=None,
        allowed_origins=frozenset(),
    )  # fmt: skip


def _count_lines(plan: ImportPlan) -> int:
    if not plan.is_csv:
        with plan.file.open("rb") as file:
            return sum(1 for _ in file)
    with plan.file.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return max(0, sum(1 for _ in csv.reader(file)) - 1)


def _json_lines(plan: ImportPlan) -> Iterator[BatchLine]:
    """Yield the lines of an NDJSON file; what a line leaves out is the plan's."""
    with plan.file.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                body = json.loads(text)
            except ValueError:
                yield BatchLine(number, text)
                continue
            if isinstance(body, dict):
                body = {"survey": plan.survey, "channel": "import"} | body
            yield BatchLine(number, json.dumps(body).encode())


def _csv_lines(plan: ImportPlan, definition: Definition, console: Console) -> Iterator[BatchLine]:
    """Yield a body for each row of a table; columns that mean nothing here are left out."""
    types = {q.key: q.type for q in definition.questions}
    with plan.file.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.DictReader(file)
        targets = _targets(plan, rows.fieldnames or [], types)
        if left_out := [column for column in rows.fieldnames or [] if column not in targets]:
            names = ", ".join(left_out[:10]) + (", …" if len(left_out) > 10 else "")
            console.print(f"Left out: {names}. Use --map COLUMN=FIELD for what you need.")
        for number, row in enumerate(rows, start=1):
            body: dict[str, Any] = {"survey": plan.survey, "channel": "import", "answers": {}}
            for column, target in targets.items():
                value = (row.get(column) or "").strip()
                if target in types:
                    body["answers"][target] = _answer(plan, column, value, types[target])
                elif value and value.casefold() not in plan.missing.get(column, ()):
                    _place(body, target, value)
            yield BatchLine(number, json.dumps(body).encode())


def _targets(plan: ImportPlan, columns: Any, types: dict[str, QuestionType]) -> dict[str, str]:
    """Return what each column means: as mapped, else a question or field of the same name."""
    known = [*types, *_FIELDS]
    for column, target in plan.maps.items():
        if column not in columns:
            hint = did_you_mean(column, columns)
            raise InvalidInput(f"--map {column}={target}: the file has no column `{column}`{hint}")
        if target not in known and not target.startswith(_PROPERTY):
            hint = did_you_mean(target, known)
            raise InvalidInput(f"--map {column}={target}: `{target}` is no question or field{hint}")
    taken = set(plan.maps.values())
    own = {c: c for c in columns if c in known and c not in plan.maps and c not in taken}
    found = own | plan.maps
    if not set(found.values()) & set(types):
        raise InvalidInput("No column is a question of the survey; name them with --map.")
    return found


def _answer(plan: ImportPlan, column: str, value: str, kind: QuestionType) -> Any:
    """Return the answer that a cell means; what means none is judged as it stands."""
    if value.casefold() in plan.na.get(column, ()):
        return "na"
    if value == "" or value.casefold() in plan.missing.get(column, ()):
        return None
    answer: Any = value
    answers = spec_of(kind).answers
    match answers:
        case ScoreAnswers():
            answer = _number(value)
        case WordAnswers():
            answer = _word(value, answers)
        case OptionAnswers(several=several):
            if several:
                answer = [part.strip() for part in value.replace("|", ";").split(";")]
        case TextAnswers():
            pass
        case _:
            assert_never(answers)
    return answer


def _word(value: str, answers: WordAnswers) -> Any:
    """Return the answer that a word names, `yes` and `true` alike; another stays as it is."""
    folded = value.casefold()
    meant = True if folded in _YES else False if folded in _NO else folded
    return next((answer.value for answer in answers.answers if answer.value == meant), value)


def _number(value: str) -> Any:
    """Return a whole number where the text is one; anything else is judged as it stands."""
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() else number


def _place(body: dict[str, Any], target: str, value: str) -> None:
    if target.startswith(_PROPERTY):
        body.setdefault("properties", {})[target.removeprefix(_PROPERTY)] = value
    elif target.startswith("customer."):
        body.setdefault("customer", {})[target.removeprefix("customer.")] = value
    elif target == "tags":
        body["tags"] = [part.strip() for part in value.replace("|", ";").split(";")]
    elif target == "responded_at":
        body["responded_at"] = _time(value)
    else:
        body[target] = value


def _time(value: str) -> str:
    """Take a date for its midnight, and a time without a zone for UTC."""
    text = value.replace(" ", "T", 1)
    if len(text) == 10:
        text += "T00:00:00"
    has_zone = text.endswith("Z") or "+" in text or "-" in text[10:]
    return text if has_zone else text + "Z"
