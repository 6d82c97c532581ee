# SPDX-License-Identifier: Apache-2.0
"""The question types: how each is answered, shown, checked and measured. Pure.

A type is one entry of `spec_of`: everything else (the check of an answer, the controls of page,
widget and mail, the links of a mail, what an importer accepts, the metric that reads it) is
derived from the entry. A type that is added to the enum and not to `spec_of` fails in mypy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Literal, assert_never

from app.surveys.bands import (
    EFFORT_BANDS,
    LOYALTY_BANDS,
    SATISFACTION_BANDS,
    Bands,
    Boxes,
    effort_boxes,
    loyalty_boxes,
    top_boxes,
)

# A chosen option counts as this score.
CHOSEN = 1
# Scores of a question that was shown and skipped, and of the answer `na`.
MISSING = -1
NOT_APPLICABLE = -2
NA = "na"

Control = Literal["scale", "words", "several", "text"]
Display = Literal["numbers", "stars", "smileys", "thumbs"]
_SMILEY_POINTS = (3, 5)


class QuestionType(StrEnum):
    """How a question is answered."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"
    YES_NO = "yes_no"
    RATING = "rating"
    EXPECTATION = "expectation"
    EMOTION = "emotion"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class ScoreAnswers:
    """A whole number from `low` to the question's `points`.

    `allowed` are the points that a question may choose; `default` applies if it chooses none.

    `low_end` and `high_end` name the words that stand at the ends of the scale, where it has any.
    `boxes` says which scores of so many points are favourable and unfavourable.
    """

    low: int
    allowed: tuple[int, ...]
    default: int
    low_end: str | None = None
    high_end: str | None = None
    boxes: Callable[[int], Boxes] = top_boxes


@dataclass(frozen=True, slots=True)
class WordAnswer:
    """One fixed answer: its JSON value, its score, and the product's word for it."""

    value: bool | str
    score: int
    word: str


@dataclass(frozen=True, slots=True)
class WordAnswers:
    """One of a few fixed answers, in the order in which they are shown."""

    answers: tuple[WordAnswer, ...]


@dataclass(frozen=True, slots=True)
class OptionAnswers:
    """One of the question's own options, or `several`; emotions have `valences`."""

    several: bool = False
    valences: bool = False


@dataclass(frozen=True, slots=True)
class TextAnswers:
    """A free text, which has no score."""

    longest: int = 4000


Answers = ScoreAnswers | WordAnswers | OptionAnswers | TextAnswers


@dataclass(frozen=True, slots=True)
class AnswerTraits:
    """What follows from the class of a type's answers.

    `control` is how pages, the widget and mails show it. With `has_options` the question brings its
    own options, with `has_valences` each of them is positive, neutral or negative; with
    `has_fixed_answers` the type brings its answers. An answer of a scored type counts in a figure,
    or as skipped or not applicable. The first question that `can_be_main` is its survey's main one.
    `has_direction` says that scores go from bad to good. `words` are the names of the product's
    words that stand at the answers.
    """

    control: Control
    has_options: bool
    has_valences: bool
    has_fixed_answers: bool
    is_scored: bool
    can_be_main: bool
    has_direction: bool
    lowest_score: int
    default_points: int | None
    choosable_points: tuple[int, ...]
    displays: tuple[Display, ...]
    words: tuple[str, ...]


@cache
def _traits_of_answers(answers: Answers) -> AnswerTraits:
    match answers:
        case ScoreAnswers(low=low, allowed=allowed, default=default):
            ends = (answers.low_end, answers.high_end)
            return AnswerTraits(
                control="scale",
                has_options=False,
                has_valences=False,
                has_fixed_answers=False,
                is_scored=True,
                can_be_main=True,
                has_direction=True,
                lowest_score=low,
                default_points=default,
                choosable_points=allowed if len(allowed) > 1 else (),
                displays=_displays_of_scale(low, allowed),
                words=tuple(word for word in ends if word is not None),
            )
        case WordAnswers():
            return AnswerTraits(
                control="words",
                has_options=False,
                has_valences=False,
                has_fixed_answers=True,
                is_scored=True,
                can_be_main=True,
                has_direction=True,
                lowest_score=0,
                default_points=None,
                choosable_points=(),
                displays=("thumbs",) if len(answers.answers) == 2 else (),
                words=tuple(answer.word for answer in answers.answers),
            )
        case OptionAnswers(several=several, valences=valences):
            return AnswerTraits(
                control="several" if several else "words",
                has_options=True,
                has_valences=valences,
                has_fixed_answers=False,
                is_scored=True,
                can_be_main=False,
                has_direction=False,
                lowest_score=0,
                default_points=None,
                choosable_points=(),
                displays=(),
                words=(),
            )
        case TextAnswers():
            return AnswerTraits(
                control="text",
                has_options=False,
                has_valences=False,
                has_fixed_answers=False,
                is_scored=False,
                can_be_main=False,
                has_direction=False,
                lowest_score=0,
                default_points=None,
                choosable_points=(),
                displays=(),
                words=(),
            )
        case _:
            assert_never(answers)


