# SPDX-License-Identifier: Apache-2.0
"""A metric's value as people read it, with its unit, in their language. Pure."""

from app.core.texts import duration_in, number_in
from app.metrics.registry import METRICS


def write_value(language: str, metric: str, value: float) -> str:
    """Write a value with its unit: `52.3`, `87 %`, `2 h 5 min`."""
    unit = METRICS[metric].unit
    if unit.kind == "duration":
        return duration_in(language, value)
    number = number_in(language, value, unit.digits)
    return f"{number} %" if unit.kind == "percent" else number
