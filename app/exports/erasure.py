# SPDX-License-Identifier: Apache-2.0
"""Erasing a customer: personal data goes everywhere, an empty pseudonym and all counts stay.

What is erased: the customer's names and properties; in interactions and tickets the customer's
own words; in responses comments, free texts, claims and notes; addresses in invitations; the
data of events, raw bodies of inbound events, kept replies, and mails in the folder. Scores,
times, touchpoints and segments stay, and so every figure does.
"""

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import rfc3339, utc_now
from app.core.cursors import newest_first
from app.core.database import Database, run_sql
from app.core.event_types import EventType
from app.core.idempotency import erase_replies
from app.core.ids import uuid7
from app.core.notices import notify
from app.core.outbox import emit
from app.core.signing import SealedBox
from app.exports.models import Erasure
from app.interactions.customer_resolver import CUSTOMER_NOTICES
from app.interactions.customers import find_customer, lock_cases, lock_customers
from app.interactions.erased_names import remember_names

JOURNAL = "erasures.ndjson"
ErasureReason = Literal["asked", "retention"]
_LONG_ID = 8
_PARAMETER = re.compile(r"(?<!:):(\w+)")


# Properties that are declared as segments name nobody, and figures are grouped by them.
def _segments_sql(row: str, version: str) -> str:
    """Return the SQL of a row's segments under a version of the workspace's configuration `w`."""
    return f"""(select coalesce(jsonb_object_agg(k, {row}.properties -> k), '{{}}')
  from jsonb_array_elements_text(w.configs -> {version}::text -> 'segments') k
  where {row}.properties ? k)"""


_OPEN_SEGMENTS = _segments_sql("t", "w.config")
# The answers of a response `r` without what somebody wrote.
WITHOUT_TEXTS = """(select coalesce(jsonb_object_agg(a.key, a.value), '{}')
    from jsonb_each(r.answers) a
    where exists (select 1 from question q where q.workspace_id = :workspace_id
      and q.survey_id = r.survey_id and q.key = a.key and q.type <> 'text'))"""
_COUNTED_SEGMENTS = _segments_sql("t", "t.counted_as")

# The events about a customer, found by ids and addresses.
_IS_ABOUT_CUSTOMER_SQL = """(data ->> 'customer_id' = :customer_text
  or data -> 'customer' ->> 'id' = :customer_text or data ->> 'customer_id' = any(:merged)
  or data ->> 'id' = any(:responses) or data ->> 'id' = any(:interactions)
  or lower(data ->> 'email') = any(:emails))"""

