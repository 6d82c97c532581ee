# SPDX-License-Identifier: Apache-2.0
"""Generic senders that are known: their mapping, how they sign, and where to click, as data."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = json.loads(
    files("app.integrations").joinpath("presets.json").read_text()
)
