"""A survey as a plain form: what is shown of each question, and what a post says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.surveys.scales import EXPECTATIONS, OPTION_TYPES, QuestionType, scale_of
from app.surveys.schemas import Definition, Question
from app.surveys.show_if import is_shown
from app.surveys.wording import Choice, Wording, choices_of, chosen_values, ends_of, kind_of

_NA = "na"


@dataclass(frozen=True, slots=True)
class Shown:
    """One question on a page; `kind` is `scale`, `words`, `several` or `text`.

    `ends` are what the lowest and the highest score mean.
    """

    key: str
    kind: str
    text: str
    required: bool
    choices: Sequence[Choice]
    chosen: frozenset[str]
    given: str | None = None
    ends: tuple[str, str] | None = None
    wrong: bool = False

    @property
    def high(self) -> str:
        """The highest score of a scale, as it is shown."""
        return [c.label for c in self.choices if c.word is None][-1]


def shown_question(
    question: Question, given: Any, wording: Wording, *, wrong: bool = False
) -> Shown:
    """Return a question in the customer's language, with what was answered before."""
    choices = choices_of(question, wording)
    if question.allow_na:
        choices = [*choices, Choice(_NA, wording.words["na"], "na")]
    return Shown(
        key=question.key,
        kind=kind_of(question),
        text=wording.say(question.text),
        required=question.required,
        choices=choices,
        chosen=frozenset(chosen_values(given)),
        given=given if isinstance(given, str) else None,
        ends=ends_of(question),
        wrong=wrong,
    )


def not_asked(definition: Definition, answers: Mapping[str, Any]) -> list[Question]:
    """Return the questions that these answers show and that nobody was asked yet."""
    return [q for q in shown_questions(definition, answers) if q.key not in answers]


def shown_questions(definition: Definition, answers: Mapping[str, Any]) -> list[Question]:
    """Return the questions that these answers show, each by what stands before it."""
    kept: dict[str, Any] = {}
    found = []
    for question in definition.questions:
        condition = question.show_if.model_dump() if question.show_if else None
        if is_shown(condition, kept):
            found.append(question)
            kept[question.key] = answers.get(question.key)
    return found


def answers_of(
    definition: Definition, posted: Mapping[str, Sequence[str]], asked: Sequence[str]
) -> dict[str, Any]:
    """Return the answers of a post to the questions that were asked; what was left empty is None.

    What is not a value of its question stays text, and is refused later.
    """
    answers: dict[str, Any] = {}
    for question in definition.questions:
        if question.key not in asked:
            continue
        values = [v for v in posted.get(question.key, ()) if v.strip()]
        if not values:
            answers[question.key] = None
        elif question.type is QuestionType.CHOICES:
            # Whoever ticks an option beside `not applicable` means the option.
            chosen = [v for v in values if v != _NA or not question.allow_na]
            answers[question.key] = chosen or _NA
        else:
            answers[question.key] = _value(question, values[-1])
    return answers


def _value(question: Question, text: str) -> Any:
    if question.type is QuestionType.TEXT:
        return text.replace("\r\n", "\n").replace("\x00", "")
    if question.type is QuestionType.YES_NO:
        return {"true": True, "false": False, "1": True, "0": False}.get(text, text)
    is_number = kind_of(question) == "scale" and text.isdecimal() and len(text) < 4
    return int(text) if is_number else text


def score_of_link(question: Question, score: int) -> Any:
    """Return the answer that a link with a score chooses; None where it is none."""
    if question.type is QuestionType.YES_NO:
        return {0: False, 1: True}.get(score)
    if question.type in OPTION_TYPES or question.type is QuestionType.TEXT:
        return None
    if question.type is QuestionType.EXPECTATION:
        return EXPECTATIONS[score] if 0 <= score < len(EXPECTATIONS) else None
    scale = scale_of(question.type, question.points)
    return score if scale.low <= score <= scale.high else None


def prefilled(definition: Definition, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the answers that a link's `a.KEY=value` chooses; one that does not fit is left out."""
    chosen = {}
    for question in definition.questions:
        text = query.get(f"a.{question.key}", "").strip()[:4000]
        if not text:
            continue
        value = _value(question, text)
        fits = _values_of(question)
        if question.type is QuestionType.TEXT or value in fits:
            chosen[question.key] = [value] if question.type is QuestionType.CHOICES else value
    return chosen


def _values_of(question: Question) -> list[Any]:
    if question.type in OPTION_TYPES:
        return [o.key for o in question.options]
    if question.type is QuestionType.YES_NO:
        return [True, False]
    if question.type is QuestionType.EXPECTATION:
        return list(EXPECTATIONS)
    if question.type is QuestionType.TEXT:
        return []
    scale = scale_of(question.type, question.points)
    return list(range(scale.low, scale.high + 1))
