"""Scales: which scores a question takes, and which of them are good or bad. Pure.

Top boxes and bands follow the design's table of metrics: NPS 9-10 and 0-6, CSAT the top boxes
of each length, CES 5-7 of seven and 4-5 of five. A low band mirrors its top band.
"""

from dataclasses import dataclass
from enum import StrEnum


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


class Band(StrEnum):
    """What a main score says of the customer."""

    PROMOTER = "promoter"
    PASSIVE = "passive"
    DETRACTOR = "detractor"
    SATISFIED = "satisfied"
    DISSATISFIED = "dissatisfied"
    EASY = "easy"
    HARD = "hard"
    NEUTRAL = "neutral"


OPTION_TYPES = frozenset({QuestionType.EMOTION, QuestionType.CHOICE, QuestionType.CHOICES})
EXPECTATIONS = ("worse", "as", "better")
ALLOWED_POINTS = {
    QuestionType.CSAT: (2, 3, 5, 7, 10),
    QuestionType.CES: (5, 7),
    QuestionType.RATING: tuple(range(2, 11)),
}
DEFAULT_POINTS = {QuestionType.CSAT: 5, QuestionType.CES: 7, QuestionType.RATING: 5}
_TOP_BOX_FROM = {2: 2, 3: 3, 5: 4, 7: 6, 10: 9}

# How much a question counts as answered whose value is an option and no number.
CHOSEN = 1
MISSING = -1
NOT_APPLICABLE = -2


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers from `low` to `high` that one question type records."""

    type: QuestionType
    low: int
    high: int

    @property
    def name(self) -> str:
        """The name under which figures keep this scale apart: `0-10`, `5`, `yes_no`."""
        if self.type is QuestionType.NPS:
            return "0-10"
        if self.type in ALLOWED_POINTS:
            return str(self.high)
        return str(self.type)


def scale_of(type_: QuestionType, points: int | None) -> Scale:
    """Return the scale of a question type with so many points."""
    if type_ in ALLOWED_POINTS:
        return Scale(type_, 1, points or DEFAULT_POINTS[type_])
    highest = {QuestionType.NPS: 10, QuestionType.EXPECTATION: 2}
    return Scale(type_, 0, highest.get(type_, 1))


def top_box_from(points: int) -> int:
    """Return the lowest score of the top box: the table's, else the upper two fifths."""
    return _TOP_BOX_FROM.get(points, points - max(1, round(points * 0.4)) + 1)


def easy_from(points: int) -> int:
    """Return the lowest score that says `easy`: 5 of seven, 4 of five."""
    return 5 if points == 7 else 4


def band_of(scale: Scale, score: int) -> Band | None:
    """Return the band of a main score, or None where its type has none."""
    if scale.type is QuestionType.NPS:
        return Band.PROMOTER if score >= 9 else Band.PASSIVE if score >= 7 else Band.DETRACTOR
    if scale.type is QuestionType.YES_NO:
        return Band.PROMOTER if score else Band.DETRACTOR
    if scale.type is QuestionType.CES:
        return _three_bands(score, scale, easy_from(scale.high), good=Band.EASY, bad=Band.HARD)
    if scale.type is QuestionType.CSAT:
        top = top_box_from(scale.high)
        return _three_bands(score, scale, top, good=Band.SATISFIED, bad=Band.DISSATISFIED)
    return None


def _three_bands(score: int, scale: Scale, top: int, *, good: Band, bad: Band) -> Band:
    if score >= top:
        return good
    return bad if score <= scale.high + 1 - top else Band.NEUTRAL


LOW_BANDS = frozenset({Band.DETRACTOR, Band.DISSATISFIED, Band.HARD})
