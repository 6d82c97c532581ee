# SPDX-License-Identifier: Apache-2.0
"""Optional fields of a row: a value that does not fit is left out with a note."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.json_values import property_error
from app.core.property_filters import MAX_PROPERTIES, PROPERTY

# A ticket may have its agent and its team beside them.
_MAX_PROPERTIES = MAX_PROPERTIES - 2
_MAX_NAME_CHARACTERS = 64


@dataclass(frozen=True)
class PropertyFields:
    """Reads the properties of a row; `notes` counts what was left out."""

    notes: Counter[str]

    def read(self, cells: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Return the properties that fit; `cells` holds column and text of each target."""
        properties: dict[str, str] = {}
        for target, (column, text) in cells.items():
            if not target.startswith(PROPERTY):
                continue
            if reason := add_property(properties, target.removeprefix(PROPERTY), text):
                self.notes[f"{column}: {reason}"] += 1
        return properties


def add_property(
    properties: dict[str, str], name: str, text: str, *, most: int = _MAX_PROPERTIES
) -> str | None:
    """Add a property that fits; return why one does not."""
    if len(name) > _MAX_NAME_CHARACTERS:
        return f"the name of a property has at most {_MAX_NAME_CHARACTERS} characters"
    if name not in properties and len(properties) >= most:
        return f"only {most} properties are kept of a row"
    if reason := property_error(text):
        return reason
    properties[name] = text
    return None
