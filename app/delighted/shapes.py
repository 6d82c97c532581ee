# SPDX-License-Identifier: Apache-2.0
"""The shapes of Delighted's API: times in Unix seconds, ids as texts, errors by field. Pure."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, assert_never

from starlette.responses import Response

from app.core.http import json_reply
from app.responses.schemas import ResponseOut
from app.surveys.question_types import (
    OptionAnswers,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
)
from app.surveys.schemas import Definition, Question
from app.surveys.wording import in_language


def seconds(at: dt.datetime | None) -> int | None:
    """Return a time in whole seconds since 1970."""
    return None if at is None else int(at.timestamp())


def delighted_error(problem: Response) -> Response:
    """Return one of our problems as Delighted's clients read it; status and headers stay."""
    document = json.loads(bytes(problem.body))
    errors: dict[str, list[str]] = {}
    for error in document.get("errors", []):
        errors.setdefault(str(error["loc"][-1]), []).append(error["msg"])
    body = {"status": document["status"], "message": document["detail"], "errors": errors}
    reply = json_reply(body, status=problem.status_code)
    for name, value in problem.headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            reply.headers[name] = value
    return reply


def person(customer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a customer as an expanded person."""
    return {
        "id": str(customer["id"]),
        "name": customer.get("name"),
        "email": customer.get("email"),
        "phone_number": customer.get("phone_number"),
        "created_at": seconds(customer.get("created_at")),
    }


def survey_response(
    response: ResponseOut, definition: Definition, *, person_: Any, permalink: str
) -> dict[str, Any]:
    """Return a response: the main question is the score, the first free text the comment."""
    main = definition.main_question
    comment = next((q for q in definition.questions if not spec_of(q.type).is_scored), None)
    own = {question.key for question in (main, comment) if question is not None}
    return {
        "id": str(response.id),
        "person": person_,
        "survey_type": str(definition.metric),
        "score": response.score,
        "comment": response.answers.get(comment.key) if comment else None,
        "permalink": permalink,
        "created_at": seconds(response.responded_at),
        "updated_at": seconds(response.updated_at),
        "person_properties": response.properties or None,
        "notes": [
            {"id": str(number), "text": note.text, "user_email": note.by,
             "created_at": seconds(note.at)}
            for number, note in enumerate(response.follow_up.notes, start=1)
        ],
        "tags": response.tags,
        "additional_answers": [
            _answer(question, response.answers[question.key], definition.default_locale)
            for question in definition.questions
            if question.key not in own and response.answers.get(question.key) is not None
        ],
    }  # fmt: skip


def _answer(question: Question, given: Any, locale: str) -> dict[str, Any]:
    """Return the answer to a further question, under the name of its kind."""
    texts = {option.key: in_language(option.text, locale, locale) for option in question.options}
    value: dict[str, Any] = dict.fromkeys(("free_response", "scale", "select_one", "select_many"))
    kind = "free_response"
    match spec_of(question.type).answers:
        case ScoreAnswers():
            kind = "scale"
            value[kind] = given
        case OptionAnswers(several=True):
            kind = "select_many"
            chosen = given if isinstance(given, list) else [given]
            value[kind] = [{"id": key, "text": texts.get(key, key)} for key in chosen]
        case OptionAnswers() | WordAnswers():
            kind = "select_one"
            word = str(given).lower() if isinstance(given, bool) else str(given)
            value[kind] = {"id": word, "text": texts.get(word, word)}
        case TextAnswers():
            value[kind] = given
        case answers:
            assert_never(answers)
    text = in_language(question.text, locale, locale)
    return {"id": question.key, "value": value,
            "question": {"id": question.key, "type": kind, "text": text}}  # fmt: skip
