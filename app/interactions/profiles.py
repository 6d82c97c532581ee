# SPDX-License-Identifier: Apache-2.0
"""What interactions state about customers: the newest statement about each field wins."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.prepared_statements import PreparedStatement, as_json
from app.interactions.customer_resolver import CustomerReference

_TIMED_FIELDS = ("email", "name", "locale")
_SAVED = (*_TIMED_FIELDS, "properties", "consent", "told_at")


@dataclass(frozen=True, slots=True)
class CustomerStatement:
    """What an interaction states about a customer, and from when."""

    customer: CustomerReference
    at: dt.datetime
    properties: Mapping[str, Any]
    consent: Mapping[str, Any] | None


_SAVE = PreparedStatement("""
update customer c set email = n.email, name = n.name, locale = n.locale, told_at = n.told_at,
  properties = n.properties, consent = n.consent, updated_at = cast(:now as timestamptz)
from json_to_recordset(cast(:rows as json)) n(id uuid, email text, name text, locale text,
  properties jsonb, consent jsonb, told_at jsonb)
where c.workspace_id = :workspace_id and c.id = any(:ids) and c.id = n.id
""")


async def complete_profiles(
    session: AsyncSession,
    workspace_id: UUID,
    profiles: Mapping[UUID, dict[str, Any]],
    statements: Iterable[tuple[UUID, CustomerStatement]],
    *,
    began: dt.datetime,
) -> None:
    """Store in locked customers what was stated about them, in the order of its time.

    An older statement only fills empty fields. A field without a time is as old as its customer;
    a customer that was made since `began`, by this transaction, has no older fields.
    """
    before = {id_: dict(profile) for id_, profile in profiles.items()}
    for customer_id, statement in sorted(statements, key=lambda pair: pair[1].at):
        profile = profiles.get(customer_id)
        if profile is not None and profile["erased_at"] is None:
            _complete(profile, statement, began)
    changed = [
        {"id": id_, **{name: profile[name] for name in _SAVED}}
        for id_, profile in profiles.items()
        if any(profile[name] != before[id_][name] for name in _SAVED)
    ]
    if changed:
        await _SAVE.run(
            session, workspace_id=workspace_id, now=utc_now(), ids=[row["id"] for row in changed],
            rows=as_json(changed),
        )  # fmt: skip


def _complete(profile: dict[str, Any], statement: CustomerStatement, began: dt.datetime) -> None:
    """Put a statement into a profile; documents are replaced, never changed in place."""
    for name in _TIMED_FIELDS:
        value = getattr(statement.customer, name)
        if value and (profile[name] is None or statement.at >= _stated_at(profile, name, began)):
            profile[name] = value
            profile["told_at"] = profile["told_at"] | {name: rfc3339(statement.at)}
    profile["properties"] = {**profile["properties"], **statement.properties}
    if statement.consent is not None:
        at = statement.consent.get("at") or rfc3339(statement.at)
        before = (profile["consent"] or {}).get("at")
        if before is None or _consent_stated_at(at, began) >= _consent_stated_at(before, began):
            profile["consent"] = {**statement.consent, "at": at}


def _consent_stated_at(at: str, began: dt.datetime) -> dt.datetime:
    """Return when a consent was stated: now at the latest, though a clock may be fast."""
    return min(dt.datetime.fromisoformat(at), began)


def _stated_at(profile: Mapping[str, Any], name: str, began: dt.datetime) -> dt.datetime:
    """Return when the present value of a field was stated."""
    if (at := profile["told_at"].get(name)) is not None:
        return dt.datetime.fromisoformat(at)
    created_at: dt.datetime = profile["created_at"]
    return created_at if created_at < began else dt.datetime.min.replace(tzinfo=dt.UTC)
