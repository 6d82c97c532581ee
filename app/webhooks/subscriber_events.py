# SPDX-License-Identifier: Apache-2.0
"""Events as subscribers get them, and the filters of their endpoints. Pure.

`response.completed` and `response.low_score` are not stored. They are derived, with ids of their
own, from the event with which a response is complete. So ingest writes no more rows for them, and
each comes once.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core.clock import in_utc, rfc3339
from app.core.event_types import EventType
from app.core.ids import derived_uuid
from app.responses.states import integrity_of
from app.surveys.scales import LOW_BANDS

MAX_BYTES = 20_000
_MAX_KEPT_CHARACTERS = 200
_IDENTIFYING = {"id", "survey", "seq", "score", "band", "truncated"}
# Answers that are older than this give no low-score event.
LOW_SCORE_MAX_AGE = dt.timedelta(days=7)


COMPLETION_TYPES = (
    EventType.RESPONSE_CREATED,
    EventType.RESPONSE_UPDATED,
    EventType.RESPONSE_COMPLETED,
)


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event as the outbox holds it, with its position there."""

    xid: int
    id: UUID
    type: str
    data: Mapping[str, Any]
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class SubscriberEvent:
    """One event as a subscriber gets it; `id` is its `webhook-id`."""

    id: UUID
    type: EventType
    at: dt.datetime
    data: Mapping[str, Any]
    origin: OutboxEvent

    @property
    def is_low(self) -> bool:
        """Whether the score lies in the low band."""
        return self.data.get("band") in LOW_BANDS


def subscriber_events(event: OutboxEvent) -> Iterator[SubscriberEvent]:
    """Yield the event and those derived from it; any score gives a low-score event here."""
    yield SubscriberEvent(event.id, EventType(event.type), event.at, event.data, event)
    if not event.data.get("completes"):
        return
    if event.type != EventType.RESPONSE_COMPLETED:
        yield _derived_event(event, EventType.RESPONSE_COMPLETED)
    responded_at = event.data.get("responded_at")
    if event.data.get("score") is None or responded_at is None:
        return
    if event.at - dt.datetime.fromisoformat(responded_at) < LOW_SCORE_MAX_AGE:
        yield _derived_event(event, EventType.RESPONSE_LOW_SCORE)


def _derived_event(event: OutboxEvent, type_: EventType) -> SubscriberEvent:
    return SubscriberEvent(
        derived_uuid("event", str(event.id), type_), type_, event.at, event.data, event
    )


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that an endpoint wants, and for some of them conditions on their data.

    `types` are the types of interactions; empty means all.
    """

    events: frozenset[str]
    types: frozenset[str] = frozenset()
    survey: str | None = None
    touchpoint: str | None = None
    min_score: int | None = None
    max_score: int | None = None

    @property
    def bounded(self) -> bool:
        """Whether the filter itself limits the scores."""
        return self.min_score is not None or self.max_score is not None

    def wants(self, event: SubscriberEvent) -> bool:
        """Tell whether the endpoint gets this event."""
        if event.type not in self.events:
            return False
        if event.type is EventType.RESPONSE_LOW_SCORE and not self.bounded and not event.is_low:
            return False
        if self.types and event.type is EventType.INTERACTION_CREATED:
            return event.data.get("type") in self.types and self._fits_touchpoint(event.data)
        return self._fits_touchpoint(event.data) and self._fits_score(event)

    def _fits_touchpoint(self, data: Mapping[str, Any]) -> bool:
        """Check survey and touchpoint of events that have them; other events pass."""
        survey = data.get("survey")
        key = survey.get("key") if isinstance(survey, Mapping) else survey
        if self.survey is not None and key is not None and key != self.survey:
            return False
        touchpoint = data.get("touchpoint")
        return self.touchpoint is None or "touchpoint" not in data or touchpoint == self.touchpoint

    def _fits_score(self, event: SubscriberEvent) -> bool:
        if not self.bounded or not event.type.startswith("response."):
            return True
        if event.type is EventType.RESPONSE_DELETED:
            # A deleted answer has no score; subscribers that know it must learn of its deletion.
            return True
        score = event.data.get("score")
        if score is None:
            return False
        above = self.min_score is None or score >= self.min_score
        return above and (self.max_score is None or score <= self.max_score)


def event_body(event: SubscriberEvent, *, personal: bool = True) -> dict[str, Any]:
    """Return an event as it is sent: `{type, timestamp, data}`."""
    data = dict(event.data)
    if event.type.startswith("response."):
        data.pop("completes", None)
        state = data.pop("state", None)
        if state is not None:
            data["integrity"] = integrity_of(state)
    if not personal:
        data = _impersonal(data)
    return {"type": event.type, "timestamp": rfc3339(event.at), "data": in_utc(data)}


def _impersonal(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out personal data; of a customer only the id stays."""
    fields = {name: value for name, value in data.items() if name not in {"email", "detail"}}
    if isinstance(customer := fields.get("customer"), Mapping):
        fields["customer"] = {"id": customer.get("id")}
    return fields


def encode_body(message: Mapping[str, Any]) -> bytes:
    """Write a message as JSON of less than 20 KB; if texts are cut, `truncated` is set."""
    body = _json(message)
    if len(body) < MAX_BYTES:
        return body
    data = _cut(message["data"], _MAX_KEPT_CHARACTERS) | {"truncated": True}
    body = _json({**message, "data": data})
    if len(body) < MAX_BYTES:
        return body
    # Drop the longest fields until it fits; the fields that identify the event stay.
    for name in sorted(data, key=lambda name: len(_json(data[name])), reverse=True):
        if name not in _IDENTIFYING:
            data.pop(name)
        body = _json({**message, "data": data})
        if len(body) < MAX_BYTES:
            break
    return body


def _json(message: object) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + "…"
    if isinstance(value, Mapping):
        return {name: _cut(part, longest) for name, part in value.items()}
    if isinstance(value, list):
        return [_cut(part, longest) for part in value]
    return value
