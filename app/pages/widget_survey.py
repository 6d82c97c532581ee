# SPDX-License-Identifier: Apache-2.0
"""The widget: its script, and a survey as the script reads it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.core.database import Database
from app.core.errors import AfterwordError, NotFound
from app.core.http import json_reply, problem_reply
from app.pages.brand import page_style_of
from app.pages.rendering import languages_of, serve_asset
from app.responses import widget
from app.responses.body import ResponseIn
from app.responses.claims import is_answered
from app.responses.ingest import Ingest
from app.surveys.catalogue import find_link
from app.surveys.compiled import CompiledSurvey
from app.surveys.schemas import Question
from app.surveys.texts import SurveyWords, choose_language, direction_of
from app.surveys.wording import SurveyWording, choices_of, control_of, ends_of, fill
from app.workspaces.admission import allowed_origin, public_caller
from app.workspaces.colours import DARK_PAPER, PAPER, accent
from app.workspaces.limits import require_public_rate
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

routes = APIRouter(tags=["Widget"])


class PublicSummary(BaseModel):
    """What a page learns of the answer that it sent."""

    id: UUID
    seq: int
    complete: bool


class WidgetChoice(BaseModel):
    """One choice of a question; its value is what the answer says."""

    value: bool | int | str
    label: str
    spoken: str | None = Field(
        default=None, description="What is read aloud where the label is a sign."
    )


class WidgetQuestion(BaseModel):
    """One question in one language."""

    key: str
    kind: str
    text: str
    required: bool
    choices: list[WidgetChoice]
    ends: list[str] | None = Field(description="The words at the ends of a scale.")
    foreign_ends: list[str | None] | None = Field(
        description="Their languages, null where it is the survey's."
    )
    show_if: dict[str, Any] | None = Field(description="Shown only where this holds.")


class WidgetThanks(BaseModel):
    """What is said after the answer."""

    text: str
    link_url: str | None
    link_text: str | None = None


class WidgetThankYou(BaseModel):
    """The thanks, by default and by the answer to the main question."""

    default: WidgetThanks
    by_answer: dict[str, WidgetThanks]


class WidgetSurvey(BaseModel):
    """A live survey in one language, as a page shows it."""

    survey: str = Field(description="Its public id.")
    language: str
    direction: str
    company: str
    colours: dict[str, str] | None
    intro: str | None
    words: dict[str, str]
    foreign: dict[str, str] = Field(description="Languages of words that are in another one.")
    main: str | None
    questions: list[WidgetQuestion]
    thanks: WidgetThankYou
    answered: bool = Field(description="Whether the order or ticket has had its one answer.")


CaseNumber = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00]*$",
        description="What will be answered about.",
    ),
]
_WORDS = (
    "send",
    "next",
    "optional",
    "required",
    "close",
    "later",
    "thanks_title",
    "answered_title",
    "answered",
    "over_title",
    "over",
)


@routes.get("/widget.js", include_in_schema=False)
async def show_script(request: Request) -> Response:
    """Serve the widget's script, as it was built."""
    return serve_asset(request, "widget.js", **{"Access-Control-Allow-Origin": "*"})


@routes.post(
    widget.PATH,
    summary="Submit a response from a page",
    response_model=PublicSummary,
    responses={201: {"model": PublicSummary, "description": "Stored."}},
    openapi_extra=widget.DOCUMENT,
)
async def create_widget_response(request: Request) -> Response:
    """Take an answer of the widget, or of another program that uses its contract.

    Each post carries the whole answer so far; a higher `seq` replaces what was sent before, the
    same one again changes nothing: 201 the first time, then 200. Sent as `text/plain`, the
    request needs no CORS preflight.
    """
    return await widget.take(request)


@routes.get(
    "/w/surveys/{reference}", summary="Read a survey for a page", response_model=WidgetSurvey
)
async def get_widget_survey(
    request: Request,
    reference: str,
    key: Annotated[str | None, Query(max_length=200, description="A publishable key.")] = None,
    lang: Annotated[str, Query(max_length=200, description="Language wanted.")] = "",
    order: CaseNumber = None,
    ticket: CaseNumber = None,
) -> Response:
    """Return a live survey in one language: by its public id, or with `?key=` by its key.

    `answered` tells whether the order or ticket has had the one answer that the survey takes.
    """
    headers: dict[str, str] = {"Cache-Control": "private, max-age=60", "Vary": "Origin"}
    try:
        require_public_rate(request)
        survey, workspace = await _find(request, reference, key)
        origin = request.headers.get("origin")
        if origin is not None:
            headers |= allowed_origin(workspace.allowed_origins, origin)
        if not survey.live:
            raise NotFound("This survey is over.")
        languages = [lang]
        languages += languages_of(request)
        locale = choose_language(languages, sorted(survey.locales), survey.locale)
        about = ResponseIn(
            survey=survey.key, channel="widget", answers={}, order=order, ticket=ticket
        )
        async with request.app.state.database.session() as session:
            answered = await is_answered(session, survey, about)
        body = widget_survey_of(survey, workspace, locale) | {"answered": answered}
        return json_reply(body, headers=headers)
    except AfterwordError as error:
        reply = problem_reply(error)
        reply.headers.update(headers | {"Cache-Control": "no-store"})
        if error.status != 403:
            # Every page may read the reason of an error.
            reply.headers.update(widget.cors_headers(request))
        return reply