_STATEMENTS: dict[str, str] = {
    "names": """
delete from customer_identity where workspace_id = :workspace_id and customer_id = :customer""",
    "customer": """
update customer set email = null, name = null, locale = null, properties = '{}', consent = null,
  told_at = '{}', do_not_survey = true, erased_at = :now, updated_at = :now
where workspace_id = :workspace_id and id = :customer""",
    "imports": """
update import_row w set before = null, external_id = null from response r
where w.workspace_id = :workspace_id and r.workspace_id = w.workspace_id
and r.id = w.response_id and r.customer_id = :customer""",
    "imported_records": """
update import_record set before = null, external_id = null,
  after = case when after ? 'interactions' then after end
where workspace_id = :workspace_id
and (customer_id = :customer or cast(customer_id as text) = any(:merged))""",
    # A look quotes cells: an example of each column, and what could not be read.
    "import_reports": """
update import_run r set rejects = null,
  report = r.report - 'columns' - 'rejected' - 'notes' - 'not_stored'
where workspace_id = :workspace_id and exists (select from unnest(cast(:search_texts as text[])) n
  where position(lower(n) in lower(r.report::text || coalesce(r.rejects, ''))) > 0)""",
    # Files that wait to be imported may name anybody, and are sent again.
    "uploads": "delete from import_upload where workspace_id = :workspace_id",
    "interactions": f"""
with kept as materialized (
  select t.id, {_OPEN_SEGMENTS} as properties from interaction t, workspace_config w
  where w.workspace_id = :workspace_id and t.workspace_id = :workspace_id
  and t.customer_id = :customer)
update interaction t set properties = k.properties, external_id = 'erased:' || t.id,
  contact = null, changed_at = :now
from kept k where t.workspace_id = :workspace_id and t.id = k.id""",
    "tickets": f"""
with kept as materialized (
  select t.id, {_COUNTED_SEGMENTS} as properties from ticket t, workspace_config w
  where w.workspace_id = :workspace_id and t.workspace_id = :workspace_id
  and t.customer_id = :customer)
update ticket t set properties = k.properties, updated_at = :now
from kept k where t.workspace_id = :workspace_id and t.id = k.id""",
    # A claim with the customer's full name is erased even if its address differs. A first name
    # alone is no match.
    "claims": f"""
with kept as materialized (
  select r.id, {WITHOUT_TEXTS} as answers from response r
  where r.workspace_id = :workspace_id and r.claimed is not null
  and (lower(r.claimed ->> 'email') = any(:emails)
    or r.claimed ->> 'external_id' = any(:external_ids)
    or (position(' ' in cast(:name as text)) > 0 and lower(r.claimed ->> 'name') = :name)))
update response r set claimed = null, comment = null, updated_at = :now, answers = k.answers
from kept k where r.workspace_id = :workspace_id and r.id = k.id""",
    # A random hash replaces the token's, so that the link stops working.
    "invitations": """
with dead as materialized (
  select id, sha256(convert_to(gen_random_uuid()::text, 'UTF8')) as hash from invitation
  where workspace_id = :workspace_id and customer_id = :customer)
update invitation i set email = null, name = null, detail = null, token = ''::bytea,
  token_hash = d.hash, context = i.context - 'properties', updated_at = :now,
  status = case when i.status = 'scheduled' then 'cancelled' else i.status end,
  reason = case when i.status = 'scheduled' then 'cancelled' else i.reason end
from dead d where i.workspace_id = :workspace_id and i.id = d.id""",
    # A receiver's logged reply may repeat the personal data that it received.
    "deliveries": f"""
with silent as materialized (
  select d.id, (select coalesce(jsonb_agg(a || '{{"reply": null}}'), '[]')
    from jsonb_array_elements(d.attempts) a) as attempts
  from delivery d where d.workspace_id = :workspace_id and d.event_id in (
    select id from event where workspace_id = :workspace_id and {_IS_ABOUT_CUSTOMER_SQL}))
update delivery d set attempts = s.attempts
from silent s where d.workspace_id = :workspace_id and d.id = s.id""",
    "events": f"""
update event set data = (data - 'customer' - 'comment' - 'answers' - 'properties' - 'email'
  - 'interaction' - 'order' - 'order_ref' - 'ticket'
  - 'detail' - 'follow_up' - 'external_id') || jsonb_build_object('erased', true)
where workspace_id = :workspace_id and {_IS_ABOUT_CUSTOMER_SQL}""",
    "webhooks": """
update inbound_event set body = ''::bytea, headers = '{}', reason = coalesce(reason, 'erased')
where workspace_id = :workspace_id and (interactions ?| cast(:interactions as text[])
  or exists (select from unnest(cast(:search_texts as text[])) n
    where position(lower(encode(convert_to(n, 'UTF8'), 'escape'))
      in lower(encode(body, 'escape'))) > 0))""",
    "jobs": """
update job set error = null where workspace_id = :workspace_id
and exists (
    select from unnest(cast(:search_texts as text[])) n where position(n in job.error) > 0
)""",
    "suppressed": """
update suppression set email = null, detail = null
where workspace_id = :workspace_id and email = any(:emails)""",
}

# All writers lock responses in the order of their ids.
_LOCK_RESPONSES = (
    "select 1 from response where workspace_id = :workspace_id and customer_id = :customer "
    "order by id for update"
)
_RESPONSES = f"""
with kept as materialized (
  select r.id, {_segments_sql("r", "r.counted_as")} as properties, {WITHOUT_TEXTS} as answers
  from response r, workspace_config w
  where w.workspace_id = :workspace_id and r.workspace_id = :workspace_id
  and r.customer_id = :customer)
update response r set comment = null, claimed = null, notes = '[]', order_ref = null,
  ticket_ref = null, interaction_ref = null, external_id = null, updated_at = :now,
  properties = k.properties, answers = k.answers
from kept k where r.workspace_id = :workspace_id and r.id = k.id
"""


