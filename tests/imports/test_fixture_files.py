# SPDX-License-Identifier: Apache-2.0
"""One made-up file for each fault of real exports; each gives the right figure."""

from pathlib import Path
from typing import Any

import pytest

from tests.imports.files import net, nps, nps_survey, send
from tests.shop import Shop

FILES = Path(__file__).parents[1] / "data" / "imports"
SCORES = [10, 9, 9, 8, 7, 6, 3, 0, 10, 9]

ORDINARY: dict[str, dict[str, Any]] = {
    "labels.csv": {},
    "semicolon_cp1250.csv": {},
    "utf16_tab.csv": {},
    "sep_line.csv": {},
    "pipe_quotes_newlines.csv": {},
    "rows_before_header.csv": {"skip_rows": 2},
    "doubled_columns.csv": {"map": "Comment#2=why"},
    "local_dates_us.csv": {},
    "epoch.csv": {},
    "excel_serials.csv": {},
    "undated.csv": {"undated": "2026-01-05"},
    "long_table.csv": {"pivot": "question:answer", "by": "respondent"},
    "bad_side_fields.csv": {},
    "answers.ndjson": {},
    "answers.json": {},
    "answers.xlsx": {"sheet": "Answers"},
    "answers.ods": {},
}


def test_every_file_is_tried() -> None:
    elsewhere = {"row_numbers_a.csv", "row_numbers_b.csv", "corrected.csv", "long_field.csv"}
    tickets = {path.name for path in FILES.glob("tickets_*")} | {"customers.csv"}
    assert {path.name for path in FILES.iterdir() if path.is_file()} == {
        *ORDINARY,
        *elsewhere,
        *tickets,
    }


@pytest.mark.parametrize("name", ORDINARY)
async def test_a_file_gives_the_right_figure(shop: Shop, name: str) -> None:
    await nps_survey(shop)
    run = await send(shop, (FILES / name).read_bytes(), name=name, **ORDINARY[name])
    assert (run["status"], run["accepted"]) == ("done", 10), run["report"]
    value, n = await nps(shop)
    assert value == pytest.approx(net(SCORES))
    assert n == 10
    rows = (await shop.get("/v1/responses"))["data"]
    assert {row["responded_at"][:7] for row in rows} == {"2026-01"}


async def test_the_second_of_two_columns_of_one_name(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, (FILES / "doubled_columns.csv").read_bytes(), map="Comment#2=why")
    rows = (await shop.get("/v1/responses"))["data"]
    assert {row["answers"]["why"] for row in rows} == {"second"}


async def test_row_numbers_of_two_files_are_six_answers(shop: Shop) -> None:
    await nps_survey(shop)
    for name in ("row_numbers_a", "row_numbers_b"):
        await send(shop, (FILES / f"{name}.csv").read_bytes(), source=name)
    value, n = await nps(shop)
    assert value == pytest.approx(net(SCORES[:6]))
    assert n == 6
    corrected = await send(shop, (FILES / "corrected.csv").read_bytes(), source="row_numbers_a")
    assert corrected["report"]["updated"] == 1
    value, n = await nps(shop)
    assert value == pytest.approx(net([0, *SCORES[1:6]]))
    assert n == 6


async def test_a_field_of_any_length_is_left_out_and_the_score_taken(shop: Shop) -> None:
    await nps_survey(shop)
    run = await send(shop, (FILES / "long_field.csv").read_bytes())
    assert run["accepted"] == 10
    assert any("150,000 characters" in note for note in run["report"]["notes"])
    value, n = await nps(shop)
    assert value == pytest.approx(net(SCORES))
    assert n == 10
