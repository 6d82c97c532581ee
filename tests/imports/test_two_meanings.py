# SPDX-License-Identifier: Apache-2.0
"""What a file says in a way that could be counted wrongly is refused, or read as it was meant."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.imports.dates import DateReading
from app.imports.values import reader_of
from app.surveys.question_types import QuestionType, WordAnswers, spec_of
from app.surveys.schemas import Question
from tests.imports.files import QUESTIONS, TEXT, net, nps, nps_survey, post, send, sheets, table
from tests.shop import Shop

DAY = "2026-01-05"
CSAT = {"key": "ok", "type": "csat", "points": 5, "text": {"en": "Satisfied?"}}


async def refusal_of(shop: Shop, content: str | bytes, **params: Any) -> str:
    """Return why a file is not taken, by the reply or by the report."""
    reply = await post(shop, content, **params)
    if reply.status_code == 422:
        return str(reply.text)
    run = reply.json()
    assert run["status"] == "refused", run
    reason: str = run["report"]["refused"]
    return reason


@pytest.mark.parametrize(
    "head",
    [
        f"responded_at,{TEXT['en']},{TEXT['pl']}",
        f"responded_at,{TEXT['pl']},{TEXT['en']}",
        f"responded_at,score,{TEXT['en']}",
        f"responded_at,{TEXT['en']},score",
    ],
)
async def test_one_question_in_two_columns_is_an_error(shop: Shop, head: str) -> None:
    await nps_survey(shop)
    content = head + "\n" + f"{DAY},9,\n" * 20 + f"{DAY},,0\n" * 20
    assert "both become `score`" in await refusal_of(shop, content)
    assert (await nps(shop))[1] == 0


@pytest.mark.parametrize("head", ["responded_at,timestamp,score", "timestamp,responded_at,score"])
async def test_a_field_name_wins_over_a_synonym_in_any_column_order(shop: Shop, head: str) -> None:
    await nps_survey(shop)
    index = head.split(",").index("responded_at")
    cells = ["2026-02-02", "2026-02-02", "9"]
    cells[index] = "2026-01-01"
    run = await send(shop, f"{head}\n{','.join(cells)}\n")
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert answer["responded_at"].startswith("2026-01-01") or answer["responded_at"].startswith(
        "2025-12-31"
    )
    assert any("`timestamp` is left out" in note for note in run["report"]["notes"])


@pytest.mark.parametrize(
    "steps",
    [
        ["Excellent", "Très bien", "Bien", "Moyen", "Mauvais"],
        ["Sehr zufrieden", "Zufrieden", "Eher zufrieden", "Eher unzufrieden", "Unzufrieden"],
        ["Zadowolony", "Raczej zadowolony", "Niezadowolony"],
        ["Ótimo", "Muito bom", "Bom"],
        ["Ottimo", "Molto bene", "Bene"],
        ["Bastante satisfecho", "Satisfecho", "Poco satisfecho"],
        ["Poor", "Fair", "Good", "Very good"],
    ],
    ids=lambda steps: steps[0],
)
async def test_two_steps_of_one_score_are_asked_about(shop: Shop, steps: list[str]) -> None:
    await shop.publish("csat", metric="csat", questions=[CSAT])
    rows = [["responded_at", "ok"], *([DAY, step] for step in steps)]
    assert "say with `value` what each means" in await refusal_of(shop, table(rows), survey="csat")


async def test_words_of_both_genders_and_of_two_languages_are_one_step(shop: Shop) -> None:
    await shop.publish("csat", metric="csat", questions=[CSAT])
    steps = ["Zadowolony", "zadowolona", "Satisfied", "satisfait", "Mulțumită", "Niezadowolona"]
    rows = [["responded_at", "ok"], *([DAY, step] for step in steps)]
    assert (await send(shop, table(rows), survey="csat"))["accepted"] == len(steps)
    total = (await shop.metric("csat", period="all"))["total"]
    assert total["value"] == pytest.approx(100 * 5 / 6)


async def test_a_turned_scale_of_likelihood_is_refused(shop: Shop) -> None:
    await nps_survey(shop)
    labels = ["0 - Extremely likely", "10 - Not at all likely", "10 - Mało prawdopodobne"]
    rows = [["responded_at", "score"], *([DAY, label] for label in labels)]
    assert "cannot be read" in await refusal_of(shop, table(rows))


async def test_a_shops_list_gives_no_consent_and_no_source(shop: Shop) -> None:
    content = (
        "external_id,email,Source,Accepts Marketing\n77,a@e.pl,Google Ads,no\n78,b@e.pl,,yes\n"
    )
    await send(shop, content, kind="customers", survey=None)
    for id_, cell in (("77", "no"), ("78", "yes")):
        customer = await shop.get(f"/v1/customers/{id_}")
        assert customer["consent"] is None
        assert customer["properties"]["Accepts Marketing"] == cell
        assert customer["external_ids"][0]["source"] is None


async def test_a_ticket_number_of_two_helpdesks_matches_neither(shop: Shop) -> None:
    await nps_survey(shop)
    for desk in ("hd1", "hd2"):
        content = (
            f"id,opened,solved,agent\n12,2026-01-01T08:00:00Z,2026-01-01T09:00:00Z,Ala-{desk}\n"
        )
        columns = {"id": "id", "opened": "opened", "solved": "solved", "agent": "agent"}
        await send(shop, content, kind="tickets", survey=None, source=desk, **columns)
    content = f"responded_at,score,ticket\n{DAY},9,12\n"
    await send(shop, content)
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert "agent" not in answer["properties"]
    await send(shop, content, source="other", ticket_source="hd2")
    answers = (await shop.get("/v1/responses"))["data"]
    assert {response["properties"].get("agent") for response in answers} == {None, "Ala-hd2"}


async def test_choices_that_stand_in_columns_of_their_own_are_all_counted(shop: Shop) -> None:
    options = [{"key": key, "text": {"en": key.title()}} for key in ("price", "speed", "staff")]
    like = {
        "key": "like",
        "type": "choices",
        "text": {"en": "What do you like?"},
        "options": options,
    }
    await shop.publish("nps", metric="nps", questions=[QUESTIONS[0], like])
    head = f"Respondent ID,Collector ID,End Date,{TEXT['en']},What do you like?,,\n"
    labels = ",,,,Price,Speed,Staff\n"
    rows = "1,7,2026-01-05,9,Price,Speed,\n2,7,2026-01-05,9,,Speed,\n3,7,2026-01-05,9,,,Staff\n"
    looked = await send(shop, head + labels + rows, dry_run=True)
    histograms = {question["question"]: question["histogram"] for question in looked["questions"]}
    assert histograms["like"] == {"price": 1, "speed": 2, "staff": 1}


async def test_a_hidden_sheet_is_not_read(shop: Shop) -> None:
    await nps_survey(shop)
    head = ["responded_at", "score"]
    content = sheets(("old", [head, [DAY, 1]]), ("answers", [head, [DAY, 9]]), hidden="old")
    run = await send(shop, content, name="f.xlsx")
    assert run["report"]["sheet"] == "answers"
    assert await nps(shop) == (100, 1)


async def test_dates_that_a_spreadsheet_has_half_read_are_refused(shop: Shop) -> None:
    await nps_survey(shop)
    days = ["13/01/2026", "25/01/2026", dt.date(2026, 2, 1), dt.date(2026, 5, 1)]
    rows: list[list[Any]] = [["responded_at", "score"], *([day, 9] for day in days)]
    assert "the other way round" in await refusal_of(shop, sheets(("a", rows)), name="f.xlsx")
    rows.append([dt.date(2026, 5, 30), 9])
    assert (await send(shop, sheets(("a", rows)), name="f.xlsx"))["accepted"] == 5


async def test_another_coding_of_yes_and_no_is_not_left_out(shop: Shop) -> None:
    solved = {"key": "solved", "type": "yes_no", "text": {"en": "Solved?"}}
    await shop.publish("nps", metric="nps", questions=[QUESTIONS[0], solved])
    content = "responded_at,score,solved\n" + f"{DAY},9,1\n{DAY},8,2\n" * 25
    assert "25 of 50 values of `solved`" in await refusal_of(shop, content)
    mended = {"value": "solved:2=no"}
    assert (await send(shop, content, **mended))["accepted"] == 50
    stray = "responded_at,score,solved\n" + f"{DAY},9,yes\n" * 40 + f"{DAY},9,perhaps\n"
    assert (await send(shop, stray, source="stray"))["accepted"] == 41


@pytest.mark.parametrize("highest", [3, 4])
async def test_a_shorter_scale_than_five_points_is_asked_about(shop: Shop, highest: int) -> None:
    await shop.publish("csat", metric="csat", questions=[CSAT])
    content = "responded_at,ok\n" + "".join(
        f"{DAY},{1 + number % highest}\n" for number in range(120)
    )
    assert f"ends at {highest}" in await refusal_of(shop, content, survey="csat")


async def test_one_column_is_one_thing(shop: Shop) -> None:
    await nps_survey(shop)
    content = f"n,responded_at,score\n1,{DAY},9\n"
    reply = await post(shop, content, map=["n=external_id", "n=order"])
    assert (reply.status_code, "`n` is the column of" in reply.text) == (422, True)
    tickets = "n,Opened,Done\n1,2026-01-01,2026-01-02\n"
    columns = {"id": "n", "opened": "Opened", "solved": "Done", "closed": "Done"}
    reply = await post(shop, tickets, kind="tickets", survey=None, **columns)
    assert (reply.status_code, "closed" in reply.text) == (422, True)


async def test_columns_that_are_missing_now_are_named(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, f"external_id,responded_at,score,why\n1,{DAY},9,nice\n")
    looked = await send(shop, f"external_id,responded_at,score\n1,{DAY},8\n", dry_run=True)
    assert any("also had why" in note for note in looked["notes"])


async def test_an_assumed_date_stays_when_the_row_is_corrected(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, "external_id,score\n1,9\n", undated="2026-01-05")
    run = await send(shop, "external_id,score\n1,3\n", undated="now")
    assert run["report"]["updated"] == 1
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert answer["score"] == 3
    assert answer["responded_at"].startswith(("2026-01-04", "2026-01-05"))


@pytest.mark.parametrize(("order", "month"), [("dmy", "2026-05"), ("mdy", "2026-01")])
async def test_the_order_of_dates_can_be_said(shop: Shop, order: str, month: str) -> None:
    await nps_survey(shop)
    content = "external_id,responded_at,score\n1,01/05/2026 10:01:00 AM,9\n"
    assert "`dmy`" in await refusal_of(shop, content)
    await send(shop, content, date_format=order)
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert answer["responded_at"].startswith(month)


async def test_rejects_of_a_sheet_with_skipped_rows_are_read_again(shop: Shop) -> None:
    await nps_survey(shop)
    rows: list[list[Any]] = [["Report"], ["of us"], ["responded_at", "score"], [DAY, "no idea"]]
    rows += [[DAY, 9]] * 30
    run = await send(shop, sheets(("a", rows)), name="f.xlsx", skip_rows=2)
    assert (run["accepted"], run["rejected"]) == (30, 1)
    reply = await shop.call("GET", f"/v1/imports/{run['id']}/rejects")
    mended = reply.text.replace("no idea", "1")
    again = await send(shop, mended, name="f.rejected.csv", skip_rows=2)
    assert again["accepted"] == 1
    assert (await nps(shop))[0] == pytest.approx(net([9] * 30 + [1]))


async def test_what_was_refused_is_not_known(shop: Shop) -> None:
    await nps_survey(shop)
    assert "cannot be read" in await refusal_of(shop, f"responded_at,score\n{DAY},x\n{DAY},9\n")
    looked = await send(shop, f"responded_at,score\n{DAY},9\n{DAY},8\n", dry_run=True)
    assert looked["notes"] == []


async def test_a_customer_without_a_fit_address_or_number_is_taken(shop: Shop) -> None:
    content = "external_id,email,phone\n1,n/a,n/a\n2,b@e.pl,+48 600 100 200\n3,-,n/a\n"
    run = await send(shop, content, kind="customers", survey=None)
    assert (run["accepted"], run["rejected"]) == (3, 0)
    assert not any("Value error" in note for note in run["report"]["notes"])
    assert (await shop.get("/v1/customers/1"))["email"] is None


async def test_remedies_are_named(shop: Shop) -> None:
    await nps_survey(shop)
    assert "`skip_rows`" in await refusal_of(shop, f"Our NPS,\nresponded_at,score\n{DAY},9\n")
    rows = [["cover"], ["page"]]
    content = sheets(("cover", rows), ("data", [["responded_at", "score"], [DAY, 9]]))
    assert "`sheet` names" in await refusal_of(shop, content, name="f.xlsx")
    reply = await shop.call(
        "POST", "/v1/imports", params={"survey": "nps", "source": "f"}, files={"file": b"x"}
    )
    assert (reply.status_code, "--data-binary" in reply.text) == (422, True)


async def test_a_dump_of_delighteds_api_is_known(shop: Shop) -> None:
    await nps_survey(shop)
    content = (
        '[{"id": "47", "person": {"id": "1", "email": "foo@e.pl"}, "survey_type": "nps", '
        '"score": 3, "comment": "Slow", "permalink": "https://d/r/5", "created_at": 1767603600, '
        '"updated_at": 1767603600, "tags": []}]'
    )
    run = await send(shop, content, name="survey_responses.json")
    assert (run["accepted"], run["report"]["preset"]) == (1, "delighted")
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert (answer["score"], answer["answers"]["why"]) == (3, "Slow")
    assert answer["customer"]["email"] == "foo@e.pl"


@pytest.mark.parametrize("type_", QuestionType)
def test_our_own_fixed_answers_are_read_again(type_: QuestionType) -> None:
    answers = spec_of(type_).answers
    if not isinstance(answers, WordAnswers):
        return
    question = Question.model_validate({"key": "q", "type": type_, "text": {"en": "?"}})
    read = reader_of(question, {})
    for answer in answers.answers:
        exported = str(answer.value).lower() if isinstance(answer.value, bool) else answer.value
        assert read(exported) == answer.value
        assert read(answer.word) == answer.value


@pytest.mark.parametrize(
    "text",
    [
        "5 stycznia 2026 r. o 10:00", "5. Januar 2026 um 10.00 Uhr", "5 janvier 2026 à 10h00",
        "5 de enero de 2026 a las 10:00", "5 ianuarie 2026, ora 10:00", "05.01.2026, 10:00 Uhr",
        "5 January 2026 at 10:00",
    ],
)  # fmt: skip
def test_dates_are_read_as_people_say_them(text: str) -> None:
    read = DateReading(ZoneInfo("UTC"), "dmy").read(text)
    assert read == dt.datetime(2026, 1, 5, 10, tzinfo=dt.UTC)


async def test_a_list_inside_a_document_is_opened(shop: Shop) -> None:
    await nps_survey(shop)
    content = '{"result": [{"id": 1, "score": 9, "responded_at": "2026-01-05T10:00:00Z"}]}'
    assert (await send(shop, content, map="id=external_id"))["accepted"] == 1


async def test_a_field_is_known_however_its_name_is_joined(shop: Shop) -> None:
    tickets = "id,opened,First reply,solved,customer-email\n"
    tickets += "1,2026-01-05 10:00,2026-01-05 10:30,2026-01-05 12:00,ana@example.com\n"
    look = await send(shop, tickets, kind="tickets", survey=None, dry_run="true")
    becomes = {column["column"]: column["becomes"] for column in look["columns"]}
    assert becomes["First reply"] == "first_reply"
    assert becomes["customer-email"] == "customer.email"
    customers = "External ID,email,Do not survey\n7,ana@example.com,yes\n"
    look = await send(shop, customers, kind="customers", survey=None, dry_run="true")
    becomes = {column["column"]: column["becomes"] for column in look["columns"]}
    assert becomes["External ID"] == "external_id"
    assert becomes["Do not survey"] == "do_not_survey"
