# SPDX-License-Identifier: Apache-2.0
"""The insights: the name of each, what it reads and takes. Each is computed in its own module."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class InsightName(StrEnum):
    """The insights, as the API names them."""

    DRIVERS = "drivers"
    PILLARS = "pillars"
    MODULES = "modules"
    RECOVERY = "recovery"
    WORD_OF_MOUTH = "word-of-mouth"
    SPENDING = "spending"
    COMMENTS = "comments"


@dataclass(frozen=True, slots=True)
class InsightKind:
    """What distinguishes one insight from the others.

    `parameters` are those it takes beside period, zone, filters and count. `tag` is the property
    of the questions that it reads; without one it reads the main question. `total_in` is the
    column of its CSV that names a row, if its reply has figures beside its rows. With
    `has_own_words` it shows what customers wrote.
    """

    parameters: tuple[str, ...] = ()
    tag: str | None = None
    total_in: str | None = None
    has_own_words: bool = False


# The columns of a CSV of terms, also of one without any term.
TERM_COLUMNS = (
    "term", "locale", "n_low", "n_high", "share_low", "share_high", "z", "mean_score",
    "responses", "example",
)  # fmt: skip

KINDS: Mapping[InsightName, InsightKind] = {
    InsightName.DRIVERS: InsightKind(("outcome",), tag="driver"),
    InsightName.PILLARS: InsightKind(("weights",), tag="pillar"),
    InsightName.MODULES: InsightKind(tag="module"),
    InsightName.RECOVERY: InsightKind(("within",), total_in="by"),
    InsightName.WORD_OF_MOUTH: InsightKind(("a", "b"), total_in="survey"),
    InsightName.SPENDING: InsightKind(("within", "currency"), total_in="band"),
    InsightName.COMMENTS: InsightKind(("side", "limit"), has_own_words=True),
}
