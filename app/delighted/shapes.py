# SPDX-License-Identifier: Apache-2.0
"""The shapes of Delighted's API: times in Unix seconds, ids as texts, errors by field. Pure."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.core.http import json_reply
from app.responses.schemas import ResponseOut
from app.surveys.schemas import Definition
from app.webhooks.delighted_form import additional_answers, comment_question


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
    comment = comment_question(definition)
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
        "additional_answers": additional_answers(definition, response.answers),
    }  # fmt: skip
