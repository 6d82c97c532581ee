# SPDX-License-Identifier: Apache-2.0
"""What a status means: by its id, by the workspace's own map, by labels in many languages. Pure."""

import json
import unicodedata
from collections.abc import Mapping
from importlib.resources import files

from app.integrations.adapter import SourceSettings, UnmappedStatusError
from app.integrations.payload_fields import text_of
from app.interactions.known_types import KnownType

# What a status may be mapped to, and the interaction type that it becomes.
TYPES: Mapping[str, str | None] = {
    "new": KnownType.TICKET_OPENED,
    "opened": KnownType.TICKET_OPENED,
    "open": KnownType.TICKET_REOPENED,
    "reopened": KnownType.TICKET_REOPENED,
    "pending": KnownType.TICKET_ON_HOLD,
    "on_hold": KnownType.TICKET_ON_HOLD,
    "solved": KnownType.TICKET_SOLVED,
    "resolved": KnownType.TICKET_SOLVED,
    "closed": KnownType.TICKET_CLOSED,
    "deleted": KnownType.TICKET_DELETED,
    "spam": KnownType.TICKET_DELETED,
    "merged": KnownType.TICKET_MERGED,
    "placed": KnownType.ORDER_PLACED,
    "paid": KnownType.ORDER_PAID,
    "fulfilled": KnownType.ORDER_FULFILLED,
    "delivered": KnownType.ORDER_DELIVERED,
    "refunded": KnownType.ORDER_REFUNDED,
    "cancelled": KnownType.ORDER_CANCELLED,
    "ignored": None,
}
# For sources where a closed case counts as solved.
CLOSED_IS_SOLVED = {**TYPES, "closed": KnownType.TICKET_SOLVED}


def fold_status(status: str) -> str:
    """Return a status as it is compared: without case, outer blanks and doubled blanks."""
    return " ".join(unicodedata.normalize("NFKC", status).casefold().split())


def _labels() -> dict[str, str]:
    by_meaning = json.loads(files("app.integrations").joinpath("statuses.json").read_text())
    return {
        fold_status(label): meaning for meaning, labels in by_meaning.items() for label in labels
    }


LABELS = _labels()


def type_of_meaning(meaning: str, types: Mapping[str, str | None] = TYPES) -> str | None:
    """Return the interaction type of a mapped status: its own name, or that of its meaning."""
    return meaning if "." in meaning else types[meaning]


def type_of_status(
    settings: SourceSettings,
    label: object,
    *,
    status_id: object = None,
    ids: Mapping[str, str] | None = None,
    types: Mapping[str, str | None] = TYPES,
) -> str | None:
    """Return the interaction type that a status becomes, or None if it becomes none.

    `ids` are the source's own ids of statuses, which no language changes; they come before
    labels, the workspace's map before both. A status that nobody knows raises
    UnmappedStatusError.
    """
    label_text, number = text_of(label) or "", text_of(status_id)
    known = [fold_status(text) for text in (label_text, number) if text]
    if not known:
        return None
    meaning = next((settings.status_map[key] for key in known if key in settings.status_map), None)
    if meaning is None and ids:
        meaning = next((ids[key] for key in reversed(known) if key in ids), None)
    meaning = meaning or LABELS.get(known[0])
    if meaning is None:
        status = label_text or number or ""
        raise UnmappedStatusError(status, remedy_of(status))
    return type_of_meaning(meaning, types)


def remedy_of(status: str) -> str:
    """Say how to map a status."""
    example = json.dumps({"status_map": {status[:80]: "solved"}}, ensure_ascii=False)
    return f"say what it means: PATCH this integration with {example}"
