# SPDX-License-Identifier: Apache-2.0
"""Optional fields of a row: a value that does not fit is left out with a note."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.text import unfit_property
from app.imports.options import PROPERTY

_MOST_PROPERTIES = 30
_LONGEST_NAME = 64


@dataclass(frozen=True)
class PropertyFields:
    """Reads the properties of a row; `notes` counts what was left out."""

    notes: Counter[str]

    def read(self, given: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Return the properties that fit; `given` holds column and text of each target."""
        properties: dict[str, str] = {}
        for target, (column, text) in given.items():
            if not target.startswith(PROPERTY):
                continue
            reason = unfit_property(text)
            if len(properties) >= _MOST_PROPERTIES:
                reason = f"only {_MOST_PROPERTIES} properties are kept of a row"
            if reason:
                self.notes[f"{column}: {reason}"] += 1
            else:
                properties[target.removeprefix(PROPERTY)[:_LONGEST_NAME]] = text
        return properties
