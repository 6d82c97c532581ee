# SPDX-License-Identifier: Apache-2.0
"""A survey as a plain form: what is shown of each question, and what a post says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.surveys.question_types import NA
from app.surveys.schemas import Definition, Question
from app.surveys.show_if import is_shown
from app.surveys.texts import SurveyWords
from app.surveys.wording import (
    Choice,
    SurveyWording,
    choices_of,
    chosen_values,
    control_of,
    ends_of,
)

# Only the values are used, so no language is needed.
_NO_WORDS = SurveyWording("en", "en", SurveyWords("en", {}), lambda text: text)


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """One question on a page; `kind` is `scale`, `words`, `several` or `text`.

    `ends` are what the lowest and the highest score mean.
    """

    key: str
    kind: str
    text: str
    required: bool
    choices: Sequence[Choice]
    chosen: frozenset[str]
    answer: str | None = None
    ends: tuple[str, str] | None = None
    wrong: bool = False

    @property
    def high(self) -> str:
        """The highest score of a scale, as it is shown."""
        return [choice.label for choice in self.choices if choice.word is None][-1]


def shown_question(
    question: Question, answer: Any, wording: SurveyWording, *, wrong: bool = False
) -> ShownQuestion:
    """Return a question in the customer's language, with what was answered before."""
    choices = choices_of(question, wording)
    if question.allow_na:
        choices = [*choices, Choice(NA, wording.words["na"], word="na")]
    return ShownQuestion(
        key=question.key,
        kind=control_of(question),
        text=wording.say(question.text),
        required=question.required,
        choices=choices,
        chosen=frozenset(chosen_values(answer)),
        answer=answer if isinstance(answer, str) else None,
        ends=ends_of(question),
        wrong=wrong,
    )


def unasked_questions(definition: Definition, answers: Mapping[str, Any]) -> list[Question]:
    """Return the questions that these answers show and that nobody was asked yet."""
    return [
        question for question in shown_questions(definition, answers) if question.key not in answers
    ]


def shown_questions(definition: Definition, answers: Mapping[str, Any]) -> list[Question]:
    """Return the questions that are shown, given the answers to the questions before them."""
    earlier_answers: dict[str, Any] = {}
    questions = []
    for question in definition.questions:
        condition = question.show_if.model_dump() if question.show_if else None
        if is_shown(condition, earlier_answers):
            questions.append(question)
            earlier_answers[question.key] = answers.get(question.key)
    return questions


def answers_of(
    definition: Definition, posted: Mapping[str, Sequence[str]], keys: Sequence[str]
) -> dict[str, Any]:
    """Return the posted answers to the questions that were asked; an empty answer is None.

    An invalid value is returned as text, and the survey's check refuses it.
    """
    answers: dict[str, Any] = {}
    for question in definition.questions:
        if question.key not in keys:
            continue
        values = [text for text in posted.get(question.key, ()) if text.strip()]
        if not values:
            answers[question.key] = None
        elif control_of(question) == "several":
            # An option that is ticked beside `not applicable` wins.
            chosen = [value for value in values if value != NA or not question.allow_na]
            answers[question.key] = chosen or NA
        else:
            answers[question.key] = _value(question, values[-1])
    return answers


def _value(question: Question, text: str) -> Any:
    """Return the answer for a value of a form; an unknown value is returned as text."""
    if control_of(question) == "text":
        return text.replace("\r\n", "\n").replace("\x00", "")
    answers = {choice.value: choice.answer for choice in choices_of(question, _NO_WORDS)}
    return answers.get(text, text)


def answer_of_link(question: Question, score: int) -> Any:
    """Return the answer for the score in a link; None if the score is invalid."""
    choices = choices_of(question, _NO_WORDS)
    return next((choice.answer for choice in choices if choice.score == score), None)


def prefilled_answers(definition: Definition, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the answers that a link's `a.KEY=value` chooses; one that does not fit is left out."""
    chosen = {}
    for question in definition.questions:
        text = query.get(f"a.{question.key}", "").strip()[:4000]
        if not text:
            continue
        value = _value(question, text)
        control = control_of(question)
        known = [choice.answer for choice in choices_of(question, _NO_WORDS)]
        if control == "text" or value in known:
            chosen[question.key] = [value] if control == "several" else value
    return chosen
