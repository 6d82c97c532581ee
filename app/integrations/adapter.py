# SPDX-License-Identifier: Apache-2.0
"""The interface of an adapter, and the results that it returns. Pure."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from app.integrations.helpdesk_requests import WriteBackRules
from app.integrations.signatures import SignatureRule

Payload = Mapping[str, Any]
# The body of an interaction as `POST /v1/interactions` takes it, without its source.
InteractionBody = dict[str, Any]
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What the workspace has set for one sender.

    `timezone` is where times without a zone are read; `status_map` maps a folded status to a
    meaning or to an interaction type; `mapping` is the one of a generic sender.
    """

    mapping: Payload = field(default_factory=dict)
    timezone: ZoneInfo = UTC
    status_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboundWebhook:
    """One webhook as it came: header names in lower case, the decoded body, when it came."""

    headers: Mapping[str, str]
    payload: Any
    received_at: dt.datetime


class UntranslatableError(Exception):
    """The webhook makes no interaction; the message says why."""


class UnreadableTimeError(UntranslatableError):
    """A time is given but cannot be read; it never becomes the time of receipt."""

    def __init__(self, value: object) -> None:
        """Name the value."""
        super().__init__(
            f"the time {str(value)[:80]!r} cannot be read; send ISO 8601 such as "
            "2026-03-11T12:44:19Z, or seconds since 1970"
        )


class UnmappedStatusError(UntranslatableError):
    """The status has no meaning yet; it is listed, and its webhook waits for a mapping."""

    def __init__(self, status: str, remedy: str) -> None:
        """Name the status and how to map it."""
        super().__init__(f"the status {status[:80]!r} is not known here; {remedy}")
        self.status = status[:80]


@dataclass(frozen=True, slots=True)
class UnusedWebhook:
    """A valid webhook that makes no interaction, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The interactions that a webhook reports.

    `problems` are parts that should make an interaction but do not, `notes` what was left out.
    `order_names` are further names of the order, such as a payment's id; webhooks that share
    one of them are about the same order. With `needs_order` the order is known by these names
    alone, so the webhook waits until an earlier one has connected one of them with an order.
    """

    interactions: Sequence[InteractionBody]
    problems: Sequence[UntranslatableError] = ()
    notes: Sequence[str] = ()
    order_names: tuple[str, ...] = ()
    needs_order: bool = False


Translation = Interpretation | UnusedWebhook


@dataclass(frozen=True, slots=True)
class Adapter:
    """How one source signs, names its webhooks, and what they mean.

    Without a signature the URL carries a token. A webhook is identified by the first of
    `id_headers` that it has, else by `id_field` of its body, else by the hash of its body. A header
    of `event_headers` is added to that identity, because one body may be sent for two events; with
    `hashes_body` the body's hash is added, too. `timeless_case` returns the ticket or order of a
    webhook with neither an id nor a time; such a webhook is a repeat only if it equals the one just
    before it. With `numbers_orders` the source is a shop with its own order numbers, so the same
    number of another shop is another order. A body that begins with `ping` only asks whether the
    address answers. With `write_back` the source is a helpdesk that takes scores.
    """

    translate: Callable[[InboundWebhook, SourceSettings], Translation]
    id_headers: tuple[str, ...]
    id_field: str | None
    signature: SignatureRule | None = None
    event_headers: tuple[str, ...] = ()
    hashes_body: bool = False
    timeless_case: Callable[[InboundWebhook, SourceSettings], str | None] | None = None
    numbers_orders: bool = False
    ping: bytes | None = None
    write_back: WriteBackRules | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
