# SPDX-License-Identifier: Apache-2.0
"""Exports of other tools, known by their columns, and a whole file of real answers."""

import csv
from pathlib import Path

import pytest

from tests.imports.files import net, nps, nps_survey, send, table
from tests.shop import Shop

DATA = Path(__file__).parents[1] / "data"
SFO = DATA / "sfo_customer_survey_2017_2018.csv"

# Each file is of its tool's shape and has these scores; Qualtrics' has a preview beside them.
FILES = DATA / "imports" / "presets"
# Zendesk knows good and bad only.
PRESETS = sorted({path.stem for path in FILES.iterdir()} - {"zendesk-ratings"})
SCORES = [9, 10, 0, 7, 6, 10, 8, 3, 9, 5]


@pytest.mark.parametrize("preset", PRESETS)
async def test_presets_are_known_by_their_columns(shop: Shop, preset: str) -> None:
    await nps_survey(shop)
    content = (FILES / f"{preset}.csv").read_bytes()
    run = await send(shop, content, source=preset)
    assert run["report"]["preset"] == preset
    assert (run["accepted"], run["rejected"]) == (10, 0), run["report"]
    assert await nps(shop) == (net(SCORES), 10)
    responses = (await shop.get("/v1/responses"))["data"]
    assert all(answer["responded_at"].startswith("2026-01-") for answer in responses)
    assert sum(answer["comment"] is not None for answer in responses) == 10
    assert (await send(shop, content, source=preset))["report"]["already_here"] == 10


async def test_ratings_of_zendesk_are_good_or_bad(shop: Shop) -> None:
    text = {"en": "?"}
    questions = [{"key": "ok", "type": "csat", "points": 2, "text": text},
                 {"key": "why", "type": "text", "text": text}]  # fmt: skip
    await shop.publish("csat", metric="csat", questions=questions)
    content = (FILES / "zendesk-ratings.csv").read_bytes()
    run = await send(shop, content, survey="csat", ticket_source="zendesk")
    assert run["report"]["preset"] == "zendesk-ratings"
    # What was offered and not answered is not a rating.
    assert (run["accepted"], run["report"]["rows"]["empty"]) == (10, 1)
    total = (await shop.metric("csat", period="all"))["total"]
    assert (total["value"], total["n"]) == (100 * sum(score >= 7 for score in SCORES) / 10, 10)
    again = await send(shop, content, survey="csat", ticket_source="zendesk")
    assert again["report"]["already_here"] == 10


async def test_the_airport_as_a_german_table(shop: Shop) -> None:
    text = {"en": "?"}
    questions = [{"key": "score", "type": "nps", "text": text},
                 {"key": "overall", "type": "csat", "text": text, "allow_na": True}]  # fmt: skip
    await shop.publish("airport", metric="nps", questions=questions)
    rows = [["Nr", "Empfehlung", "Gesamt", "responded_at"]]
    scores: list[int] = []
    stars: list[int] = []
    with SFO.open() as file:
        for row in csv.DictReader(file):
            nps_cell, overall = row["nps_0_10_11blank"], row["q7all"]
            score = int(nps_cell) if nps_cell.isdigit() and nps_cell != "11" else None
            date = row["survey_date"] or row["response_id"][3:7] + "-06-01"
            year, month, day = date.split("-")
            if score is not None:
                scores.append(score)
            if overall in set("12345"):
                stars.append(int(overall))
            labels = {10: "10 - Äußerst wahrscheinlich", 0: "0 - Überhaupt nicht"}
            rows.append([
                row["response_id"], "" if score is None else labels.get(score, str(score)),
                overall if overall.isdigit() and overall in "12345" else "",
                f"{day}.{month}.{year}",
            ])  # fmt: skip
    content = table(rows, ";").encode("cp1252")
    run = await send(
        shop, content, survey="airport", map=["Empfehlung=score", "Gesamt=overall"]
    )  # fmt: skip
    assert run["report"]["encoding"] == "cp1252"
    assert run["rejected"] == 0, run["report"]["rejected"]
    figure = await shop.metric("nps", period="all")
    assert (figure["total"]["value"], figure["total"]["n"]) == (pytest.approx(net(scores)), 5396)
    satisfied = await shop.metric("csat", period="all")
    share = 100 * sum(star >= 4 for star in stars) / len(stars)
    assert satisfied["total"]["value"] == pytest.approx(share)
    assert satisfied["total"]["n"] == len(stars) == 5313