async def erase_customer(
    session: AsyncSession,
    workspace_id: UUID,
    customer: dict[str, Any],
    *,
    box: SealedBox,
    data_dir: Path,
    reason: ErasureReason = "asked",
) -> dict[str, int]:
    """Erase a customer; return the number of erased rows by kind. No figure changes.

    A journal file beside the database notes it too: a restored backup repeats the erasure from it.
    """
    customer_id: UUID = customer["id"]
    await lock_cases(session, workspace_id, [customer_id])
    await lock_customers(session, workspace_id, [customer_id])
    bound = await _erasure_parameters(session, workspace_id, customer)
    names = await _known_names(session, bound)
    await remember_names(session, workspace_id, names=names, emails=bound["emails"])
    erased: dict[str, int] = {}
    invitations = await _ids(session, "invitation", workspace_id, customer_id)
    # By id, as all writers of responses lock them.
    await _run(session, _LOCK_RESPONSES, bound)
    erased["responses"] = await _run(session, _RESPONSES, bound)
    for name, statement in _STATEMENTS.items():
        erased[name] = await _run(session, statement, bound)
    search_texts = [
        search_text.encode() for search_text in (*bound["search_texts"], str(customer_id))
    ]
    erased["replies"] = await erase_replies(session, box, workspace_id, search_texts)
    mails = data_dir / "mail"
    erased["mails"] = await asyncio.to_thread(_delete_mails, mails, invitations, search_texts)
    await notify(session, CUSTOMER_NOTICES, str(workspace_id))
    documents = [{"id": str(customer_id), "erased": erased}]
    await emit(session, workspace_id, EventType.CUSTOMER_ERASED, data=documents)
    session.add(
        Erasure(
            workspace_id=workspace_id, id=uuid7(), customer_id=customer_id, reason=reason,
            erased=erased, created_at=utc_now(),
        )
    )  # fmt: skip
    entry = {
        "workspace": str(workspace_id), "customer": str(customer_id), "reason": reason,
        "at": rfc3339(utc_now()),
    }  # fmt: skip
    await asyncio.to_thread(_note, data_dir / JOURNAL, entry)
    return erased


async def erase_by_id(
    database: Database,
    box: SealedBox,
    data_dir: Path,
    workspace_id: UUID,
    customer_id: UUID,
    *,
    reason: ErasureReason,
) -> bool:
    """Erase one customer; return False if the customer is unknown or was erased before."""
    async with database.transaction() as session:
        customer = await find_customer(session, workspace_id, str(customer_id))
        if customer is None or customer["erased_at"] is not None:
            return False
        await erase_customer(
            session, workspace_id, customer, box=box, data_dir=data_dir, reason=reason
        )
    return True


def _note(journal: Path, entry: Mapping[str, str]) -> None:
    """Note an erasure in the journal, so that a restored backup can repeat it."""
    with journal.open("a") as out:
        out.write(json.dumps(entry) + "\n")
        out.flush()
        os.fsync(out.fileno())
    journal.chmod(0o600)


async def _known_names(session: AsyncSession, bound: Mapping[str, Any]) -> list[str]:
    """Return all names by which the customer was known: also as invited, and as claimed."""
    statement = """
select :name where cast(:name as text) is not null
union select name from invitation
where workspace_id = :workspace_id and customer_id = :customer and name is not null
union select claimed ->> 'name' from response
where workspace_id = :workspace_id and claimed ->> 'name' is not null and (
  customer_id = :customer or lower(claimed ->> 'email') = any(:emails)
  or claimed ->> 'external_id' = any(:external_ids))"""
    names = {name: bound[name] for name in _PARAMETER.findall(statement)}
    return list((await run_sql(session, text(statement).bindparams(**names))).scalars())


