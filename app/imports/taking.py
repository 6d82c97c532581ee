"""Taking a file in: what is new is added, what changed is mended, nothing is there twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec

from app.core.clock import rfc3339, utc_now
from app.core.database import Database
from app.core.errors import AfterwordError, Conflict, NotFound
from app.core.ids import derived_uuid
from app.imports import models, stored  # noqa: F401 - the tables must be known
from app.imports.looking import IdentifiedRow, OpenFile
from app.responses.batch_writing import Ingest
from app.responses.body import ResponseIn
from app.responses.cases import find_cases
from app.responses.models import ImportRun
from app.responses.replies import refuse
from app.responses.service import change_state
from app.responses.statements import DELETE_SILENTLY
from app.responses.submission import SubmissionOrigin, person_of, submission_of
from app.responses.writing import MOST_ROWS, Submission
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope, expand


@dataclass
class Taken:
    """What became of the rows."""

    added: int = 0
    updated: int = 0
    already_here: int = 0
    removed: int = 0
    deleted: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)
    lines_done: int = 0

    def report(self) -> dict[str, Any]:
        """Return it as the import's report shows it."""
        return {
            "added": self.added, "updated": self.updated, "already_here": self.already_here,
            "removed": self.removed, "left_deleted": self.deleted, "not_stored": self.problems,
        }  # fmt: skip


def importer(workspace_id: UUID) -> Caller:
    """Return the caller as which files are read in."""
    return Caller(
        workspace_id=workspace_id, key_id=workspace_id, name="import", scopes=expand([Scope.WRITE]),
        test=False, survey=None, rate_limit=None, bootstrap=False, expires_at=None,
        allowed_origins=frozenset(),
    )  # fmt: skip


@dataclass(frozen=True)
class FileIdentity:
    """By what an import of a file is known again."""

    name: str
    source: str
    kind: str
    survey_id: UUID | None
    fingerprint: str


