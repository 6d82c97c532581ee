# SPDX-License-Identifier: Apache-2.0
"""Connections on the dashboard: integrations, webhook endpoints, keys, and imports."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from app.core.database import Database
from app.core.errors import AfterwordError, InvalidInput
from app.core.event_types import EventType
from app.core.routing import current_settings, router
from app.imports import uploads
from app.imports.column_choices import ColumnChoices, find_choices
from app.imports.presets import presets
from app.imports.schemas import ImportQuery
from app.imports.source_file import SourceFile
from app.integrations.guides import SOURCE_GUIDES, Instructions, read_instructions
from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS
from app.integrations.statuses import TYPES
from app.interactions.queries import types_of
from app.pages.dashboard import health
from app.pages.dashboard.api import ApiRefused
from app.pages.dashboard.file_reasons import reason_in
from app.pages.dashboard.form_fields import FormOutcome
from app.pages.dashboard.form_replies import saved_at, show_again
from app.pages.dashboard.texts import DashboardTexts
from app.pages.dashboard.visit import ApiVisitDep, DashboardVisit
from app.pages.guides import BI
from app.surveys import service as surveys
from app.workspaces.scopes import Scope

routes = router("Dashboard")

# Three fields for each column of a file, and wide surveys have thousands of columns.
_MAX_FORM_FIELDS = 20_000
_OPTIONS = ("survey", "kind", "source", "map", "timezone", "date_format", "undated", "encoding",
            "ticket_source", "sheet", "skip_rows", "preset", "pivot", "by", "replace")  # fmt: skip
# Steps of a guide that call the API are fields of the page of the integration.
_BY_API = re.compile(r"`(?:GET|PATCH) /v1/integrations/[^` ]+(?: {\"(\w+)\"[^`]*)?`")
_FORM_FIELD_BY_API_FIELD = {
    "secret": "sender_secret",
    "status_map": "status_map",
    "accept_test": "accept_test",
}
# Options of which several may be typed, one a line.
_MULTILINE_OPTIONS = ("value", "missing", "na", "where", "set", "event_name")


@routes.get("/connections", include_in_schema=False)
async def show_connections(visit: ApiVisitDep) -> HTMLResponse:
    """Show the integrations, the webhook endpoints and the keys."""
    context: dict[str, Any] = {"endpoints_full": [], "keys": [], "deliveries": {}, "roles": []}
    if visit.may_admin:
        endpoints = await visit.api.list("/v1/webhook-endpoints")
        context["endpoints_full"] = endpoints
        context["keys"] = await visit.api.list("/v1/api-keys")
        for endpoint in endpoints[:20]:
            path = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"
            context["deliveries"][endpoint["id"]] = (await visit.api.get(path, limit=5))["data"]
        context["roles"] = await visit.api.list("/v1/bi-roles")
    return visit.render(
        "connections",
        integrations=await health.integrations(visit),
        endpoints=await health.endpoints(visit),
        sources=_by_title(ADAPTERS, visit.texts),
        presets=_by_title(PRESETS, visit.texts),
        odata=f"{current_settings(visit.request).base_url}/odata/v4",
        formulas=BI["superset"]["formulas"],
        events=list(EventType),
        scopes=list(Scope),
        surveys=await surveys.names_of(visit.session, visit.workspace.id),
        **context,
    )


def _by_title(names: Iterable[str], texts: DashboardTexts) -> list[tuple[str, str]]:
    """Return what can be connected, each with its title, in the order of the titles."""
    titles = (
        (name, texts["any_sender"] if name == "generic" else str(SOURCE_GUIDES[name]["title"]))
        for name in names
    )
    return sorted(titles, key=lambda pair: pair[1].casefold())


@routes.get("/connections/{integration}", include_in_schema=False)
async def show_integration(visit: ApiVisitDep, integration: str) -> HTMLResponse:
    """Show how to connect one source, and what it has sent."""
    reply = await visit.api.get(f"/v1/integrations/{integration}")
    events = (await visit.api.get(f"/v1/integrations/{integration}/events", limit=20))["data"]
    guide = reply["preset"] or reply["source"]
    interaction_ids = [UUID(id_) for event in events for id_ in event["interactions"] or ()]
    return visit.render(
        "integration", title=reply["key"], integration=reply, events=events,
        guide=guide, guide_title=SOURCE_GUIDES[guide]["title"], meanings=list(TYPES),
        instructions=_instructions_for_dashboard(guide, visit.texts),
        paste=SOURCE_GUIDES[guide].get("paste"),
        became=await types_of(visit.session, visit.workspace.id, interaction_ids),
        status_map="\n".join(
            f"{status} = {meaning}" for status, meaning in reply["status_map"].items()
        ),
    )  # fmt: skip


def _instructions_for_dashboard(guide: str, texts: DashboardTexts) -> Instructions:
    """Return what to do at the sender; calls of the API become the names of this page's fields."""

    def name_field(call: re.Match[str]) -> str:
        if call[1] is None:
            return texts["top_of_page"]
        return texts["in_quotes"].format(text=texts[_FORM_FIELD_BY_API_FIELD[call[1]]])

    instructions = read_instructions(guide, texts.language)
    return Instructions(
        before=_BY_API.sub(name_field, instructions["before"]),
        steps=[_BY_API.sub(name_field, step) for step in instructions["steps"]],
        test=_BY_API.sub(name_field, instructions["test"]),
    )


