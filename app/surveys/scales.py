# SPDX-License-Identifier: Apache-2.0
"""Scales: which scores a question takes, and which of them are good or bad. Pure.

Top boxes and bands follow docs/metrics.md: NPS 9-10 and 0-6, CSAT the top boxes of each length,
CES 5-7 of seven and 4-5 of five. A low band mirrors its top band.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, assert_never

from app.surveys.question_types import (
    OptionAnswers,
    QuestionType,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
)


class Band(StrEnum):
    """What a main score says of the customer."""

    PROMOTER = "promoter"
    PASSIVE = "passive"
    DETRACTOR = "detractor"
    SATISFIED = "satisfied"
    NEUTRAL = "neutral"
    DISSATISFIED = "dissatisfied"
    EASY = "easy"
    HARD = "hard"


class Bands(NamedTuple):
    """The bands of one type of main question: of its favourable scores, and of the others."""

    high: Band
    middle: Band
    low: Band


# The bands of the types whose main score has one; `BandName` in `schemas.py` names them for the
# API, and a test compares the two.
BANDS = {
    QuestionType.NPS: Bands(Band.PROMOTER, Band.PASSIVE, Band.DETRACTOR),
    QuestionType.YES_NO: Bands(Band.PROMOTER, Band.PASSIVE, Band.DETRACTOR),
    QuestionType.CSAT: Bands(Band.SATISFIED, Band.NEUTRAL, Band.DISSATISFIED),
    QuestionType.CES: Bands(Band.EASY, Band.NEUTRAL, Band.HARD),
}
HIGH_BANDS = tuple(dict.fromkeys(bands.high for bands in BANDS.values()))
MIDDLE_BANDS = tuple(dict.fromkeys(bands.middle for bands in BANDS.values()))
LOW_BANDS = tuple(dict.fromkeys(bands.low for bands in BANDS.values()))


def bands_sql(bands: Iterable[Band]) -> str:
    """Return bands as a list in SQL: `'promoter', 'satisfied'`."""
    return ", ".join(f"'{band}'" for band in bands)


_TOP_BOX_FROM = {2: 2, 3: 3, 5: 4, 7: 6, 10: 9}


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers from `low` to `high` that one question type records."""

    type: QuestionType
    low: int
    high: int

    @property
    def name(self) -> str:
        """The name under which figures keep this scale apart: `0-10`, `5`, `yes_no`."""
        if not isinstance(spec_of(self.type).answers, ScoreAnswers):
            return str(self.type)
        return str(self.high) if self.low == 1 else f"{self.low}-{self.high}"


def scale_of(type_: QuestionType, points: int | None) -> Scale:
    """Return the scale of a question type with so many points."""
    answers = spec_of(type_).answers
    match answers:
        case ScoreAnswers():
            return Scale(type_, answers.low, points or answers.default)
        case WordAnswers():
            scores = [answer.score for answer in answers.answers]
            return Scale(type_, min(scores), max(scores))
        case OptionAnswers() | TextAnswers():
            # An option is only counted as chosen; a text is not counted.
            return Scale(type_, 0, 1)
        case _:
            assert_never(answers)


# Scales by name; two scales of one name have the same scores.
SCALES = {
    scale.name: scale
    for type_ in QuestionType
    if isinstance(spec_of(type_).answers, ScoreAnswers | WordAnswers)
    for points in spec_of(type_).choosable_points or (None,)
    for scale in (scale_of(type_, points),)
}


def top_box_from(points: int) -> int:
    """Return the lowest score of the top box: the table's, else the upper two fifths."""
    return _TOP_BOX_FROM.get(points, points - max(1, round(points * 0.4)) + 1)


def easy_from(points: int) -> int:
    """Return the lowest score that says `easy`: 5 of seven, 4 of five."""
    return 5 if points == 7 else 4


@dataclass(frozen=True, slots=True)
class Boxes:
    """The score from which an answer is favourable, and the one up to which it is unfavourable."""

    favourable_from: int
    unfavourable_to: int


PROMOTER_FROM, DETRACTOR_TO = 9, 6


def boxes_of(scale: Scale) -> Boxes | None:
    """Return the favourable and unfavourable scores of a scale; None for options and texts."""
    answers = spec_of(scale.type).answers
    match answers:
        case ScoreAnswers():
            if scale.type is QuestionType.NPS:
                return Boxes(PROMOTER_FROM, DETRACTOR_TO)
            is_effort = scale.type is QuestionType.CES
            top = easy_from(scale.high) if is_effort else top_box_from(scale.high)
            return Boxes(top, scale.low + scale.high - top)
        case WordAnswers():
            return Boxes(scale.high, scale.low)
        case OptionAnswers() | TextAnswers():
            return None
        case _:
            assert_never(answers)


def band_of(scale: Scale, score: int) -> Band | None:
    """Return the band of a main score, or None where its type has none."""
    bands, boxes = BANDS.get(scale.type), boxes_of(scale)
    if bands is None or boxes is None:
        return None
    if score >= boxes.favourable_from:
        return bands.high
    return bands.low if score <= boxes.unfavourable_to else bands.middle
