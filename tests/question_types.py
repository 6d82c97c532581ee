# SPDX-License-Identifier: Apache-2.0
"""A question of every type, and an answer to it, derived from what the types are."""

from typing import Any

from app.surveys.question_types import (
    OptionAnswers,
    QuestionType,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
    traits_of,
)

_OPTIONS = [{"key": key, "text": {"en": key}} for key in ("one", "two")]


def every_question() -> list[dict[str, Any]]:
    """Return a question of each type, without key and text; emotions bring their own options."""
    return [
        {"type": str(type_)}
        | ({"options": _OPTIONS} if traits_of(type_).has_options and type_ != "emotion" else {})
        for type_ in QuestionType
    ]


def every_scale() -> list[dict[str, Any]]:
    """Return a question of each type, and of each length of its scale, without key and text."""
    return [
        question | ({"points": points} if points else {})
        for question in every_question()
        for points in traits_of(QuestionType(question["type"])).choosable_points or (None,)
    ]


def answers_to(question: dict[str, Any]) -> list[Any]:
    """Return each answer that a question takes; of options one, of texts one."""
    type_ = QuestionType(question["type"])
    match spec_of(type_).answers:
        case ScoreAnswers(low=low, default=points):
            return list(range(low, question.get("points", points) + 1))
        case WordAnswers(answers=answers):
            return [answer.value for answer in answers]
        case _:
            return [answer_to(type_)]


def answer_to(type_: QuestionType) -> Any:
    """Return an answer to the question of a type."""
    match spec_of(type_).answers:
        case ScoreAnswers(default=points):
            return points - 1
        case WordAnswers(answers=answers):
            return answers[-1].value
        case OptionAnswers(several=True):
            return ["one", "two"]
        case OptionAnswers(valences=True):
            return "joy"
        case OptionAnswers():
            return "one"
        case TextAnswers():
            return "Fine"
