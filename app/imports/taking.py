"""Import answers: add new rows, update changed ones, and store no row twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.core.clock import utc_now
from app.core.database import Database, RawConnection
from app.core.errors import AfterwordError, Conflict, NotFound
from app.core.ids import derived_uuid
from app.imports import models, stored  # noqa: F401 - the tables must be known
from app.imports.looking import IdentifiedRow, OpenFile
from app.responses.batch_writing import Ingest
from app.responses.body import ResponseIn
from app.responses.cases import find_cases
from app.responses.changes import DELETE_SILENTLY
from app.responses.models import ImportRun
from app.responses.replies import refuse
from app.responses.service import change_state
from app.responses.submission import SubmissionOrigin, person_of, submission_of
from app.responses.writing import MOST_ROWS, Submission
from app.surveys.catalogue import find_published
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope, expand


@dataclass
class ImportCounts:
    """How many rows were added, updated, removed or left alone, and which failed."""

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
    """Return the caller on whose behalf files are imported."""
    return Caller(
        workspace_id=workspace_id, key_id=workspace_id, name="import", scopes=expand([Scope.WRITE]),
        test=False, survey=None, rate_limit=None, bootstrap=False, expires_at=None,
        allowed_origins=frozenset(),
    )  # fmt: skip


@dataclass(frozen=True)
class FileIdentity:
    """The values by which a repeated import of a file is recognised."""

    name: str
    source: str
    kind: str
    survey_id: UUID | None
    fingerprint: str


async def begin(
    database: Database, workspace_id: UUID, file: FileIdentity
) -> tuple[ImportRun, bool]:
    """Return the import of this file, and whether it is the first of its source.

    The import is new, or was interrupted or completed before.
    """
    async with database.transaction() as session:
        attempt = 0
        while True:
            # A file whose import was undone may be imported again, as another import.
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


class AnswerTaker:
    """Writes the rows of one file."""

    def __init__(
        self, ingest: Ingest, run: ImportRun, file: OpenFile, *, is_first: bool = False
    ) -> None:
        """Prepare; with `is_first` no row of this source can be stored already."""
        workspace_id = run.workspace_id
        self._is_first = is_first
        self._ingest = ingest
        self._workspace_id = workspace_id
        self._run = run
        self._file = file
        self._origin = SubmissionOrigin(importer(workspace_id), now=utc_now(), import_id=run.id)
        self.taken = ImportCounts()
        self._seen: set[UUID] = set()
        self._connection: RawConnection | None = None
        self._copying = asyncio.Lock()

    async def take(self, on_progress: Any = None) -> ImportCounts:
        """Take every row that can be taken; it may be interrupted and started again."""
        try:
            return await self._take_all(on_progress)
        finally:
            if self._connection is not None:
                await self._connection.close()

    async def _take_all(self, on_progress: Any) -> ImportCounts:
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
            await self._remove_missing(self._file.options.replace)
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
        rows = {entry.id: entry for entry in chunk}
        ids_to_check = [id_ for id_ in rows if id_ in self._seen or not self._is_first]
        self._seen.update(rows)
        earlier_rows: dict[UUID, Any] = {}
        responses: dict[UUID, dict[str, Any]] = {}
        if ids_to_check:
            async with database.session() as session:
                earlier_rows = await stored.find_latest(session, self._workspace_id, ids_to_check)
                responses = await stored.find_responses(session, self._workspace_id, ids_to_check)
        writing: list[tuple[IdentifiedRow, int, dict[str, Any] | None]] = []
        replaced: list[UUID] = []
        for id_, entry in rows.items():
            earlier, response = earlier_rows.get(id_), responses.get(id_)
            if earlier is not None and response is not None and response["state"] == "deleted":
                self.taken.deleted += 1
            elif (
                earlier is not None
                and response is not None
                and earlier.content == entry.row.content
            ):
                self.taken.already_here += 1
            elif response is None or response["state"] == "deleted":
                replaced += [id_] if response else []
                writing.append((entry, 1, None))
            elif earlier is None:
                # It was written just before the import was interrupted.
                writing.append((entry, response["seq"], None))
            elif response["touched"] or response["seq"] != earlier.seq:
                writing.append((entry, response["seq"] + 1, response["whole"]))
            else:
                replaced.append(id_)
                writing.append((entry, 1, response["whole"]))
        self.taken.already_here += len(chunk) - len(rows)
        await self._clear(replaced)
        await self._write(writing)

    async def _clear(self, ids: Sequence[UUID]) -> None:
        """Delete responses, so that they can be written again with another time or touchpoint."""
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
        bodies = [entry.row.body for entry, _, _ in writing]
        persons = [person_of(body.customer) if body.customer else None for body in bodies]
        customers = await ingest.customer_resolver.customers(
            workspace_id, (p for p in persons if p)
        )
        cases = await find_cases(ingest.database, workspace_id, bodies)
        submissions = []
        for place, (entry, seq, _) in enumerate(writing):
            body = msgspec.structs.replace(entry.row.body, id=entry.id, seq=seq)
            person = persons[place]
            case = cases.get(place)
            origin = replace(self._origin, case=case) if case else self._origin
            submissions.append(
                submission_of(
                    body,
                    self._file.survey,
                    origin,
                    checked=entry.row.checked,
                    customer_id=customers[person] if person else None,
                )
            )
        results = await write_whole(ingest, workspace_id, submissions)
        at = utc_now()
        rows = []
        for (entry, seq, earlier), error in zip(writing, results, strict=True):
            if error is not None:
                self.taken.problems.append({"line": entry.row.line, "reason": str(error)})
                continue
            self.taken.updated += earlier is not None
            self.taken.added += earlier is None
            rows.append({
                "response_id": entry.id, "external_id": entry.row.external_id,
                "content": entry.row.content, "seq": seq, "before": earlier, "at": at,
            })  # fmt: skip
        await self._keep(rows)

    async def _keep(self, rows: Sequence[dict[str, Any]]) -> None:
        """Note what was made of responses; those that were added are copied in."""
        if all(row["before"] is None for row in rows):
            try:
                async with self._copying:
                    connection = self._connection = (
                        self._connection or await self._ingest.database.connect()
                    )
                    await stored.add_rows(connection, self._workspace_id, self._run.id, rows)
            except asyncpg.UniqueViolationError:
                # An import that was interrupted has noted some of them before.
                pass
            else:
                return
        async with self._ingest.database.transaction() as session:
            await stored.keep_rows(session, self._workspace_id, self._run.id, rows)

    async def _remove_missing(self, replaced: UUID) -> None:
        """Delete the responses of another import that this file does not hold."""
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
                current = await stored.find_responses(session, self._workspace_id, ids)
            await change_state(
                database, slot, self._workspace_id, statement=DELETE_SILENTLY, ids=ids
            )
            at = utc_now()
            async with database.transaction() as session:
                await stored.keep_rows(
                    session, self._workspace_id, self._run.id,
                    [{"response_id": id_, "external_id": None, "content": "", "seq": 0,
                      "before": current[id_]["whole"], "at": at} for id_ in ids if id_ in current],
                )  # fmt: skip
        self.taken.removed = len(gone)


async def write_whole(
    ingest: Ingest, workspace_id: UUID, submissions: list[Submission]
) -> list[AfterwordError | None]:
    """Write at most 500 responses without events; return the error of each, or None."""
    await ingest.customer_resolver.touchpoints(
        workspace_id, (s.row.touchpoint for s in submissions)
    )
    results = await ingest.group.write(workspace_id, submissions, events=False)
    errors: list[AfterwordError | None] = []
    for result in results:
        if isinstance(result, AfterwordError):
            errors.append(result)
            continue
        try:
            refuse(result.outcome)
        except AfterwordError as error:
            errors.append(error)
        else:
            errors.append(None)
    return errors


async def undo_answers(ingest: Ingest, run: ImportRun) -> tuple[int, list[UUID]]:
    """Undo an import of answers; return how many rows were undone, and the ids that stay."""
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
        earlier = [(row.response_id, row.before) for row in chunk if row.before is not None]
        async with database.transaction() as session:
            await stored.drop_rows(session, workspace_id, import_id, ids)
            await stored.remove_deleted(session, workspace_id, [id_ for id_, _ in earlier])
        submissions = [_restored_submission(survey, workspace_id, whole) for _, whole in earlier]
        if submissions:
            await write_whole(ingest, workspace_id, submissions)
            async with database.transaction() as session:
                for id_, _ in earlier:
                    await stored.set_seq(session, workspace_id, id_, 1)
    return len(undone), [row.response_id for row in left]


def _is_changed(row: Any) -> bool:
    """Tell whether a response was changed after the import."""
    if row.is_past or row.touched:
        return True
    removed = row.content == ""
    if removed:
        return bool(row.state is not None and row.state != "deleted")
    return bool(row.state is None or row.state == "deleted" or row.seq_now != row.seq)


def _restored_submission(
    survey: CompiledSurvey, workspace_id: UUID, whole: dict[str, Any]
) -> Submission:
    """Return the submission that restores an earlier response."""
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
