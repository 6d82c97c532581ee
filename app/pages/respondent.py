"""Pages for whoever is asked: the invited page, and no more mails."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import AfterwordError, InvalidInput, TooLarge
from app.core.http import read_body
from app.interactions.customers import update_customer
from app.invitations import service as invitations
from app.invitations.delivery import live_survey
from app.invitations.mail import Addressee, fill, in_language
from app.invitations.models import Invitation
from app.invitations.suppression import Kind, suppress
from app.pages.answering import is_editable, stored_answers, submit
from app.pages.form import Shown, answers_of, score_of_link, shown_question
from app.pages.rendering import page
from app.responses.lines import Ingest
from app.surveys.compiled import CompiledSurvey
from app.workspaces.limits import require_public_rate
from app.workspaces.service import get_workspace

routes = APIRouter(include_in_schema=False)

_WORDS: dict[str, dict[str, str]] = json.loads(
    files("app.pages").joinpath("words.json").read_text()
)
_MOST_BYTES = 1 << 18


def _words(locale: str | None) -> tuple[str, dict[str, str]]:
    language = (locale or "en").partition("-")[0]
    return (language, _WORDS[language]) if language in _WORDS else ("en", _WORDS["en"])


def _message(  # noqa: PLR0913 - what the page holds
    locale: str | None,
    name: str,
    *,
    status: int = 200,
    confirm: str | None = None,
    action: str = "",
    message: str | None = None,
    link: tuple[str | None, str | None] = (None, None),
) -> HTMLResponse:
    language, words = _words(locale)
    return page(
        "message.html",
        lang=language,
        status=status,
        title=words[f"{name}_title"],
        message=message or words[name],
        confirm=words[confirm] if confirm else None,
        action=action,
        link_url=link[0],
        link_text=link[1],
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The invitation of a link, its survey where that may be answered, and who asks."""

    invitation: Invitation
    survey: CompiledSurvey | None
    company: str


async def _find(request: Request, token: str) -> _Found | None:
    """Return what a link leads to, or None where it is none of ours."""
    require_public_rate(request)
    database: Database = request.app.state.database
    async with database.session() as session:
        invitation = await invitations.find_by_token(session, token)
        if invitation is None:
            return None
        survey = await live_survey(session, invitation.workspace_id, invitation.survey_id)
        workspace = await get_workspace(session, invitation.workspace_id)
    company = workspace.mail.get("from_name") or workspace.name
    return _Found(invitation, survey if is_editable(invitation, now=utc_now()) else None, company)


@routes.get("/i/{token}")
async def show_invited(request: Request, token: str) -> Response:
    """Show the survey, with what was answered before."""
    return await _show(request, token)


@routes.get("/i/{token}/{score}")
async def show_invited_score(request: Request, token: str, score: str) -> Response:
    """Show the survey with a score chosen; a GET records no answer."""
    return await _show(
        request, token, score=int(score) if score.isdecimal() and len(score) < 4 else None
    )


async def _show(request: Request, token: str, *, score: int | None = None) -> Response:
    found = await _find(request, token)
    if found is None:
        return _message(_accepted(request), "gone", status=404)
    invitation, survey = found.invitation, found.survey
    if request.query_params.get("done") is not None and invitation.answered_at is not None:
        return _thanks(invitation, survey, request.query_params.get("done") or "default")
    if survey is None:
        return _message(invitation.locale, "over", status=410)
    database: Database = request.app.state.database
    async with database.transaction() as session:
        _, answers = await stored_answers(session, invitation.workspace_id, invitation.id)
        current = await invitations.get(session, invitation.workspace_id, invitation.id, lock=True)
        await invitations.note_opened(session, current)
    main = survey.definition.main_question
    if score is not None and main is not None:
        chosen = score_of_link(main, score)
        answers = answers | ({main.key: chosen} if chosen is not None else {})
    return _form(found, survey, token=token, answers=answers)


def _accepted(request: Request) -> str | None:
    return request.headers.get("accept-language", "en")[:2].lower()


