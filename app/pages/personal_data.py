# SPDX-License-Identifier: Apache-2.0
"""What an invited person may always do: see and delete the answer, and get no more mails."""

import datetime as dt
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.database import Database
from app.core.errors import NotFound
from app.core.http import public_path
from app.core.signing import SealedBox
from app.interactions.customers import update_customer
from app.invitations.suppression import SuppressionKind, suppress
from app.pages.brand import page_style_of
from app.pages.invited_page import InvitedPerson, find_person
from app.pages.rendering import render_page
from app.pages.survey_page import PostedForm, read_form, show_message, stamp
from app.responses import service as responses
from app.surveys.catalogue import find_published
from app.surveys.texts import SurveyWords
from app.surveys.wording import SurveyWording, label_of

routes = APIRouter(include_in_schema=False)


def _pressed_by_script(posted: PostedForm) -> bool:
    """Tell whether a program pressed our button; scanners do, and must delete nothing."""
    return posted.signals.scripted and not posted.signals.gesture


def _words(person: InvitedPerson) -> tuple[SurveyWords, str]:
    """Return the product's own words, without the survey's, and their language."""
    words = SurveyWords(person.view.locale if person.view else person.invitation.locale, {})
    return words, words.locale if not words.language_attributes("data") else "en"


@routes.get("/i/{token}/data")
async def show_data(request: Request, token: str) -> Response:
    """Show what is stored of an answer."""
    person = await find_person(request, token)
    return await _show(request, person)


async def _show(request: Request, person: InvitedPerson) -> HTMLResponse:
    words, lang = _words(person)
    box: SealedBox = request.app.state.box
    reply = render_page(
        "data.html",
        lang=lang,
        title=words["data_title"],
        page_style=page_style_of(person.workspace),
        answers=await _answers(request, person, words),
        about=_rows_about(person, words, person.workspace.timezone),
        action=person.links.data,
        unsubscribe=person.links.unsubscribe,
        rendered=stamp(box),
        words=words,
        scripts=("page.js",),
    )
    reply.headers["Cache-Control"] = "no-store"
    return reply


async def _answers(
    request: Request, person: InvitedPerson, words: SurveyWords
) -> list[tuple[str, str]]:
    """Return each answered question in words."""
    invitation = person.invitation
    database: Database = request.app.state.database
    async with database.session() as session:
        survey = await find_published(session, invitation.workspace_id, str(invitation.survey_id))
    if survey is None:
        return []
    definition = survey.definition
    wording = person.view.wording if person.view else None
    wording = wording or SurveyWording(words.locale, definition.default_locale, words, str)
    known = {entry.key: entry for entry in definition.questions}
    rows = []
    for key, answer in person.stored.answers.items():
        question = known.get(key)
        if answer is not None and question is not None:
            rows.append((wording.say(question.text), label_of(question, answer, wording)))
        elif answer is not None:
            # A question that a later version of the survey dropped.
            rows.append((key, str(answer)))
    return rows


def _write_time(at: dt.datetime | None, zone: str) -> str | None:
    """Write a moment in the company's zone."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})" if at else None


def _rows_about(person: InvitedPerson, words: SurveyWords, zone: str) -> list[tuple[str, str]]:
    """Return what else is stored beside the answer."""
    invitation, stored = person.invitation, person.stored
    known = {
        "data_name": invitation.name,
        "data_email": invitation.email,
        "data_order": invitation.order_ref,
        "data_ticket": invitation.ticket,
        "data_sent": _write_time(invitation.sent_at, zone),
        "data_at": _write_time(stored.responded_at, zone),
    }
    rows = [(words[name], str(value)) for name, value in known.items() if value]
    properties = invitation.context.get("properties", {})
    return rows + [(str(name), str(value)) for name, value in properties.items()]


@routes.post("/i/{token}/data")
async def delete_data(request: Request, token: str) -> Response:
    """Delete the answer for ever, at the press of a person."""
    person = await find_person(request, token)
    posted = await read_form(request, request.app.state.box)
    if _pressed_by_script(posted):
        return await _show(request, person)
    state, invitation = request.app.state, person.invitation
    try:
        await responses.delete(
            state.database, state.slot, invitation.workspace_id, invitation.id
        )  # fmt: skip
    except NotFound:
        return RedirectResponse(public_path(f"/i/{token}/data"), status_code=303)
    return show_message(invitation.locale, "deleted", page_style=page_style_of(person.workspace))


@routes.get("/u/{token}")
async def show_unsubscribe(request: Request, token: str) -> Response:
    """Ask whether to send no more; a GET changes nothing."""
    person = await find_person(request, token)
    return _ask_unsubscribe(request, person)


def _ask_unsubscribe(request: Request, person: InvitedPerson) -> HTMLResponse:
    words, lang = _words(person)
    return render_page(
        "unsubscribe.html",
        lang=lang,
        title=words["unsubscribe_title"],
        page_style=page_style_of(person.workspace),
        message=words["unsubscribe_text"],
        press=words["unsubscribe"],
        action=person.links.unsubscribe,
        rendered=stamp(request.app.state.box),
        scripts=("page.js",),
    )


@routes.post("/u/{token}")
async def take_unsubscribe(request: Request, token: str) -> Response:
    """Send no more: one click in a mail program (RFC 8058), or the button of the page.

    A scanner that presses buttons must not unsubscribe anybody: what our page sent without a
    person's gesture is asked again.
    """
    # Mail programs' own servers send many of these from few addresses.
    person = await find_person(request, token, limited=False)
    posted = await read_form(request, request.app.state.box)
    if _pressed_by_script(posted):
        return _ask_unsubscribe(request, person)
    invitation = person.invitation
    if invitation.test:
        return show_message(
            invitation.locale, "unsubscribed", page_style=page_style_of(person.workspace)
        )
    database: Database = request.app.state.database
    async with database.transaction() as session:
        workspace_id = invitation.workspace_id
        if invitation.email:
            await suppress(
                session, workspace_id, [invitation.email], kind=SuppressionKind.UNSUBSCRIBED,
                detail="by the customer",
            )  # fmt: skip
        elif invitation.customer_id:
            await update_customer(
                session, workspace_id, invitation.customer_id, {"do_not_survey": True}
            )
    return show_message(
        invitation.locale, "unsubscribed", page_style=page_style_of(person.workspace)
    )
