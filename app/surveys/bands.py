# SPDX-License-Identifier: Apache-2.0
"""Bands and boxes: which scores are good or bad, and what they say of a customer. Pure.

Boxes follow docs/metrics.md: NPS 9-10 and 0-6, CSAT the top boxes of each length, CES 5-7 of seven
and 4-5 of five. The low box mirrors the top box, except for NPS.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


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


LOYALTY_BANDS = Bands(Band.PROMOTER, Band.PASSIVE, Band.DETRACTOR)
SATISFACTION_BANDS = Bands(Band.SATISFIED, Band.NEUTRAL, Band.DISSATISFIED)
EFFORT_BANDS = Bands(Band.EASY, Band.NEUTRAL, Band.HARD)


def bands_sql(bands: Iterable[Band]) -> str:
    """Return bands as a list in SQL: `'promoter', 'satisfied'`."""
    return ", ".join(f"'{band}'" for band in bands)


@dataclass(frozen=True, slots=True)
class Boxes:
    """The score from which an answer is favourable, and the one up to which it is unfavourable."""

    favourable_from: int
    unfavourable_to: int


PROMOTER_FROM, DETRACTOR_TO = 9, 6
_TOP_BOX_FROM = {2: 2, 3: 3, 5: 4, 7: 6, 10: 9}


def top_box_from(points: int) -> int:
    """Return the lowest score of the top box: the table's, else the upper two fifths."""
    return _TOP_BOX_FROM.get(points, points - max(1, round(points * 0.4)) + 1)


def easy_from(points: int) -> int:
    """Return the lowest score that says `easy`: 5 of seven, 4 of five."""
    return 5 if points == 7 else 4


def loyalty_boxes(_points: int) -> Boxes:
    """Return the boxes of the scale 0-10 of NPS."""
    return Boxes(PROMOTER_FROM, DETRACTOR_TO)


def top_boxes(points: int) -> Boxes:
    """Return the boxes of a scale from 1 to so many points."""
    return Boxes(top_box_from(points), 1 + points - top_box_from(points))


def effort_boxes(points: int) -> Boxes:
    """Return the boxes of a scale of effort from 1 to so many points."""
    return Boxes(easy_from(points), 1 + points - easy_from(points))
