# SPDX-License-Identifier: Apache-2.0
"""Odd files: what cannot be read is rejected or refused with a remedy, and never guessed."""

import csv
import io
import json
from typing import Any

import pytest

from tests.imports.files import TEXT, net, nps, nps_survey, post, send, table
from tests.shop import Shop

DAY = "2026-01-05"


async def csat_survey(shop: Shop, points: int = 5) -> None:
    question = {"key": "ok", "type": "csat", "points": points, "text": {"en": "Satisfied?"}}
    await shop.publish("csat", metric="csat", questions=[question])


@pytest.mark.parametrize("cell", ["0 - 6", "7 - 8", "9-10", "10-Sep", "9-Oct", "9: 10", "8, 7"])
async def test_two_numbers_are_no_score(shop: Shop, cell: str) -> None:
    await nps_survey(shop)
    seen = await send(shop, table([["score", "responded_at"], [cell, DAY]]), dry_run=True)
    assert seen["rows"]["rejected"] == 1, seen["questions"]


@pytest.mark.parametrize(
    "words",
    [["Excellent", "Very good", "Good"], ["Extremely satisfied", "Very satisfied"],
     ["Very satisfied", "Satisfied", "Somewhat satisfied"]],
)  # fmt: skip
async def test_two_words_of_one_scale_are_never_one_score(shop: Shop, words: list[str]) -> None:
    await csat_survey(shop)
    file = table([["ok", "responded_at"], *([word, DAY] for word in words)])
    refused = await send(shop, file, survey="csat", dry_run=True)
    assert "say with `value`" in refused["refused"]
    explained = [f"ok:{word}={5 - index}" for index, word in enumerate(words)]
    run = await send(shop, file, survey="csat", value=explained)
    assert run["accepted"] == len(words)


async def test_words_of_both_genders_and_two_languages_are_one_score(shop: Shop) -> None:
    await csat_survey(shop)
    words = ["Zadowolony", "Zadowolona", "Satisfied", "Mulțumit", "Mulţumită"]
    file = table([["ok", "responded_at"], *([word, DAY] for word in words)])
    assert (await send(shop, file, survey="csat"))["accepted"] == 5
    assert {answer["score"] for answer in (await shop.get("/v1/responses"))["data"]} == {4}


@pytest.mark.parametrize("cell", ["⭐️⭐️⭐️⭐️", "4 - Tre\u0300s bien"])
async def test_marks_and_letters_in_parts(shop: Shop, cell: str) -> None:
    await csat_survey(shop)
    await send(shop, table([["ok", "responded_at"], [cell, DAY]]), survey="csat")
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["score"] == 4


async def test_a_row_with_a_cell_too_many_is_rejected(shop: Shop) -> None:
    await nps_survey(shop)
    file = f"why,responded_at,score\nfine,{DAY},9\nI rate 8, 7,{DAY},9\nempty,{DAY},9,\n"
    seen = await send(shop, file, dry_run=True, allow_rejects=True)
    assert (seen["rows"]["accepted"], seen["rows"]["rejected"]) == (2, 1)
    assert "4 cells and the header 3" in seen["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1251", "Очень хорошо, спасибо"), ("shift_jis", "とても良いサービスでした"),
     ("koi8_r", "Плохо и очень долго")],
)  # fmt: skip
async def test_an_encoding_that_nobody_can_find_out_is_asked_for(
    shop: Shop, encoding: str, text: str
) -> None:
    await nps_survey(shop)
    content = table([["score", "responded_at", "why"], ["9", DAY, text]]).encode(encoding)
    refused = await post(shop, content)
    assert (refused.status_code, "`encoding`" in refused.text) == (422, True), refused.text
    assert (await send(shop, content, encoding=encoding))["accepted"] == 1
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["comment"] == text


