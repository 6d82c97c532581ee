# SPDX-License-Identifier: Apache-2.0
"""The flow of every survey page: show, read the post, check, save, show the next step.

The public page and the invited page share it; what differs (who is asked, when an answer is held
and stored, where the next page lies) is in their visits.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import InvalidInput
from app.core.signing import SealedBox
from app.pages.survey_form import answers_of, prefilled_answers
from app.pages.survey_page import (
    PageLinks,
    PostedForm,
    SurveyView,
    answer_problems,
    questions_for,
    show_confirmation,
    show_form,
    show_thanks,
)
from app.responses.queries import StoredAnswers


class SurveyVisit(Protocol):
    """One person's visit of a survey page: what is shown, and what was answered before."""

    @property
    def view(self) -> SurveyView: ...
    @property
    def stored(self) -> StoredAnswers: ...
    @property
    def links(self) -> PageLinks: ...

    def awaits_gesture(self, answers: Mapping[str, Any], *, is_shown: bool) -> bool:
        """Tell whether the main answer on the page waits for a person's first gesture."""
        ...

    def may_send_nothing(self, posted: PostedForm) -> bool:
        """Tell whether a post without any answer still means something."""
        ...

    async def store(self, answers: Mapping[str, Any], posted: PostedForm) -> StoredAnswers:
        """Store what was sent; raise InvalidInput for answers that do not fit."""
        ...

    def is_doubtful(self, stored: StoredAnswers, posted: PostedForm) -> bool:
        """Tell whether to ask for one more press."""
        ...

    def address_of(self, step: str) -> str:
        """Return where the next page of this visit lies."""
        ...


def show_step(
    box: SealedBox, visit: SurveyVisit, query: Mapping[str, str], *, thanks: bool
) -> Response | None:
    """Return the page that a step's address names; None where the form is to be shown.

    With `thanks` the page of thanks may be shown.
    """
    if "again" in query and visit.stored.seq and not visit.stored.counts:
        return show_confirmation(box, visit.view, visit.links)
    if "done" in query and thanks:
        return show_thanks(visit.view, visit.stored.band, visit.links)
    return None


def show_questions(
    box: SealedBox,
    visit: SurveyVisit,
    query: Mapping[str, str],
    new_answers: Mapping[str, Any] | None = None,
) -> HTMLResponse:
    """Show the questions of the next step, with what was answered and what the link chooses."""
    definition = visit.view.survey.definition
    if new_answers is None:
        answers = prefilled_answers(definition, query) | visit.stored.answers
    else:
        answers = visit.stored.answers | dict(new_answers)
    follows = new_answers is None and "next" in query
    questions, answered = questions_for(visit.view, answers, follows=follows)
    main = definition.main_question
    is_shown = main is not None and main in questions
    confirm = main.key if main and visit.awaits_gesture(answers, is_shown=is_shown) else None
    return show_form(
        box, visit.view, visit.links, answers=answers, questions=questions, answered=answered,
        confirm=confirm,
    )  # fmt: skip


async def take(box: SealedBox, visit: SurveyVisit, posted: PostedForm) -> Response:
    """Take an answer, whole or in part, then lead on: a reload posts nothing again."""
    definition = visit.view.survey.definition
    keys = posted.question_keys
    if posted.is_first_gesture:
        # A part was saved; the person is still answering the rest.
        keys = [definition.main_question.key] if definition.main_question else []
    new_answers = answers_of(definition, posted.fields, keys)
    answers = visit.stored.answers | new_answers
    missing = answer_problems(visit.view, answers, posted.question_keys)
    nothing = not new_answers and not visit.may_send_nothing(posted)
    if not posted.is_first_gesture and (missing or nothing):
        return _show_problems(box, visit, answers, posted, missing)
    try:
        stored = await visit.store(new_answers, posted)
    except InvalidInput as error:
        unfit = [str(fault["loc"][2]) for fault in error.errors if len(fault["loc"]) > 2]
        problems = answer_problems(visit.view, answers, posted.question_keys, unfit)
        return _show_problems(box, visit, answers, posted, problems)
    if posted.is_first_gesture:
        return Response(status_code=204)
    step = "done" if stored.complete else "next"
    if visit.is_doubtful(stored, posted):
        step = "again"
    return RedirectResponse(visit.address_of(step), status_code=303)


def _show_problems(
    box: SealedBox,
    visit: SurveyVisit,
    answers: Mapping[str, Any],
    posted: PostedForm,
    problems: Mapping[str, str],
) -> HTMLResponse:
    """Show the same questions again, saying which answers are missing or do not fit."""
    definition = visit.view.survey.definition
    questions = [
        question
        for question in definition.questions
        if question.key in posted.question_keys or question.key in problems
    ]
    if not questions or not problems:
        first, _ = questions_for(visit.view, answers, follows=False)
        questions = questions or first
        problems = problems or {first[0].key: "required"}
    return show_form(
        box, visit.view, visit.links, answers=answers, questions=questions, wrong=problems
    )
