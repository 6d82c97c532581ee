"""What a draft would look like: its page, its mail and the widget. Nothing of it is stored.

The draft that is shown, as saved or as it stands in the editor, is carried by the address itself,
signed; so the page, the widget's script and what it asks for see the same one.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import InvalidInput, NotFound
from app.core.http import at, json_reply
from app.core.routing import router
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.invitations.letter import Addressee, Letter, Links
from app.invitations.sending import sender_of
from app.pages import embedding
from app.pages.brand import look_of
from app.pages.dashboard.drafts import read_draft
from app.pages.dashboard.sessions import ConsoleDep
from app.pages.rendering import asset, page
from app.pages.showing import PageLinks, SurveyView, show_form
from app.surveys import service as surveys
from app.surveys.compiled import CompiledSurvey, Derivation
from app.surveys.schemas import Definition, Status

routes = router("Dashboard")

Shown = Literal["page", "mail", "widget"]
_PURPOSE = "survey.preview"
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'"
)
_ADDRESS = "/surveys/{survey}/preview/{token}"


@routes.get("/surveys/{survey}/preview", include_in_schema=False)
async def show_saved_draft(
    visit: ConsoleDep, request: Request, survey: str, show: Shown = "page", lang: str = ""
) -> Response:
    """Lead to the preview of the draft as it is saved."""
    saved = await visit.api.get(f"/v1/surveys/{survey}")
    names = set(Definition.model_fields)
    definition = Definition.model_validate({k: v for k, v in saved.items() if k in names})
    return _lead_to(request, survey, definition, show, lang)


@routes.post("/surveys/{survey}/preview", include_in_schema=False)
async def show_typed_draft(visit: ConsoleDep, request: Request, survey: str) -> Response:
    """Lead to the preview of what stands in the editor's form."""
    fields = await visit.read_all_fields()
    form = {name: values[-1] for name, values in fields.items()}
    saved = await visit.api.get(f"/v1/surveys/{survey}")
    try:
        definition = Definition.model_validate(read_draft(form, saved))
    except ValidationError as error:
        return Response(str(error.errors()[0]["msg"]), status_code=422, media_type="text/plain")
    return _lead_to(request, survey, definition, form.get("show", "page"), form.get("lang", ""))


def _lead_to(
    request: Request, survey: str, definition: Definition, show: str, lang: str
) -> RedirectResponse:
    document = {"definition": definition.model_dump(mode="json"), "lang": lang[:20]}
    box: SealedBox = request.app.state.box
    token = box.sign(_PURPOSE, zlib.compress(json.dumps(document).encode(), 9))
    address = _ADDRESS.format(survey=survey, token=token)
    return RedirectResponse(at(f"{address}/{show}"), status_code=303)


@dataclass(frozen=True, slots=True)
class Preview:
    """A draft to be shown in one language, and the address below which it is shown."""

    survey: CompiledSurvey
    locale: str
    address: str


async def _open(visit: ConsoleDep, request: Request, survey: str, token: str) -> Preview:
    box: SealedBox = request.app.state.box
    content = box.signed(_PURPOSE, token)
    if content is None:
        raise NotFound("There is no such preview; open it from the editor again.")
    document: Mapping[str, Any] = json.loads(zlib.decompress(content))
    definition = Definition.model_validate(document["definition"])
    found = await surveys.find(visit.session, visit.workspace.id, survey)
    compiled = CompiledSurvey(
        workspace_id=visit.workspace.id, survey_id=found.id, key=found.key,
        public_id=found.public_id, status=Status.DRAFT, version=found.latest_version,
        definition=definition, derivation=Derivation(b"", None),
    )  # fmt: skip
    lang = document["lang"]
    locale = lang if lang in compiled.locales else definition.default_locale
    return Preview(compiled, locale, at(_ADDRESS.format(survey=survey, token=token)))


PreviewDep = Annotated[Preview, Depends(_open)]


@routes.get(_ADDRESS + "/page", include_in_schema=False)
async def show_page(visit: ConsoleDep, request: Request, preview: PreviewDep) -> Response:
    """Show the survey's page with all of its questions."""
    view = SurveyView(preview.survey, look_of(visit.workspace), preview.locale, {})
    links = PageLinks(action=f"{preview.address}/sent")
    questions = preview.survey.definition.questions
    return show_form(request.app.state.box, view, links, answers={}, questions=questions)


@routes.post(_ADDRESS + "/sent", include_in_schema=False)
async def take_page(_visit: ConsoleDep, preview: PreviewDep) -> Response:
    """Take what the page's own form sends: nothing is stored."""
    return RedirectResponse(f"{preview.address}/page", status_code=303)


@routes.get(_ADDRESS + "/mail", include_in_schema=False)
async def show_mail(visit: ConsoleDep, request: Request, preview: PreviewDep) -> Response:
    """Show the mail's HTML; its links lead nowhere."""
    settings: Settings = request.app.state.settings
    addressee = Addressee(
        invitation_id=preview.survey.id, email="preview@example.com", name=None,
        locale=preview.locale, order=None, ticket=None, properties={},
    )  # fmt: skip
    letter = Letter(
        preview.survey.definition, addressee, sender=sender_of(visit.workspace, settings),
        links=Links(settings.base_url, "preview"),
    )  # fmt: skip
    return HTMLResponse(letter.html, headers={"Content-Security-Policy": _MAIL_POLICY})


@routes.get(_ADDRESS + "/widget", include_in_schema=False)
async def show_widget(visit: ConsoleDep, preview: PreviewDep) -> Response:
    """Show a page with the widget in it, which asks this preview for its survey."""
    return page(
        "widget_preview.html", lang=preview.locale, title=visit.texts["preview"],
        look=look_of(visit.workspace), survey=preview.survey.key, base=preview.address,
    )  # fmt: skip


@routes.get(_ADDRESS + "/widget.js", include_in_schema=False)
async def show_script(_visit: ConsoleDep, request: Request, _preview: PreviewDep) -> Response:
    """Serve the widget's script from where it is to ask."""
    return asset(request, "widget.js")


class WidgetQuery(BaseModel):
    """What the widget says when it asks for a survey; a preview has its own language."""

    key: str = ""
    lang: str = ""


@routes.get(_ADDRESS + "/w/surveys/{reference}", include_in_schema=False)
async def show_to_widget(
    visit: ConsoleDep,
    preview: PreviewDep,
    reference: str,
    _asked: Annotated[WidgetQuery, Query()],
) -> Response:
    """Show the draft as the widget reads a survey."""
    if reference != preview.survey.key:
        raise NotFound("There is no such survey in this preview.")
    shown = embedding.shown(preview.survey, visit.workspace, preview.locale)
    return json_reply(shown | {"answered": False})


@routes.post(_ADDRESS + "/w/responses", include_in_schema=False)
async def take_widget(_visit: ConsoleDep, request: Request, _preview: PreviewDep) -> Response:
    """Take what the widget sends: nothing is stored."""
    try:
        sent = json.loads(await request.body())
        summary = {"id": str(UUID(sent["id"])), "seq": sent["seq"], "complete": sent["complete"]}
    except (ValueError, KeyError, TypeError):
        raise InvalidInput.at("body", msg="is not what the widget sends") from None
    return json_reply(summary)
