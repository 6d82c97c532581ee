# SPDX-License-Identifier: Apache-2.0
"""`/i/{token}`: the page of an invited customer. A GET records no answer that counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import HTMLResponse, Response

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Conflict, InvalidInput
from app.core.http import public_path
from app.core.signing import SealedBox
from app.core.telemetry import VOTES
from app.invitations import service as invitations
from app.invitations.invitation_mails import find_live_survey
from app.invitations.mail_content import TRAP
from app.invitations.models import Invitation
from app.invitations.votes import (
    HitKind,
    HoldState,
    LinkHit,
    SubmissionSignals,
    has_too_many_scores,
    hits_of,
    hold_state_of_answer,
    hold_state_of_opening,
)
from app.pages import survey_flow
from app.pages.answer_intake import is_editable, pending_response_of, save
from app.pages.brand import page_style_of
from app.pages.rendering import ShowPage, asks_only_for_headers, languages_of
from app.pages.survey_form import answer_of_link
from app.pages.survey_page import PageLinks, PostedForm, SurveyView, read_form, show_message
from app.responses.ingest import Ingest
from app.responses.queries import StoredAnswers, find_stored
from app.surveys.texts import choose_language
from app.surveys.wording import values_of
from app.workspaces.limits import require_public_rate
from app.workspaces.models import Workspace
from app.workspaces.service import get_workspace

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class InvitedPerson:
    """Who a link belongs to; `view` is None where the survey takes no more answers."""

    invitation: Invitation
    workspace: Workspace
    view: SurveyView | None
    stored: StoredAnswers
    links: PageLinks

    def closed_page(self, *, status: int) -> ShowPage:
        """Return the page that says that the survey takes no more answers."""
        page_style = page_style_of(self.workspace)
        name = "deleted" if self.stored.state == "deleted" else "over"
        return ShowPage(
            show_message(
                self.invitation.locale, name, page_style=page_style, status=status, links=self.links
            )
        )


@dataclass(frozen=True, slots=True)
class InvitedVisit:
    """An invited person's visit of a survey that can still be answered."""

    ingest: Ingest
    person: InvitedPerson
    view: SurveyView

    @property
    def stored(self) -> StoredAnswers:
        """What was answered before."""
        return self.person.stored

    @property
    def links(self) -> PageLinks:
        """Where the page leads."""
        return self.person.links

    def awaits_gesture(self, answers: Mapping[str, Any], *, is_shown: bool) -> bool:
        """Tell whether a link chose the score, and a person has not confirmed it yet."""
        main = self.view.survey.definition.main_question
        if main is None or not is_shown or answers.get(main.key) is None:
            return False
        changed = answers.get(main.key) != self.stored.answers.get(main.key)
        return changed or not self.stored.counts

    def may_send_nothing(self, posted: PostedForm) -> bool:
        """Tell whether a post without answers confirms a score that a link stored."""
        return bool(self.stored.seq)

    async def store(self, answers: Mapping[str, Any], posted: PostedForm) -> StoredAnswers:
        """Store what was sent, held if what was done with the link does not show a person."""
        now = utc_now()
        hit = LinkHit(HitKind.SENT, now, _score(self.view, answers), posted.signals.moved)
        hits = await self.note(hit)
        hold_state = hold_state_of_answer(hits, posted.signals, now=now)
        if not answers and not posted.is_ours:
            # A post without answers that is not from our form confirms nothing.
            hold_state = hold_state or "unverified"
        return await self._save(answers, hold_state, signals=posted.signals)

    def is_doubtful(self, stored: StoredAnswers, posted: PostedForm) -> bool:
        """Tell whether to ask for confirmation: the sender may be a program, and was not asked."""
        is_held = stored.state in {"unverified", "quarantined"}
        return is_held and not (posted.signals.trapped or posted.signals.asked_again)

    def address_of(self, step: str) -> str:
        """Return the address of a step."""
        return f"{self.links.action}?{step}=1"

    async def note(self, hit: LinkHit) -> list[LinkHit]:
        """Remember a use of the link under the invitation's lock; return the last ones."""
        async with self.ingest.database.transaction() as session:
            current = await self._lock(session)
            if hit.kind is HitKind.OPENED:
                await invitations.note_opened(session, current)
            return await invitations.note_hit(session, current, hit)

    async def open_score(
        self, score: int | None, answers: Mapping[str, Any], *, trapped: bool
    ) -> None:
        """Store a click on a score or on the hidden link with the trust that it deserves."""
        now = utc_now()
        hits = await self.note(LinkHit(HitKind.TRAP if trapped else HitKind.OPENED, now, score))
        hold_state: HoldState = "quarantined" if trapped else hold_state_of_opening(hits, now=now)
        if self.stored.counts or not (answers or self.stored.seq):
            return
        await self._save(answers, hold_state)

    async def _lock(self, session: AsyncSession) -> Invitation:
        invitation = self.person.invitation
        return await invitations.get(session, invitation.workspace_id, invitation.id, lock=True)

    async def _save(
        self,
        answers: Mapping[str, Any],
        hold_state: HoldState | None,
        *,
        signals: SubmissionSignals | None = None,
    ) -> StoredAnswers:
        """Store what was sent or, without `signals`, the score of an opened link."""
        pending = pending_response_of(self.person.invitation, self.view.survey)
        opened = signals is None
        signals = signals or SubmissionSignals()
        try:
            stored = await save(
                self.ingest,
                pending,
                answers,
                hold_state=hold_state,
                gesture=signals.moved,
                opened=opened,
            )
        except Conflict:
            raise self.person.closed_page(status=409) from None
        VOTES.labels(hold_state or "confirmed").inc()
        if stored.counts:
            async with self.ingest.database.transaction() as session:
                invitation = await self._lock(session)
                await invitations.note_answered(session, invitation)
                hits = hits_of(invitation.hits)
            # Another score may have been sent while this one was being stored.
            if has_too_many_scores(hits, signals, now=utc_now()) and not signals.asked_again:
                return await save(
                    self.ingest, pending, {}, hold_state="quarantined", gesture=signals.moved
                )
        return stored


