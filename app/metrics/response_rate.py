"""`response_rate`: answered of delivered invitations, both from the same filters.

An invitation belongs to the period in which it was sent. One that bounced was not delivered.
"""

from app.metrics.shares import Share

RESPONSE_RATE = Share(
    noun="invitations",
    table="invitation",
    at="x.sent_at",
    properties="x.context -> 'properties'",
    condition="not x.test and x.status <> 'bounced'",
    groups={
        "survey": "s.key",
        "touchpoint": "nullif(x.touchpoint, '')",
        "channel": "x.channel",
        "locale": "x.locale",
        "source": "x.source",
    },
    counts="count(*), count(x.answered_at)",
    whole="delivered",
    part="answered",
).metric()
