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
)

_OPTIONS = [{"key": key, "text": {"en": key}} for key in ("one", "two")]


def every_question() -> list[dict[str, Any]]:
    """Return a question of each type, without key and text; emotions bring their own options."""
    return [
        {"type": str(type_)}
        | ({"options": _OPTIONS} if spec_of(type_).has_options and type_ != "emotion" else {})
        for type_ in QuestionType
    ]


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