async def begin(
    database: Database, workspace_id: UUID, file: FileIdentity
) -> tuple[ImportRun, bool]:
    """Return the import of this file, and whether it is the first of its source.

    It is begun now, or was broken off or done before.
    """
    async with database.transaction() as session:
        attempt = 0
        while True:
            # What was undone may be read in again; that is another import.
            names = ("import", file.source, file.fingerprint, str(attempt))
            id_ = derived_uuid(str(workspace_id), *names)
            run = await session.get(ImportRun, (workspace_id, id_))
            if run is None or run.status != "undone":
                break
            attempt += 1
        if run is None:
            now = utc_now()
            others = await stored.has_source(session, workspace_id, file.source)
            run = ImportRun(
                workspace_id=workspace_id, id=id_, survey_id=file.survey_id, name=file.name,
                kind=file.kind,
                status="reading", lines_done=0, accepted=0, duplicates=0, rejected=0,
                source=file.source, report=None, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(run)
            return run, not others
    return run, False


class Taker:
    """Writes the rows of one file."""

    def __init__(
        self, ingest: Ingest, run: ImportRun, file: OpenFile, *, is_first: bool = False
    ) -> None:
        """Prepare; of the first import of a source no row can be here already."""
        workspace_id = run.workspace_id
        self._is_first = is_first
        self._ingest = ingest
        self._workspace_id = workspace_id
        self._run = run
        self._file = file
        self._origin = SubmissionOrigin(importer(workspace_id), now=utc_now(), import_id=run.id)
        self.taken = Taken()
        self._seen: set[UUID] = set()

    async def take(self, on_progress: Any = None) -> Taken:
        """Take every row that can be taken; safe to be broken off and begun again."""
        chunks = self._file.chunks()
        reading = asyncio.create_task(asyncio.to_thread(next, chunks, None))
        while (chunk := await reading) is not None:
            # The next rows are read while these are written, some batches at a time.
            reading = asyncio.create_task(asyncio.to_thread(next, chunks, None))
            parts = [chunk[i : i + MOST_ROWS] for i in range(0, len(chunk), MOST_ROWS)]
            await asyncio.gather(*map(self._take_chunk, parts))
            if chunk:
                self.taken.lines_done = chunk[-1].row.line
            await self.note("reading")
            if on_progress is not None:
                on_progress(self._file.seen)
        if self._file.options.replace is not None:
            await self._take_away(self._file.options.replace)
        return self.taken

    def report(self) -> dict[str, Any]:
        """Return what became of the rows."""
        return self.taken.report()

    async def note(self, status: str, report: dict[str, Any] | None = None) -> None:
        """Note how far the import has come."""
        taken = self.taken
        async with self._ingest.database.transaction() as session:
            await stored.note_progress(
                session, self._workspace_id, self._run.id,
                {
                    "status": status, "lines_done": taken.lines_done,
                    "accepted": taken.added + taken.updated, "duplicates": taken.already_here,
                    "rejected": len(self._file.rejected) + len(taken.problems),
                    "report": (report or {}) | taken.report(),
                },
            )  # fmt: skip

    async def _take_chunk(self, chunk: Sequence[IdentifiedRow]) -> None:
        database = self._ingest.database
        rows = {one.id: one for one in chunk}
        asked = [id_ for id_ in rows if id_ in self._seen or not self._is_first]
        self._seen.update(rows)
        known: dict[UUID, Any] = {}
        there: dict[UUID, dict[str, Any]] = {}
        if asked:
            async with database.session() as session:
                known = await stored.find_latest(session, self._workspace_id, asked)
                there = await stored.find_responses(session, self._workspace_id, asked)
        writing: list[tuple[IdentifiedRow, int, dict[str, Any] | None]] = []
        replaced: list[UUID] = []
        for id_, one in rows.items():
            before, now = known.get(id_), there.get(id_)
            if before is not None and now is not None and now["state"] == "deleted":
                self.taken.deleted += 1
            elif before is not None and now is not None and before.content == one.row.content:
                self.taken.already_here += 1
            elif now is None or now["state"] == "deleted":
                replaced += [id_] if now else []
                writing.append((one, 1, None))
            elif before is None:
                # It was written when the import was broken off.
                writing.append((one, now["seq"], None))
            elif now["touched"] or now["seq"] != before.seq:
                writing.append((one, now["seq"] + 1, now["whole"]))
            else:
                replaced.append(id_)
                writing.append((one, 1, now["whole"]))
        self.taken.already_here += len(chunk) - len(rows)
        await self._clear(replaced)
        await self._write(writing)

    async def _clear(self, ids: Sequence[UUID]) -> None:
        """Take responses away, so that their rows can be written anew, with time and place."""
        if not ids:
            return
        database, slot = self._ingest.database, self._ingest.group.slot
        await change_state(database, slot, self._workspace_id, statement=DELETE_SILENTLY, ids=ids)
        async with database.transaction() as session:
            await stored.remove_deleted(session, self._workspace_id, ids)

    async def _write(
        self, writing: Sequence[tuple[IdentifiedRow, int, dict[str, Any] | None]]
    ) -> None:
        if not writing:
            return
        ingest, workspace_id = self._ingest, self._workspace_id
        bodies = [one.row.body for one, _, _ in writing]
        persons = [person_of(body.customer) if body.customer else None for body in bodies]
        customers = await ingest.directory.customers(workspace_id, (p for p in persons if p))
        cases = await find_cases(ingest.database, workspace_id, bodies)
        submissions = []
        for place, (one, seq, _) in enumerate(writing):
            body = msgspec.structs.replace(one.row.body, id=one.id, seq=seq)
            person = persons[place]
            case = cases.get(place)
            origin = replace(self._origin, case=case) if case else self._origin
            submissions.append(
                submission_of(
                    body,
                    self._file.survey,
                    origin,
                    checked=one.row.checked,
                    customer_id=customers[person] if person else None,
                )
            )
        results = await write_whole(ingest, workspace_id, submissions)
        at = utc_now()
        rows = []
        for (one, seq, before), error in zip(writing, results, strict=True):
            if error is not None:
                self.taken.problems.append({"line": one.row.line, "reason": str(error)})
                continue
            self.taken.updated += before is not None
            self.taken.added += before is None
            rows.append({
                "response_id": one.id, "external_id": one.row.external_id,
                "content": one.row.content, "seq": seq, "before": before, "at": rfc3339(at),
            })  # fmt: skip
        async with ingest.database.transaction() as session:
            await stored.keep_rows(session, workspace_id, self._run.id, rows)

    async def _take_away(self, replaced: UUID) -> None:
        """Take away what another import has made and this file does not hold."""
        database, slot = self._ingest.database, self._ingest.group.slot
        async with database.session() as session:
            if await session.get(ImportRun, (self._workspace_id, replaced)) is None:
                raise NotFound("There is no such import to `replace`.")
            rows = await stored.find_rows(session, self._workspace_id, replaced)
        gone = [
            row.response_id for row in rows
            if row.response_id not in self._seen and not row.is_past and row.state != "deleted"
        ]  # fmt: skip
        for start in range(0, len(gone), MOST_ROWS):
            ids = gone[start : start + MOST_ROWS]
            async with database.session() as session:
                there = await stored.find_responses(session, self._workspace_id, ids)
            await change_state(
                database, slot, self._workspace_id, statement=DELETE_SILENTLY, ids=ids
            )
            at = rfc3339(utc_now())
            async with database.transaction() as session:
                await stored.keep_rows(
                    session, self._workspace_id, self._run.id,
                    [{"response_id": id_, "external_id": None, "content": "", "seq": 0,
                      "before": there[id_]["whole"], "at": at} for id_ in ids if id_ in there],
                )  # fmt: skip
        self.taken.removed = len(gone)


async def write_whole(
    ingest: Ingest, workspace_id: UUID, submissions: list[Submission]
) -> list[AfterwordError | None]:
    """Write at most 500 responses without news; return the error of each, or None."""
    await ingest.directory.touchpoints(workspace_id, (s.row.touchpoint for s in submissions))
    results = await ingest.group.write(workspace_id, submissions, events=False)
    found: list[AfterwordError | None] = []
    for result in results:
        if isinstance(result, AfterwordError):
            found.append(result)
            continue
        try:
            refuse(result.outcome)
        except AfterwordError as error:
            found.append(error)
        else:
            found.append(None)
    return found


async def undo_answers(ingest: Ingest, run: ImportRun) -> tuple[int, list[UUID]]:
    """Take back what an import of answers did; return how much of it, and what is left."""
    database, slot = ingest.database, ingest.group.slot
    workspace_id, import_id = run.workspace_id, run.id
    async with database.session() as session:
        rows = await stored.find_rows(session, workspace_id, import_id)
        survey = await find_published(session, workspace_id, str(run.survey_id))
    if survey is None:
        raise Conflict("The survey has no published version; publish it first.")
    left = [row for row in rows if _is_changed(row)]
    undone = [row for row in rows if not _is_changed(row)]
    for start in range(0, len(undone), MOST_ROWS):
        chunk = undone[start : start + MOST_ROWS]
        ids = [row.response_id for row in chunk]
        await change_state(database, slot, workspace_id, statement=DELETE_SILENTLY, ids=ids)
        before = [(row.response_id, row.before) for row in chunk if row.before is not None]
        async with database.transaction() as session:
            await stored.drop_rows(session, workspace_id, import_id, ids)
            await stored.remove_deleted(session, workspace_id, [id_ for id_, _ in before])
        submissions = [_as_before(survey, workspace_id, whole) for _, whole in before]
        if submissions:
            await write_whole(ingest, workspace_id, submissions)
            async with database.transaction() as session:
                for id_, _ in before:
                    await stored.set_seq(session, workspace_id, id_, 1)
    return len(undone), [row.response_id for row in left]


def _is_changed(row: Any) -> bool:
    """Tell whether a response was changed since the import made it what it was."""
    if row.is_past or row.touched:
        return True
    removed = row.content == ""
    if removed:
        return bool(row.state is not None and row.state != "deleted")
    return bool(row.state is None or row.state == "deleted" or row.seq_now != row.seq)


def _as_before(survey: CompiledSurvey, workspace_id: UUID, whole: dict[str, Any]) -> Submission:
    """Return the submission that makes a response again what it was."""
    body = msgspec.convert(
        {
            "survey": survey.key, "channel": whole["channel"], "answers": whole["answers"],
            "touchpoint": whole["touchpoint"] or None, "locale": whole["locale"],
            "properties": whole["properties"], "order": whole["order_ref"],
            "ticket": whole["ticket_ref"], "id": whole["id"], "complete": whole["complete"],
            "responded_at": whole["responded_at"], "tags": whole["tags"],
        },
        ResponseIn,
    )  # fmt: skip
    import_id = UUID(whole["import_id"]) if whole["import_id"] else None
    origin = SubmissionOrigin(importer(workspace_id), now=utc_now(), import_id=import_id)
    customer = UUID(whole["customer_id"]) if whole["customer_id"] else None
    checked = survey.check(body.answers, complete=body.complete)
    return submission_of(body, survey, origin, checked=checked, customer_id=customer)
