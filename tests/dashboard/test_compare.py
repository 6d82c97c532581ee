# SPDX-License-Identifier: Apache-2.0
"""Figures side by side: each group with all of its figures, as on a page about agents."""

import re

from tests.dashboard.conftest import Browser
from tests.shop import Shop


def _rows(page: str) -> dict[str, dict[str, str]]:
    """Return the table of all figures: the cells of each row, by the heading of the column."""
    table = page[page.index("All figures") :]
    headings = [_strip_tags(cell) for cell in re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)]
    rows = {}
    for name, cells in re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', table, re.DOTALL):
        texts = [_strip_tags(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells, re.DOTALL)]
        rows[name] = dict(zip(headings[1:], texts, strict=False))
    return rows


def _with_a_value(row: dict[str, str]) -> dict[str, str]:
    return {heading: cell for heading, cell in row.items() if cell != "–"}


def _strip_tags(cell: str) -> str:
    return re.sub(r"<[^>]+>", "", cell).strip()


async def test_agents_stand_side_by_side_with_all_of_their_figures(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["agent"]})
    await shop.publish("csat", template="csat")
    for agent, score in (("Ala", 5), ("Ala", 1), ("Ben", 5)):
        await shop.answer("csat", score, properties={"agent": agent})
    for ticket, minutes in (("1", 60), ("2", 120)):
        for type_, at in (("ticket.opened", "08:00"), ("ticket.solved", f"{8 + minutes // 60}:00")):
            body = {"type": type_, "source": "desk", "external_id": f"{ticket}-{type_}",
                    "ticket": ticket, "occurred_at": f"2026-11-20T{at.zfill(5)}:00Z",
                    "properties": {"agent": "Ben"}}  # fmt: skip
            await shop.post("/v1/interactions", body)
    page = await browser.page("/compare?by=property.agent&metric=csat&period=all")
    rows = _rows(page)
    # The best of the chosen figure comes first.
    assert list(rows) == ["Ben", "Ala"]
    assert _with_a_value(rows["Ala"]) == {"CSAT": "50 % (2, few)"}
    ben = _with_a_value(rows["Ben"])
    assert ben.keys() == {"CSAT", "Time to resolution"}
    assert ben["CSAT"] == "100 % (1, few)"
    assert ben["Time to resolution"].endswith("(2, few)")


async def test_a_figure_without_the_group_has_no_column(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("csat", template="csat")
    await shop.answer("csat", 5)
    page = await browser.page("/compare?by=channel&metric=csat&period=all")
    row = _rows(page)["API"]
    assert _with_a_value(row) == {"CSAT": "100 % (1, few)"}
    # Tickets have no channel.
    assert "Time to resolution" not in row


async def test_any_figure_that_is_asked_can_be_compared_the_quickest_first(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    await shop.publish("ask", questions=[{"key": "ok", "type": "yes_no", "text": {"en": "?"}}])
    await shop.answer("ask", {"ok": True}, touchpoint="till")
    page = await browser.page("/compare?metric=yes_no&by=touchpoint&period=all")
    assert "metric=expectation" not in page
    assert list(_with_a_value(_rows(page)["till"]).values()) == ["100 % (1, few)"]
    for ticket, hours in (("1", 9), ("2", 1)):
        for type_, at in (("ticket.opened", 0), ("ticket.solved", hours)):
            body = {"type": type_, "source": "desk", "external_id": f"{ticket}-{type_}",
                    "ticket": ticket, "occurred_at": f"2026-11-20T{at:02}:00:00Z",
                    "touchpoint": f"desk-{hours}"}  # fmt: skip
            await shop.post("/v1/interactions", body)
    rows = list(_rows(await browser.page("/compare?metric=ttr&by=touchpoint&period=all")))
    assert rows[:2] == ["desk-1", "desk-9"]
