# SPDX-License-Identifier: Apache-2.0
"""The body of a response as it is submitted: decoded and checked by type in one pass."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from app.core.clock import MAX_CLOCK_LEAD, utc_now
from app.core.errors import FieldError, InvalidInput
from app.core.json_values import property_error, storage_error
from app.core.property_filters import MAX_PROPERTIES
from app.core.text_types import (
    LOCALE,
    MAX_LOCALE_CHARACTERS,
    MAX_TOUCHPOINT_CHARACTERS,
    TOUCHPOINT_KEY,
    did_you_mean,
    normalize_email,
)

ShortText = Annotated[str, Meta(min_length=1, max_length=128)]
Channel = Literal["web", "email", "widget", "kiosk", "api", "import"]
_TouchpointKey = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_TOUCHPOINT_CHARACTERS, pattern=rf"^{TOUCHPOINT_KEY}$(?!\n)"),
]
_Locale = Annotated[str, Meta(max_length=MAX_LOCALE_CHARACTERS, pattern=rf"{LOCALE}(?!\n)")]
# The most tags that a response has, and the most characters that each has.
MAX_TAGS, MAX_TAG_CHARACTERS = 20, 64
_Tag = Annotated[str, Meta(min_length=1, max_length=MAX_TAG_CHARACTERS)]

_EARLIEST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)


_PropertyName = Annotated[str, Meta(min_length=1, max_length=64)]
ResponseProperties = Annotated[dict[_PropertyName, Any], Meta(max_length=MAX_PROPERTIES)]


class CustomerIn(Struct, forbid_unknown_fields=True, frozen=True):
    """Who answered."""

    external_id: ShortText | None = None
    source: ShortText | None = None
    email: Annotated[str, Meta(min_length=3, max_length=255)] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    locale: _Locale | None = None
    proof: Annotated[str, Meta(max_length=64, pattern=r"^[0-9a-fA-F]{64}$(?!\n)")] | None = None


class AboutInteraction(Struct, forbid_unknown_fields=True, frozen=True):
    """The interaction that the answer is about."""

    source: ShortText
    external_id: ShortText


class ResponseIn(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One submission: the whole answer so far."""

    survey: Annotated[str, Meta(min_length=1, max_length=64)]
    channel: Channel
    answers: dict[str, Any]
    touchpoint: _TouchpointKey | None = None
    locale: _Locale | None = None
    properties: ResponseProperties | None = None
    customer: CustomerIn | None = None
    interaction: AboutInteraction | None = None
    order: ShortText | None = None
    ticket: ShortText | None = None
    id: UUID | None = None
    external_id: ShortText | None = None
    seq: Annotated[int, Meta(ge=1, le=2_147_483_647)] = 1
    complete: bool = True
    responded_at: Annotated[dt.datetime, Meta(tz=True)] | None = None
    tags: Annotated[list[_Tag], Meta(max_length=MAX_TAGS)] = []
    imported: bool = False
    test: bool = False


_decoder = msgspec.json.Decoder(ResponseIn)
_FIELDS = ResponseIn.__struct_fields__
_MAY_HOLD_NUL = b"\\u0000"
Shape = TypeVar("Shape", bound=Struct)


def decode_response(body: bytes | msgspec.Raw) -> ResponseIn:
    """Decode one submission, or raise InvalidInput naming the first wrong field."""
    response = decode(_decoder, body, fields=_FIELDS)
    if _MAY_HOLD_NUL in bytes(body):
        refuse_nul(response)
    return check_response(response)


def decode(
    decoder: msgspec.json.Decoder[Shape], body: bytes | msgspec.Raw, *, fields: Sequence[str]
) -> Shape:
    """Decode a body by its type, or raise InvalidInput naming the first wrong field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(errors=[_field_error(str(error), fields)]) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput.at("body", msg=f"is not valid JSON: {error}") from None
    except RecursionError:
        raise InvalidInput.at("body", msg="is nested too deeply") from None


def check_response(response: ResponseIn, *, has_normalized_email: bool = False) -> ResponseIn:
    """Check what no type says, or raise InvalidInput naming the first wrong field.

    With `has_normalized_email` the customer's address was normalised before.
    """
    check_times(response.responded_at)
    if response.properties:
        _check_properties(response.properties)
    if response.id is not None and response.external_id is not None:
        msg = "cannot be sent with `id`; send one of them"
        raise InvalidInput.at("body", "external_id", msg=msg)
    if response.customer is not None and not has_normalized_email:
        response.customer = _with_normalized_email(response.customer)
    return response


def _with_normalized_email(customer: CustomerIn) -> CustomerIn:
    """Return the customer with a normalised address; refuse one without id and address."""
    if customer.email is None:
        if not customer.external_id:
            raise InvalidInput.at("body", "customer", msg="needs an `external_id` or an `email`")
        return customer
    email = normalize_email(customer.email)
    if email is None:
        msg = "is not an e-mail address such as ala@example.pl"
        raise InvalidInput.at("body", "customer", "email", msg=msg)
    return msgspec.structs.replace(customer, email=email)


def check_times(responded_at: dt.datetime | None) -> None:
    """Refuse a time that cannot be: more than a day ahead, or before 1900."""
    if responded_at is None:
        return
    if responded_at > utc_now() + MAX_CLOCK_LEAD:
        msg = "is more than 24 hours ahead; check the clock and the zone"
        raise InvalidInput.at("body", "responded_at", msg=msg)
    if responded_at < _EARLIEST:
        raise InvalidInput.at("body", "responded_at", msg="is before 1900")


def _check_properties(properties: dict[str, Any]) -> None:
    for name, value in properties.items():
        if reason := property_error(value):
            raise InvalidInput.at("body", "properties", name, msg=reason)


def refuse_nul(body: Struct) -> None:
    """Refuse a body that holds a character which PostgreSQL cannot store."""
    for name, value in msgspec.to_builtins(body).items():
        if reason := storage_error(value, 1):
            raise InvalidInput.at("body", name, msg=reason)


_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?`?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>.*)`")
_MISSING = re.compile(r"missing required field `(?P<name>.*)`")


def _field_error(message: str, fields: Sequence[str]) -> FieldError:
    """Turn msgspec's words (`Expected …, got … - at `$.a.b[0]``) into one of our field errors."""
    match = _PATH.match(message)
    detail = match["what"] if match else message
    path = (match["path"] if match else None) or ""
    loc: list[str | int] = [
        "body",
        *(part for part in re.split(r"[.\[\]]+", path) if part and part != "..."),
    ]
    if unknown := _UNKNOWN.search(detail):
        name = unknown["name"]
        hint = did_you_mean(name, fields) if len(loc) == 1 else ""
        return {"loc": [*loc, name[:64]], "msg": f"is not a field here{hint}"}
    if missing := _MISSING.search(detail):
        return {"loc": [*loc, missing["name"]], "msg": "is required"}
    return {"loc": loc, "msg": detail[0].lower() + detail[1:]}
