# SPDX-License-Identifier: Apache-2.0
"""What a draft would look like: its page, its mail and the widget. No answer to it is stored.

The draft is named by the address: `saved.pl` for the saved one in Polish, or the id under which
one was kept as it stood in the editor. So the page, the mail and the widget's script, with what it
asks for, see the same draft.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import InvalidInput, NotFound
from app.core.http import json_reply, public_path
from app.core.ids import as_uuid
from app.core.routing import SessionDep, router
from app.core.settings import Settings
from app.invitations.invitation_mails import sender_of
from app.invitations.mail_content import Addressee, Links, MailContent
from app.pages import widget_survey
from app.pages.brand import page_style_of
from app.pages.dashboard.drafts import read_draft
from app.pages.dashboard.visit import ApiVisitDep
from app.pages.rendering import MAIL_POLICY, render_page, serve_asset
from app.pages.survey_page import PageLinks, SurveyView, show_form
from app.surveys import previews
from app.surveys import service as surveys
from app.surveys.compiled import CompiledSurvey, IdDerivation
from app.surveys.models import Survey
from app.surveys.schemas import Definition, SurveyStatus
from app.workspaces.scopes import Scope

routes = router("Dashboard")

PreviewKind = Literal["page", "mail", "widget"]
_SAVED = "saved."
_ADDRESS = "/surveys/{survey}/preview/{name}"


@routes.get("/surveys/{survey}/preview", include_in_schema=False)
async def show_saved_draft(
    visit: ApiVisitDep, survey: str, show: PreviewKind = "page", lang: str = ""
) -> Response:
    """Lead to the preview of the draft as it is saved."""
    survey_row = await surveys.find(visit.session, visit.workspace.id, survey)
    return _lead_to(survey_row.key, f"{_SAVED}{lang[:20]}", show)


@routes.post("/surveys/{survey}/preview", include_in_schema=False)
async def show_typed_draft(visit: ApiVisitDep, session: SessionDep, survey: str) -> Response:
    """Lead to the preview of what stands in the editor's form."""
    visit.require(Scope.ADMIN)
    fields = await visit.read_all_fields()
    form = {name: values[-1] for name, values in fields.items()}
    saved = await visit.api.get(f"/v1/surveys/{survey}")
    try:
        definition = Definition.model_validate(read_draft(form, saved))
    except ValidationError as error:
        return Response(str(error.errors()[0]["msg"]), status_code=422, media_type="text/plain")
    survey_row = await surveys.find(visit.session, visit.workspace.id, survey)
    preview_id = previews.keep(session, survey_row, definition, form.get("lang", "")[:20])
    return _lead_to(survey_row.key, str(preview_id), form.get("show", "page"))