@routes.get("/files", include_in_schema=False)
async def show_files(
    visit: ApiVisitDep, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """Show the files that were read in, and the form to send one."""
    reply = await visit.api.get("/v1/imports", limit=50, cursor=cursor)
    reports = {}
    for row in reply["data"][:20]:
        if row["status"] in {"refused", "undone"}:
            reports[row["id"]] = (await visit.api.get(f"/v1/imports/{row['id']}"))["report"]
    return visit.render(
        "imports", rows=reply["data"], cursor=reply["next_cursor"], reports=reports,
        reason=reason_in,
        file_presets=[name for kind in ("answers", "tickets") for name in presets(kind)],
        surveys=await surveys.names_of(visit.session, visit.workspace.id),
    )  # fmt: skip


@routes.get("/files/{import_id}/rejected.csv", include_in_schema=False)
async def read_rejects(visit: ApiVisitDep, import_id: UUID) -> Response:
    """Return the rejected rows of a file as CSV."""
    parts = await visit.api.stream(f"/v1/imports/{import_id}/rejects", {})
    headers = {"Content-Disposition": 'attachment; filename="rejected.csv"'}
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=headers)


@routes.post("/files", include_in_schema=False)
async def post_file(visit: ApiVisitDep, request: Request) -> Response:
    """Check an uploaded file, or import one that was checked."""
    visit.require(Scope.WRITE)
    database: Database = request.app.state.database
    chosen: dict[str, str] = {}
    async with request.form(
        max_files=1, max_fields=_MAX_FORM_FIELDS, max_part_size=1 << 16
    ) as form:
        values = {name: str(value) for name, value in form.multi_items()
                if not isinstance(value, UploadFile)}  # fmt: skip
        visit.require_own(values)
        upload = form.get("file")
        if isinstance(upload, UploadFile) and upload.filename:
            values["name"] = upload.filename[:200]
            content = await upload.read()
            values["upload"] = str(await uploads.store(database, visit.workspace.id, content))
        elif "upload" in values:
            # Only changed choices are sent.
            columns, becomes = map(str, form.getlist("column")), map(str, form.getlist("becomes"))
            own = dict(zip(form.getlist("column"), form.getlist("own"), strict=False))
            chosen = {
                column: target for column, target in zip(columns, becomes, strict=False)
                if own.get(column) != target
            }  # fmt: skip
    fields = {name: [value] for name, value in values.items()}
    params = _params_of(values, chosen)
    choices: ColumnChoices | None = None
    try:
        content = await _read_upload(database, visit, values.get("upload", ""))
        choices = await _choices(visit, params, content)
        reply = await visit.api.send("POST", "/v1/imports", params=params, content=content)
    except ApiRefused as refused:
        summary = _chosen_so_far(choices, None, chosen)
        errors = {name: reason_in(visit.texts, why) for name, why in refused.fields.items()}
        detail = reason_in(visit.texts, refused.detail)
        outcome = FormOutcome("import", fields, detail, errors, summary)
        return await show_again(visit, "/files", outcome, status=refused.status)
    except InvalidInput as error:
        outcome = FormOutcome("import", fields, error.detail)
        return await show_again(visit, "/files", outcome, status=422)
    if "dry_run" in params:
        # The form is shown again with its values, beside the report.
        summary = _chosen_so_far(choices, reply.json(), chosen)
        return await show_again(visit, "/files", FormOutcome("import", fields, "", reply=summary))
    if reply.json()["status"] == "refused":
        report = reply.json()["report"]
        summary = _chosen_so_far(choices, report, chosen)
        detail = reason_in(visit.texts, report["refused"])
        outcome = FormOutcome("import", fields, detail, reply=summary)
        return await show_again(visit, "/files", outcome, status=422)
    await uploads.delete(database, visit.workspace.id, values["upload"])
    return RedirectResponse(saved_at("/files"), status_code=303)


def _params_of(values: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of the API's import; typed column mappings override chosen ones."""
    params: dict[str, Any] = {
        name: values[name] for name in (*_OPTIONS, "name") if values.get(name)
    }
    typed = [line.strip() for line in values.get("map", "").splitlines() if line.strip()]
    columns = {line.rpartition("=")[0].casefold() for line in typed}
    free = {column: field for column, field in chosen.items() if column.casefold() not in columns}
    params["map"] = [*typed, *(f"{column}={field}" for column, field in free.items() if field)]
    params["ignore"] = [column for column, field in free.items() if not field]
    for name in _MULTILINE_OPTIONS:
        params[name] = [line.strip() for line in values.get(name, "").splitlines() if line.strip()]
    params |= {"allow_rejects": "true"} if values.get("allow_rejects") == "1" else {}
    return params | ({"dry_run": "true"} if values.get("_do") != "take" else {})


async def _choices(
    visit: DashboardVisit, params: Mapping[str, Any], content: bytes
) -> ColumnChoices | None:
    """Return what may be chosen for the file's columns, None if the import will report an error."""
    try:
        query = ImportQuery.model_validate(params)
        return await find_choices(
            visit.request.app.state.database, visit.workspace.id, query.target(),
            SourceFile.of_bytes(query.name, content), query.options(),
        )  # fmt: skip
    except (ValidationError, AfterwordError):
        return None


def _chosen_so_far(
    choices: ColumnChoices | None, report: dict[str, Any] | None, chosen: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the report of a check, with the file's columns and the chosen target of each."""
    if choices is None:
        return report
    rows = [
        {"column": name, "example": example, "own": own, "becomes": chosen.get(name, own)}
        for name, example, own in choices.columns
    ]
    row_targets = {row["becomes"] for row in rows} - {""}
    targets = sorted({*choices.targets, *row_targets})
    return {**(report or {}), "choices": rows, "targets": targets}


async def _read_upload(database: Database, visit: DashboardVisit, name: str) -> bytes:
    """Return the content of a file that this workspace has sent."""
    content = await uploads.read(database, visit.workspace.id, name)
    if content is None:
        raise InvalidInput(visit.texts["file_missing"])
    return content
