# SPDX-License-Identifier: Apache-2.0
"""How a survey is said to one customer: texts with names filled in, and answers in words. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from app.surveys.question_types import (
    NA,
    Control,
    OptionAnswers,
    ScoreAnswers,
    TextAnswers,
    WordAnswer,
    WordAnswers,
    spec_of,
    traits_of,
)
from app.surveys.scales import scale_of
from app.surveys.schemas import Question
from app.surveys.texts import SurveyWords

_PLACEHOLDER = re.compile(r"((?:,?[ \u00a0]+)?)\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}")
_NAMES_CUSTOMER = re.compile(r"\{\{\s*customer\.(?:first_)?name\s*\}\}")
# Punctuation at the start of a text from which an unknown name was removed.
_LEFT_OVER = re.compile(r"^[\s,;:!–-]+")
_SMILEYS = {3: "🙁😐🙂", 5: "😞🙁😐🙂😀"}
_THUMBS = "👎👍"


def in_language(texts: Mapping[str, str], locale: str | None, default: str) -> str:
    """Return the text in the locale, else its language, else the default, else any."""
    for language in (locale or "", (locale or "").partition("-")[0], default):
        if language in texts:
            return texts[language]
    return next(iter(texts.values()), "")


def values_of(
    *, name: str | None, order: str | None, ticket: str | None, properties: Mapping[str, Any]
) -> dict[str, object]:
    """Return what a survey's texts may name: the customer, the case, the properties."""
    return {
        **{key: value for key, value in properties.items() if isinstance(value, str | int | float)},
        "customer.name": name or "",
        "customer.first_name": first_name(name),
        "order": order or "",
        "ticket": ticket or "",
    }


def fill(text: str, values: Mapping[str, object]) -> str:
    """Replace `{{customer.first_name}}`, `{{order}}`, `{{agent}}`.

    An unknown value is removed together with the blanks before it, and with the punctuation that
    would be left at the start of the text.
    """

    def value_of(match: re.Match[str]) -> str:
        value = str(values.get(match[2], ""))
        return match[1] + value if value else ""

    filled = _PLACEHOLDER.sub(value_of, text)
    if filled and _PLACEHOLDER.match(text) and (tail := _LEFT_OVER.sub("", filled)) != filled:
        return tail[:1].upper() + tail[1:]
    return filled


def names_customer(text: str) -> bool:
    """Tell whether a text addresses the customer by name."""
    return _NAMES_CUSTOMER.search(text) is not None


def first_name(name: str | None) -> str:
    """Return the first word of a name."""
    return (name or "").split(" ")[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to choose: its JSON value, what it is called, and its score, if it has one.

    `word` names it among the product's own words; `spoken` is read aloud where the label is a sign.
    """

    answer: bool | int | str
    label: str
    score: int | None = None
    word: str | None = None
    spoken: str | None = None

    @property
    def value(self) -> str:
        """The answer as a form writes it."""
        return str(self.answer).lower() if isinstance(self.answer, bool) else str(self.answer)


@dataclass(frozen=True, slots=True)
class SurveyWording:
    """How the texts of one survey are said to one customer."""

    locale: str
    default: str
    words: SurveyWords
    fill: Callable[[str], str]

    def say(self, texts: Mapping[str, str]) -> str:
        """Return a text in the customer's language, with names filled in."""
        return self.fill(in_language(texts, self.locale, self.default))


def control_of(question: Question) -> Control:
    """Return how a question is shown: `scale`, `words`, `several` or `text`."""
    return traits_of(question.type).control


def ends_of(question: Question) -> tuple[str, str] | None:
    """Return the names of the words for the lowest and the highest score of a scale."""
    traits = traits_of(question.type)
    if traits.control != "scale" or len(traits.words) != 2:
        return None
    low, high = traits.words
    return low, high


def choices_of(question: Question, wording: SurveyWording) -> list[Choice]:
    """Return the answers that can be chosen, in the order in which they are shown."""
    answers = spec_of(question.type).answers
    match answers:
        case ScoreAnswers():
            scale = scale_of(question.type, question.points)
            scores = range(scale.low, scale.high + 1)
            return [
                Choice(
                    score,
                    label,
                    score,
                    spoken=None if label == str(score) else f"{score}/{scale.high}",
                )
                for score in scores
                if (label := _sign(question, score, scale.high))
            ]
        case WordAnswers():
            return [_word(answer, question, wording) for answer in answers.answers]
        case OptionAnswers():
            return [Choice(option.key, wording.say(option.text)) for option in question.options]
        case TextAnswers():
            return []
        case _:
            assert_never(answers)


def _word(answer: WordAnswer, question: Question, wording: SurveyWording) -> Choice:
    """Return one fixed answer, in words or as a thumb."""
    spoken = wording.words[answer.word]
    if question.display == "thumbs":
        return Choice(answer.value, _THUMBS[answer.score], answer.score, answer.word, spoken=spoken)
    return Choice(answer.value, spoken, answer.score, answer.word)


def _sign(question: Question, score: int, high: int) -> str:
    """Return how one score of a scale is shown."""
    match question.display:
        case "stars":
            return f"{score}★"
        case "smileys":
            return _SMILEYS[high][score - 1]
        case "thumbs":
            return _THUMBS[score - 1]
        case _:
            return str(score)


def chosen_values(answer: Any) -> list[str]:
    """Return an answer as the values of the choices that it names."""
    if answer is None:
        return []
    if isinstance(answer, bool):
        return ["true" if answer else "false"]
    return [str(value) for value in answer] if isinstance(answer, list) else [str(answer)]


def label_of(question: Question, answer: Any, wording: SurveyWording) -> str:
    """Return an answer in words."""
    if answer == NA:
        return wording.words["na"]
    labels = {choice.value: choice.label for choice in choices_of(question, wording)}
    return ", ".join(labels.get(value, value) for value in chosen_values(answer))