def _form(
    found: _Found,
    survey: CompiledSurvey,
    *,
    token: str,
    answers: Mapping[str, Any],
    error: bool = False,
) -> HTMLResponse:
    definition, invitation = survey.definition, found.invitation
    locale, default = invitation.locale or definition.default_locale, definition.default_locale
    _, words = _words(locale)
    intro = definition.texts.intro
    questions: list[Shown] = [
        shown_question(q, answers.get(q.key), locale=locale, default=default, words=words)
        for q in definition.questions
    ]
    return page(
        "survey.html",
        lang=locale,
        status=422 if error else 200,
        title=found.company,
        intro=fill(in_language(intro, locale, default), _asked(invitation)) if intro else None,
        error=words["required"] if error else None,
        action=f"/i/{token}",
        unsubscribe=f"/u/{token}",
        questions=questions,
        words=words,
    )


def _asked(invitation: Invitation) -> Addressee:
    return Addressee(
        invitation_id=invitation.id,
        email=invitation.email or "",
        name=invitation.name,
        locale=invitation.locale,
        order=invitation.order_ref,
        ticket=invitation.ticket,
        properties=invitation.context.get("properties", {}),
    )


@routes.post("/i/{token}")
async def take_invited(request: Request, token: str) -> Response:
    """Take the answer, then lead to the thanks: a reload posts nothing again."""
    found = await _find(request, token)
    if found is None:
        return _message(_accepted(request), "gone", status=404)
    invitation, survey = found.invitation, found.survey
    if survey is None:
        return _message(invitation.locale, "over", status=410)
    posted = await _posted(request)
    answers = answers_of(survey.definition, posted)
    lacks = any(
        q.required and not q.show_if and answers[q.key] is None for q in survey.definition.questions
    )
    if lacks:
        return _form(found, survey, token=token, answers=answers, error=True)
    ingest: Ingest = request.app.state.ingest
    try:
        band = await submit(
            request.app.state.database, ingest, invitation, survey=survey, answers=answers
        )
    except InvalidInput:
        return _form(found, survey, token=token, answers={}, error=True)
    except AfterwordError as error:
        if error.status != 409:
            raise
        return _message(invitation.locale, "over", status=409)
    return RedirectResponse(f"/i/{token}?done={band or 'default'}", status_code=303)


async def _posted(request: Request) -> dict[str, list[str]]:
    body = await read_body(request, limit=_MOST_BYTES)
    text = body.decode("utf-8", "replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise TooLarge("The form has too many fields.") from None


def _thanks(invitation: Invitation, survey: CompiledSurvey | None, band: str) -> HTMLResponse:
    """Thank in the survey's own words for the band, where it has some."""
    texts = survey.definition.texts.thank_you if survey else {}
    own = texts.get(band, texts.get("default"))  # type: ignore[call-overload]
    if own is None or survey is None:
        return _message(invitation.locale, "thanks")
    locale, default = invitation.locale, survey.definition.default_locale
    link_text = in_language(own.link_text, locale, default) if own.link_text else own.link_url
    message = fill(in_language(own.text, locale, default), _asked(invitation))
    return _message(invitation.locale, "thanks", message=message, link=(own.link_url, link_text))


@routes.get("/u/{token}")
async def show_unsubscribe(request: Request, token: str) -> Response:
    """Ask whether to send no more; a GET changes nothing."""
    found = await _find(request, token)
    if found is None:
        return _message(_accepted(request), "gone", status=404)
    return _message(
        found.invitation.locale,
        "unsubscribe",
        message=_words(found.invitation.locale)[1]["unsubscribe_text"],
        confirm="unsubscribe",
        action=f"/u/{token}",
    )


@routes.post("/u/{token}")
async def take_unsubscribe(request: Request, token: str) -> Response:
    """Send no more: one click in a mail program (RFC 8058), or the button of the page."""
    found = await _find(request, token)
    if found is None:
        return _message(_accepted(request), "gone", status=404)
    invitation = found.invitation
    database: Database = request.app.state.database
    async with database.transaction() as session:
        workspace_id = invitation.workspace_id
        if invitation.email:
            await suppress(
                session, workspace_id, [invitation.email], kind=Kind.UNSUBSCRIBED,
                detail="by the customer",
            )  # fmt: skip
        elif invitation.customer_id:
            await update_customer(
                session, workspace_id, invitation.customer_id, {"do_not_survey": True}
            )
    return _message(invitation.locale, "unsubscribed")


@routes.get("/assets/page.css")
async def show_style() -> Response:
    """Serve the pages' style."""
    style = files("app.pages").joinpath("page.css").read_bytes()
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(style, media_type="text/css; charset=utf-8", headers=headers)
