"""One answer on the dashboard: its questions in words, and the day that a form names."""

import datetime as dt

from app.core.errors import InvalidInput, NotFound
from app.pages.dashboard.sessions import DashboardVisit
from app.surveys import service as surveys


async def questions_of(visit: DashboardVisit, survey: str, version: int) -> dict[str, str]:
    """Return the questions of a survey's version in the visitor's language, by their keys."""
    try:
        found = await surveys.find(visit.session, visit.workspace.id, survey)
    except NotFound:
        return {}
    definition = await surveys.definition_of(visit.session, found, version)
    default = definition.default_locale
    return {
        question.key: question.text.get(
            visit.said.language, question.text.get(default, question.key)
        )
        for question in definition.questions
    }


def due_of(given: str, visit: DashboardVisit, before: dt.datetime | None) -> str | None:
    """Return when a day that a form names is over; the time stays where the day does."""
    if not given:
        return None
    try:
        day = dt.date.fromisoformat(given)
        if before is not None and before.astimezone(visit.zone).date() == day:
            return before.isoformat()
        return dt.datetime.combine(day, dt.time(23, 59), visit.zone).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput.at("body", "due_at", msg="must be a date such as 2026-11-30") from None
