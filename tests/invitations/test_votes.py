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


def seconds_ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def open_hits(*scores: int | None, seconds: float = 1) -> list[LinkHit]:
    return [LinkHit(HitKind.OPENED, seconds_ago(seconds), score) for score in scores]


def send_hits(*scores: int | None, seconds: float = 1, gesture: bool = True) -> list[LinkHit]:
    return [LinkHit(HitKind.SENT, seconds_ago(seconds), score, gesture) for score in scores]


@pytest.mark.parametrize(
    ("hits", "state"),
    [
        (open_hits(9), "provisional"),
        (open_hits(9, 9, 9, 9), "provisional"),
        (open_hits(9, 3), "provisional"),
        (open_hits(None, None, 9, 3), "provisional"),
        (open_hits(9, 3, 0), "quarantined"),
        (open_hits(9, 3, seconds=121) + open_hits(0), "provisional"),
        (open_hits(9, seconds=119) + open_hits(3, 0), "quarantined"),
        ([LinkHit(HitKind.TRAP, seconds_ago(5)), *open_hits(9)], "quarantined"),
        ([LinkHit(HitKind.TRAP, seconds_ago(200)), *open_hits(9)], "provisional"),
    ],
)
def test_what_is_opened_never_counts(hits: list[LinkHit], state: str) -> None:
    assert hold_state_of_opening(hits, now=NOW) == state


GESTURE = SubmissionSignals(scripted=True, gesture=True, rendered_at=seconds_ago(1))
SCRIPT = SubmissionSignals(scripted=True, rendered_at=seconds_ago(3600))


@pytest.mark.parametrize(
    ("hits", "signs", "state"),
    [
        (send_hits(9), GESTURE, None),
        (send_hits(9), SCRIPT, "unverified"),
        (send_hits(9), SubmissionSignals(rendered_at=seconds_ago(2.9)), "unverified"),
        (send_hits(9), SubmissionSignals(rendered_at=seconds_ago(3)), None),
        (send_hits(9), SubmissionSignals(), None),
        (
            send_hits(9),
            SubmissionSignals(scripted=True, gesture=True, trapped=True),
            "quarantined",
        ),
        # A person may change a score once; three different scores come from a program.
        (send_hits(9, 3), GESTURE, None),
        (send_hits(9, 3, 0), GESTURE, "quarantined"),
        (send_hits(9, 3, gesture=False) + send_hits(0), GESTURE, None),
        (send_hits(9, 3, 0, gesture=False), SubmissionSignals(), "quarantined"),
        (send_hits(9, 3, seconds=121) + send_hits(0), GESTURE, None),
        # Links that a scanner opened earlier do not count against a person with a gesture.
        (open_hits(*range(11)) + send_hits(9), GESTURE, None),
        ([LinkHit(HitKind.TRAP, seconds_ago(5)), *send_hits(9)], GESTURE, None),
        # Without a gesture they do count, with or without scripts, however much later.
        (open_hits(9, 3, 0) + send_hits(9), SCRIPT, "quarantined"),
        (
            open_hits(9, 3, 0) + send_hits(9),
            SubmissionSignals(rendered_at=seconds_ago(60)),
            "quarantined",
        ),
        (
            open_hits(9, 3, 0, seconds=86_400) + send_hits(9),
            SubmissionSignals(),
            "quarantined",
        ),
        (
            open_hits(9, 3, 0, seconds=86_400) + send_hits(9),
            SubmissionSignals(asked_again=True),
            "quarantined",
        ),
        (
            [LinkHit(HitKind.TRAP, seconds_ago(86_400)), *send_hits(9)],
            SubmissionSignals(),
            "quarantined",
        ),
        (open_hits(9, 3, 0, seconds=86_400) + send_hits(9), GESTURE, None),
        (
            open_hits(9, seconds=300) + open_hits(3, seconds=150) + open_hits(0) + send_hits(9),
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
    hits = [*open_hits(9, None), LinkHit(HitKind.TRAP, seconds_ago(3))]
    assert hits_of([stored_hit(hit) for hit in hits]) == hits