async def test_a_stated_encoding_that_is_wrong_is_said(shop: Shop) -> None:
    await nps_survey(shop)
    content = table([["score", "responded_at", "why"], ["9", DAY, "źle"]]).encode("cp1250")
    refused = await post(shop, content, encoding="utf-8")
    assert (refused.status_code, "cannot be read as utf-8" in refused.text) == (422, True)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize("why", ["good", "żółć"])
async def test_utf_16_with_and_without_a_mark(shop: Shop, encoding: str, why: str) -> None:
    await nps_survey(shop)
    content = table([["score", "responded_at", "why"], ["9", DAY, why]]).encode(encoding)
    await send(shop, content)
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["score"], response["comment"]) == (9, why)


@pytest.mark.parametrize(
    ("params", "column", "cell"),
    [
        ({}, "responded_at", "0001-01-01"), ({}, "responded_at", "9999-12-31 23:59"),
        ({"set": "ticket=77"}, "responded_at", DAY), ({"set": "order=77"}, "responded_at", DAY),
        ({}, "why", "a\x00b"), ({}, "external_id", "7\x00"), ({}, "left out", "x\x00"),
    ],
)  # fmt: skip
async def test_nothing_odd_is_an_error_of_ours(
    shop: Shop, params: dict[str, Any], column: str, cell: str
) -> None:
    await nps_survey(shop)
    names = ["score", "responded_at", "why", "external_id", "left out"]
    row = {"score": "9", "responded_at": DAY}
    rows = [names, *([row.get(name, "") for name in names] for _ in range(30))]
    rows.append([(row | {column: cell}).get(name, "") for name in names])
    run = await send(shop, table(rows), **params)
    assert (run["status"], run["accepted"] + run["rejected"]) == ("done", 31)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1f\x8b\x08\x00abc", "gzip"), (b"<html><body>Sign in</body></html>", "web page"),
        (b"%PDF-1.7", "PDF"), (b"PK\x03\x04 a zip of something", "not a spreadsheet"),
        (b'{"score":' * 3000, "nested too deeply"), (b'{\n "score": 9\n}', "one object a line"),
    ],
)  # fmt: skip
async def test_what_is_another_kind_of_file_is_named(
    shop: Shop, content: bytes, words: str
) -> None:
    await nps_survey(shop)
    refused = await post(shop, content)
    assert (refused.status_code, words in refused.text) == (422, True), refused.text


@pytest.mark.parametrize("bad", ['{"score": 9, "why"', "9", "[1]", '"ok"', '{"score": 9}}'])
@pytest.mark.parametrize("where", [None, "plan=pro"])
async def test_a_bad_line_of_json_spoils_no_other(shop: Shop, bad: str, where: str | None) -> None:
    await nps_survey(shop)
    lines = [
        json.dumps({"score": number % 11, "responded_at": DAY, "plan": "pro"})
        for number in range(30)
    ]
    run = await send(shop, "\n".join([*lines[:7], bad, *lines[7:]]), where=where)
    assert (run["accepted"], run["rejected"]) == (30, 1)
    (rejected,) = run["report"]["rejected"]
    assert (rejected["line"], "JSON" in rejected["reason"]) == (8, True)
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    (row,) = list(csv.reader(io.StringIO(rejects)))[1:]
    assert row[-1] == bad
    # Uncorrected it stays rejected, and nothing is counted twice.
    again = await send(shop, rejects, source="other", allow_rejects=True)
    assert (again["accepted"], again["rejected"]) == (0, 1)


