# SPDX-License-Identifier: Apache-2.0
"""What can be exported: each dataset's columns, with their types and meanings, as data. Pure.

The dictionary that readers get, the statement that is run and the types of every format are all
made from these columns.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.core.lookup import is_referenced_sql
from app.exports.columns import Column, Dataset, Type
from app.exports.wide_columns import WIDE_SCORES, tag_means
from app.interactions.filter_values import is_customer_sql
from app.responses.follow_ups import is_overdue_sql
from app.responses.statements import COUNTERS
from app.responses.states import integrity_sql
from app.surveys.emotions import option_valence_sql
from app.surveys.question_types import TYPES_WITH_OPTIONS

# The day that a moment is on in the workspace's time zone.
_LOCAL_DAY = "({0}::timestamptz at time zone (select timezone from workspace where id = $1))::date"


def _id(sql: str, meaning: str = "The row's id; later exports name it again.") -> Column:
    return Column("id", Type.ID, meaning, sql)


def _changes(changed: str) -> tuple[Column, ...]:
    """Return the columns of a row's changes; the query of an export fills in `deleted_at`."""
    return (
        Column("updated_at", Type.TIME, "When the row last changed.", changed),
        Column("deleted_at", Type.TIME, "When it was deleted, or left the filter; then all else "
               "is empty.", "null::timestamptz"),
    )  # fmt: skip


_GONE = "r.state = 'deleted'"
_RESPONSES = """from response r
join survey s on s.workspace_id = $1 and s.id = r.survey_id
where r.workspace_id = $1 and not r.test"""
_ANSWERS = """from response r
join survey s on s.workspace_id = $1 and s.id = r.survey_id
cross join lateral jsonb_each(r.answers) a
left join question q
  on q.workspace_id = $1 and q.survey_id = r.survey_id and q.key = a.key
where r.workspace_id = $1 and not r.test"""
# All questions that a survey has had, so that a withdrawn answer is exported as a tombstone.
_CHANGED_ANSWERS = """from response r
join survey s on s.workspace_id = $1 and s.id = r.survey_id
cross join lateral (
  select k.key, r.answers -> k.key as value from (
    select q.key from question q where q.workspace_id = $1
    and q.survey_id = r.survey_id union select jsonb_object_keys(r.answers)) k) a
left join question q
  on q.workspace_id = $1 and q.survey_id = r.survey_id and q.key = a.key
where r.workspace_id = $1 and not r.test"""
# New tags of a survey's questions change what its answers say, so that they change with it.
_ANSWER_CHANGED = "greatest(r.updated_at, s.tags_changed_at)"
_ANSWER_CHANGED_SINCE = """(r.updated_at >= {0} or r.survey_id = any (array(
  select t.id from survey t where t.workspace_id = $1 and t.tags_changed_at >= {0})))"""
# All options of a question, so that a withdrawn choice is exported as a tombstone.
_CHOICES = f"""from response r
join survey s on s.workspace_id = $1 and s.id = r.survey_id
join question q on q.workspace_id = $1 and q.survey_id = r.survey_id
  and q.type in ({", ".join(f"'{type_}'" for type_ in TYPES_WITH_OPTIONS)})
cross join lateral (
  select u.key, r.scores ? (q.key || '=' || u.key) as chosen from (
    select option ->> 'key' as key from jsonb_array_elements(q.options) option
    union select substr(given, length(q.key) + 2) from jsonb_object_keys(r.scores) given
    where starts_with(given, q.key || '=')) u) o
where r.workspace_id = $1 and not r.test"""
_INTEGRITY = integrity_sql("r.state")
_INTERACTION_CHANGED = "coalesce(i.changed_at, i.created_at)"
_OF_RESPONSES = {
    "survey": is_referenced_sql("s", "{0}"),
    "touchpoint": "r.touchpoint = {0}",
    "channel": "r.channel = {0}",
    "locale": "r.locale = {0}",
    "customer": is_customer_sql("r.customer_id", workspace="$1", name="{0}"),
    "order": "r.order_ref = {0}",
    "ticket": "r.ticket_ref = {0}",
    "band": "r.band = {0}",
    "integrity": f"{_INTEGRITY} = {{0}}",
    "follow_up": "r.follow_up = {0}",
    "assignee": "r.assignee = {0}",
    "overdue": f"{is_overdue_sql('now()')} = {{0}}::bool",
    "tag": "r.tags @> jsonb_build_array({0}::text)",
    "min_score": "r.score >= {0}::int",
    "max_score": "r.score <= {0}::int",
    "has_comment": "(r.comment is not null) = {0}::bool",
    "q": "position(lower({0}) in lower(r.comment)) > 0",
    "since": "r.responded_at >= {0}",
    "until": "r.responded_at < {0}",
}


