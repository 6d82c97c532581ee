# SPDX-License-Identifier: Apache-2.0
"""How each source and preset is connected: what is needed, the steps there, and what arrives."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypedDict

import msgspec

from app.integrations.presets import PRESETS
from app.integrations.registry import ADAPTERS


class Instructions(TypedDict):
    """What to do at the sender, in one language, as Markdown with code alone."""

    before: str
    steps: list[str]
    test: str


class SourceGuide(TypedDict):
    """A source's file: its name, what to do there, what arrives, and what is sent to connect it.

    `paste` is a body to copy at the sender, None where it has its own; `register` is the body of
    `POST /v1/integrations`. `survey` and `on` are the first survey and the event that triggers it.
    """

    title: str
    instructions: dict[str, Instructions]
    paste: str | None
    arrives: list[str]
    register: dict[str, Any]
    survey: str
    on: str


def _guide_of_source(name: str) -> Mapping[str, Any]:
    file = files("app.integrations.sources").joinpath(f"{name}.json")
    try:
        guide = msgspec.json.decode(file.read_bytes(), type=SourceGuide)
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"the guide of a source, app/integrations/sources/{name}.json: {error}"
        raise ValueError(msg) from error
    return {**guide, "properties": ADAPTERS[name].properties}


SOURCE_GUIDES: Mapping[str, Mapping[str, Any]] = {
    name: _guide_of_source(name) for name in ADAPTERS
} | dict(PRESETS)


def read_instructions(source: str, language: str) -> Instructions:
    """Return how a source or preset is connected, in English where the language has no text."""
    by_language: Mapping[str, Instructions] = SOURCE_GUIDES[source]["instructions"]
    return by_language.get(language, by_language["en"])
