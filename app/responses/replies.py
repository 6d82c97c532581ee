# SPDX-License-Identifier: Apache-2.0
"""Replies to a submission: the stored response in short, or the reason of a refusal."""

from typing import Any

import msgspec

from app.core.errors import Conflict
from app.responses.rows import StoredResponse
from app.responses.states import integrity_of
from app.responses.writing import WriteOutcome, WriteResult

_REFUSALS = {
    WriteOutcome.CONFLICT: "This Idempotency-Key was used with another body; use a new key.",
    WriteOutcome.MISMATCH: "A response keeps its survey and channel; a new one needs another id.",
    WriteOutcome.DELETED: "This response was deleted and cannot be written again.",
    WriteOutcome.CLOSED: "The survey is closed and takes no new responses.",
}


def refuse(outcome: WriteOutcome) -> None:
    """Raise Conflict if nothing is stored for this submission."""
    if outcome in _REFUSALS:
        raise Conflict(_REFUSALS[outcome])


def status_of(written: WriteResult) -> int:
    """Return 201 if this request, or the request that it repeats, created the response."""
    return 201 if written.outcome in {WriteOutcome.CREATED, WriteOutcome.REPLAYED} else 200


def summary(stored: StoredResponse, *, survey_key: str) -> dict[str, Any]:
    """Return a stored response without answers, customer and properties."""
    return {
        "id": stored.id,
        "survey": survey_key,
        "survey_id": stored.survey_id,
        "survey_version": stored.survey_version,
        "seq": stored.seq,
        "channel": stored.channel,
        "touchpoint": stored.touchpoint or None,
        "locale": stored.locale,
        "score": stored.score,
        "band": stored.band,
        "complete": stored.complete,
        "integrity": integrity_of(stored.state),
        "test": stored.test,
        "follow_up": {"status": stored.follow_up},
        "order": stored.order_ref,
        "ticket": stored.ticket_ref,
        "interaction": _document(stored.interaction_ref),
        "external_id": stored.external_id,
        "tags": _document(stored.tags),
        "imported": stored.imported,
        "responded_at": stored.responded_at,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


def public_summary(stored: StoredResponse) -> dict[str, Any]:
    """Return what a publishable key may learn: never stored content."""
    return {"id": stored.id, "seq": stored.seq, "complete": stored.complete}


def _document(value: msgspec.Raw | str | None) -> Any:
    return msgspec.Raw(value.encode()) if isinstance(value, str) else value
