# SPDX-License-Identifier: Apache-2.0
"""Other tools' exports as data: how their files are known, and what their columns become.

`detect` names columns of which a file has all. `more_headers` says what the row below the header
begins with, if a tool writes more header rows: nothing in the column of a header, or a text.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def presets(kind: str = "answers") -> dict[str, Any]:
    """Return the presets of one kind of file, by name."""
    presets_by_kind: dict[str, Any] = json.loads(
        files("app.imports").joinpath("presets.json").read_text()
    )
    presets_of_kind: dict[str, Any] = presets_by_kind[kind]
    return presets_of_kind
