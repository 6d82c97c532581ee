"""`follow_up`: how many customers were to be called back, how many were, and how fast.

Read from the responses that have one; a follow-up belongs to the period in which it was opened.
"""

from collections.abc import Sequence
from typing import Any

from app.metrics.shares import Share

_HOURS = "extract(epoch from x.follow_up_closed_at - x.follow_up_opened_at) / 3600"


def _median(beside: Sequence[Any]) -> dict[str, Any]:
    found = beside[0] if beside else None
    return {"median_hours_to_close": None if found is None else float(found)}


FOLLOW_UP = Share(
    noun="follow-ups",
    table="response",
    at="x.follow_up_opened_at",
    properties="x.properties",
    condition="x.follow_up_opened_at is not null and x.state = 'counted'",
    groups={
        "survey": "s.key",
        "touchpoint": "nullif(x.touchpoint, '')",
        "channel": "x.channel",
        "locale": "x.locale",
    },
    counts="count(x.id), count(x.follow_up_closed_at), "
    f"percentile_disc(0.5) within group (order by {_HOURS})",
    whole="opened",
    part="closed",
    beside=_median,
).metric()
