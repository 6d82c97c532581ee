# SPDX-License-Identifier: Apache-2.0
"""Generic senders that are known: their mapping, how they sign, and where to click.

Each is a JSON file of this folder.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    file.name.removesuffix(".json"): json.loads(file.read_text())
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name)
    if file.name.endswith(".json")
}
