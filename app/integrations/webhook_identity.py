# SPDX-License-Identifier: Apache-2.0
"""The identity of a webhook, by which a repeated one is recognised."""

import datetime as dt
import hashlib
from collections.abc import Mapping

import msgspec

from app.integrations.adapter import InboundWebhook, SourceSettings, UntranslatableError
from app.integrations.bodies import decode_body
from app.integrations.mapping import headers_named
from app.integrations.models import Integration
from app.integrations.registry import ADAPTERS
from app.integrations.service import mapping_of

_MAX_IDENTITY_CHARACTERS = 200


def identity_of(integration: Integration, headers: Mapping[str, str], body: bytes) -> str:
    """Return the identity of a webhook: the sender's id, else the body's hash; and its event."""
    adapter = ADAPTERS[integration.source]
    ids = [headers[name] for name in adapter.id_headers if headers.get(name)]
    parts = ids[:1]
    if adapter.id_field is not None:
        parts += _field(body, adapter.id_field)
    if adapter.hashes_body or not parts:
        parts.append(hashlib.sha256(body).hexdigest())
    events = {*adapter.event_headers, *headers_named(mapping_of(integration))}
    parts += [headers[name] for name in sorted(events) if headers.get(name)]
    identity = ":".join(parts).replace("\x00", "")
    if len(identity) <= _MAX_IDENTITY_CHARACTERS:
        return identity
    return f"{identity[:100]}…{hashlib.sha256(identity.encode()).hexdigest()}"


def _field(body: bytes, name: str) -> list[str]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []
    value = document.get(name) if isinstance(document, dict) else None
    return [value] if isinstance(value, str) and value else []


def timeless_case(
    integration: Integration, headers: Mapping[str, str], body: bytes, *, now: dt.datetime
) -> str | None:
    """Return the ticket or order of a webhook that carries neither an id nor a time."""
    find_case = ADAPTERS[integration.source].timeless_case
    if find_case is None:
        return None
    try:
        webhook = InboundWebhook(headers, decode_body(headers, body), now)
        case = find_case(webhook, SourceSettings(mapping=mapping_of(integration)))
    except UntranslatableError:
        return None
    return case[:_MAX_IDENTITY_CHARACTERS].replace("\x00", "") if case else None
