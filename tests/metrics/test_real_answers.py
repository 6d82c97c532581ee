# SPDX-License-Identifier: Apache-2.0
"""5,640 real answers of airport passengers go in over HTTP, and the right figures come out."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.shop import Shop

FILE = Path(__file__).parents[1] / "data" / "sfo_customer_survey_2017_2018.csv"
TOUCHPOINTS = ["q7food", "q7store", "q7sign", "q7walkway", "q7screens", "q7wifi", "q7roads"]
TEXT = {"en": "?"}


def code(cell: str, *, blank: int) -> int:
    """Read a code; an empty cell and the word `Blank` are the column's blank."""
    return int(cell) if cell.isdigit() else blank


def answers_of(row: dict[str, str]) -> dict[str, Any]:
    """Turn the file's codes into answers: blanks differ by question."""
    nps = code(row["nps_0_10_11blank"], blank=11)
    answers: dict[str, Any] = {"score": None if nps == 11 else nps}
    for name in ["q7all", "q14passthru", *TOUCHPOINTS]:
        score = code(row[name], blank=0)
        answers[name] = None if score == 0 else "na" if score == 6 else score
    return answers


@pytest.fixture(scope="module")
async def airport(client: Any) -> Shop:
    from tests.conftest import make_shop  # noqa: PLC0415 - the fixture's own helper

    shop = await make_shop(client)
    questions: list[dict[str, Any]] = [{"key": "score", "type": "nps", "text": TEXT}]
    questions += [{"key": "q7all", "type": "csat", "text": TEXT}]
    questions += [{"key": "q14passthru", "type": "ces", "points": 5, "text": TEXT}]
    questions += [
        {"key": name, "type": "rating", "text": TEXT, "touchpoint": name[2:], "allow_na": True}
        for name in TOUCHPOINTS
    ]
    await shop.publish("airport", metric="nps", questions=questions)
    with FILE.open() as file:
        lines = [
            {
                "survey": "airport",
                "channel": "import",
                "answers": answers_of(row),
                "responded_at": (row["survey_date"] or row["response_id"][3:7] + "-06-01")
                + "T12:00:00Z",
                "external_id": row["response_id"],
                "properties": {"area": row["boarding_area"] or "?"},
            }
            for row in csv.DictReader(file)
        ]
    body = "\n".join(map(json.dumps, lines)).encode()
    reply = await shop.call(
        "POST",
        "/v1/responses/batch",
        content=body,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert reply.json() == {"accepted": 5640, "duplicates": 0, "rejected": []}
    return shop


YEARS = {year: {"from": f"{year}-01-01", "to": f"{year + 1}-01-01"} for year in (2017, 2018)}


async def test_nps_of_2017(airport: Shop) -> None:
    total = (await airport.metric("nps", **YEARS[2017]))["total"]
    assert total["value"] == pytest.approx(39.8398, abs=1e-4)
    assert (total["n"], total["n_missing"], total["display"]) == (2746, 85, 40)
    assert [round(bound, 2) for bound in total["ci"]] == [37.18, 42.41]
    assert total["counts"] == {"promoters": 1436, "passives": 968, "detractors": 342}


@pytest.mark.parametrize("compare", ["previous_period", "previous_year"])
async def test_the_change_to_2018(airport: Shop, compare: str) -> None:
    reply = await airport.metric("nps", **YEARS[2018], compare=compare)
    assert reply["change"]["delta"] == pytest.approx(-8.86, abs=0.005)
    assert reply["change"]["z"] == pytest.approx(-4.51, abs=0.005)
    assert reply["change"]["significant"] is True
    assert reply["previous"]["n"] == 2746


async def test_csat_and_ces(airport: Shop) -> None:
    csat = (await airport.metric("csat", **YEARS[2017]))["total"]
    assert (csat["n"], csat["counts"]["satisfied"]) == (2688, 2206)
    assert csat["value"] == pytest.approx(82.0685, abs=1e-4)
    ces = (await airport.metric("ces", **YEARS[2018]))["total"]
    assert (ces["n"], ces["display"]) == (2364, 4.1)
    assert ces["value"] == pytest.approx(4.0897, abs=1e-4)


async def test_rollups_and_rows_give_the_same_figures(airport: Shop) -> None:
    for metric in ("nps", "csat", "ces", "rating"):
        params: dict[str, Any] = {"period": "all", "interval": "month", "group_by": "touchpoint"}
        fast = await airport.metric(metric, **params)
        slow = await airport.metric(metric, **params, timezone="Etc/UTC")
        assert (fast["source"], slow["source"]) == ("rollups", "rows")
        assert fast["rows"] == slow["rows"]
        assert fast["total"] == slow["total"]


async def test_a_question_may_count_at_a_touchpoint_of_its_own(airport: Shop) -> None:
    rows = (await airport.metric("rating", period="all", group_by="touchpoint"))["rows"]
    counts = {row["group"]["touchpoint"]: row["n"] for row in rows}
    assert set(counts) == {name[2:] for name in TOUCHPOINTS}
    assert all(count > 1000 for count in counts.values())