DATASETS: dict[str, Dataset] = {
    "responses": Dataset(
        meaning="One row per response, with all its answers as a document.",
        columns=(
            _id("r.id"),
            *_changes("r.updated_at"),
            Column("survey", Type.TEXT, "Key of the survey.", "s.key"),
            Column("survey_version", Type.INTEGER, "Version answered.", "r.survey_version"),
            Column("channel", Type.TEXT, "How it was answered.", "r.channel"),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(r.touchpoint, '')"),
            Column("locale", Type.TEXT, "Language of the answer.", "r.locale"),
            Column("score", Type.INTEGER, "Answer to the main question.", "r.score"),
            Column("band", Type.TEXT, "What the score says, such as `promoter`.", "r.band"),
            Column("complete", Type.BOOLEAN, "Whether all was asked.", "r.complete"),
            Column("integrity", Type.TEXT, "`ok` where it counts, else why not.", _INTEGRITY),
            Column("comment", Type.TEXT, "The free texts.", "r.comment"),
            Column("answers", Type.JSON, "Every answer, by question.", "r.answers"),
            Column("properties", Type.JSON, "Of the response and its case.", "r.properties"),
            Column("customer_id", Type.ID, "The customer; no name, no address.", "r.customer_id"),
            Column("order", Type.TEXT, "Number of the order.", "r.order_ref"),
            Column("ticket", Type.TEXT, "Number of the ticket.", "r.ticket_ref"),
            Column("external_id", Type.TEXT, "The sender's own id.", "r.external_id"),
            Column("tags", Type.JSON, "Tags, a list.", "r.tags"),
            Column("imported", Type.BOOLEAN, "Whether it was read from a file.", "r.imported"),
            Column("follow_up", Type.TEXT, "How far the follow-up is.", "r.follow_up"),
            Column("responded_at", Type.TIME, "When it was answered.", "r.responded_at"),
            Column("created_at", Type.TIME, "When it arrived.", "r.created_at"),
        ),
        source=_RESPONSES,
        changed="r.updated_at",
        order="r.updated_at, r.id",
        deleted=_GONE,
        properties="r.properties",
        filters=_OF_RESPONSES,
    ),
    "answers": Dataset(
        meaning="One row per question that was answered; its id is the same in every export.",
        columns=(
            Column("id", Type.TEXT, "The row's id: the response's, and the question's key.",
                   "r.id || ':' || a.key"),
            Column("response_id", Type.ID, "Id of the response.", "r.id"),
            *_changes(_ANSWER_CHANGED),
            Column("survey", Type.TEXT, "Key of the survey.", "s.key"),
            Column("question", Type.TEXT, "Key of the question.", "a.key"),
            Column("type", Type.TEXT, "Type of the question.", "q.type"),
            Column("scale", Type.TEXT, "Scale, such as `0-10` or `5`.", "q.scale"),
            Column("driver", Type.TEXT, "Driver that it rates.", "q.driver"),
            Column("pillar", Type.TEXT, "Pillar that it rates.", "q.pillar"),
            Column("module", Type.TEXT, "Experience module.", "q.module"),
            Column(
                "score", Type.INTEGER, "The number counted; empty where skipped or `na`.",
                "case when (r.scores ->> a.key)::int >= 0 then (r.scores ->> a.key)::int end",
            ),
            Column("valence", Type.INTEGER, "Of an emotion: 1 positive, 0 neutral, -1 negative.",
                   option_valence_sql("a.value #>> '{}'")),
            Column("value", Type.JSON, "The answer as it was given.", "a.value"),
            Column("integrity", Type.TEXT, "`ok` where it counts, else why not.", _INTEGRITY),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(r.touchpoint, '')"),
            Column("channel", Type.TEXT, "How it was answered.", "r.channel"),
            Column("responded_at", Type.TIME, "When it was answered.", "r.responded_at"),
        ),
        source=_ANSWERS,
        changed_source=_CHANGED_ANSWERS,
        changed=_ANSWER_CHANGED,
        changed_since=_ANSWER_CHANGED_SINCE,
        order=f"{_ANSWER_CHANGED}, r.id, a.key",
        deleted=f"({_GONE} or a.value is null)",
        properties="r.properties",
        filters=_OF_RESPONSES,
    ),
    "answers_wide": Dataset(
        meaning="One row per response, with its scores and their tags as documents.",
        columns=(
            _id("r.id"),
            *_changes(_ANSWER_CHANGED),
            Column("survey", Type.TEXT, "Key of the survey.", "s.key"),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(r.touchpoint, '')"),
            Column("channel", Type.TEXT, "How it was answered.", "r.channel"),
            Column("locale", Type.TEXT, "Language of the answer.", "r.locale"),
            Column("score", Type.INTEGER, "Answer to the main question.", "r.score"),
            Column("band", Type.TEXT, "What the score says, such as `promoter`.", "r.band"),
            Column("scores", Type.JSON, "Scores by question; skipped and `na` are left out.",
                   WIDE_SCORES),
            Column("drivers", Type.JSON, "Mean of each driver, 0 to 100.", tag_means("driver")),
            Column("pillars", Type.JSON, "Mean of each pillar, 0 to 100.", tag_means("pillar")),
            Column("modules", Type.JSON, "Mean of each module, 0 to 100.", tag_means("module")),
            Column("properties", Type.JSON, "Of the response and its case.", "r.properties"),
            Column("customer_id", Type.ID, "The customer; no name, no address.", "r.customer_id"),
            Column("complete", Type.BOOLEAN, "Whether all was asked.", "r.complete"),
            Column("integrity", Type.TEXT, "`ok` where it counts, else why not.", _INTEGRITY),
            Column("responded_at", Type.TIME, "When it was answered.", "r.responded_at"),
        ),
        source=_RESPONSES,
        changed=_ANSWER_CHANGED,
        changed_since=_ANSWER_CHANGED_SINCE,
        order=f"{_ANSWER_CHANGED}, r.id",
        deleted=_GONE,
        properties="r.properties",
        filters=_OF_RESPONSES,
    ),
    "choices": Dataset(
        meaning="One row per option that was chosen; its id is the same in every export.",
        columns=(
            Column("id", Type.TEXT, "The row's id: the response's, the question's key and the "
                   "option's.", "r.id || ':' || q.key || '=' || o.key"),
            Column("response_id", Type.ID, "Id of the response.", "r.id"),
            *_changes(_ANSWER_CHANGED),
            Column("survey", Type.TEXT, "Key of the survey.", "s.key"),
            Column("question", Type.TEXT, "Key of the question.", "q.key"),
            Column("type", Type.TEXT, "`choice`, `choices` or `emotion`.", "q.type"),
            Column("option", Type.TEXT, "Key of the option.", "o.key"),
            Column("valence", Type.INTEGER, "Of an emotion: 1 positive, 0 neutral, -1 negative.",
                   option_valence_sql("o.key")),
            Column("integrity", Type.TEXT, "`ok` where it counts, else why not.", _INTEGRITY),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(r.touchpoint, '')"),
            Column("channel", Type.TEXT, "How it was answered.", "r.channel"),
            Column("responded_at", Type.TIME, "When it was answered.", "r.responded_at"),
        ),
        source=f"{_CHOICES} and o.chosen",
        changed_source=_CHOICES,
        changed=_ANSWER_CHANGED,
        changed_since=_ANSWER_CHANGED_SINCE,
        order=f"{_ANSWER_CHANGED}, r.id, q.key, o.key",
        deleted=f"({_GONE} or not o.chosen)",
        properties="r.properties",
        filters=_OF_RESPONSES,
    ),
    "interactions": Dataset(
        meaning="One row per interaction.",
        columns=(
            _id("i.id"),
            *_changes(_INTERACTION_CHANGED),
            Column("type", Type.TEXT, "Such as `order.paid`.", "i.type"),
            Column("source", Type.TEXT, "Who reported it.", "i.source"),
            Column("external_id", Type.TEXT, "The source's id of the event.", "i.external_id"),
            Column("ticket", Type.TEXT, "Number of the ticket.", "i.ticket"),
            Column("order", Type.TEXT, "Number of the order.", "i.order_ref"),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(i.touchpoint, '')"),
            Column("customer_id", Type.ID, "The customer; no name, no address.", "i.customer_id"),
            Column("locale", Type.TEXT, "Language of the customer.", "i.locale"),
            Column("amount", Type.NUMBER, "Value of the order.", "i.amount"),
            Column("currency", Type.TEXT, "Currency of the value.", "i.currency"),
            Column("properties", Type.JSON, "What else the source said.", "i.properties"),
            Column("occurred_at", Type.TIME, "When it happened.", "i.occurred_at"),
        ),
        source="from interaction i where i.workspace_id = $1 and not i.test",
        changed_source="from interaction i where i.workspace_id = $1 "
        "and (not i.test or i.changed_at is not null)",
        changed=_INTERACTION_CHANGED,
        order=f"{_INTERACTION_CHANGED}, i.id",
        deleted="i.test",
        properties="i.properties",
        filters={
            "source": "i.source = {0}",
            "type": "i.type = {0}",
            "ticket": "i.ticket = {0}",
            "order": "i.order_ref = {0}",
            "customer": is_customer_sql("i.customer_id", workspace="$1", name="{0}"),
            "touchpoint": "i.touchpoint = {0}",
            "since": "i.occurred_at >= {0}",
            "until": "i.occurred_at < {0}",
        },
    ),
    "tickets": Dataset(
        meaning="One row per ticket, with its times to resolution in seconds.",
        columns=(
            _id("t.id"),
            *_changes("t.updated_at"),
            Column("source", Type.TEXT, "The helpdesk.", "t.source"),
            Column("ticket", Type.TEXT, "Its number there.", "t.ticket"),
            Column("status", Type.TEXT, "How far it is.", "t.status"),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(t.touchpoint, '')"),
            Column("customer_id", Type.ID, "The customer; no name, no address.", "t.customer_id"),
            Column("properties", Type.JSON, "What the helpdesk said.", "t.properties"),
            Column("opened_at", Type.TIME, "When it was opened.", "t.opened_at"),
            Column("first_reply_at", Type.TIME, "First reply.", "t.first_reply_at"),
            Column("first_solved_at", Type.TIME, "First solved.", "t.first_solved_at"),
            Column("last_solved_at", Type.TIME, "Last solved.", "t.last_solved_at"),
            Column("reopened", Type.BOOLEAN, "Whether it was ever reopened.", "t.reopened"),
            Column("first_seconds", Type.INTEGER, "Opened to first solved.", "t.first_seconds"),
            Column("full_seconds", Type.INTEGER, "Opened to last solved.", "t.full_seconds"),
            Column("reply_seconds", Type.INTEGER, "Opened to first reply.", "t.reply_seconds"),
            Column("first_business", Type.INTEGER, "By opening hours.", "t.first_business"),
            Column("full_business", Type.INTEGER, "By opening hours.", "t.full_business"),
            Column("reply_business", Type.INTEGER, "By opening hours.", "t.reply_business"),
        ),
        source="from ticket t where t.workspace_id = $1",
        changed="t.updated_at",
        order="t.updated_at, t.id",
        properties="t.properties",
        filters={
            "source": "t.source = {0}",
            "status": "t.status = {0}",
            "ticket": "t.ticket = {0}",
            "customer": is_customer_sql("t.customer_id", workspace="$1", name="{0}"),
            "agent": "t.properties ->> 'agent' = {0}",
            "since": "t.updated_at >= {0}",
            "until": "t.updated_at < {0}",
        },
    ),
    "invitations": Dataset(
        meaning="One row per request to a customer.",
        columns=(
            _id("v.id"),
            *_changes("v.updated_at"),
            Column("survey", Type.TEXT, "Key of the survey.", "s.key"),
            Column("channel", Type.TEXT, "`email` or `link`.", "v.channel"),
            Column("status", Type.TEXT, "Where it stands.", "v.status"),
            Column("reason", Type.TEXT, "Why it ended without an answer.", "v.reason"),
            Column("customer_id", Type.ID, "The customer; no name, no address.", "v.customer_id"),
            Column("trigger_id", Type.ID, "The trigger that asked.", "v.trigger_id"),
            Column("order", Type.TEXT, "Number of the order.", "v.order_ref"),
            Column("ticket", Type.TEXT, "Number of the ticket.", "v.ticket"),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "nullif(v.touchpoint, '')"),
            Column("send_at", Type.TIME, "When it was to be sent.", "v.send_at"),
            Column("sent_at", Type.TIME, "When it was sent.", "v.sent_at"),
            Column("opened_at", Type.TIME, "When its page was first opened.", "v.opened_at"),
            Column("answered_at", Type.TIME, "When it was answered.", "v.answered_at"),
            Column("created_at", Type.TIME, "When it was made.", "v.created_at"),
        ),
        source="""from invitation v
join survey s on s.workspace_id = v.workspace_id and s.id = v.survey_id
where v.workspace_id = $1 and not v.test""",
        changed="v.updated_at",
        order="v.created_at, v.id",
        filters={
            "survey": is_referenced_sql("s", "{0}"),
            "status": "v.status = {0}",
            "channel": "v.channel = {0}",
            "touchpoint": "v.touchpoint = {0}",
            "customer": is_customer_sql("v.customer_id", workspace="$1", name="{0}"),
            "order": "v.order_ref = {0}",
            "ticket": "v.ticket = {0}",
            "since": "v.created_at >= {0}",
            "until": "v.created_at < {0}",
        },
    ),
    "rollups": Dataset(
        meaning="One row per day, survey, question, touchpoint, channel, language and segment: how "
        "often each score was given. Only sums of these columns mean something.",
        columns=(
            Column("date", Type.DATE, "Day in the workspace's zone.", "c.local_date"),
            Column("survey", Type.TEXT, "Key of the survey.", "s.key"),
            Column("question", Type.TEXT, "Key of the question, or `key=option`.", "c.question"),
            Column("touchpoint", Type.TEXT, "Kind of moment.", "c.touchpoint"),
            Column("channel", Type.TEXT, "Empty in rows of a segment.", "c.channel"),
            Column("locale", Type.TEXT, "Empty in rows of a segment.", "c.locale"),
            Column("segment", Type.TEXT, "Empty in base rows: sum these, or one segment.",
                   "c.segment"),
            Column("value", Type.TEXT, "Value of the segment.", "c.value"),
            *(
                Column(name, Type.INTEGER, _counter_meaning, f"sum(c.{name})::bigint")
                for name, _counter_meaning in zip(
                    COUNTERS,
                    [*(f"Answers with the score {score}." for score in range(11)),
                     "Shown and skipped.", "Not applicable."],
                    strict=True,
                )
            ),
        ),
        source="""from rollup c
join survey s on s.workspace_id = c.workspace_id and s.id = c.survey_id
where c.workspace_id = $1""",
        changed="",
        order="1, 2, 3, 4, 5, 6, 7, 8",
        filters={
            "survey": is_referenced_sql("s", "{0}"),
            "touchpoint": "c.touchpoint = {0}",
            "channel": "c.channel = {0}",
            "since": "c.local_date >= " + _LOCAL_DAY,
            "until": "c.local_date < " + _LOCAL_DAY,
        },
    ),
}  # fmt: skip


def with_question_columns(dataset: Dataset, questions: Sequence[str]) -> Dataset:
    """Return the responses with one column a question instead of the document of all."""
    question_columns = tuple(
        Column(
            f"answer.{key}",
            Type.TEXT,
            "The answer as it was given.",
            f"r.answers ->> '{key}'",
        )
        for key in questions
    )
    columns = [column for column in dataset.columns if column.name != "answers"]
    return replace(dataset, columns=(*columns, *question_columns))
