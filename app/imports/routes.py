# SPDX-License-Identifier: Apache-2.0
"""Routes of imports."""

import asyncio
import logging
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from app.core.database import Database
from app.core.errors import AfterwordError, Forbidden, InvalidInput, NotFound
from app.core.http import MEBIBYTE, json_reply
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BODY_LIMIT, SessionDep, router
from app.imports import service
from app.imports.answer_inspection import survey_of
from app.imports.models import ImportRun
from app.imports.rejects import encoding_of_rejects
from app.imports.schemas import ImportOut, ImportQuery, ImportWithReport
from app.imports.source_file import SourceFile
from app.responses.answer_rules import survey_for
from app.responses.ingest import Ingest
from app.workspaces.admission import Admin, Reader, Writer

logger = logging.getLogger(__name__)
routes = router("Imports")

_MAX_WAIT_SECONDS = 20.0
_FILE = {"schema": {"type": "string", "format": "binary"}}
_running: dict[UUID, asyncio.Task[Any]] = {}


@routes.post(
    "/v1/imports",
    status_code=202,
    summary="Read a file in",
    response_model=ImportWithReport,
    responses={200: {"description": "With `dry_run`: what was seen.",
                     "content": {"application/json": {"schema": {"type": "object"}}}}},
    openapi_extra={
        BODY_LIMIT: 64 * MEBIBYTE,
        "requestBody": {
            "description": "The file: CSV, xlsx, ods, NDJSON or JSON.",
            "required": True,
            "content": {"application/octet-stream": _FILE},
        },
    },
)  # fmt: skip
async def create_import(
    request: Request, caller: Writer, query: Annotated[ImportQuery, Query()]
) -> Response:
    """Inspect a file of answers, tickets or customers, then import it; with `dry_run` only inspect.

    The reply is the import as it stands after at most 20 seconds; read it again until it is done.
    """
    ingest: Ingest = request.app.state.ingest
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        detail = "Send the file itself as the body: `curl --data-binary @FILE`, not `-F`."
        raise InvalidInput(detail)
    source = SourceFile.of_bytes(query.name, await request.body())
    target = query.target()
    if target.survey is not None:
        survey = await survey_of(ingest.database, caller.workspace_id, target.survey)
        survey_for(caller, survey, target.survey)
    elif caller.survey is not None:
        detail = f"This key is bound to the survey `{caller.survey}`; it imports answers only."
        raise Forbidden(detail)
    inspection = await service.inspect_file(
        ingest.database, caller.workspace_id, target, source, query.options()
    )
    if query.dry_run:
        return json_reply(inspection.report)
    run, importer = await service.begin_import(ingest, caller.workspace_id, inspection)
    task = _running.get(run.id)
    if task is None:
        # The same file that is sent twice at once is taken once.
        task = _running[run.id] = asyncio.create_task(
            _take(ingest.database, run, importer, inspection)
        )
        task.add_done_callback(lambda _: _running.pop(run.id, None))
    await asyncio.wait({task}, timeout=_MAX_WAIT_SECONDS)
    async with ingest.database.session() as session:
        stored_run = await service.find(session, caller.workspace_id, run.id)
        reply = ImportWithReport.model_validate(stored_run, from_attributes=True)
    return json_reply(reply.model_dump(mode="json"), status=202)


async def _take(
    database: Database,
    run: ImportRun,
    importer: service.FileImporter,
    inspection: service.FileInspection,
) -> None:
    try:
        await service.take(database, run, importer, inspection)
    except AfterwordError as error:
        await importer.note("refused", inspection.report | {"refused": str(error)})
    except Exception:
        # Its status stays `reading`; sending the same file again continues the import.
        logger.exception("an import was interrupted")


@routes.get("/v1/imports", summary="List imports")
async def list_imports(
    session: SessionDep, caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[ImportOut]:
    """Return the files that were read in, newest first."""
    rows = await service.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    return page_of(
        rows,
        limit,
        position=lambda run: (run.created_at, run.id),
        show=lambda run: ImportOut.model_validate(run, from_attributes=True),
    )


@routes.get("/v1/imports/{import_id}", summary="Read an import")
async def get_import(session: SessionDep, caller: Reader, import_id: UUID) -> ImportWithReport:
    """Return an import with its report; rows that were not taken stand there with their reasons."""
    row = await service.find(session, caller.workspace_id, import_id)
    return ImportWithReport.model_validate(row, from_attributes=True)


@routes.get(
    "/v1/imports/{import_id}/rejects",
    summary="Read the rejected rows",
    response_class=Response,
    responses={
        200: {
            "description": "The rejected rows as CSV.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)
async def get_rejects(session: SessionDep, caller: Reader, import_id: UUID) -> Response:
    """Return the rejected rows as a file of the original shape, with a column that says why.

    Corrected and sent with the same `source`, they are added to the import's other rows.
    """
    row = await service.find(session, caller.workspace_id, import_id)
    if row.rejects is None:
        raise NotFound("No row of this import was rejected.")
    headers = {"Content-Disposition": 'attachment; filename="rejected.csv"'}
    encoding = encoding_of_rejects((row.report or {}).get("encoding"))
    content = row.rejects.encode(encoding)
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@routes.delete("/v1/imports/{import_id}", status_code=204, summary="Undo an import")
async def undo_import(request: Request, caller: Admin, import_id: UUID) -> None:
    """Undo an import; what was changed since stays and is listed in its report.

    What it added is deleted and its ids are free again; what it changed is restored.
    """
    ingest: Ingest = request.app.state.ingest
    await service.undo(ingest, caller.workspace_id, import_id)
