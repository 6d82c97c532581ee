# SPDX-License-Identifier: Apache-2.0
"""`/s/{public_id}`: the page that anyone with the address may answer; a kiosk's too.

The form carries the id of its response, signed, and so does the address after each step: a
reload, Back and a second press are the same response.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Conflict
from app.core.http import public_path
from app.core.ids import uuid7
from app.core.json_values import property_error
from app.core.signing import SealedBox
from app.core.telemetry import VOTES
from app.invitations.votes import HoldState, SubmissionSignals
from app.pages import survey_flow
from app.pages.answer_intake import PendingResponse, respondent_caller, save
from app.pages.brand import page_style_of
from app.pages.rendering import ShowPage, languages_of
from app.pages.survey_page import (
    PageLinks,
    PostedForm,
    SurveyView,
    read_form,
    read_response_id,
    show_message,
    sign_response,
)
from app.responses.body import ResponseIn
from app.responses.cases import find_cases
from app.responses.claims import is_answered
from app.responses.ingest import Ingest
from app.responses.queries import StoredAnswers, find_stored
from app.responses.submission import SubmissionOrigin, submission_of
from app.surveys.catalogue import find_link
from app.surveys.compiled import CheckedAnswers, CompiledSurvey
from app.surveys.texts import choose_language
from app.surveys.wording import values_of
from app.workspaces.limits import require_public_rate
from app.workspaces.models import Workspace
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace

routes = APIRouter(include_in_schema=False)

_MAX_NAME_CHARACTERS = 128
_SOURCE = "src"


@dataclass(frozen=True, slots=True)
class PublicVisit:
    """A visit of a survey's own page.

    `stored` is what this respondent has answered, and `resume_address` leads to it again.
    `is_order_answered` says that the order has its answer, which is neither shown nor replaced.
    """

    ingest: Ingest
    view: SurveyView
    pending: PendingResponse
    stored: StoredAnswers
    links: PageLinks
    resume_address: str
    is_order_answered: bool

    def awaits_gesture(self, answers: Mapping[str, Any], *, is_shown: bool) -> bool:
        """Return False: the address was mailed to nobody, so no scanner chose the answer."""
        return False

    def may_send_nothing(self, posted: PostedForm) -> bool:
        """Tell whether this is the page that asks for confirmation, which posts no answers."""
        return posted.signals.asked_again

    async def store(self, answers: Mapping[str, Any], posted: PostedForm) -> StoredAnswers:
        """Store the answers; for a closed or deleted response show that the survey is over."""
        hold_state = _hold_state_of(posted.signals)
        try:
            stored = await save(
                self.ingest,
                self.pending,
                answers,
                hold_state=hold_state,
                gesture=posted.signals.moved,
            )
        except Conflict:
            over = show_message(
                self.view.locale, "over", page_style=self.view.page_style, status=409
            )
            raise ShowPage(over) from None
        VOTES.labels(hold_state or "confirmed").inc()
        return stored

    def is_doubtful(self, stored: StoredAnswers, posted: PostedForm) -> bool:
        """A scripted post without a gesture is asked to confirm."""
        return stored.state == "unverified"

    def address_of(self, step: str) -> str:
        """Return the address of a step: that of this respondent's own response."""
        return f"{self.resume_address}&{step}=1"


async def find_open_survey(request: Request, public_id: str) -> tuple[CompiledSurvey, Workspace]:
    """Return the survey of an address; raise ShowPage where it cannot be answered."""
    require_public_rate(request)
    state = request.app.state
    database: Database = state.database
    accepted = languages_of(request)
    locale = next(iter(accepted), None)
    async with database.session() as session:
        link = await find_link(session, public_id)
        if link is None:
            raise ShowPage(show_message(locale, "gone", status=404))
        workspace = await get_workspace(session, link[0])
    survey = await state.ingest.catalogue.get(link[0], str(link[1]))
    if survey is None:
        raise ShowPage(show_message(locale, "gone", status=404))
    if not survey.live:
        raise ShowPage(
            show_message(locale, "over", page_style=page_style_of(workspace), status=410)
        )
    return survey, workspace


