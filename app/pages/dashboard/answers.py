# SPDX-License-Identifier: Apache-2.0
"""Helpers for one answer: the texts of its questions, and the due date of its follow-up."""

import datetime as dt

from app.core.errors import InvalidInput, NotFound
from app.pages.dashboard.sessions import DashboardVisit
from app.surveys import service as surveys


async def questions_of(visit: DashboardVisit, survey: str, version: int) -> dict[str, str]:
    """Return the questions of a survey's version in the visitor's language, by their keys."""
    try:
        stored_survey = await surveys.find(visit.session, visit.workspace.id, survey)
    except NotFound:
        return {}
    definition = await surveys.definition_of(visit.session, stored_survey, version)
    default = definition.default_locale
    return {
        question.key: question.text.get(
            visit.texts.language, question.text.get(default, question.key)
        )
        for question in definition.questions
    }


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
