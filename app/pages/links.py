# SPDX-License-Identifier: Apache-2.0
"""Ways to a survey: its addresses, QR codes, and a poster to print."""

import io
from typing import Annotated
from urllib.parse import urlencode

import segno
from fastapi import APIRouter, Path, Query, Request
from markupsafe import Markup
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, Response

from app.core.errors import Conflict
from app.core.routing import SessionDep, router
from app.core.settings import Settings
from app.pages.brand import page_style_of
from app.pages.open_page import find_open_survey
from app.pages.rendering import render_page
from app.surveys import service as surveys
from app.surveys.models import Survey
from app.surveys.schemas import SurveyStatus
from app.surveys.texts import SurveyWords, choose_language
from app.surveys.wording import SurveyWording, fill
from app.workspaces.admission import Reader

routes = router("Surveys")
pages = APIRouter(include_in_schema=False)

_MAX_SOURCE_CHARACTERS, _MAX_LANGUAGE_CHARACTERS = 64, 35
LinkReference = Annotated[str, Path(min_length=1, max_length=64, description="Id or key.")]
Source = Annotated[
    str | None,
    Query(
        max_length=_MAX_SOURCE_CHARACTERS,
        description="Where the code will hang; answers bear it as `src`.",
    ),
]
Language = Annotated[
    str | None, Query(max_length=_MAX_LANGUAGE_CHARACTERS, description="Language of the page.")
]


class LinksOut(BaseModel):
    """The addresses of a published survey."""

    page: str = Field(description="Anyone may answer here; `?ref=` names an order.")
    embed: str = Field(description="What a shop pastes; put its publishable key in.")
    qr: str = Field(description="The page's QR code as SVG; `?src=` says where it will hang.")
    email_preview: str = Field(description="The survey's mail; `?lang=` chooses its language.")
    kiosk: str = Field(description="The page for a shared screen.")
    poster: str = Field(description="A page to print, with the QR code.")


def _page_url(settings: Settings, public_id: str, **query: str | None) -> str:
    query_string = urlencode({name: value for name, value in query.items() if value})
    return f"{settings.base_url}/s/{public_id}" + (f"?{query_string}" if query_string else "")


async def _find_published(session: SessionDep, caller: Reader, reference: str) -> Survey:
    survey, *_ = await surveys.read(session, caller, reference)
    if survey.status == SurveyStatus.DRAFT:
        detail = f"The survey `{reference[:64]}` is a draft; publish it first."
        raise Conflict(detail)
    return survey


@routes.get("/v1/surveys/{survey}/links", summary="Links of a survey")
async def get_survey_links(
    request: Request, session: SessionDep, caller: Reader, survey: LinkReference
) -> LinksOut:
    """Return where a survey can be answered."""
    settings: Settings = request.app.state.settings
    survey_row = await _find_published(session, caller, survey)
    url = _page_url(settings, survey_row.public_id)
    script = (
        f'<script async src="{settings.base_url}/widget.js" data-key="pk_…" '
        f'data-survey="{survey_row.key}"></script>'
    )
    own = f"{settings.base_url}/v1/surveys/{survey_row.key}"
    return LinksOut(
        page=url,
        embed=script,
        qr=f"{own}/qr.svg",
        email_preview=f"{own}/email-preview",
        kiosk=_page_url(settings, survey_row.public_id, kiosk="1"),
        poster=f"{settings.base_url}/s/{survey_row.public_id}/poster",
    )


@routes.get(
    "/v1/surveys/{survey}/qr.svg",
    summary="QR code of a survey",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string"}} for kind in ("image/svg+xml", "text/xml")
            },
            "description": "The code, as SVG.",
        }
    },
)
async def get_survey_qr_code(
    request: Request,
    session: SessionDep,
    caller: Reader,
    survey: LinkReference,
    src: Source = None,
    lang: Language = None,
) -> Response:
    """Return the QR code of the survey's page; as `text/xml` where that alone is accepted."""
    survey_row = await _find_published(session, caller, survey)
    url = _page_url(request.app.state.settings, survey_row.public_id, src=src, lang=lang)
    is_text_xml = request.headers.get("accept", "").strip() == "text/xml"
    kind = "text/xml" if is_text_xml else "image/svg+xml"
    return Response(_code(url, xmldecl=True), media_type=kind)


def _code(url: str, *, xmldecl: bool = False) -> str:
    """Draw an address; a quarter of the code may be dirty (level Q)."""
    buffer = io.BytesIO()
    segno.make(url, error="q", micro=False).save(
        buffer, kind="svg", scale=8, border=4, light="#fff", xmldecl=xmldecl, omitsize=not xmldecl,
        title=None if xmldecl else url,
    )  # fmt: skip
    return buffer.getvalue().decode()


@pages.get("/s/{public_id}/poster")
async def show_poster(
    request: Request, public_id: str, src: str = "", lang: str = ""
) -> HTMLResponse:
    """Show a poster with the QR code, to print; invalid parameters are ignored."""
    src, lang = (wish if len(wish) <= most and wish.isprintable() else "" for wish, most in
                 ((src, _MAX_SOURCE_CHARACTERS), (lang, _MAX_LANGUAGE_CHARACTERS)))  # fmt: skip
    survey, workspace = await find_open_survey(request, public_id)
    definition = survey.definition
    locale = choose_language([lang], sorted(survey.locales), survey.locale)
    words = SurveyWords(locale, {})
    question = definition.main_question or definition.questions[0]
    wording = SurveyWording(locale, survey.locale, words, lambda text: fill(text, {}))
    url = _page_url(request.app.state.settings, public_id, src=src, lang=lang)
    return render_page(
        "poster.html",
        lang=locale,
        title=words["scan"],
        page_style=page_style_of(workspace),
        question=wording.say(question.text),
        url=_page_url(request.app.state.settings, public_id),
        # Drawn by segno from an address of our own.
        code=Markup(_code(url)),  # noqa: S704 - an image of our own
        words=words,
    )
