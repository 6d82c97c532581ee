"""Whether a person has voted: mail scanners open every link, run scripts and press buttons. Pure.

A GET never counts: it is at most *provisional*. An answer is *confirmed* by a gesture that the
browser itself vouches for, or, where no script ran, by being sent no sooner than a person could
(what bears no time of ours comes from none of our forms, and is taken at its word).
What a script sent without a gesture is *unverified*. Whoever tries three scores within two
minutes, follows a hidden link or fills a hidden field is *quarantined*, and so is all that comes
after such a scanner without a gesture, however late; a person who moves is counted all the same,
and one who was in two minds may confirm by one more press.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

SLOWEST_ROBOT = dt.timedelta(seconds=3)
_WITHIN = dt.timedelta(seconds=120)
_TOO_MANY_SCORES = 3
MOST_HITS = 40

HoldState = Literal["provisional", "unverified", "quarantined"]


class HitKind(StrEnum):
    """What was done with a link: opened, sent, or a hidden link followed."""

    OPENED = "opened"
    SENT = "sent"
    TRAP = "trap"


@dataclass(frozen=True, slots=True)
class LinkHit:
    """One time that a link was used, with the score that it named or carried.

    `gesture` tells of what was sent whether the page saw a person move.
    """

    kind: HitKind
    at: dt.datetime
    score: int | None = None
    gesture: bool = False


@dataclass(frozen=True, slots=True)
class SubmissionSignals:
    """What a sent form tells of its sender.

    `scripted` says that our script ran, `gesture` that it saw one; `asked_again` that it is the
    page that asks to confirm; `rendered_at` is when the form was made, as we signed it.
    """

    scripted: bool = False
    gesture: bool = False
    trapped: bool = False
    asked_again: bool = False
    rendered_at: dt.datetime | None = None

    @property
    def moved(self) -> bool:
        """Whether a person is known to have moved."""
        return self.scripted and self.gesture


def judge_opening(hits: Sequence[LinkHit], *, now: dt.datetime) -> HoldState:
    """Judge a score that was only opened; `hits` include this one."""
    recent = [hit for hit in hits if now - hit.at < _WITHIN]
    followed_trap = any(hit.kind is HitKind.TRAP for hit in recent)
    if followed_trap or _scores(recent, HitKind.OPENED) >= _TOO_MANY_SCORES:
        return "quarantined"
    return "provisional"


def judge_sending(
    hits: Sequence[LinkHit], signs: SubmissionSignals, *, now: dt.datetime
) -> HoldState | None:
    """Judge an answer that was sent; None where a person confirmed it. `hits` include this one."""
    if signs.trapped or (judge_scores(hits, signs, now=now) and not signs.asked_again):
        return "quarantined"
    if not signs.moved and _was_scanned(hits):
        return "quarantined"
    if signs.scripted:
        return None if signs.gesture else "unverified"
    # A scanner sends what our form holds; what bears no time of ours was sent on purpose.
    seen = signs.rendered_at
    return "unverified" if seen is not None and now - seen < SLOWEST_ROBOT else None


def _was_scanned(hits: Sequence[LinkHit]) -> bool:
    """Tell whether a scanner has ever gone through the links of the letter."""
    if any(hit.kind is HitKind.TRAP for hit in hits):
        return True
    opened = [hit for hit in hits if hit.kind is HitKind.OPENED]
    return any(
        _scores([h for h in opened if last.at - _WITHIN < h.at <= last.at], HitKind.OPENED)
        >= _TOO_MANY_SCORES
        for last in opened
    )


def judge_scores(hits: Sequence[LinkHit], signs: SubmissionSignals, *, now: dt.datetime) -> bool:
    """Tell whether more scores were sent of late than a person tries.

    What was sent without a gesture does not speak against a person who moves.
    """
    recent = [hit for hit in hits if now - hit.at < _WITHIN and hit.gesture >= signs.moved]
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
