# SPDX-License-Identifier: Apache-2.0
"""Who has voted: rules for what was opened and what was sent."""

import datetime as dt

import pytest

from app.invitations.votes import (
    HitKind,
    LinkHit,
    SubmissionSignals,
    hits_of,
    hold_state_of_answer,
    hold_state_of_opening,
    stored_hit,
)

NOW = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def opened(*scores: int | None, seconds: float = 1) -> list[LinkHit]:
    return [LinkHit(HitKind.OPENED, ago(seconds), score) for score in scores]


def sent(*scores: int | None, seconds: float = 1, gesture: bool = True) -> list[LinkHit]:
    return [LinkHit(HitKind.SENT, ago(seconds), score, gesture) for score in scores]


@pytest.mark.parametrize(
    ("hits", "state"),
    [
        (opened(9), "provisional"),
        (opened(9, 9, 9, 9), "provisional"),
        (opened(9, 3), "provisional"),
        (opened(None, None, 9, 3), "provisional"),
        (opened(9, 3, 0), "quarantined"),
        (opened(9, 3, seconds=121) + opened(0), "provisional"),
        (opened(9, seconds=119) + opened(3, 0), "quarantined"),
        ([LinkHit(HitKind.TRAP, ago(5)), *opened(9)], "quarantined"),
        ([LinkHit(HitKind.TRAP, ago(200)), *opened(9)], "provisional"),
    ],
)
def test_what_is_opened_never_counts(hits: list[LinkHit], state: str) -> None:
    assert hold_state_of_opening(hits, now=NOW) == state


GESTURE = SubmissionSignals(scripted=True, gesture=True, rendered_at=ago(1))
SCRIPT = SubmissionSignals(scripted=True, rendered_at=ago(3600))


@pytest.mark.parametrize(
    ("hits", "signs", "state"),
    [
        (sent(9), GESTURE, None),
        (sent(9), SCRIPT, "unverified"),
        (sent(9), SubmissionSignals(rendered_at=ago(2.9)), "unverified"),
        (sent(9), SubmissionSignals(rendered_at=ago(3)), None),
        (sent(9), SubmissionSignals(), None),
        (sent(9), SubmissionSignals(scripted=True, gesture=True, trapped=True), "quarantined"),
        # A person may change a score once; three different scores come from a program.
        (sent(9, 3), GESTURE, None),
        (sent(9, 3, 0), GESTURE, "quarantined"),
        (sent(9, 3, gesture=False) + sent(0), GESTURE, None),
        (sent(9, 3, 0, gesture=False), SubmissionSignals(), "quarantined"),
        (sent(9, 3, seconds=121) + sent(0), GESTURE, None),
        # Links that a scanner opened earlier do not count against a person with a gesture.
        (opened(*range(11)) + sent(9), GESTURE, None),
        ([LinkHit(HitKind.TRAP, ago(5)), *sent(9)], GESTURE, None),
        # Without a gesture they do count, with or without scripts, however much later.
        (opened(9, 3, 0) + sent(9), SCRIPT, "quarantined"),
        (opened(9, 3, 0) + sent(9), SubmissionSignals(rendered_at=ago(60)), "quarantined"),
        (opened(9, 3, 0, seconds=86_400) + sent(9), SubmissionSignals(), "quarantined"),
        (
            opened(9, 3, 0, seconds=86_400) + sent(9),
            SubmissionSignals(asked_again=True),
            "quarantined",
        ),
        ([LinkHit(HitKind.TRAP, ago(86_400)), *sent(9)], SubmissionSignals(), "quarantined"),
        (opened(9, 3, 0, seconds=86_400) + sent(9), GESTURE, None),
        (
            opened(9, seconds=300) + opened(3, seconds=150) + opened(0) + sent(9),
            SubmissionSignals(),
            None,
        ),
    ],
)
def test_what_is_sent_counts_if_a_person_sent_it(
    hits: list[LinkHit], signs: SubmissionSignals, state: str | None
) -> None:
    assert hold_state_of_answer(hits, signs, now=NOW) == state


def test_hits_are_kept_as_they_were() -> None:
    hits = [*opened(9, None), LinkHit(HitKind.TRAP, ago(3))]
    assert hits_of([stored_hit(hit) for hit in hits]) == hits
