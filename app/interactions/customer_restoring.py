# SPDX-License-Identifier: Apache-2.0
"""Restore customers as they were before an import, and delete those that nothing refers to."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.database import run_sql
from app.core.notices import notify
from app.interactions.customer_resolver import CUSTOMER_NOTICES

# Every row that names a customer.
_REFERENCES = (
    "select 1 from interaction", "select 1 from ticket", "select 1 from response",
    "select 1 from invitation", "select 1 from decision",
)  # fmt: skip
CALLER_FIELDS = ("email", "name", "locale", "properties", "consent", "do_not_survey")


def fields_of(customer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that callers have set on a customer, with its identities."""
    return {name: customer[name] for name in (*CALLER_FIELDS, "external_ids", "phone_number")}


async def delete_unreferenced(session: AsyncSession, workspace_id: UUID, customer_id: UUID) -> bool:
    """Delete a customer that no row refers to; tell whether it was deleted."""
    bound = {"workspace_id": workspace_id, "customer": customer_id}
    for rows_of_customer in _REFERENCES:
        rows = await run_sql(
            session,
            text(
                f"{rows_of_customer} where workspace_id = :workspace_id "
                "and customer_id = :customer limit 1"
            ).bindparams(**bound),
        )
        if rows.first():
            return False
    await notify(session, CUSTOMER_NOTICES, str(workspace_id))
    # Its identities are deleted with it.
    await run_sql(
        session,
        text(
            "delete from customer where workspace_id = :workspace_id and id = :customer"
        ).bindparams(**bound),
    )
    return True


async def restore_customer(
    session: AsyncSession, workspace_id: UUID, customer_id: UUID, before: Mapping[str, Any]
) -> None:
    """Restore a customer's fields and identities."""
    identities = [
        (f"id:{external['source'] or ''}", external["id"]) for external in before["external_ids"]
    ]
    identities += [("email", before["email"].lower())] if before["email"] else []
    identities += [("phone", before["phone_number"])] if before["phone_number"] else []
    await notify(session, CUSTOMER_NOTICES, str(workspace_id))
    await run_sql(
        session,
        text(
            "update customer set email = n.email, name = n.name, locale = n.locale, "
            "properties = n.properties, consent = n.consent, do_not_survey = n.do_not_survey, "
            "updated_at = :now from json_to_recordset(cast(:before as json)) n(email text, "
            "name text, locale text, properties jsonb, consent jsonb, do_not_survey bool) "
            "where workspace_id = :workspace_id and id = :customer"
        ).bindparams(
            workspace_id=workspace_id, customer=customer_id, now=utc_now(),
            before=json.dumps([{name: before[name] for name in CALLER_FIELDS}], default=str),
        ),
    )  # fmt: skip
    await run_sql(
        session,
        text(
            "delete from customer_identity k where k.workspace_id = :workspace_id "
            "and k.customer_id = :customer and not exists ("
            "select from unnest(cast(:kinds as text[]), cast(:values as text[])) n(kind, value) "
            "where n.kind = k.kind and n.value = k.value)"
        ).bindparams(
            workspace_id=workspace_id, customer=customer_id,
            kinds=[kind for kind, _ in identities], values=[value for _, value in identities],
        ),
    )  # fmt: skip