async def test_a_bad_line_of_our_own_export_is_reported(shop: Shop) -> None:
    """A preset leaves out rows; one that cannot be read is not among them."""
    await nps_survey(shop)
    for score in range(11):
        await shop.answer("nps", score, properties={"plan": "pro"})
    reply = await shop.call("GET", "/v1/exports/responses", params={"format": "ndjson"})
    lines = (reply.text.splitlines() * 3)[:30]
    broken = "\n".join([*lines[:7], lines[7][:40], *lines[8:]])
    seen = await send(shop, broken, dry_run=True, source="elsewhere", allow_rejects=True)
    assert seen["preset"] == "afterword"
    assert (seen["rows"]["seen"], seen["rows"]["rejected"]) == (30, 1)
    assert "JSON" in seen["rejected"][0]["reason"]
    # The survey's name is another there; the bad line is of no survey.
    renamed = broken.replace('"survey":"nps"', '"survey":"old"').replace(
        '"integrity":"ok",', ""
    )  # fmt: skip
    seen = await send(shop, renamed, dry_run=True, source="elsewhere", allow_rejects=True)
    assert (seen["rows"]["seen"], seen["rows"]["rejected"]) == (30, 1)


async def test_bad_lines_are_rejected_one_by_one_where_answers_are_joined(shop: Shop) -> None:
    await nps_survey(shop)
    lines = [
        json.dumps(
            {
                "id": number,
                "asked": "score",
                "said": number % 11,
                "responded_at": DAY,
                "plan": "pro",
            }
        )
        for number in range(60)
    ]
    # Nobody asked for these, which contradict each other.
    lines += [
        json.dumps({"id": 99, "asked": "score", "said": score, "plan": "free"}) for score in (1, 9)
    ]
    bad = ['{"id": 1', "9", "[]"]
    run = await send(shop, "\n".join([*lines, *bad]), pivot="asked:said", by="id", where="plan=pro")
    assert (run["status"], run["rejected"]) == ("done", 3), run["report"]
    reasons = [reject["reason"] for reject in run["report"]["rejected"]]
    assert all("JSON" in reason for reason in reasons)


async def test_an_entry_of_an_array_that_is_no_object_spoils_no_other(shop: Shop) -> None:
    await nps_survey(shop)
    entries = [{"score": number % 11, "responded_at": DAY} for number in range(30)]
    run = await send(shop, json.dumps([*entries, [9], *entries]))
    assert (run["accepted"], run["rejected"]) == (60, 1)


async def test_a_table_named_as_a_spreadsheet_and_blank_lines_before_the_header(
    shop: Shop,
) -> None:
    await nps_survey(shop)
    file = f"\n\n,,\nscore,responded_at\n9,{DAY}\n"
    assert (await send(shop, file, name="answers.xlsx"))["accepted"] == 1


async def test_half_a_character_in_json_is_replaced(shop: Shop) -> None:
    await nps_survey(shop)
    line = json.dumps({"score": 9, "responded_at": DAY, "why": "x"}).replace('"x"', '"\\ud800"')
    assert (await send(shop, line))["accepted"] == 1


@pytest.mark.parametrize(
    ("params", "words"),
    [({"value": "nosuch:x=1"}, "no question `nosuch`"), ({"missing": "nosuch=9"}, "`nosuch`"),
     ({"na": "nosuch=9"}, "`nosuch`")],
)  # fmt: skip
async def test_an_option_about_something_unknown_is_refused(
    shop: Shop, params: dict[str, Any], words: str
) -> None:
    await nps_survey(shop)
    refused = await post(shop, table([["score", "responded_at"], ["9", DAY]]), **params)
    assert (refused.status_code, words in refused.text) == (422, True)


async def test_dates_are_judged_and_assumed_as_the_rows_that_are_read(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "day", "kind"], ["9", "13/01/2026", "a"], ["9", "01/13/2026", "b"]]
    run = await send(
        shop, table(rows), where="kind=a", map="day=responded_at", timezone="Asia/Tokyo"
    )
    assert run["accepted"] == 1
    await send(shop, table([["score"], ["3"]]), source="2", undated=DAY, timezone="Asia/Tokyo")
    responses = (await shop.get("/v1/responses"))["data"]
    assert sorted(response["responded_at"] for response in responses) == [
        "2026-01-04T15:00:00Z", "2026-01-12T15:00:00Z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "source"),
    [("Answers - Copy", "Answers"), ("answers copy 2", "answers"), ("answers.corrected", "answers"),
     ("Kopie von answers", "answers"), ("Copy of answers (3)", "answers"), ("a-v2", "a"),
     ("copy", "copy"), ("q1-final", "q1"), ("answers.rejected", "answers")],
)  # fmt: skip
def test_copies_have_the_source_of_what_they_copy(name: str, source: str) -> None:
    from app.imports.options import source_of  # noqa: PLC0415 - of this test alone

    assert source_of(f"{name}.csv") == source