async def find_page(
    session: AsyncSession, workspace_id: UUID, *, limit: int, cursor: str | None
) -> list[Erasure]:
    """Return up to `limit + 1` erasures, newest first."""
    query = select(Erasure).where(Erasure.workspace_id == workspace_id)
    query = newest_first(query, Erasure, limit=limit, cursor=cursor)
    return list(await session.exec(query))


async def _erasure_parameters(
    session: AsyncSession, workspace_id: UUID, customer: dict[str, Any]
) -> dict[str, Any]:
    """Return what the statements look for: ids, addresses, and the names in raw bodies."""
    customer_id: UUID = customer["id"]
    rows = await run_sql(
        session,
        text(
            "select value, kind from customer_identity where workspace_id = :workspace_id "
            "and customer_id = :customer"
        ).bindparams(workspace_id=workspace_id, customer=customer_id),
    )
    known = rows.all()
    emails = {row.value for row in known if row.kind == "email"}
    if customer["email"]:
        emails |= {customer["email"], customer["email"].lower()}
    # Earlier addresses, which the customer may no longer have.
    older = await run_sql(
        session,
        text(
            "select distinct lower(email) as email from invitation "
            "where workspace_id = :workspace_id and customer_id = :customer "
            "and email is not null"
        ).bindparams(workspace_id=workspace_id, customer=customer_id),
    )
    emails |= {row.email for row in older}
    merged = await run_sql(
        session,
        text(
            "select id from customer where workspace_id = :workspace_id and merged_into = :customer"
        ).bindparams(workspace_id=workspace_id, customer=customer_id),
    )
    return {
        "workspace_id": workspace_id,
        "customer": customer_id,
        "customer_text": str(customer_id),
        "now": utc_now(),
        "emails": sorted(emails),
        "external_ids": [row.value for row in known if row.kind != "email"],
        "merged": [str(row.id) for row in merged],
        "name": (customer["name"] or "").lower() or None,
        "search_texts": sorted(_as_in_bodies(emails) | _other_names(customer, known)),
        "responses": [
            str(id_) for id_ in await _ids(session, "response", workspace_id, customer_id)
        ],
        "interactions": [
            str(id_) for id_ in await _ids(session, "interaction", workspace_id, customer_id)
        ],
    }


def _other_names(customer: dict[str, Any], known: Sequence[Any]) -> set[str]:
    """Return the ids and the full name as they may stand in a raw body.

    A short id would match everywhere, so it is searched only as a quoted JSON text.
    """
    ids = {row.value for row in known if row.kind != "email"}
    names = {json.dumps(id_) for id_ in ids} | {id_ for id_ in ids if len(id_) >= _LONG_ID}
    name = customer["name"] or ""
    return names | (_as_in_bodies({name}) if " " in name.strip() else set())


def _as_in_bodies(emails: set[str]) -> set[str]:
    """Return addresses as they may stand in a JSON body: as they are, and escaped."""
    return emails | {json.dumps(email)[1:-1] for email in emails}


async def _ids(
    session: AsyncSession, table: str, workspace_id: UUID, customer_id: UUID
) -> list[UUID]:
    rows = await run_sql(
        session,
        text(
            f"select id from {table} where workspace_id = :workspace_id and customer_id = :customer"
        ).bindparams(workspace_id=workspace_id, customer=customer_id),
    )
    return [row.id for row in rows]


async def _run(session: AsyncSession, statement: str, bound: dict[str, Any]) -> int:
    names = {name: bound[name] for name in _PARAMETER.findall(statement)}
    return (await run_sql(session, text(statement).bindparams(**names))).rowcount


def _delete_mails(folder: Path, invitations: Sequence[UUID], search_texts: Sequence[bytes]) -> int:
    paths = [path for id_ in invitations for path in folder.glob(f"{id_}.*.eml")]
    # Mails to the company may name the customer, too.
    paths += [path for path in folder.glob("*.notice.eml") if _holds(path, search_texts)]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _holds(mail: Path, search_texts: Sequence[bytes]) -> bool:
    text = mail.read_bytes().replace(b"=\r\n", b"").replace(b"=\n", b"").lower()
    return any(search_text.lower() in text for search_text in search_texts)
