# SPDX-License-Identifier: Apache-2.0
"""People: create, invite, list and erase them; list unsubscribed and bounced addresses."""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from app.core.clock import utc_now
from app.core.cursors import decode_cursor
from app.core.errors import InvalidInput, NotFound
from app.core.http import from_validation
from app.core.paging import cut_page
from app.core.text_types import normalize_email, normalize_locale
from app.delighted.parameters import Parameters
from app.delighted.request import DelightedRequest
from app.delighted.shapes import seconds
from app.exports import erasure
from app.interactions import customers
from app.interactions.customer_schemas import CustomerPatch, CustomerRow
from app.invitations import service as invitations
from app.invitations import suppression
from app.invitations.manual_invitations import invite
from app.invitations.refusals import throttle_interval
from app.invitations.schemas import MAX_INVITATION_DELAY, InvitationIn
from app.invitations.suppression import SuppressionKind
from app.responses.queries import last_answer_by_customer
from app.workspaces.service import get_workspace

_MAX_NAME_CHARACTERS = 200


async def create_person(request: DelightedRequest) -> dict[str, Any]:
    """Make or change a person, and invite them unless `send` is false or a throttle forbids it."""
    parameters = request.parameters
    email, phone = _email(parameters, "email"), parameters.text("phone_number")
    if email is None and phone is None:
        raise InvalidInput.at("body", "email", msg="can't be blank")
    properties = parameters.properties("properties")
    # The name of a language, which is not a locale, is left out.
    locale = normalize_locale(str(properties.pop("locale", "")))
    customer = await _put(request, email, phone, locale=locale, properties=properties)
    send_at = None
    by_mail = parameters.text("channel") in {None, "email"} and email is not None
    if by_mail and parameters.flag("send", default=True):
        send_at = await _ask(request, customer, properties)
    return {
        "id": str(customer["id"]),
        "email": customer["email"],
        "name": customer["name"],
        "phone_number": customer["phone_number"],
        "survey_scheduled_at": seconds(send_at),
        "properties": properties | ({"locale": locale} if locale else {}),
    }


def _email(parameters: Parameters, name: str) -> str | None:
    text = parameters.text(name)
    if text is None:
        return None
    address = normalize_email(text)
    if address is None:
        raise InvalidInput.at("body", name, msg="is not an email address")
    return address


async def _put(
    request: DelightedRequest,
    email: str | None,
    phone: str | None,
    *,
    locale: Any,
    properties: dict[str, Any],
) -> dict[str, Any]:
    """Make or change the customer of an address or a number."""
    session, workspace_id = request.session, request.caller.workspace_id
    details = {"email": email, "phone": phone, "name": request.parameters.text("name")}
    fields: dict[str, Any] = {name: value for name, value in details.items() if value}
    if "name" in fields:
        fields["name"] = fields["name"][:_MAX_NAME_CHARACTERS]
    if locale:
        fields["locale"] = locale
    try:
        row = CustomerRow.model_validate(fields | {"properties": properties})
    except ValidationError as error:
        raise InvalidInput(errors=from_validation(list(error.errors()))) from None
    customer, _ = await customers.put_customer(session, workspace_id, row)
    if update := _email(request.parameters, "email_update"):
        patch = CustomerPatch(email=update)
        reference = str(customer["id"])
        customer = await customers.change_customer(session, workspace_id, reference, patch)
    return customer


async def _ask(
    request: DelightedRequest, customer: dict[str, Any], properties: dict[str, Any]
) -> dt.datetime | None:
    """Invite a customer after the delay; return when, or None where they are not asked."""
    delay = request.parameters.whole_number("delay") or 0
    if not 0 <= delay <= MAX_INVITATION_DELAY.total_seconds():
        raise InvalidInput.at("body", "delay", msg="must be seconds, at most those of 366 days")
    send_at = utc_now() + dt.timedelta(seconds=delay)
    workspace = await get_workspace(request.session, request.caller.workspace_id)
    asked_before = request.parameters.moment("last_sent_at")
    pause = throttle_interval(workspace.throttle) if workspace.throttle is not None else None
    if pause is not None and asked_before is not None and asked_before > send_at - pause:
        return None
    survey = await request.survey(to_answer=True)
    names: dict[str, Any] = {"email": customer["email"]}
    body = InvitationIn(
        survey=survey.key, customer=names, channel="email", send_at=send_at,
        locale=customer["locale"], properties=properties,
    )  # fmt: skip
    invitation, _, _ = await invite(request.session, request.caller, body, box=request.box)
    return None if invitation.status == "suppressed" else invitation.send_at


