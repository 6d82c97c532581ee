# SPDX-License-Identifier: Apache-2.0
"""Files that gave a wrong figure, or none: each kind with the right figure or a refusal."""

import asyncio
import datetime as dt
import json
from typing import Any
from uuid import UUID

import pytest

from app.core.database import Database
from app.imports.dates import DateReading
from app.imports.options import source_of
from app.workspaces.service import lock_config
from tests.imports.files import net, nps, nps_survey, post, send, table
from tests.imports.test_tickets_from_files import send as send_of
from tests.shop import Shop

DAY = "2026-01-05"


async def test_a_question_in_two_columns_of_one_name_is_refused(shop: Shop) -> None:
    """A form with branches asks it in both; the answers of one of them would be lost."""
    await nps_survey(shop)
    rows = [["Timestamp", "score", "score"]]
    rows += [[DAY, "9", ""] for _ in range(5)] + [[DAY, "", "2"] for _ in range(5)]
    refused = await post(shop, table(rows), source="a")
    assert (refused.status_code, "score#2" in refused.text) == (422, True)
    first = await send(shop, table(rows), source="a", ignore="score#2")
    assert (first["accepted"], await nps(shop)) == (5, (100, 5))
    second = {"source": "b", "map": "score#2=score", "ignore": "score"}
    await send(shop, table(rows), **second)
    assert await nps(shop) == (0, 10)
    doubled = [["responded_at", "score", "score"], *([DAY, "9", "9"] for _ in range(5))]
    assert (await send(shop, table(doubled), source="c"))["accepted"] == 5


@pytest.mark.parametrize(
    ("minutes", "seconds"), [("2,880", None), ("2.880", None), ("2880", 172_800), ("2,5", 150)]
)
async def test_minutes_with_a_sign_of_two_meanings_are_rejected(
    shop: Shop, minutes: str, seconds: int | None
) -> None:
    rows = [["ID", "Created at", "First resolution time in minutes"],
            ["1", "2026-01-05 10:00", minutes]]  # fmt: skip
    seen = await send_of(shop, table(rows), "tickets", source="z", preset="zendesk", dry_run=True)
    assert (seen["rows"]["rejected"] == 1) == (seconds is None)
    if seconds is not None:
        assert seen["figures"]["median_seconds"] == pytest.approx(seconds, rel=0.01)


@pytest.mark.parametrize(
    ("first", "next_"),
    [
        ("Title(1-5).xlsx", "Title(1-8).xlsx"), ("nps.csv", "nps - copia.csv"),
        ("nps.csv", "nps – Kopie.csv"), ("nps.csv", "nps — kopia.csv"),
        ("nps.csv", "Copia de nps.csv"), ("nps.csv", "nps [1].csv"),
        ("nps.csv", "nps-korrigiert.csv"), ("nps.csv", "nps-poprawiony.csv"),
        ("nps.csv", "nps corregido.csv"), ("nps.csv", "nps_corrigé.csv"),
    ],
)  # fmt: skip
def test_copies_and_later_exports_have_the_source_of_the_first(first: str, next_: str) -> None:
    assert source_of(first) == source_of(next_)


