# SPDX-License-Identifier: Apache-2.0
"""The question types: how each is answered, shown, checked and measured. Pure.

A type is one entry of `spec_of`: everything else (the check of an answer, the controls of page,
widget and mail, the links of a mail, what an importer accepts, the metric that reads it) is
derived from the entry. A type that is added to the enum and not to `spec_of` fails in mypy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
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


def _words_of(answers: Answers) -> tuple[str, ...]:
    """Return the names of the product's words that stand at such answers."""
    match answers:
        case ScoreAnswers(low_end=low, high_end=high):
            return tuple(word for word in (low, high) if word is not None)
        case WordAnswers():
            return tuple(answer.word for answer in answers.answers)
        case OptionAnswers() | TextAnswers():
            return ()
        case _:
            assert_never(answers)


@dataclass(frozen=True, slots=True)
class QuestionTypeSpec:
    """One question type: which answers it takes, and the metric that reads them, if any.

    `bands` say what its score says of the customer if it is the main question.
    """

    answers: Answers
    metric: str | None
    bands: Bands | None = None

    @property
    def control(self) -> Control:
        """How pages, the widget and mails show it."""
        match self.answers:
            case ScoreAnswers():
                return "scale"
            case WordAnswers():
                return "words"
            case OptionAnswers(several=several):
                return "several" if several else "words"
            case TextAnswers():
                return "text"
            case _:
                assert_never(self.answers)

    @property
    def has_options(self) -> bool:
        """Whether the question brings its own options."""
        return isinstance(self.answers, OptionAnswers)

    @property
    def has_valences(self) -> bool:
        """Whether each option is positive, neutral or negative."""
        return isinstance(self.answers, OptionAnswers) and self.answers.valences

    @property
    def is_scored(self) -> bool:
        """Whether an answer counts in a figure, or as skipped or not applicable."""
        return not isinstance(self.answers, TextAnswers)

    @property
    def can_be_main(self) -> bool:
        """Whether the first question of this type is its survey's main one."""
        return isinstance(self.answers, ScoreAnswers | WordAnswers)

    @property
    def choosable_points(self) -> tuple[int, ...]:
        """The lengths of scale that can be chosen; empty if there is only one."""
        if isinstance(self.answers, ScoreAnswers) and len(self.answers.allowed) > 1:
            return self.answers.allowed
        return ()

    @property
    def default_points(self) -> int | None:
        """The length of a scale for which none was chosen."""
        return self.answers.default if isinstance(self.answers, ScoreAnswers) else None


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


# The types that may ask how many people were told of the brand, and what was heard of it.
TOLD_DRIVER_TYPES = frozenset(
    type_ for type_ in QuestionType if isinstance(spec_of(type_).answers, ScoreAnswers)
) | {QuestionType.CHOICE}
HEARD_DRIVER_TYPES = frozenset({QuestionType.CHOICE})
# Drivers that have a name in every shipped language; any other word is a driver, too.
KNOWN_DRIVERS = (
    "waiting", "courtesy", "understanding", "honesty", "quality", "competence", "clarity",
    "value", "ease", "effectiveness",
)  # fmt: skip
Display = Literal["numbers", "stars", "smileys", "thumbs"]
_SMILEY_POINTS = (3, 5)


def displays_for(type_: QuestionType) -> tuple[Display, ...]:
    """Return the displays of a question type; empty if it has no scale."""
    answers = spec_of(type_).answers
    if isinstance(answers, WordAnswers):
        return ("thumbs",) if len(answers.answers) == 2 else ()
    if not isinstance(answers, ScoreAnswers) or answers.low == 0:
        return ()
    fits_smileys = any(points in answers.allowed for points in _SMILEY_POINTS)
    displays: list[Display] = ["numbers", "stars"]
    displays += ["smileys"] if fits_smileys else []
    displays += ["thumbs"] if 2 in answers.allowed else []
    return tuple(displays)


def display_fits(type_: QuestionType, display: Display, points: int | None) -> bool:
    """Tell whether a scale of so many points, or of the type's one length, can be shown so."""
    if display not in displays_for(type_):
        return False
    points = points or spec_of(type_).default_points
    if display == "smileys":
        return points in _SMILEY_POINTS
    is_of_words = isinstance(spec_of(type_).answers, WordAnswers)
    return display != "thumbs" or is_of_words or points == 2


def types_of_metric(metric: str) -> tuple[QuestionType, ...]:
    """Return the question types that a metric reads."""
    return tuple(type_ for type_ in QuestionType if spec_of(type_).metric == metric)


def _goes_from_bad_to_good(type_: QuestionType) -> bool:
    """Tell whether the scores of a type go from bad to good."""
    answers = spec_of(type_).answers
    match answers:
        case ScoreAnswers() | WordAnswers():
            return True
        case OptionAnswers() | TextAnswers():
            return False
        case _:
            assert_never(answers)


def lowest_score(type_: QuestionType) -> int:
    """Return the lowest score that a type records."""
    answers = spec_of(type_).answers
    return answers.low if isinstance(answers, ScoreAnswers) else 0


SHIPPED_WORDS = tuple(
    dict.fromkeys(word for type_ in QuestionType for word in _words_of(spec_of(type_).answers))
)
TYPES_WITHOUT_SCALE = frozenset(
    type_ for type_ in QuestionType if not _goes_from_bad_to_good(type_)
)
TYPES_WITH_OPTIONS = tuple(type_ for type_ in QuestionType if spec_of(type_).has_options)