def _lead_to(survey: str, name: str, show: str) -> RedirectResponse:
    kind = show if show in get_args(PreviewKind) else "page"
    return RedirectResponse(
        public_path(f"{_ADDRESS.format(survey=survey, name=quote(name))}/{kind}"), status_code=303
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """A draft to be shown in one language, and the address below which it is shown."""

    survey: CompiledSurvey
    locale: str
    address: str


async def _open_preview(visit: ApiVisitDep, session: SessionDep, survey: str, name: str) -> Preview:
    survey_row = await surveys.find(session, visit.workspace.id, survey)
    definition, lang = await _read(session, survey_row, name)
    compiled = CompiledSurvey(
        workspace_id=visit.workspace.id, survey_id=survey_row.id, key=survey_row.key,
        public_id=survey_row.public_id, status=SurveyStatus.DRAFT,
        version=survey_row.latest_version,
        definition=definition, derivation=IdDerivation(b"", None),
    )  # fmt: skip
    locale = lang if lang in compiled.locales else definition.default_locale
    return Preview(
        compiled, locale, public_path(_ADDRESS.format(survey=survey_row.key, name=quote(name)))
    )


async def _read(session: AsyncSession, survey: Survey, name: str) -> tuple[Definition, str]:
    """Return the draft that an address names, and the language it is shown in."""
    if name.startswith(_SAVED):
        definition = await surveys.definition_of(session, survey, survey.latest_version)
        return definition, name.removeprefix(_SAVED)
    preview_id = as_uuid(name)
    preview = await previews.find(session, survey, preview_id) if preview_id else None
    if preview is None:
        raise NotFound("This preview is over; open it from the editor again.")
    return preview


PreviewDep = Annotated[Preview, Depends(_open_preview)]


@routes.get(_ADDRESS + "/page", include_in_schema=False)
async def show_page(visit: ApiVisitDep, request: Request, preview: PreviewDep) -> Response:
    """Show the survey's page with all of its questions."""
    view = SurveyView(preview.survey, page_style_of(visit.workspace), preview.locale, {})
    links = PageLinks(action=f"{preview.address}/sent")
    questions = preview.survey.definition.questions
    return show_form(request.app.state.box, view, links, answers={}, questions=questions)


@routes.post(_ADDRESS + "/sent", include_in_schema=False)
async def take_page(_visit: ApiVisitDep, preview: PreviewDep) -> Response:
    """Take what the page's own form sends: nothing is stored."""
    return RedirectResponse(f"{preview.address}/page", status_code=303)


@routes.get(_ADDRESS + "/mail", include_in_schema=False)
async def show_mail(visit: ApiVisitDep, request: Request, preview: PreviewDep) -> Response:
    """Show the mail's HTML; its links lead nowhere."""
    settings: Settings = request.app.state.settings
    addressee = Addressee(
        invitation_id=preview.survey.id, email="preview@example.com", name=None,
        locale=preview.locale, order=None, ticket=None, properties={},
    )  # fmt: skip
    content = MailContent(
        preview.survey.definition, addressee, sender=sender_of(visit.workspace, settings),
        links=Links(settings.base_url, "preview"),
    )  # fmt: skip
    return HTMLResponse(content.html, headers={"Content-Security-Policy": MAIL_POLICY})


@routes.get(_ADDRESS + "/widget", include_in_schema=False)
async def show_widget(visit: ApiVisitDep, preview: PreviewDep) -> Response:
    """Show a page with the widget in it, which asks this preview for its survey."""
    return render_page(
        "widget_preview.html", lang=preview.locale, title=visit.texts["preview"],
        page_style=page_style_of(visit.workspace), survey=preview.survey.key, base=preview.address,
    )  # fmt: skip


@routes.get(_ADDRESS + "/widget.js", include_in_schema=False)
async def show_script(_visit: ApiVisitDep, request: Request, _preview: PreviewDep) -> Response:
    """Serve the widget's script below the preview's address, which the script then calls."""
    return serve_asset(request, "widget.js")


class WidgetQuery(BaseModel):
    """What the widget says when it asks for a survey; a preview has its own language."""

    key: str = ""
    lang: str = ""


@routes.get(_ADDRESS + "/w/surveys/{reference}", include_in_schema=False)
async def show_to_widget(
    visit: ApiVisitDep,
    preview: PreviewDep,
    reference: str,
    _asked: Annotated[WidgetQuery, Query()],
) -> Response:
    """Show the draft as the widget reads a survey."""
    if reference != preview.survey.key:
        raise NotFound("There is no such survey in this preview.")
    body = widget_survey.widget_survey_of(preview.survey, visit.workspace, preview.locale)
    return json_reply(body | {"answered": False})


@routes.post(_ADDRESS + "/w/responses", include_in_schema=False)
async def take_widget(_visit: ApiVisitDep, request: Request, _preview: PreviewDep) -> Response:
    """Take what the widget sends: nothing is stored."""
    try:
        sent = json.loads(await request.body())
        summary = {"id": str(UUID(sent["id"])), "seq": sent["seq"], "complete": sent["complete"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput.at("body", msg="is not what the widget sends") from None
    return json_reply(summary)
