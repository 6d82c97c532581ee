# SPDX-License-Identifier: Apache-2.0
"""The guides of moving in name the columns that are really known, and their links lead on."""

import re
from pathlib import Path

import pytest

from app.imports.presets import presets
from tests.shop import Shop

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def columns_in(text: str) -> set[str]:
    rows = re.findall(r"^\| (`.*`) \| .* \|$", text, re.MULTILINE)
    return {column for row in rows for column in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("preset", sorted(set(presets()) - {"delighted"}))
def test_a_guide_names_the_columns_of_its_preset(preset: str) -> None:
    text = (GUIDES / f"moving-in-{preset}.md").read_text()
    assert columns_in(text) == set(presets()[preset]["columns"])
    # Forms that count their answers from 1 must not share a source.
    counts = "Each form counts its answers from 1" in text
    assert counts == (preset in {"microsoft-forms", "limesurvey"})
    assert ("--source name-of-the-form" if counts else f"--source {preset}") in text


def test_the_guide_of_tickets_names_those_of_every_helpdesk() -> None:
    text = (GUIDES / "moving-in-tickets.md").read_text()
    known = {column for preset in presets("tickets").values() for column in preset["columns"]}
    assert columns_in(text) == known


async def test_links_between_guides_lead_somewhere(shop: Shop) -> None:
    page = (await shop.client.get("/guides/moving-in")).text
    links = re.findall(r'href="/guides/([a-z-]+)"', page)
    assert len(links) >= 10
    for link in links:
        assert (await shop.client.get(f"/guides/{link}")).status_code == 200, link