async def _find(
    request: Request, reference: str, key: str | None
) -> tuple[CompiledSurvey, Workspace]:
    """Return a published survey; raise NotFound for an unknown one, or another key's."""
    ingest: Ingest = request.app.state.ingest
    database: Database = request.app.state.database
    caller = None
    if not reference.isprintable():
        raise NotFound("There is no such survey.")
    if key:
        caller = await public_caller(request, key)
        workspace_id, name = caller.workspace_id, reference
    else:
        async with database.session() as session:
            link = await find_link(session, reference)
        if link is None:
            raise NotFound("There is no such survey; a survey's key needs `?key=` as well.")
        workspace_id, name = link[0], str(link[1])
    survey = await ingest.catalogue.get(workspace_id, name)
    if survey is None or (caller and not caller.may_use_survey(survey.key, survey.id)):
        raise NotFound("There is no live survey of this name for this key.")
    async with database.session() as session:
        return survey, await get_workspace(session, workspace_id)


def widget_survey_of(survey: CompiledSurvey, workspace: Workspace, locale: str) -> dict[str, Any]:
    """Return a survey as the headless contract has it, in one language."""
    definition = survey.definition
    words = SurveyWords(
        locale, {str(name): texts for name, texts in definition.texts.words.items()}
    )
    wording = SurveyWording(locale, definition.default_locale, words, lambda text: fill(text, {}))
    main = definition.main_question
    colour = workspace.brand.get("colour")
    return {
        "survey": survey.public_id,
        "language": locale,
        "direction": direction_of(locale),
        "company": page_style_of(workspace).company,
        "colours": {"light": accent(colour, PAPER), "dark": accent(colour, DARK_PAPER)}
        if colour
        else None,
        "intro": wording.say(definition.texts.intro) if definition.texts.intro else None,
        "words": {name: words[name] for name in _WORDS},
        "foreign": {name: words.language for name in _WORDS if words.is_foreign(name)},
        "main": main.key if main and main.show_if is None else None,
        "questions": [_question(question, wording) for question in definition.questions],
        "thanks": _thanks(survey, wording),
    }


def _question(question: Question, wording: SurveyWording) -> dict[str, Any]:
    choices = [
        {"value": choice.answer, "label": choice.label}
        | ({"spoken": choice.spoken} if choice.spoken else {})
        for choice in choices_of(question, wording)
    ]
    if question.allow_na:
        choices.append({"value": "na", "label": wording.words["na"]})
    ends = ends_of(question)
    return {
        "key": question.key,
        "kind": control_of(question),
        "text": wording.say(question.text),
        "required": question.required,
        "choices": choices,
        "ends": [wording.words[end] for end in ends] if ends else None,
        "foreign_ends": [
            wording.words.language if wording.words.is_foreign(end) else None for end in ends
        ]
        if ends
        else None,
        "show_if": question.show_if.model_dump() if question.show_if else None,
    }


def _thanks(survey: CompiledSurvey, wording: SurveyWording) -> dict[str, Any]:
    """Return the thanks: the default, and those that go with an answer's band."""
    texts = survey.definition.texts.thank_you
    thanks: dict[str, Any] = {
        band: {
            "text": wording.say(own.text),
            "link_url": own.link_url,
            "link_text": wording.say(own.link_text) if own.link_text else own.link_url,
        }
        for band, own in texts.items()
    }
    default = thanks.get("default") or {"text": wording.words["thanks"], "link_url": None}
    main = survey.definition.main_question
    by_answer = {}
    for choice in choices_of(main, wording) if main else []:
        band = survey.check({main.key: choice.answer}, complete=False).band if main else None
        if band in thanks:
            by_answer[choice.value] = thanks[band]
    return {"default": default, "by_answer": by_answer}
