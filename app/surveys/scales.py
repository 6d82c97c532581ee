# SPDX-License-Identifier: Apache-2.0
"""Scales: which scores a question takes, and the band of each. Pure."""

from dataclasses import dataclass
from typing import assert_never

from app.surveys.bands import Band, Boxes
from app.surveys.question_types import (
    OptionAnswers,
    QuestionType,
    ScoreAnswers,
    TextAnswers,
    WordAnswers,
    spec_of,
    traits_of,
)

# The bands of the types whose main score has one; `BandName` in `schemas.py` names them for the
# API, and a test compares the two.
BANDS = {type_: bands for type_ in QuestionType if (bands := spec_of(type_).bands) is not None}
HIGH_BANDS = tuple(dict.fromkeys(bands.high for bands in BANDS.values()))
MIDDLE_BANDS = tuple(dict.fromkeys(bands.middle for bands in BANDS.values()))
LOW_BANDS = tuple(dict.fromkeys(bands.low for bands in BANDS.values()))


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers from `low` to `high` that one question type records."""

    type: QuestionType
    low: int
    high: int

    @property
    def name(self) -> str:
        """The name under which figures keep this scale apart: `0-10`, `5`, `yes_no`."""
        if traits_of(self.type).control != "scale":
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
    if traits_of(type_).has_direction
    for points in traits_of(type_).choosable_points or (None,)
    for scale in (scale_of(type_, points),)
}


def boxes_of(scale: Scale) -> Boxes | None:
    """Return the favourable and unfavourable scores of a scale; None for options and texts."""
    answers = spec_of(scale.type).answers
    match answers:
        case ScoreAnswers():
            return answers.boxes(scale.high)
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
