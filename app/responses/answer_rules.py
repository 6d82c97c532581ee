# SPDX-License-Identifier: Apache-2.0
"""What a caller may answer, and what an answer says of itself, before it becomes a row. Pure."""

from uuid import UUID

from app.core.errors import Conflict, Forbidden, InvalidInput
from app.core.ids import is_derived
from app.interactions.customer_resolver import CustomerReference
from app.responses.body import CustomerIn, ResponseIn
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller

PUBLIC_CHANNELS = frozenset({"web", "widget", "kiosk"})
# Pages number their submissions; a number near the type's maximum would block the next one.
_MAX_PUBLIC_SEQ = 100_000


def survey_for(caller: Caller, survey: CompiledSurvey | None, reference: str) -> CompiledSurvey:
    """Return the survey if it may be answered by this caller; Conflict for a draft."""
    if survey is None:
        detail = f"The survey `{reference[:64]}` is a draft; publish it first."
        raise Conflict(detail)
    if not caller.may_use_survey(survey.key, survey.id):
        detail = f"This key is bound to the survey `{caller.survey}`."
        raise Forbidden(detail)
    return survey


def refuse_untrusted(body: ResponseIn) -> None:
    """Refuse what a publishable key may not send, because it is no secret."""
    if body.channel not in PUBLIC_CHANNELS:
        msg = "a publishable key answers as `web`, `widget` or `kiosk`"
        raise InvalidInput.at("body", "channel", msg=msg)
    if body.seq > _MAX_PUBLIC_SEQ:
        msg = f"must be at most {_MAX_PUBLIC_SEQ:,}"
        raise InvalidInput.at("body", "seq", msg=msg)
    if body.id is not None and is_derived(body.id):
        msg = (
            "has the form of an id that the service derives; send a random UUID, or leave it out "
            "and send the order or ticket"
        )
        raise InvalidInput.at("body", "id", msg=msg)
    fields = {
        "responded_at": body.responded_at,
        "tags": body.tags,
        "external_id": body.external_id,
        "imported": body.imported,
    }
    for name, value in fields.items():
        if value:
            raise InvalidInput.at("body", name, msg="is not for publishable keys; leave it out")


def customer_reference_of(customer: CustomerIn) -> CustomerReference:
    """Return the person whom a trusted caller names."""
    return CustomerReference(
        external_id=customer.external_id,
        source=customer.source,
        email=customer.email,
        name=customer.name,
        locale=customer.locale,
    )


def proven_customer_reference_of(customer: CustomerIn) -> CustomerReference:
    """Return the person whom a proof names: by the one name that was signed, nothing else."""
    email = None if customer.external_id else customer.email
    return CustomerReference(
        external_id=customer.external_id,
        source=customer.source if customer.external_id else None,
        email=email,
        locale=customer.locale,
    )


def identifies_itself(body: ResponseIn, survey: CompiledSurvey) -> bool:
    """Tell whether the body identifies its response without an idempotency key."""
    return (
        body.id is not None
        or body.external_id is not None
        or one_answer_case(body, survey, None) is not None
    )


def names_one_answer_case(body: ResponseIn, survey: CompiledSurvey) -> bool:
    """Tell whether the body names an order, ticket or customer of which one answer is taken."""
    return one_answer_case(body, survey, None) is not None


def one_answer_case(
    body: ResponseIn, survey: CompiledSurvey, customer_id: UUID | None
) -> tuple[str, ...] | None:
    """Return the order, ticket or customer of which the survey takes one answer only."""
    per = survey.one_answer_per
    if per == "order" and body.order:
        return "order", body.order
    if per == "order" and body.interaction:
        return "order", "interaction", body.interaction.source, body.interaction.external_id
    if per == "ticket" and body.ticket:
        return "ticket", body.ticket
    if per == "customer" and body.customer:
        customer = body.customer
        claim = (customer.source or "", customer.external_id or "", (customer.email or "").lower())
        return ("customer", str(customer_id)) if customer_id else ("customer", *claim)
    return None
