# SPDX-License-Identifier: Apache-2.0
"""The events of responses: the data that a webhook's subscriber gets, frozen when it happens.

PostgreSQL makes it from the row, by `event_data_sql`. For a new answer that is written alone, the
process makes it by `lone_event_data`: preparing that SQL would cost PostgreSQL a tenth of a
millisecond for a single row.
"""

import datetime as dt

import msgspec
from msgspec import Raw

from app.core.event_types import EventType
from app.responses.case_interaction import case_interaction_sql, interaction_id_sql
from app.responses.rows import ResponseRow

# The types of events as SQL.
CREATED, UPDATED = f"'{EventType.RESPONSE_CREATED}'", f"'{EventType.RESPONSE_UPDATED}'"

_NAMED_SOURCE = "(r.interaction_ref ->> 'source')"
_CASE = case_interaction_sql(
    "$1",
    id_=interaction_id_sql("$1", _NAMED_SOURCE, "(r.interaction_ref ->> 'external_id')"),
    source=_NAMED_SOURCE,
    ticket="r.ticket_ref",
    order_ref="r.order_ref",
)
# The interaction of the case, for statements that are not given it.
_ABOUT = f"""case when num_nonnulls(r.ticket_ref, r.order_ref, r.interaction_ref) > 0 then (
    select jsonb_build_object('type', i.type, 'source', i.source, 'ticket', i.ticket,
      'order', i.order_ref, 'properties', i.properties) from ({_CASE}) i) end"""

# What the data of an event say of the survey `s` and of the customer of a response `r`.
SURVEY = "jsonb_build_object('key', s.key, 'name', s.name, 'version', r.survey_version)"
CUSTOMER = """(
    select jsonb_strip_nulls(jsonb_build_object('id', c.id, 'email', c.email, 'name', c.name,
      'external_ids', (
        select jsonb_agg(jsonb_build_object('source', nullif(substr(i.kind, 4), ''), 'id', i.value))
        from customer_identity i where i.workspace_id = $1
        and i.customer_id = c.id and i.kind like 'id:%')))
    from customer c where c.workspace_id = $1 and c.id = r.customer_id)"""


def lone_event_data(row: ResponseRow, now: dt.datetime) -> Raw | None:
    """Return the data of the event about a new answer, but for its survey and customer.

    None if no event is emitted: about a test, or about an answer that does not count.
    """
    if row.test or row.state != "counted":
        return None
    created_at = _written_time(now)
    data = {
        "id": row.id,
        "seq": row.seq,
        "channel": row.channel,
        "touchpoint": row.touchpoint or None,
        "locale": row.locale,
        "score": row.score,
        "band": row.band,
        "complete": row.complete,
        "answers": row.answers,
        "comment": row.comment,
        "properties": row.properties,
        "tags": row.tags,
        "order": row.order_ref,
        "ticket": row.ticket_ref,
        "external_id": row.external_id,
        "follow_up": row.follow_up,
        "state": row.state,
        "completes": row.complete,
        "interaction": row.about,
        "responded_at": _written_time(row.responded_at),
        "created_at": created_at,
        "updated_at": created_at,
    }
    return Raw(msgspec.json.encode(data))


def _written_time(at: dt.datetime) -> str:
    """Write a time of UTC as PostgreSQL does in JSON: without zeros at the end of its fraction."""
    text = at.isoformat().removesuffix("+00:00")
    return f"{text.rstrip('0') if '.' in text else text}+00:00"


def event_data_sql(completes: str = "false", about: str = _ABOUT) -> str:
    """Return the SQL of the data of an event about a stored response `r` of the survey `s`.

    `completes` and `about` are SQL: whether the event makes the answer final, and its case.
    """
    return f"""jsonb_build_object(
  'id', r.id, 'survey', {SURVEY},
  'seq', r.seq, 'channel', r.channel, 'touchpoint', nullif(r.touchpoint, ''), 'locale', r.locale,
  'score', r.score, 'band', r.band, 'complete', r.complete, 'answers', r.answers,
  'comment', r.comment,
  'properties', r.properties, 'tags', r.tags, 'order', r.order_ref, 'ticket', r.ticket_ref,
  'external_id', r.external_id, 'follow_up', r.follow_up, 'state', r.state,
  'completes', {completes}, 'interaction', {about}, 'customer', {CUSTOMER},
  'responded_at', r.responded_at, 'created_at', r.created_at, 'updated_at', r.updated_at)"""


def events_sql(source: str, event_type: str, condition: str, *, data: str) -> str:
    """Return the CTE that writes an event for each row of `source` that meets the condition.

    `event_type` and `data` are the SQL of the event's type and data.
    """
    return f"""
emitted as (
  insert into event (workspace_id, xid, id, type, data, created_at)
  select $1, stamp.xid, n.event_id, {event_type}, {data}, $2::timestamptz
  from stamp cross join {source} r
  join given n on n.id = r.id
  join survey s on s.workspace_id = $1 and s.id = r.survey_id
  where not r.test and r.told and {condition}
)"""