# --- What other tools write


async def test_google_forms_writes_its_zone_without_zeros(shop: Shop) -> None:
    await nps_survey(shop)
    file = table([["Timestamp", "How likely are you to recommend us?"],
                  ["2026/03/01 2:15:33 PM GMT+2", "9"], ["2026/03/01 2:15:33 PM UTC-5", "2"],
                  ["2026/03/01 2:15:33 PM GMT+5:30", "2"]])  # fmt: skip
    await send(shop, file)
    responses = (await shop.get("/v1/responses"))["data"]
    assert sorted(response["responded_at"] for response in responses) == [
        "2026-03-01T08:45:33Z", "2026-03-01T12:15:33Z", "2026-03-01T19:15:33Z",
    ]  # fmt: skip


async def test_zendesk_offers_and_rates_a_ticket_again(shop: Shop) -> None:
    await csat_survey(shop, points=2)
    rows = [["Ticket ID", "Satisfaction Score", "Updated at"], ["1", "Offered", DAY],
            ["2", "Good with comment", DAY], ["3", "bad", DAY],
            ["4", "Unoffered", DAY]]  # fmt: skip
    run = await send(shop, table(rows), survey="csat", source="zendesk")
    assert (run["accepted"], run["rejected"]) == (2, 0)
    rows[3][1] = "good_with_comment"
    again = await send(shop, table(rows), survey="csat", source="zendesk")
    assert again["report"]["updated"] == 1
    assert (await shop.metric("csat", period="all"))["total"]["n"] == 2


async def test_limesurvey_writes_1980_for_no_date(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["Response ID", "Date submitted", "Last page", f"Q1. {TEXT['en']}"],
            ["1", "1980-01-01 00:00:00", "1", "9"],
            ["2", "2026-03-01 10:00:00", "1", "2"]]  # fmt: skip
    run = await send(shop, table(rows), undated="2026-02-01")
    assert run["accepted"] == 2
    responses = (await shop.get("/v1/responses"))["data"]
    assert min(response["responded_at"] for response in responses) == "2026-02-01T00:00:00Z"


async def test_qualtrics_previews_do_not_count_and_its_zone_does(shop: Shop) -> None:
    await nps_survey(shop)
    zone = '{"ImportId":"recordedDate","timeZone":"America/Denver"}'
    rows = [["ResponseId", "RecordedDate", "Status", "Q1"],
            ["Response ID", "Recorded Date", "Response Type", TEXT["en"]],
            ['{"ImportId":"_recordId"}', zone, '{"ImportId":"status"}', '{"ImportId":"QID1"}'],
            ["R_1", "2026-03-01 10:00:00", "IP Address", "9"],
            ["R_2", "2026-03-01 10:00:00", "Survey Preview", "0"]]  # fmt: skip
    look = await send(shop, table(rows), dry_run=True)
    assert any("Survey Preview" in note or "survey preview" in note for note in look["notes"])
    await send(shop, table(rows))
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["score"], response["responded_at"]) == (9, "2026-03-01T17:00:00Z")


