# SPDX-License-Identifier: Apache-2.0
"""Events in Delighted's form. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, assert_never

from app.core.event_types import EventType
from app.surveys.question_types import (
    OptionAnswers,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
    traits_of,
)
from app.surveys.schemas import Definition, Question
from app.surveys.wording import in_language
from app.webhooks.formats import comment, link
from app.webhooks.subscriber_events import SubscriberEvent, event_body

_TYPES = {
    EventType.RESPONSE_CREATED: "survey_response.created",
    EventType.RESPONSE_UPDATED: "survey_response.updated",
    EventType.CUSTOMER_UNSUBSCRIBED: "unsubscribe.created",
}


def as_delighted(
    event: SubscriberEvent, *, personal: bool, base_url: str, definition: Definition | None
) -> dict[str, Any]:
    """Return a webhook in Delighted's form, the person expanded.

    `definition` is that of the answered version; None if the survey is gone.
    """
    data = event_body(event, personal=personal)["data"]
    if event.type is EventType.CUSTOMER_UNSUBSCRIBED:
        about: dict[str, Any] = {
            "email": data.get("email") if personal else None,
            "person": {"id": data.get("customer_id"),
                       "email": data.get("email") if personal else None},
            "unsubscribed_at": _seconds(data.get("at")),
        }  # fmt: skip
    else:
        customer = data.get("customer") or {}
        about = {
            "id": str(data.get("id")),
            "person": {
                "id": customer.get("id"), "name": customer.get("name"),
                "email": customer.get("email"),
            },
            "survey_type": str(definition.metric) if definition else None,
            "score": data.get("score"),
            "comment": _comment_of(event, data, definition),
            "permalink": link(event, base_url),
            "created_at": _seconds(data.get("responded_at")),
            "updated_at": _seconds(data.get("updated_at")),
            "person_properties": data.get("properties") or None,
            "notes": [],
            "tags": data.get("tags") or [],
            "additional_answers": (
                additional_answers(definition, data.get("answers") or {}) if definition else []
            ),
        }  # fmt: skip
    return {"event_type": _TYPES[event.type], "event_id": str(event.id), "event_data": about}


def _comment_of(
    event: SubscriberEvent, data: Mapping[str, Any], definition: Definition | None
) -> str | None:
    """Return the answer to the comment's question; `additional_answers` returns the others."""
    question = comment_question(definition) if definition else None
    if question is None:
        return data.get("comment") or comment(event)
    answer: str | None = (data.get("answers") or {}).get(question.key)
    return answer


def comment_question(definition: Definition) -> Question | None:
    """Return the question whose answer is Delighted's comment: the first free text."""
    return next(
        (question for question in definition.questions if not traits_of(question.type).is_scored),
        None,
    )


def additional_answers(definition: Definition, answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the answers to all questions but the main one and that of the comment."""
    own = {
        question.key
        for question in (definition.main_question, comment_question(definition))
        if question is not None
    }
    return [
        _answer(question, answers[question.key], definition.default_locale)
        for question in definition.questions
        if question.key not in own and answers.get(question.key) is not None
    ]


def _answer(question: Question, answer: Any, locale: str) -> dict[str, Any]:
    """Return the answer to a further question, under the name of its kind."""
    texts = {option.key: in_language(option.text, locale, locale) for option in question.options}
    value: dict[str, Any] = dict.fromkeys(("free_response", "scale", "select_one", "select_many"))
    kind = "free_response"
    match spec_of(question.type).answers:
        case ScoreAnswers():
            kind = "scale"
            value[kind] = answer
        case OptionAnswers(several=True):
            kind = "select_many"
            chosen = answer if isinstance(answer, list) else [answer]
            value[kind] = [{"id": key, "text": texts.get(key, key)} for key in chosen]
        case OptionAnswers() | WordAnswers():
            kind = "select_one"
            word = str(answer).lower() if isinstance(answer, bool) else str(answer)
            value[kind] = {"id": word, "text": texts.get(word, word)}
        case TextAnswers():
            value[kind] = answer
        case answers:
            assert_never(answers)
    text = in_language(question.text, locale, locale)
    return {"id": question.key, "value": value,
            "question": {"id": question.key, "type": kind, "text": text}}  # fmt: skip


def _seconds(at: Any) -> int | None:
    return None if not at else int(dt.datetime.fromisoformat(str(at)).timestamp())
