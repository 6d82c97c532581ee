# SPDX-License-Identifier: Apache-2.0
"""What the answer to an invitation is attributed to. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def attribution_of(
    *,
    type_: str,
    source: str,
    external_id: str,
    properties: Mapping[str, Any],
    amount: Decimal | None,
    currency: str | None,
) -> dict[str, Any]:
    """Return what the answer to an invitation about this interaction is attributed to."""
    attribution: dict[str, Any] = {
        "properties": properties,
        "interaction": {"source": source, "external_id": external_id},
        "type": type_,
    }
    if amount is not None:
        attribution["value"] = {"amount": f"{amount:f}", "currency": currency}
    return attribution
