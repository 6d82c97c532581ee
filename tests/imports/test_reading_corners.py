# SPDX-License-Identifier: Apache-2.0
"""Corners of reading a file: forms of dates, line numbers, equal headers, separators."""

import json

import pytest

from tests.imports.files import nps_survey, post, send, table
from tests.shop import Shop


async def test_a_date_form_that_is_no_form_is_refused(shop: Shop) -> None:
    await nps_survey(shop)
    rows = table([["responded_at", "score"], ["05/05/2026", "9"]])
    reply = await post(shop, rows, source="a", date_format="%d/%d/%Y")
    assert reply.status_code < 500, reply.text


async def test_lines_are_counted_from_the_top_of_the_file(shop: Shop) -> None:
    await nps_survey(shop)
    good = json.dumps({"responded_at": "2026-01-05", "score": 9})
    seen = await send(shop, f"\n\n{good}\nnot json\n", source="a", dry_run=True, name="a.ndjson")
    assert [row["line"] for row in seen["rejected"]] == [4]


async def test_three_columns_of_one_name_stay_three(shop: Shop) -> None:
    await nps_survey(shop)
    rows = table([["responded_at", "score", "a", "a", "a#2"], ["2026-01-05", "9", "x", "y", "z"]])
    seen = await send(shop, rows, source="a", dry_run=True)
    assert len({column["column"] for column in seen["columns"]}) == 5


@pytest.mark.parametrize("first", ["sep=", 'sep="', "sep=\r"])
async def test_a_separator_that_is_none_is_no_fault(shop: Shop, first: str) -> None:
    await nps_survey(shop)
    reply = await post(shop, f"{first}\nresponded_at,score\n2026-01-05,9\n", source="a")
    assert reply.status_code < 500, reply.text