def test_files_of_two_days_or_shops_are_two_sources() -> None:
    names = ("nps-1.csv", "nps-2.csv", "nps-2026-10-01.csv", "nps-2026-11-01.csv", "final.csv")
    assert len({source_of(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("template", "scores"),
    [("nps", [1, 2, 3, 4, 5] * 4), ("nps", [1, 4, 5, 6, 7] * 40), ("ces", [1, 2, 3, 4, 5] * 40)],
)
async def test_scores_of_a_shorter_scale_are_refused(
    shop: Shop, template: str, scores: list[int]
) -> None:
    await shop.publish("s", template=template)
    rows = [["score", "responded_at"], *([str(score), DAY] for score in scores)]
    seen = await send(shop, table(rows), survey="s", source="a", dry_run=True)
    assert "the file's scale ends at" in seen["refused"]
    run = await send(shop, table(rows), survey="s", source="a", allow_rejects=True)
    assert run["accepted"] == len(scores)


async def test_stars_without_empty_ones_are_of_five(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at"], *(["★" * count, DAY] for count in (5, 3, 5, 3))]
    seen = await send(shop, table(rows), source="a", dry_run=True)
    assert (seen["rows"]["rejected"], "of 5 stars" in str(seen["rejected"])) == (4, True)
    ten = [
        ["score", "responded_at"],
        *(["★" * count + "☆" * (10 - count), DAY] for count in (9, 10, 3)),
    ]
    assert (await send(shop, table(ten), source="b"))["accepted"] == 3
    assert await nps(shop) == (net([9, 10, 3]), 3)


@pytest.mark.parametrize(
    ("words", "score"),
    [
        ("Extremely dissatisfied", 1), ("Neither", 3), ("Raczej zadowolony", 4),
        ("Eher zufrieden", 4), ("Teils/teils", 3), ("Indiferente", 3), ("Ótimo", 5),
        ("Abbastanza soddisfatto", 4), ("Très satisfait(e)", 5), ("Muy satisfecho/a", 5),
        ("Bardzo zadowolony/a", 5), ("Insatisfait·e", 2),
    ],
)  # fmt: skip
async def test_words_of_five_points(shop: Shop, words: str, score: int) -> None:
    await shop.publish("csat", template="csat")
    seen = await send(
        shop, table([["score", "responded_at"], [words, DAY]]), survey="csat", dry_run=True
    )
    (question,) = [item for item in seen["questions"] if item["question"] == "score"]
    assert [int(step) for step, count in question["histogram"].items() if count] == [score]


async def test_a_date_of_two_meanings_is_never_taken_unasked(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score"], ["9"], ["10"]]
    constant = await send(shop, table(rows), set="responded_at=03/04/2026", dry_run=True)
    assert (constant["rows"]["accepted"], "cannot be told apart" in str(constant)) == (0, True)
    iso = [
        ["score", "responded_at"],
        *([str(number % 11), DAY] for number in range(30)),
        ["often", DAY],
    ]
    run = await send(shop, table(iso))
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    changed = rejects.replace("often", "9", 1).replace(DAY, "03/04/2026", 1)
    again = await send(shop, changed, dry_run=True)
    assert again["rows"]["rejected"] == 1
    clear = await send(shop, changed.replace("03/04/2026", "2026-04-03"), dry_run=True)
    assert clear["rows"]["accepted"] == 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026/03/01 9:15:02 a. m. CET", "2026-03-01T08:15:02"),
        ("2026/03/01 9:15:02 PM MEZ", "2026-03-01T20:15:02"),
        ("1 févr. 2026 10:00", "2026-02-01T09:00:00"), ("3 ago 2026", "2026-08-02T22:00:00"),
        ("12 de marzo de 2026", "2026-03-11T23:00:00"), ("5. Mrz 2026", "2026-03-04T23:00:00"),
        ("March 1, 2026 at 9:15 AM", "2026-03-01T08:15:00"), ("20260301", "2026-02-28T23:00:00"),
        ("1 mars 2026 10h15", "2026-03-01T09:15:00"),
        ("2026-03-01 10:00 Europe/Lisbon", "2026-03-01T10:00:00"),
        ("2026-03-01 10:00 JST", "2026-03-01T01:00:00"),
        ("Sun Mar 01 2026 10:00:00 GMT+0100 (Central European Standard Time)",
         "2026-03-01T09:00:00"),
    ],
)  # fmt: skip
def test_dates_as_programs_and_people_write_them(text: str, moment: str) -> None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - of this test alone

    instant = DateReading(ZoneInfo("Europe/Warsaw")).read(text)
    assert instant == dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)


async def test_events_without_ids_that_are_corrected_are_hinted_at(shop: Shop) -> None:
    rows = [["ticket", "what", "when"], ["1", "opened", "2026-01-05 10:00"],
            ["1", "solved", "2026-01-05 12:00"]]  # fmt: skip
    names = {"map": ["ticket=id", "what=event", "when=at"], "source": "desk"}
    first = await send_of(shop, table(rows), "tickets", **names)
    corrected = table(rows).replace("12:00", "13:00")
    seen = await send_of(shop, corrected, "tickets", **names, dry_run=True)
    assert "have no ids" in str(seen["notes"])
    await send_of(shop, corrected, "tickets", **names, replace=first["id"])
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert ticket["first_solved_at"][11:16] == "13:00"
    odd = names | {"event_name": "solved=solved"}
    params = {"kind": "tickets", **odd}
    refused = await shop.call("POST", "/v1/imports", content=corrected.encode(), params=params)
    assert (refused.status_code, "event_name" in refused.text) == (422, True)


async def test_one_address_of_two_customers_is_rejected_in_the_look(shop: Shop) -> None:
    rows = [["external_id", "email"], ["c-1", "a@c.pl"], ["c-2", "a@c.pl"], ["c-3", "b@c.pl"]]
    seen = await send_of(shop, table(rows), "customers", source="crm", dry_run=True)
    assert (seen["rows"]["rejected"], "c-1" in str(seen["rejected"])) == (1, True)


async def test_a_closed_survey_is_refused_before_reading(shop: Shop) -> None:
    await nps_survey(shop)
    await shop.post("/v1/surveys/nps/close", {}, status=200)
    refused = await post(shop, table([["score", "responded_at"], ["9", DAY]]))
    assert (refused.status_code, "is closed" in refused.text) == (409, True)


async def test_rejected_rows_go_back_to_the_source_of_their_file(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [
        ["external_id", "score", "responded_at"],
        *([f"r{number}", str(number % 11), DAY] for number in range(30)),
        ["r99", "often", DAY],
    ]
    run = await send(shop, table(rows), source="file")
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    await send(shop, rejects.replace("often", "9", 1), source="another")
    last_run = await send(shop, table(rows).replace("often", "9"), source="file")
    assert last_run["report"]["already_here"] == 31


@pytest.mark.parametrize("name", ["data", "items", "responses"])
async def test_rows_within_a_document(shop: Shop, name: str) -> None:
    await nps_survey(shop)
    rows = [{"score": score, "responded_at": DAY} for score in (9, 10, 3)]
    document: dict[str, Any] = {name: rows, "total": 3, "next": None}
    for indent in (None, 2):
        run = await send(shop, json.dumps(document, indent=indent), source=f"s{indent}")
        assert run["accepted"] == 3
    assert await nps(shop) == (net([9, 10, 3]), 6)
    spaced = "[  \t" + json.dumps(rows[0]) + "]"
    assert (await send(shop, spaced, source="spaced"))["accepted"] == 1


async def test_options_whose_text_holds_a_comma(shop: Shop) -> None:
    options = [
        {"key": key, "text": {"en": text}}
        for key, text in (("pq", "Price, quality"), ("s", "Staff"), ("d", "Delivery"))
    ]
    question = {"key": "why", "type": "choices", "text": {"en": "?"}, "options": options}
    score = {"key": "score", "type": "nps", "text": {"en": "?"}}
    await shop.publish("s", questions=[score, question], metric="nps")
    cells = ("Price, quality, Staff", "Staff,Delivery", '["Staff", "pq"]', "Delivery; Staff")
    rows = [["score", "why", "responded_at"], *(["9", cell, DAY] for cell in cells)]
    run = await send(shop, table(rows), survey="s", source="a")
    assert (run["accepted"], run["report"]["notes"]) == (4, [])
    chosen = (await shop.metric("choice", question="why", period="all"))["total"]["options"]
    assert {key: round(row["share"]) for key, row in chosen.items()} == {
        "pq": 50, "s": 100, "d": 50,
    }  # fmt: skip


async def test_a_blank_before_a_quote_and_a_separator_line_in_capitals(shop: Shop) -> None:
    await nps_survey(shop)
    content = f'SEP=,\nscore,responded_at,why\n9,{DAY}, "good, and quick"\n'
    run = await send(shop, content)
    assert run["accepted"] == 1
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert answer["answers"]["why"] == "good, and quick"


async def test_times_that_are_none_and_counts_with_decimals(shop: Shop) -> None:
    rows = [["ID", "Created at", "Solved at", "Reopens"],
            ["1", "2026-01-05 10:00", "2026-01-05 12:00", "0.0"],
            ["2", "2026-01-05 10:00", "-", "null"]]  # fmt: skip
    names = {"map": ["Created at=opened", "Solved at=solved", "Reopens=reopened"]}
    seen = await send_of(shop, table(rows), "tickets", source="z", dry_run=True, **names)
    assert (seen["rows"]["rejected"], seen["figures"]["reopened"]) == (0, 0)


@pytest.mark.parametrize(
    ("header", "answers"),
    [
        ("Identyfikator;Godzina rozpoczęcia;Godzina ukończenia;score", "microsoft-forms"),
        ("ID;Startzeit;Fertigstellungszeit;score", "microsoft-forms"),
        ("ID;Hora de inicio;Hora de finalización;score", "microsoft-forms"),
        ("Informazioni cronologiche;score", "google-forms"),
        ("Carimbo de data/hora;score", "google-forms"),
        ("Tijdstempel;score", "google-forms"),
    ],
)
async def test_exports_in_other_languages_are_known(shop: Shop, header: str, answers: str) -> None:
    await nps_survey(shop)
    width = header.count(";")
    cells = ["7", *([f"{DAY} 10:00"] * (width - 1))] if width > 1 else [f"{DAY} 10:00"]
    seen = await send(shop, header + "\n" + ";".join([*cells, "9"]) + "\n", dry_run=True)
    assert (seen["preset"], seen["rows"]["accepted"]) == (answers, 1)


async def test_a_slow_import_is_not_taken_for_interrupted(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.service.INTERRUPTED_AFTER", dt.timedelta(seconds=1))
    await nps_survey(shop)
    rows = table([["responded_at", "score"], [DAY, "9"]])
    async with database.transaction() as session:
        # While this lock is held, no answer can be written.
        await lock_config(session, UUID(shop.workspace_id))
        sending = asyncio.create_task(send(shop, rows, source="slow"))
        await asyncio.sleep(3)
        (run,) = (await shop.get("/v1/imports"))["data"]
        refused = await shop.call("DELETE", f"/v1/imports/{run['id']}")
        assert (refused.status_code, "still being taken" in refused.text) == (409, True)
    assert (await sending)["accepted"] == 1