async def find_person(request: Request, token: str, *, limited: bool = True) -> InvitedPerson:
    """Return whom a link belongs to; raise ShowPage if the link is unknown."""
    if limited:
        require_public_rate(request)
    database: Database = request.app.state.database
    async with database.session() as session:
        invitation = await invitations.find_by_token(session, token)
        if invitation is None:
            raise ShowPage(_no_such_link(request))
        survey = await find_live_survey(session, invitation.workspace_id, invitation.survey_id)
        workspace = await get_workspace(session, invitation.workspace_id)
        stored = await find_stored(session, invitation.workspace_id, invitation.id)
    view = None
    is_open = is_editable(invitation, now=utc_now()) and stored.state != "deleted"
    if survey is not None and is_open:
        languages = [request.query_params.get("lang", ""), invitation.locale or ""]
        languages += languages_of(request)
        view = SurveyView(
            survey=survey,
            page_style=page_style_of(workspace),
            locale=choose_language(languages, sorted(survey.locales), survey.locale),
            values=values_of(
                name=invitation.name,
                order=invitation.order_ref,
                ticket=invitation.ticket,
                properties=invitation.context.get("properties", {}),
            ),
        )
    links = PageLinks(
        action=public_path(f"/i/{token}"),
        trap=public_path(f"/i/{token}/{TRAP}"),
        unsubscribe=public_path(f"/u/{token}"),
        data=public_path(f"/i/{token}/data"),
        change=public_path(f"/i/{token}"),
    )
    return InvitedPerson(invitation, workspace, view, stored, links)


def _no_such_link(request: Request) -> HTMLResponse:
    accepted = languages_of(request)
    return show_message(next(iter(accepted), None), "gone", status=404)


async def _find_visit(request: Request, token: str) -> InvitedVisit:
    """Return an invited person's visit; ShowPage where the survey takes no more answers."""
    person = await find_person(request, token)
    if person.view is None:
        raise person.closed_page(status=410)
    return InvitedVisit(request.app.state.ingest, person, person.view)


@routes.get("/i/{token}")
async def show_invited(request: Request, token: str) -> Response:
    """Show the survey, with what was answered before."""
    visit = await _find_visit(request, token)
    box, query = request.app.state.box, request.query_params
    if page := survey_flow.show_step(box, visit, query, thanks=bool(visit.stored.seq)):
        return page
    if not asks_only_for_headers(request):
        await visit.note(LinkHit(HitKind.OPENED, utc_now()))
    return survey_flow.show_questions(box, visit, query)


@routes.get("/i/{token}/{score}")
async def show_invited_score(request: Request, token: str, score: str) -> Response:
    """Show the survey with a score chosen; the click is kept as provisional and counts nowhere."""
    visit = await _find_visit(request, token)
    main = visit.view.survey.definition.main_question
    chosen = None
    if main is not None and score.isdecimal() and len(score) < 4:
        chosen = answer_of_link(main, int(score))
    answers = {main.key: chosen} if main is not None and chosen is not None else {}
    if not asks_only_for_headers(request):
        await visit.open_score(int(score) if answers else None, answers, trapped=score == TRAP)
    return survey_flow.show_questions(request.app.state.box, visit, request.query_params, answers)


@routes.post("/i/{token}")
async def take_invited(request: Request, token: str) -> Response:
    """Take an answer, whole or in part, then lead on."""
    visit = await _find_visit(request, token)
    box: SealedBox = request.app.state.box
    return await survey_flow.take(box, visit, await read_form(request, box))


def _score(view: SurveyView, answers: Mapping[str, Any]) -> int | None:
    """Return the number of the main answer, to notice somebody who tries them all."""
    main = view.survey.definition.main_question
    if main is None or answers.get(main.key) is None:
        return None
    try:
        return view.survey.check({main.key: answers[main.key]}, complete=False).score
    except InvalidInput:
        return None
