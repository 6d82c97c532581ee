# SPDX-License-Identifier: Apache-2.0
"""How each source and preset is connected: what is needed, the steps there, and what arrives."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypedDict

from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS


class Instructions(TypedDict):
    """What to do at the sender, in one language, as Markdown with code alone."""

    before: str
    steps: list[str]
    test: str


def _guide_of_source(name: str) -> Mapping[str, Any]:
    text = files("app.integrations.sources").joinpath(f"{name}.json").read_text()
    return {**json.loads(text), "properties": ADAPTERS[name].properties}


SOURCE_GUIDES: Mapping[str, Mapping[str, Any]] = {
    name: _guide_of_source(name) for name in ADAPTERS
} | dict(PRESETS)


def read_instructions(source: str, language: str) -> Instructions:
    """Return how a source or preset is connected, in English where the language has no text."""
    by_language: Mapping[str, Instructions] = SOURCE_GUIDES[source]["instructions"]
    return by_language.get(language, by_language["en"])
