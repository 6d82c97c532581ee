# SPDX-License-Identifier: Apache-2.0
"""Exports of other tools, known by their columns, and a whole file of real answers."""

import csv
from pathlib import Path

import pytest

from tests.imports.files import TEXT, net, nps, nps_survey, send, table
from tests.shop import Shop

SFO = Path(__file__).parents[1] / "data" / "sfo_customer_survey_2017_2018.csv"

PRESETS = {
    "delighted": [["Survey Response ID", "Score", "Comment", "Person Email", "Created At"],
                  ["77", "9", "good", "a@b.pl", "2026-01-05 10:00:00 UTC"]],
    "surveymonkey": [["Respondent ID", "Collector ID", "Date Modified", TEXT["en"]],
                     ["", "", "", "Response"],
                     ["118", "4", "01/25/2026 10:00:00 AM", "9 - Extremely likely"]],
    "typeform": [["#", TEXT["en"], "Start Date (UTC)", "Submit Date (UTC)", "Network ID"],
                 ["abc", "9", "2026-01-05 09:59:00", "2026-01-05 10:00:00", "n"]],
    "google-forms": [["Timestamp", TEXT["en"]], ["1/25/2026 10:00:00", "9"]],
    "microsoft-forms": [["ID", "Start time", "Completion time", "Email", "Name", TEXT["en"]],
                        ["1", "1/25/26 9:59:00", "1/25/26 10:00:00", "a@b.pl", "Ala", "9"]],
    "qualtrics": [["StartDate", "RecordedDate", "ResponseId", "score"],
                  ["Start Date", "Recorded Date", "Response ID", TEXT["en"]],
                  ['{"ImportId":"startDate"}', '{"ImportId":"recordedDate"}', '{"ImportId":"_id"}',
                   '{"ImportId":"QID1"}'],
                  ["2026-01-05 09:59:00", "2026-01-05 10:00:00", "R_1", "9"]],
    "limesurvey": [["id. Response ID", "submitdate. Date submitted", "lastpage. Last page",
                    "startlanguage. Start language", "score"],
                   ["1", "2026-01-05 10:00:00", "2", "pl", "9"]],
    "zendesk-ratings": [["Ticket ID", "Satisfaction Score", "Comment", "Updated At"],
                        ["35", "9", "quick", "2026-01-05T10:00:00Z"]],
    "retently": [["Email", "Score", "Feedback", "Response date"],
                 ["a@b.pl", "9", "good", "2026-01-05 10:00"]],
}  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
async def test_presets_are_known_by_their_columns(shop: Shop, preset: str) -> None:
    await nps_survey(shop)
    taken = await send(shop, table(PRESETS[preset]), source=preset)
    assert taken["report"]["preset"] == preset
    assert (taken["accepted"], taken["rejected"]) == (1, 0), taken["report"]
    assert await nps(shop) == (100, 1)
    (found,) = (await shop.get("/v1/responses"))["data"]
    assert found["responded_at"].startswith("2026-01-")


async def test_the_airport_as_a_german_table(shop: Shop) -> None:
    text = {"en": "?"}
    questions = [{"key": "score", "type": "nps", "text": text},
                 {"key": "overall", "type": "csat", "text": text, "allow_na": True}]  # fmt: skip
    await shop.publish("airport", metric="nps", questions=questions)
    rows = [["Nr", "Empfehlung", "Gesamt", "responded_at"]]
    scores = []
    with SFO.open() as file:
        for row in csv.DictReader(file):
            nps_cell, overall = row["nps_0_10_11blank"], row["q7all"]
            given = int(nps_cell) if nps_cell.isdigit() and nps_cell != "11" else None
            date = row["survey_date"] or row["response_id"][3:7] + "-06-01"
            year, month, day = date.split("-")
            if given is not None and year == "2017":
                scores.append(given)
            labels = {10: "10 - Äußerst wahrscheinlich", 0: "0 - Überhaupt nicht"}
            rows.append([
                row["response_id"], "" if given is None else labels.get(given, str(given)),
                overall if overall.isdigit() and overall in "12345" else "",
                f"{day}.{month}.{year}",
            ])  # fmt: skip
    content = table(rows, ";").encode("cp1252")
    taken = await send(
        shop, content, survey="airport", map=["Empfehlung=score", "Gesamt=overall"]
    )  # fmt: skip
    assert taken["report"]["encoding"] == "cp1252"
    assert taken["rejected"] == 0, taken["report"]["rejected"]
    found = await shop.metric("nps", **{"from": "2017-01-01", "to": "2018-01-01"})
    assert (found["total"]["value"], found["total"]["n"]) == (pytest.approx(net(scores)), 2746)
