"""What a submission is answered: the stored response in short, or the reason against it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.core.errors import Conflict
from app.responses.writing import Outcome, Written

_INTEGRITY = {"counted": "ok", "test": "ok"}

_REFUSALS = {
    Outcome.CONFLICT: "This Idempotency-Key was used with another body; use a new key.",
    Outcome.MISMATCH: "A response keeps its survey and channel; send another id for a new one.",
    Outcome.DELETED: "This response was deleted and stays so.",
    Outcome.CLOSED: "The survey is closed and takes no new responses.",
}


def integrity_of(state: str) -> str:
    """Return the `integrity` that a stored state is shown as."""
    return _INTEGRITY.get(state, state)


def refuse(outcome: Outcome) -> None:
    """Raise Conflict where nothing was and nothing will be stored for this submission."""
    if outcome in _REFUSALS:
        raise Conflict(_REFUSALS[outcome])


def status_of(written: Written) -> int:
    """Return 201 for what this request, or the one it repeats, has created; else 200."""
    if written.outcome is Outcome.CREATED:
        return 201
    stored = written.stored or {}
    first = stored.get("created_at") == stored.get("updated_at")
    return 201 if written.outcome is Outcome.REPLAYED and first else 200


def summary(stored: Mapping[str, Any], *, survey_key: str) -> dict[str, Any]:
    """Return a stored response without answers, customer and properties."""
    return {
        "id": stored["id"],
        "survey": survey_key,
        "survey_id": stored["survey_id"],
        "survey_version": stored["survey_version"],
        "seq": stored["seq"],
        "channel": stored["channel"],
        "touchpoint": stored["touchpoint"] or None,
        "locale": stored["locale"],
        "score": stored["score"],
        "band": stored["band"],
        "complete": stored["complete"],
        "integrity": integrity_of(stored["state"]),
        "test": stored["test"],
        "follow_up": {"status": stored["follow_up"]},
        "order": stored["order_ref"],
        "ticket": stored["ticket_ref"],
        "interaction": _document(stored["interaction_ref"]),
        "external_id": stored["external_id"],
        "tags": _document(stored["tags"]),
        "imported": stored["imported"],
        "responded_at": stored["responded_at"],
        "created_at": stored["created_at"],
        "updated_at": stored["updated_at"],
    }


def public_summary(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a publishable key may learn: never stored content."""
    return {name: stored[name] for name in ("id", "seq", "complete")}


def _document(text: str | None) -> Any:
    return msgspec.Raw(text.encode()) if text is not None else None