async def list_people(request: DelightedRequest) -> list[dict[str, Any]]:
    """Return people in the order in which they came; the header `Link` leads to the next page."""
    parameters = request.parameters
    number, size = parameters.page()
    cursor = parameters.text("cursor")
    rows = await customers.find_in_order(
        request.session,
        request.caller.workspace_id,
        since=parameters.moment("since"),
        until=parameters.end("until"),
        email=parameters.text("email"),
        phone=parameters.text("phone_number"),
        after=decode_cursor(cursor, UUID),
        limit=size + 1,
        offset=0 if cursor else (number - 1) * size,
    )
    people, next_cursor = cut_page(rows, size, position=lambda row: (row["created_at"], row["id"]))
    if next_cursor is not None:
        request.add_next_link(cursor=next_cursor)
    ids = [row["id"] for row in people]
    sent = await invitations.times_of(request.session, request.caller.workspace_id, ids)
    answered = await last_answer_by_customer(request.session, request.caller.workspace_id, ids)
    return [
        {
            "id": str(row["id"]),
            "name": row["name"],
            "email": row["email"],
            "phone_number": row["phone_number"],
            "created_at": seconds(row["created_at"]),
            "last_sent_at": seconds(sent[row["id"]][0]) if row["id"] in sent else None,
            "last_responded_at": seconds(answered.get(row["id"])),
            "next_survey_scheduled_at": seconds(sent[row["id"]][1]) if row["id"] in sent else None,
        }
        for row in people
    ]


async def find_person(request: DelightedRequest, reference: str) -> dict[str, Any]:
    """Return a customer by `id`, `email:…` or `phone_number:…`, or raise NotFound."""
    kind, colon, value = reference.strip().partition(":")
    value = value.strip()
    session, workspace_id = request.session, request.caller.workspace_id
    customer = None
    if colon and kind == "email":
        customer = await customers.find_by_email(session, workspace_id, value)
    elif colon and kind == "phone_number":
        customer = await customers.find_by_phone(session, workspace_id, value)
    else:
        customer = await customers.find_customer(session, workspace_id, reference.strip())
    if customer is None or customer["erased_at"] is not None:
        raise NotFound("There is no such person.")
    return customer


async def delete_person(request: DelightedRequest, reference: str) -> dict[str, Any]:
    """Erase a person everywhere; every figure stays."""
    customer = await find_person(request, reference)
    await erasure.erase_customer(
        request.session, request.caller.workspace_id, customer,
        box=request.box, data_dir=request.settings.data_dir,
    )  # fmt: skip
    return {"ok": True}


async def delete_pending(request: DelightedRequest, email: str) -> dict[str, Any]:
    """Call off what is planned for an address."""
    customer = await customers.find_by_email(request.session, request.caller.workspace_id, email)
    if customer is not None:
        await invitations.cancel_of_customer(
            request.session, request.caller.workspace_id, customer["id"],
            detail="called off through Delighted's API",
        )  # fmt: skip
    return {"ok": True}


async def create_unsubscribe(request: DelightedRequest) -> dict[str, Any]:
    """Unsubscribe an address."""
    email = _email(request.parameters, "person_email")
    if email is None:
        raise InvalidInput.at("body", "person_email", msg="can't be blank")
    await suppression.suppress(
        request.session, request.caller.workspace_id, [email], kind=SuppressionKind.UNSUBSCRIBED
    )
    return {"ok": True}


async def list_unsubscribes(request: DelightedRequest) -> list[dict[str, Any]]:
    """Return who wants no more mails."""
    return await _list_suppressed(request, SuppressionKind.UNSUBSCRIBED, "unsubscribed_at")


async def list_bounces(request: DelightedRequest) -> list[dict[str, Any]]:
    """Return whose address is dead."""
    return await _list_suppressed(request, SuppressionKind.BOUNCED, "bounced_at")


async def _list_suppressed(
    request: DelightedRequest, kind: SuppressionKind, moment: str
) -> list[dict[str, Any]]:
    number, size = request.parameters.page()
    session, workspace_id = request.session, request.caller.workspace_id
    rows = await suppression.find_in_span(
        session,
        workspace_id,
        kind,
        (request.parameters.moment("since"), request.parameters.end("until")),
        limit=size,
        offset=(number - 1) * size,
    )
    people = []
    for row in rows:
        customer = await customers.find_by_email(session, workspace_id, row["email"])
        people.append({
            "person_id": str(customer["id"]) if customer else None,
            "email": row["email"],
            "name": customer["name"] if customer else None,
            moment: seconds(row["created_at"]),
        })  # fmt: skip
    return people