async def _visit(request: Request, survey: CompiledSurvey, workspace: Workspace) -> PublicVisit:
    query = request.query_params
    languages = [
        query.get("lang", ""),
        *languages_of(request),
    ]
    known = _params_of_link(query, workspace.segments)
    locale = choose_language(languages, sorted(survey.locales), survey.locale)
    box: SealedBox = request.app.state.box
    response_id = read_response_id(box, survey, query.get("r", ""))
    pending, by_order = await _pending_response(
        request, survey, known, locale=locale, own=response_id
    )
    async with request.app.state.database.session() as session:
        stored = await find_stored(session, survey.workspace_id, pending.response_id)
        is_order_answered = by_order and await is_answered(session, survey, pending.body)
    kiosk = "kiosk" in known
    start = _address(survey, known)
    resume_address = _address(survey, known, r=sign_response(box, survey, pending.response_id))
    view = SurveyView(
        survey=survey,
        page_style=page_style_of(workspace),
        locale=locale,
        values=values_of(name=None, order=known.get("ref"), ticket=None, properties={}),
        kiosk=kiosk,
    )
    # Knowing the order is not proof of being the person who has answered.
    action = start if by_order else resume_address
    links = PageLinks(action=action, change=None if kiosk else resume_address, start=start)
    return PublicVisit(
        ingest=request.app.state.ingest,
        view=view,
        pending=pending,
        stored=StoredAnswers() if by_order else stored,
        links=links,
        resume_address=resume_address,
        is_order_answered=is_order_answered,
    )


def _params_of_link(query: Mapping[str, str], segments: list[str]) -> dict[str, str]:
    """Return what a link may say beside the answers: order, poster, language, declared segments."""
    params = {
        name: query[name][:_MAX_NAME_CHARACTERS]
        for name in ("ref", _SOURCE, "lang")
        if query.get(name)
    }
    for segment in segments:
        value = query.get(f"p.{segment}", "")
        if value and property_error(value) is None and "\x00" not in value:
            params[f"p.{segment}"] = value
    if query.get("kiosk") == "1":
        params["kiosk"] = "1"
    return {name: value for name, value in params.items() if "\x00" not in value}


def _address(survey: CompiledSurvey, params: Mapping[str, str], **more: str) -> str:
    query = urlencode(dict(params) | more)
    return public_path(f"/s/{survey.public_id}") + (f"?{query}" if query else "")


async def _pending_response(
    request: Request,
    survey: CompiledSurvey,
    params: Mapping[str, str],
    *,
    locale: str,
    own: UUID | None,
) -> tuple[PendingResponse, bool]:
    """Return the page of one respondent: of the response that the address names, or of a new one.

    Where the survey takes one answer per order, the order names the response; the flag says so.
    What an address says has no more trust than what a publishable key sends.
    """
    properties = {
        key.removeprefix("p."): value for key, value in params.items() if key.startswith("p.")
    }
    if _SOURCE in params:
        properties.setdefault(_SOURCE, params[_SOURCE])
    body = ResponseIn(
        survey=survey.key,
        channel="kiosk" if "kiosk" in params else "web",
        answers={},
        locale=locale,
        properties=properties or None,
        order=params.get("ref"),
    )
    caller = respondent_caller(survey.workspace_id, survey.id, scope=Scope.COLLECT)
    case = None
    if body.order:
        cases = await find_cases(request.app.state.database, survey.workspace_id, [body])
        case = cases.get(0)
    origin = SubmissionOrigin(caller=caller, now=utc_now(), case=case)
    by_order = own is None and survey.one_answer_per == "order" and body.order is not None
    if by_order:
        submission = submission_of(body, survey, origin, checked=CheckedAnswers(), customer_id=None)
        own = submission.row.id
    body.id = own or uuid7()
    return PendingResponse(survey, body, origin), by_order


@routes.get("/s/{public_id}")
async def show_open(request: Request, public_id: str) -> Response:
    """Show the survey: its main question alone, or what is left of one that was begun."""
    visit = await _visit(request, *await find_open_survey(request, public_id))
    if visit.is_order_answered:
        return show_message(visit.view.locale, "answered", page_style=visit.view.page_style)
    box, query = request.app.state.box, request.query_params
    thanks = bool(visit.stored.seq) or visit.view.kiosk
    if page := survey_flow.show_step(box, visit, query, thanks=thanks):
        return page
    if visit.view.kiosk and visit.stored.complete:
        # On a kiosk, Back must not show the answer of the person before.
        return RedirectResponse(visit.links.start or "/", status_code=303)
    return survey_flow.show_questions(box, visit, query)


def _hold_state_of(signals: SubmissionSignals) -> HoldState | None:
    """Return how to hold what was sent; no scanner opens an address that was not mailed."""
    if signals.trapped:
        return "quarantined"
    return "unverified" if signals.scripted and not signals.gesture else None


@routes.post("/s/{public_id}")
async def take_open(request: Request, public_id: str) -> Response:
    """Take an answer, whole or in part, then lead on."""
    visit = await _visit(request, *await find_open_survey(request, public_id))
    box: SealedBox = request.app.state.box
    posted = await read_form(request, box)
    if visit.is_order_answered:
        return show_message(visit.view.locale, "answered", page_style=visit.view.page_style)
    return await survey_flow.take(box, visit, posted)
