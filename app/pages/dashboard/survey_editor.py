# SPDX-License-Identifier: Apache-2.0
"""The editor of a survey: questions, texts and tags by choosing; what is saved is the draft."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from fastapi import Query
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.http import public_path
from app.core.routing import router
from app.pages.dashboard.api import ApiRefused
from app.pages.dashboard.drafts import (
    LANGUAGE,
    UNWRITTEN,
    languages_of,
    read_draft,
    without_text,
)
from app.pages.dashboard.form_fields import FormOutcome
from app.pages.dashboard.form_replies import saved_at, show_again
from app.pages.dashboard.visit import ApiVisitDep, DashboardVisit
from app.surveys import service as surveys
from app.surveys.question_types import KNOWN_DRIVERS, QuestionType, traits_of
from app.surveys.schemas import WORD_NAMES, Module, Pillar, Question
from app.surveys.show_if import Operator
from app.surveys.texts import SurveyWords, is_shipped
from app.workspaces.scopes import Scope

routes = router("Dashboard")

_FORM = "survey-save"


@routes.get("/surveys/{key}/edit", include_in_schema=False)
async def show_editor(
    visit: ApiVisitDep, key: str, add_language: Annotated[str, Query(max_length=20)] = ""
) -> HTMLResponse:
    """Show a survey's draft as a form, with a preview beside; a new language has empty fields."""
    survey = await visit.api.get(f"/v1/surveys/{key}")
    languages = languages_of(survey)
    if LANGUAGE.fullmatch(add_language) and add_language not in languages:
        languages.append(add_language)
    return visit.render(
        "survey_editor",
        title=survey["name"],
        survey=survey,
        languages=languages,
        types=list(QuestionType),
        traits_of=lambda name: traits_of(QuestionType(name)),
        displays_of=lambda name: _displays(visit, QuestionType(name)),
        pairs_of=lambda values, texts=None, kind="": _pairs(values, texts, kind),
        pillars=[str(pillar) for pillar in Pillar],
        modules=[str(module) for module in Module],
        operators=[str(operator) for operator in get_args(Operator)],
        known_drivers=KNOWN_DRIVERS,
        published=await _published_questions(visit, survey),
        earlier=lambda position: _earlier_questions(survey, position),
        own_words={lang: _own_words(survey, lang) for lang in languages if not is_shipped(lang)},
    )


async def _published_questions(
    visit: DashboardVisit, survey: Mapping[str, Any]
) -> Mapping[str, Question]:
    """Return the questions of the published version by key; they keep their keys and points."""
    survey_row = await surveys.find(visit.session, visit.workspace.id, survey["key"])
    if survey_row.published_version is None:
        return {}
    definition = await surveys.definition_of(
        visit.session, survey_row, survey_row.published_version
    )
    return {question.key: question for question in definition.questions}


def _earlier_questions(survey: Mapping[str, Any], position: int) -> list[tuple[str, str]]:
    """Return the questions before a position, by key, with their texts in the survey's language."""
    language = survey["default_locale"]
    return [
        (question["key"], f"{number}. {question['text'].get(language) or question['key']}"[:60])
        for number, question in enumerate(survey["questions"][:position], 1)
    ]


def _own_words(survey: Mapping[str, Any], language: str) -> list[tuple[str, str, str]]:
    """Return the words around the questions: each name, the English word and the survey's own."""
    own, english = survey["texts"]["words"], SurveyWords(None, {})
    return [(name, english[name], own.get(name, {}).get(language, "")) for name in WORD_NAMES]


def _pairs(values: Sequence[Any], texts: Any, kind: str) -> list[tuple[str, str]]:
    """Return the choices of a field: each value with its name, where it has one."""
    return [(str(value), texts.name(kind, str(value)) if texts else str(value)) for value in values]


def _displays(visit: DashboardVisit, type_: QuestionType) -> list[tuple[str, str]]:
    """Return the displays of a question type; empty if it has no scale."""
    return [(name, visit.texts["display." + name]) for name in traits_of(type_).displays]


@routes.post("/surveys/{key}/edit", include_in_schema=False)
async def post_editor(visit: ApiVisitDep, key: str) -> Response:
    """Save the draft, then do what was pressed: add, move or remove a question, or publish."""
    visit.require(Scope.ADMIN)
    fields = await visit.read_all_fields()
    form = {name: values[-1] for name, values in fields.items()}
    survey = await visit.api.get(f"/v1/surveys/{key}")
    change = read_draft(form, survey)
    position = _apply_button(change["questions"], form.get("_do", ""), form)
    try:
        await visit.api.send("PATCH", f"/v1/surveys/{key}", json_body=change)
        if form.get("_do") == "publish" and (unwritten := without_text(change)):
            language = languages_of(survey)[0]
            message = visit.texts["question_needs_text"]
            errors = {f"questions.{number}.text.{language}": message for number in unwritten}
            outcome = FormOutcome(_FORM, fields, message, errors)
            return await show_again(visit, f"/surveys/{key}/edit", outcome, status=422)
        if form.get("_do") == "publish":
            await visit.api.send("POST", f"/v1/surveys/{key}/publish")
            return RedirectResponse(saved_at(f"/surveys/{key}"), status_code=303)
    except ApiRefused as refused:
        outcome = FormOutcome(_FORM, fields, refused.detail, refused.fields)
        return await show_again(visit, f"/surveys/{key}/edit", outcome, status=refused.status)
    added = form.get("add_language", "").strip()
    more = f"?add_language={added}" if LANGUAGE.fullmatch(added) else ""
    if position is not None:
        return RedirectResponse(
            public_path(f"/surveys/{key}/edit{more}#question-{position + 1}"), 303
        )
    return RedirectResponse(saved_at(f"/surveys/{key}/edit{more}"), status_code=303)


def _apply_button(
    questions: list[dict[str, Any]], pressed: str, form: Mapping[str, str]
) -> int | None:
    """Add, move or remove a question, as a button says.

    Return the position to show next: that of the question, or of the one before a removed one.
    """
    verb, _, position = pressed.partition(".")
    if verb == "add":
        questions.append(_new_question(questions, form.get("add_type", "text")))
        return len(questions) - 1
    if not position.isdecimal() or int(position) >= len(questions):
        return None
    number = int(position)
    if verb == "remove" and len(questions) > 1:
        del questions[number]
        return max(0, number - 1)
    other = number + {"up": -1, "down": 1}.get(verb, 0)
    if 0 <= other < len(questions):
        questions[number], questions[other] = questions[other], questions[number]
        return other
    return number


def _new_question(questions: Sequence[Mapping[str, Any]], type_: str) -> dict[str, Any]:
    keys = {question["key"] for question in questions}
    number = next(
        candidate for candidate in range(len(questions) + 1, 1000) if f"q{candidate}" not in keys
    )
    language = next(iter(questions[0]["text"])) if questions else "en"
    draft: dict[str, Any] = {"key": f"q{number}", "type": type_, "text": {language: UNWRITTEN}}
    # An unknown type is refused by the API; the options of an emotion come with the product.
    traits = traits_of(QuestionType(type_)) if type_ in set(QuestionType) else None
    if traits is not None and traits.has_options and not traits.has_valences:
        draft["options"] = [{"key": key, "text": {language: key.upper()}} for key in ("a", "b")]
    return draft
