"""`/i/{token}`: the page of an invited customer. A GET records no answer that counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Conflict, InvalidInput
from app.core.http import at
from app.core.signing import SealedBox
from app.core.telemetry import VOTES
from app.invitations import service as invitations
from app.invitations.letter import TRAP
from app.invitations.models import Invitation
from app.invitations.sending import live_survey
from app.invitations.votes import (
    HitKind,
    HoldState,
    LinkHit,
    SubmissionSignals,
    hits_of,
    judge_opening,
    judge_scores,
    judge_sending,
)
from app.pages.answering import StoredAnswers, find_stored, invited_page, is_editable, save
from app.pages.brand import look_of
from app.pages.form import answer_of_link, answers_of, prefilled
from app.pages.rendering import ShowPage, asks_only_for_headers
from app.pages.showing import (
    PageLinks,
    PostedForm,
    SurveyView,
    lacking,
    questions_for,
    read_form,
    show_again,
    show_form,
    show_message,
    show_thanks,
)
from app.responses.batch_writing import Ingest
from app.surveys.wording import values_of
from app.surveys.words import accepted_languages, choose_language
from app.workspaces.limits import require_public_rate
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class InvitedVisit:
    """An invited customer's visit; `asking` is None where the survey takes no more answers."""

    invitation: Invitation
    workspace: Workspace
    asking: SurveyView | None
    stored: StoredAnswers
    place: PageLinks

    def open(self) -> SurveyView:
        """Return the survey being asked; Instead, where that is over, a page that says so."""
        if self.asking is None:
            raise self.over(status=410)
        return self.asking

    def over(self, *, status: int) -> ShowPage:
        """Return the page that says that the survey takes no more answers."""
        look = look_of(self.workspace)
        name = "deleted" if self.stored.state == "deleted" else "over"
        return ShowPage(
            show_message(self.invitation.locale, name, look=look, status=status, place=self.place)
        )


async def find_visit(request: Request, token: str, *, limited: bool = True) -> InvitedVisit:
    """Return what a link leads to; Instead, where it is none of ours, a page that says so."""
    if limited:
        require_public_rate(request)
    database: Database = request.app.state.database
    async with database.session() as session:
        invitation = await invitations.find_by_token(session, token)
        if invitation is None:
            raise ShowPage(_no_such_link(request))
        survey = await live_survey(session, invitation.workspace_id, invitation.survey_id)
        workspace = await get_workspace(session, invitation.workspace_id)
        stored = await find_stored(session, invitation.workspace_id, invitation.id)
    asking = None
    is_open = is_editable(invitation, now=utc_now()) and stored.state != "deleted"
    if survey is not None and is_open:
        wanted = [request.query_params.get("lang", ""), invitation.locale or ""]
        wanted += accepted_languages(request.headers.get("accept-language", ""))
        asking = SurveyView(
            survey=survey,
            look=look_of(workspace),
            locale=choose_language(wanted, sorted(survey.locales), survey.locale),
            values=values_of(
                name=invitation.name,
                order=invitation.order_ref,
                ticket=invitation.ticket,
                properties=invitation.context.get("properties", {}),
            ),
        )
    place = PageLinks(
        action=at(f"/i/{token}"),
        trap=at(f"/i/{token}/{TRAP}"),
        unsubscribe=at(f"/u/{token}"),
        data=at(f"/i/{token}/data"),
        change=at(f"/i/{token}"),
    )
    return InvitedVisit(invitation, workspace, asking, stored, place)


def _no_such_link(request: Request) -> HTMLResponse:
    accepted = accepted_languages(request.headers.get("accept-language", ""))
    return show_message(next(iter(accepted), None), "gone", status=404)


@routes.get("/i/{token}")
async def show_invited(request: Request, token: str) -> Response:
    """Show the survey, with what was answered before."""
    visit = await find_visit(request, token)
    asking = visit.open()
    box: SealedBox = request.app.state.box
    query = request.query_params
    if "again" in query and not visit.stored.counts and visit.stored.seq:
        return show_again(box, asking, visit.place)
    if "done" in query and visit.stored.seq:
        return show_thanks(asking, visit.stored.band, visit.place)
    if not asks_only_for_headers(request):
        await _note(request, visit, LinkHit(HitKind.OPENED, utc_now()))
    answers = prefilled(asking.survey.definition, query) | visit.stored.answers
    return _form(box, visit, asking, answers, follows="next" in query)


@routes.get("/i/{token}/{score}")
async def show_invited_score(request: Request, token: str, score: str) -> Response:
    """Show the survey with a score chosen; the click is kept as provisional and counts nowhere."""
    visit = await find_visit(request, token)
    asking = visit.open()
    main = asking.survey.definition.main_question
    chosen = None
    if main is not None and score.isdecimal() and len(score) < 4:
        chosen = answer_of_link(main, int(score))
    given = {main.key: chosen} if main is not None and chosen is not None else {}
    if not asks_only_for_headers(request):
        await _open(request, visit, int(score) if given else None, score == TRAP, given)
    answers = visit.stored.answers | given
    return _form(request.app.state.box, visit, asking, answers, follows=False)


async def _open(
    request: Request,
    visit: InvitedVisit,
    score: int | None,
    trapped: bool,
    given: Mapping[str, Any],
) -> None:
    """Keep a click on a score, or on the hidden link, as what it is worth."""
    now = utc_now()
    hit = LinkHit(HitKind.TRAP if trapped else HitKind.OPENED, now, score)
    hits = await _note(request, visit, hit)
    held: HoldState = "quarantined" if trapped else judge_opening(hits, now=now)
    if visit.stored.counts or not (given or visit.stored.seq):
        return
    await _save(request, visit, given, held)