def _displays_of_scale(low: int, allowed: tuple[int, ...]) -> tuple[Display, ...]:
    if low == 0:
        return ()
    displays: list[Display] = ["numbers", "stars"]
    if any(points in allowed for points in _SMILEY_POINTS):
        displays.append("smileys")
    if 2 in allowed:
        displays.append("thumbs")
    return tuple(displays)


@dataclass(frozen=True, slots=True)
class QuestionTypeSpec:
    """One question type: which answers it takes, and the metric that reads them, if any.

    `bands` say what its score says of the customer if it is the main question.
    """

    answers: Answers
    metric: str | None
    bands: Bands | None = None


_NPS = QuestionTypeSpec(
    ScoreAnswers(0, (10,), 10, "low_nps", "high_nps", loyalty_boxes), "nps", LOYALTY_BANDS
)
_CSAT = QuestionTypeSpec(
    ScoreAnswers(1, (2, 3, 5, 7, 10), 5, "low_csat", "high_csat"), "csat", SATISFACTION_BANDS
)
_CES = QuestionTypeSpec(
    ScoreAnswers(1, (5, 7), 7, "low_ces", "high_ces", effort_boxes), "ces", EFFORT_BANDS
)
_RATING = QuestionTypeSpec(ScoreAnswers(1, tuple(range(2, 11)), 5), "rating")
_YES_NO = QuestionTypeSpec(
    WordAnswers((WordAnswer(True, 1, "yes"), WordAnswer(False, 0, "no"))), "yes_no", LOYALTY_BANDS
)
_EXPECTATION = QuestionTypeSpec(
    WordAnswers(
        (
            WordAnswer("worse", 0, "worse"),
            WordAnswer("as", 1, "as"),
            WordAnswer("better", 2, "better"),
        )
    ),
    "expectation",
)
_EMOTION = QuestionTypeSpec(OptionAnswers(valences=True), "emotion")
_CHOICE = QuestionTypeSpec(OptionAnswers(), "choice")
_CHOICES = QuestionTypeSpec(OptionAnswers(several=True), "choice")
_TEXT = QuestionTypeSpec(TextAnswers(), None)


def spec_of(type_: QuestionType) -> QuestionTypeSpec:  # noqa: C901, PLR0911 - a table
    """Return what is particular to a question type."""
    match type_:
        case QuestionType.NPS:
            return _NPS
        case QuestionType.CSAT:
            return _CSAT
        case QuestionType.CES:
            return _CES
        case QuestionType.YES_NO:
            return _YES_NO
        case QuestionType.RATING:
            return _RATING
        case QuestionType.EXPECTATION:
            return _EXPECTATION
        case QuestionType.EMOTION:
            return _EMOTION
        case QuestionType.CHOICE:
            return _CHOICE
        case QuestionType.CHOICES:
            return _CHOICES
        case QuestionType.TEXT:
            return _TEXT
        case _:
            assert_never(type_)


def traits_of(type_: QuestionType) -> AnswerTraits:
    """Return what follows from the class of a type's answers."""
    return _traits_of_answers(spec_of(type_).answers)


# The types that may ask how many people were told of the brand, and what was heard of it.
TOLD_DRIVER_TYPES = frozenset(
    type_ for type_ in QuestionType if traits_of(type_).control == "scale"
) | {QuestionType.CHOICE}
HEARD_DRIVER_TYPES = frozenset({QuestionType.CHOICE})
# Drivers that have a name in every shipped language; any other word is a driver, too.
KNOWN_DRIVERS = (
    "waiting", "courtesy", "understanding", "honesty", "quality", "competence", "clarity",
    "value", "ease", "effectiveness",
)  # fmt: skip


def display_fits(type_: QuestionType, display: Display, points: int | None) -> bool:
    """Tell whether a scale of so many points, or of the type's one length, can be shown so."""
    traits = traits_of(type_)
    if display not in traits.displays:
        return False
    points = points or traits.default_points
    if display == "smileys":
        return points in _SMILEY_POINTS
    return display != "thumbs" or traits.control == "words" or points == 2


def types_of_metric(metric: str) -> tuple[QuestionType, ...]:
    """Return the question types that a metric reads."""
    return tuple(type_ for type_ in QuestionType if spec_of(type_).metric == metric)


SHIPPED_WORDS = tuple(
    dict.fromkeys(word for type_ in QuestionType for word in traits_of(type_).words)
)
TYPES_WITHOUT_SCALE = frozenset(
    type_ for type_ in QuestionType if not traits_of(type_).has_direction
)
TYPES_WITH_OPTIONS = tuple(type_ for type_ in QuestionType if traits_of(type_).has_options)
