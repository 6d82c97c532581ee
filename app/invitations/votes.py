# SPDX-License-Identifier: Apache-2.0
"""Whether a person has voted: mail scanners open every link, run scripts and press buttons. Pure.

A GET never counts: it is at most *provisional*. An answer is *confirmed* by a gesture that the
browser itself reports. Without a script, it is confirmed if it was not sent faster than a person
could; a request without our timestamp does not come from our form and is trusted.
An answer that a script sent without a gesture is *unverified*. It is *quarantined* if three scores
were tried within two minutes, or a hidden link was followed, or a hidden field was filled; so is
every later answer without a gesture to the same invitation. An answer with a gesture counts even
after such a scanner, and a person who tried several scores may confirm one with a button.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

MIN_HUMAN_TIME = dt.timedelta(seconds=3)
_SCORE_WINDOW = dt.timedelta(seconds=120)
_TOO_MANY_SCORES = 3
MAX_HITS = 40

HoldState = Literal["provisional", "unverified", "quarantined"]


class HitKind(StrEnum):
    """What was done with a link: opened, sent, or a hidden link followed."""

    OPENED = "opened"
    SENT = "sent"
    TRAP = "trap"


@dataclass(frozen=True, slots=True)
class LinkHit:
    """One time that a link was used, with the score that it named or carried.

    `gesture` tells whether the page saw a gesture before the form was sent.
    """

    kind: HitKind
    at: dt.datetime
    score: int | None = None
    gesture: bool = False


@dataclass(frozen=True, slots=True)
class SubmissionSignals:
    """What a sent form shows of its sender.

    `scripted` says that our script ran, `gesture` that it saw a gesture, `asked_again` that the
    form is the page that asks to confirm; `rendered_at` is when the form was made, as we signed it.
    """

    scripted: bool = False
    gesture: bool = False
    trapped: bool = False
    asked_again: bool = False
    rendered_at: dt.datetime | None = None

    @property
    def moved(self) -> bool:
        """Whether the page saw a gesture of a person."""
        return self.scripted and self.gesture


def hold_state_of_opening(hits: Sequence[LinkHit], *, now: dt.datetime) -> HoldState:
    """Return how to hold a score that was only opened; `hits` include this one."""
    recent = [hit for hit in hits if now - hit.at < _SCORE_WINDOW]
    followed_trap = any(hit.kind is HitKind.TRAP for hit in recent)
    if followed_trap or _scores(recent, HitKind.OPENED) >= _TOO_MANY_SCORES:
        return "quarantined"
    return "provisional"


def hold_state_of_answer(
    hits: Sequence[LinkHit], signals: SubmissionSignals, *, now: dt.datetime
) -> HoldState | None:
    """Return how to hold a sent answer; None if a person confirmed it. `hits` include this one."""
    if signals.trapped or (has_too_many_scores(hits, signals, now=now) and not signals.asked_again):
        return "quarantined"
    if not signals.moved and _was_scanned(hits):
        return "quarantined"
    if signals.scripted:
        return None if signals.gesture else "unverified"
    # A scanner sends our own form, which has our timestamp; other requests are made on purpose.
    seen = signals.rendered_at
    return "unverified" if seen is not None and now - seen < MIN_HUMAN_TIME else None


def _was_scanned(hits: Sequence[LinkHit]) -> bool:
    """Tell whether a scanner has ever opened the links of the mail."""
    if any(hit.kind is HitKind.TRAP for hit in hits):
        return True
    opened = [hit for hit in hits if hit.kind is HitKind.OPENED]
    return any(
        _scores(
            [hit for hit in opened if last.at - _SCORE_WINDOW < hit.at <= last.at], HitKind.OPENED
        )
        >= _TOO_MANY_SCORES
        for last in opened
    )


def has_too_many_scores(
    hits: Sequence[LinkHit], signals: SubmissionSignals, *, now: dt.datetime
) -> bool:
    """Tell whether more scores were sent recently than a person would try.

    Scores that were sent without a gesture do not count against an answer with one.
    """
    recent = [hit for hit in hits if now - hit.at < _SCORE_WINDOW and hit.gesture >= signals.moved]
    return _scores(recent, HitKind.SENT) >= _TOO_MANY_SCORES


def _scores(hits: Sequence[LinkHit], kind: HitKind) -> int:
    return len({hit.score for hit in hits if hit.kind is kind and hit.score is not None})


def hits_of(stored: Sequence[dict[str, Any]]) -> list[LinkHit]:
    """Read hits as they are stored."""
    return [
        LinkHit(
            HitKind(hit["kind"]),
            dt.datetime.fromtimestamp(hit["at"], dt.UTC),
            hit["score"],
            hit.get("gesture", False),
        )
        for hit in stored
    ]


def stored_hit(hit: LinkHit) -> dict[str, Any]:
    """Write a hit as it is stored."""
    return {
        "kind": str(hit.kind),
        "at": hit.at.timestamp(),
        "score": hit.score,
        "gesture": hit.gesture,
    }