def _form(
    box: SealedBox,
    visit: InvitedVisit,
    asking: SurveyView,
    answers: Mapping[str, Any],
    *,
    follows: bool,
) -> HTMLResponse:
    questions, answered = questions_for(asking, answers, follows=follows)
    main = asking.survey.definition.main_question
    awaited = main is not None and main in questions and answers.get(main.key) is not None
    changed = main is not None and answers.get(main.key) != visit.stored.answers.get(main.key)
    return show_form(
        box,
        asking,
        visit.place,
        answers=answers,
        questions=questions,
        answered=answered,
        confirm=main.key if main and awaited and (changed or not visit.stored.counts) else None,
    )


async def _note(request: Request, visit: InvitedVisit, hit: LinkHit) -> list[LinkHit]:
    """Remember a use of the link under the invitation's lock; return the last ones."""
    database: Database = request.app.state.database
    async with database.transaction() as session:
        workspace_id, id_ = visit.invitation.workspace_id, visit.invitation.id
        current = await invitations.get(session, workspace_id, id_, lock=True)
        if hit.kind is HitKind.OPENED:
            await invitations.note_opened(session, current)
        return await invitations.note_hit(session, current, hit)


@routes.post("/i/{token}")
async def take_invited(request: Request, token: str) -> Response:
    """Take an answer, whole or in part, then lead on: a reload posts nothing again."""
    visit = await find_visit(request, token)
    asking = visit.open()
    posted = await read_form(request, request.app.state.box)
    given = _given(asking, posted)
    answers = visit.stored.answers | given
    wrong = lacking(asking, answers, posted.asked)
    if not posted.is_first_gesture and (wrong or not (given or visit.stored.seq)):
        return _refuse(request, visit, asking, answers, posted, wrong)
    now = utc_now()
    hits = await _note(
        request, visit, LinkHit(HitKind.SENT, now, _score(asking, given), posted.signs.moved)
    )
    held = judge_sending(hits, posted.signs, now=now)
    if not given and not posted.is_ours:
        # Nothing at all was sent: that confirms nothing.
        held = held or "unverified"
    try:
        stored = await _save(request, visit, given, held, signs=posted.signs)
    except InvalidInput as error:
        unfit = [str(e["loc"][2]) for e in error.errors if len(e["loc"]) > 2]
        wrong = lacking(asking, answers, posted.asked, unfit)
        return _refuse(request, visit, asking, answers, posted, wrong)
    if posted.is_first_gesture:
        return Response(status_code=204)
    doubtful = stored.state in {"unverified", "quarantined"} and not (
        posted.signs.trapped or posted.signs.asked_again
    )
    step = "again" if doubtful else "done" if stored.complete else "next"
    return RedirectResponse(at(f"/i/{token}?{step}=1"), status_code=303)


def _given(asking: SurveyView, posted: PostedForm) -> dict[str, Any]:
    definition = asking.survey.definition
    asked = posted.asked
    if posted.is_first_gesture:
        # The rest is still being written.
        asked = [definition.main_question.key] if definition.main_question else []
    return answers_of(definition, posted.fields, asked)


def _score(asking: SurveyView, given: Mapping[str, Any]) -> int | None:
    """Return the number of the main answer, to tell one who tries them all."""
    main = asking.survey.definition.main_question
    if main is None or given.get(main.key) is None:
        return None
    try:
        return asking.survey.check({main.key: given[main.key]}, complete=False).score
    except InvalidInput:
        return None


async def _save(
    request: Request,
    visit: InvitedVisit,
    given: Mapping[str, Any],
    held: HoldState | None,
    *,
    signs: SubmissionSignals | None = None,
) -> StoredAnswers:
    """Store what was sent, or, without `signs` of a sender, what a link that was opened says."""
    ingest: Ingest = request.app.state.ingest
    page = invited_page(visit.invitation, visit.open().survey)
    opened = signs is None
    signs = signs or SubmissionSignals()
    try:
        stored = await save(ingest, page, given, held=held, gesture=signs.moved, opened=opened)
    except Conflict:
        raise visit.over(status=409) from None
    VOTES.labels(held or "confirmed").inc()
    if stored.counts:
        async with ingest.database.transaction() as session:
            workspace_id, id_ = visit.invitation.workspace_id, visit.invitation.id
            found = await invitations.get(session, workspace_id, id_, lock=True)
            await invitations.note_answered(session, found)
            hits = hits_of(found.hits)
        # Another score may have been sent while this one was being stored.
        if judge_scores(hits, signs, now=utc_now()) and not signs.asked_again:
            return await save(ingest, page, {}, held="quarantined", gesture=signs.moved)
    return stored


def _refuse(
    request: Request,
    visit: InvitedVisit,
    asking: SurveyView,
    answers: Mapping[str, Any],
    posted: PostedForm,
    wrong: Mapping[str, str],
) -> HTMLResponse:
    """Show the same questions again, saying which answers do not do."""
    definition = asking.survey.definition
    questions = [q for q in definition.questions if q.key in posted.asked or q.key in wrong]
    if not questions:
        questions, _ = questions_for(asking, answers, follows=False)
        wrong = wrong or {questions[0].key: "required"}
    return show_form(
        request.app.state.box, asking, visit.place, answers=answers, questions=questions,
        wrong=wrong,
    )  # fmt: skip
