# SPDX-License-Identifier: Apache-2.0
"""Ready surveys in English, Polish and Romanian; the texts lie in `templates.json`."""

import copy
import json
from pathlib import Path
from typing import Any

_TEMPLATES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("templates.json").read_text(encoding="utf-8")
)


def template(name: str) -> dict[str, Any]:
    """Return a copy of a template's definition: main question `score`, comment `why`."""
    return copy.deepcopy(_TEMPLATES[name])
