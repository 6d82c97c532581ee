# SPDX-License-Identifier: Apache-2.0
"""Helpers for one answer: its questions and answers as they are read, and its due date."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from app.core.errors import InvalidInput, NotFound
from app.pages.dashboard.visit import DashboardVisit
from app.surveys import service as surveys
from app.surveys.question_types import NA, traits_of
from app.surveys.schemas import Question
from app.surveys.wording import in_language


async def shown_answers(
    visit: DashboardVisit, survey: str, version: int, answers: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return each question with its answer, in the reader's language and the survey's order."""
    try:
        stored_survey = await surveys.find(visit.session, visit.workspace.id, survey)
    except NotFound:
        return [(key, str(value)) for key, value in answers.items()]
    definition = await surveys.definition_of(visit.session, stored_survey, version)
    default = definition.default_locale
    return [
        (
            in_language(question.text, visit.texts.language, default) or question.key,
            shown_answer(visit, question, answers[question.key], default),
        )
        for question in definition.questions
        if question.key in answers
    ]


def shown_answer(visit: DashboardVisit, question: Question, value: Any, default: str) -> str:
    """Return an answer as it is read: the text of an option, a word, or what was given."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(shown_answer(visit, question, part, default) for part in value)
    for option in question.options:
        if option.key == value:
            return in_language(option.text, visit.texts.language, default) or option.key
    word = str(value).lower() if isinstance(value, bool) else str(value)
    is_word = traits_of(question.type).has_fixed_answers or word == NA
    return visit.texts.name("answer", word) if is_word else word


def due_of(text: str, visit: DashboardVisit, present: dt.datetime | None) -> str | None:
    """Return the end of the day in a form; if the day is unchanged, its present time stays."""
    if not text:
        return None
    try:
        day = dt.date.fromisoformat(text)
        if present is not None and present.astimezone(visit.zone).date() == day:
            return present.isoformat()
        return dt.datetime.combine(day, dt.time(23, 59), visit.zone).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput.at("body", "due_at", msg="must be a date such as 2026-11-30") from None