async def test_of_two_columns_of_a_preset_the_fuller_one_is_taken_and_said(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["Ticket ID", "Satisfaction Score", "Updated at", "Created at"], ["1", "9", "", DAY]]
    look = await send(shop, table(rows), dry_run=True)
    assert any("`Updated at` is left out" in note for note in look["notes"])
    assert (await send(shop, table(rows)))["accepted"] == 1


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_another_afterwords_export_by_its_own_guide(shop: Shop, form: str) -> None:
    await nps_survey(shop)
    await shop.publish("other")
    answers = {"score": 9, "why": "Good, and quick"}
    await shop.answer("nps", answers, properties={"plan": "pro"}, tags=["vip", "b2b"])
    rejected = (await shop.answer("nps", {"score": 0})).json()
    await shop.call("POST", f"/v1/responses/{rejected['id']}/reject")
    await shop.answer("other", {"score": 1})
    export = (await shop.call("GET", f"/v1/exports/responses?format={form}")).content
    questions = [
        {"key": "score", "type": "nps", "text": {"en": "?"}},
        {"key": "why", "type": "text", "text": {"en": "Why?"}},
    ]
    await shop.publish("new", metric="nps", questions=questions)
    run = await send(shop, export, survey="new", source="old", where="survey=nps")
    assert (run["accepted"], run["report"]["preset"]) == (1, "afterword")
    (response,) = (await shop.get("/v1/responses", survey="new"))["data"]
    assert response["answers"] == answers
    assert (response["properties"], sorted(response["tags"])) == ({"plan": "pro"}, ["b2b", "vip"])
    refused = await post(shop, export, survey="new", source="old")
    assert "several surveys: " in refused.text


# --- Rejected rows


async def test_rejects_are_read_with_the_same_options_and_the_source_of_their_file(
    shop: Shop,
) -> None:
    await nps_survey(shop)
    rows = [["a title"], ["by somebody"], ["score", "responded_at", "why"]]
    rows += [[str(number % 11), DAY, f"zażółć {number}"] for number in range(30)] + [
        ["often", DAY, "źdźbło"]
    ]
    content = table(rows).encode("cp1250")
    options = {"skip_rows": 2, "encoding": "cp1250"}
    run = await send(shop, content, **options)
    assert run["rejected"] == 1
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    assert "[source: file]" in rejects
    corrected = rejects.replace("often", "9", 1).encode("cp1250", "replace")
    assert (await send(shop, corrected, **options))["accepted"] == 1
    file = content.replace(b"often", b"9", 1)
    assert (await send(shop, file, **options))["report"]["already_here"] == 31
    expected = [*(number % 11 for number in range(30)), 9]
    assert await nps(shop) == (net(expected), 31)


async def test_rejects_of_a_file_with_an_answer_a_row_have_its_rows(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["Person", "Question", "Answer", "When"]]
    for person in range(30):
        rows += [[str(person), "score", "9", DAY], [str(person), "why", "good", DAY]]
    rows += [["x", "score", "often", DAY], ["x", "why", "bad", DAY]]
    options = {"pivot": "Question:Answer", "by": "Person",
               "map": ["Person=external_id", "When=responded_at"]}  # fmt: skip
    run = await send(shop, table(rows), **options)
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    assert rejects.splitlines()[0] == "Person,Question,Answer,When,afterword_rejected"
    assert (await send(shop, rejects.replace("often", "3"), **options))["accepted"] == 1
    assert (await nps(shop))[1] == 31


async def test_without_rejects_there_is_no_file_of_them(shop: Shop) -> None:
    await nps_survey(shop)
    run = await send(shop, table([["score", "responded_at"], ["9", DAY]]))
    assert (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).status_code == 404


async def test_a_customers_no_is_kept_from_the_apis_own_form(shop: Shop) -> None:
    line = {"external_id": "no1", "email": "no@e.pl", "consent": {"surveys": False}}
    await send(shop, json.dumps(line), kind="customers", survey=None)
    (customer,) = (await shop.get("/v1/customers", external_id="no1"))["data"]
    assert customer["consent"]["surveys"] is False
    assert "consent.surveys" not in customer["properties"]
