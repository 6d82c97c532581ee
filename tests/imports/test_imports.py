# SPDX-License-Identifier: Apache-2.0
"""Files as people have them: what they give is counted, and the figure is computed apart."""

import datetime as dt

import pytest

from app.imports.dates import DateReading, zone_of
from tests.imports.files import net, nps, nps_survey, post, send, table
from tests.shop import Shop


async def test_look_shows_what_it_saw_and_stores_nothing(shop: Shop) -> None:
    await nps_survey(shop)
    file = table([["Score", "why", "responded_at", "E-mail"],
                  ["9", "good", "2026-01-05", "a@b.pl"], ["3", "", "2026-01-06", ""],
                  ["", "", "", ""], ["x", "", "2026-01-06", ""]])  # fmt: skip
    seen = await send(shop, file, dry_run=True)
    assert (seen["encoding"], seen["delimiter"], seen["survey"]) == ("utf-8", ",", "nps")
    assert seen["columns"][0] == {"column": "Score", "example": "9", "becomes": "score"}
    assert seen["columns"][3]["becomes"] is None
    (question,) = [item for item in seen["questions"] if item["question"] == "score"]
    assert (question["n"], question["value"]) == (2, 0)
    assert question["histogram"]["9"] == 1
    rows = seen["rows"]
    assert (rows["accepted"], rows["rejected"], rows["new"]) == (2, 1, 2)
    assert seen["rejected"][0]["line"] == 5
    assert "33 %" in seen["refused"]
    assert await nps(shop) == (None, 0)
    assert (await shop.get("/v1/imports"))["data"] == []


async def test_more_than_five_percent_of_rejects_are_too_many(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [
        ["score", "responded_at"],
        *([[str(number % 11), "2026-01-05"] for number in range(30)]),
    ]
    rows += [["often", "2026-01-05"]] * 2
    refused = await send(shop, table(rows))
    assert refused["status"] == "refused"
    assert "5 %" in refused["report"]["refused"]
    assert await nps(shop) == (None, 0)
    run = await send(shop, table(rows), allow_rejects=True)
    assert (run["status"], run["accepted"], run["rejected"]) == ("done", 30, 2)
    assert await nps(shop) == (net([number % 11 for number in range(30)]), 30)


@pytest.mark.parametrize(
    ("cell", "score"),
    [("9", 9), ("9.0", 9), ("9/10", 9), ("10 - Extremely likely", 10), ("0: Not at all", 0),
     ("Likely (8)", 8), ("★★★★★★★★★☆", 9), ("7 out of 10", 7)],
)  # fmt: skip
async def test_a_score_may_be_written_in_many_ways(shop: Shop, cell: str, score: int) -> None:
    await nps_survey(shop)
    run = await send(shop, table([["score", "responded_at"], [cell, "2026-01-05"]]))
    assert run["accepted"] == 1
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["score"] == score


@pytest.mark.parametrize(
    ("cell", "score"),
    [("Bardzo zadowolony", 5), ("very dissatisfied", 1), ("Foarte mulțumit", 5),
     ("Neutral", 3), ("★★★★☆", 4), ("👍🏻", None)],
)  # fmt: skip
async def test_words_of_the_scale(shop: Shop, cell: str, score: int | None) -> None:
    question = {"key": "ok", "type": "csat", "points": 5, "text": {"en": "Satisfied?"}}
    await shop.publish("csat", metric="csat", questions=[question])
    file = table([["ok", "responded_at"], [cell, "2026-01-05"]])
    run = await send(shop, file, survey="csat")
    if score is None:
        assert run["status"] == "refused"
        assert "say it with `value`" in run["report"]["rejected"][0]["reason"]
        reply = await send(shop, file, survey="csat", value=f"ok:{cell}=5")
        assert reply["accepted"] == 1
        return
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["score"] == score


async def test_yes_and_options_in_any_language(shop: Shop) -> None:
    options = [{"key": "web", "text": {"en": "On the web", "pl": "W sieci"}},
               {"key": "shop", "text": {"en": "In a shop", "pl": "W sklepie"}}]  # fmt: skip
    questions = [
        {"key": "again", "type": "yes_no", "text": {"en": "Again?"}},
        {"key": "where", "type": "choice", "text": {"en": "Where?"}, "options": options},
        {"key": "all", "type": "choices", "text": {"en": "All?"}, "options": options},
    ]
    await shop.publish("mix", questions=questions, metric="custom")
    file = table([["again", "where", "all", "responded_at"],
                  ["Tak", "W sklepie", "On the web; In a shop", "2026-01-05"],
                  ["Non", "web", "shop", "2026-01-05"]])  # fmt: skip
    assert (await send(shop, file, survey="mix"))["accepted"] == 2
    rows = {
        response["answers"]["again"]: response["answers"]
        for response in (await shop.get("/v1/responses"))["data"]
    }
    assert rows[True]["where"] == "shop"
    assert rows[True]["all"] == ["web", "shop"]
    assert rows[False]["where"] == "web"


async def test_a_scale_that_does_not_fit_is_refused(shop: Shop) -> None:
    question = {"key": "ok", "type": "csat", "points": 5, "text": {"en": "Satisfied?"}}
    await shop.publish("csat", metric="csat", questions=[question])
    rows = [["ok", "responded_at"], *([str(number % 10 + 1), "2026-01-05"] for number in range(40))]
    refused = await send(shop, table(rows), survey="csat")
    assert refused["status"] == "refused"
    assert "does not fit" in refused["report"]["refused"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1250", "iso8859_2"])
async def test_encodings(shop: Shop, encoding: str) -> None:
    await nps_survey(shop)
    words = ["Zażółć gęślą jaźń, bardzo się spóźniła", "Wszystko było świetne, dziękuję"]
    rows = [["score", "why", "responded_at"],
            *([str(9 - index), words[index % 2], "05.01.2026"] for index in range(2))]  # fmt: skip
    seen = await send(shop, table(rows, ";").encode(encoding))
    assert seen["accepted"] == 2, seen["report"]
    assert seen["report"]["delimiter"] == ";"
    comments = {
        response["answers"]["why"] for response in (await shop.get("/v1/responses"))["data"]
    }
    assert comments == set(words)


async def test_two_plausible_readings_are_shown_and_none_is_guessed(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "why", "responded_at", "customer.email"], ["3", "źle", "25.1.2026", "c@d.pl"]]
    content = table(rows).encode("cp1250")
    reply = await post(shop, content)
    assert reply.status_code == 422
    assert "`źle`" in reply.json()["detail"]
    assert "`Ÿle`" in reply.json()["detail"]
    assert (await send(shop, content, encoding="cp1250"))["accepted"] == 1


async def test_german_in_windows_encoding(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "why", "responded_at"], ["9", "Schöne Grüße, nichts für ungut", "5.1.2026"]]
    seen = await send(shop, table(rows).encode("cp1252"))
    assert seen["accepted"] == 1, seen["report"]
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert response["answers"]["why"] == "Schöne Grüße, nichts für ungut"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["31/01/2026", "05/02/2026"], "2026-02-05"),
        (["01/31/2026 5:00 PM", "02/05/2026 12:30 AM"], "2026-02-05"),
        (["5.2.2026 14:00"], "2026-02-05"),
        (["Feb 5, 2026", "31 January 2026"], "2026-01-31"),
        (["1770292800"], "2026-02-05"),
        (["46058"], "2026-02-05"),
        (["2026-02-05T23:30:00+02:00"], "2026-02-05"),
        (["2026-02-05 10:00:00 CEST"], "2026-02-05"),
    ],
)
async def test_dates(shop: Shop, values: list[str], expected: str) -> None:
    await nps_survey(shop)
    rows = [
        ["score", "responded_at"],
        *([str(9 - index), value] for index, value in enumerate(values)),
    ]
    run = await send(shop, table(rows))
    assert run["accepted"] == len(values), run["report"]
    days = {response["responded_at"][:10] for response in (await shop.get("/v1/responses"))["data"]}
    assert expected in days


async def test_ambiguous_dates_and_none_are_refused(shop: Shop) -> None:
    await nps_survey(shop)
    both = table([["score", "responded_at"], ["9", "05/02/2026"], ["9", "01/02/2026"]])
    reply = await post(shop, both)
    assert (reply.status_code, "date_format" in reply.text) == (422, True)
    assert (await send(shop, both, date_format="%d/%m/%Y"))["accepted"] == 2
    none = table([["score"], ["9"], ["9"]])
    reply = await post(shop, none, source="other")
    assert (reply.status_code, "undated" in reply.text) == (422, True)
    assert (await send(shop, none, source="other", undated="2026-03-01"))["accepted"] == 2


async def test_local_times_are_of_the_zone_named(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, table([["score", "responded_at"], ["9", "2026-01-05 00:30"]]),
               timezone="Europe/Warsaw")  # fmt: skip
    (response,) = (await shop.get("/v1/responses"))["data"]
    moment = dt.datetime.fromisoformat(response["responded_at"])
    assert moment == dt.datetime(2026, 1, 4, 23, 30, tzinfo=dt.UTC)


async def test_the_same_file_again_repeats_nothing_a_corrected_one_mends(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"], ["1", "9", "2026-01-05"],
            ["2", "9", "2026-01-05"], ["3", "3", "2026-01-05"]]  # fmt: skip
    first = await send(shop, table(rows))
    again = await send(shop, table(rows))
    assert (again["id"], again["report"]["already_here"]) == (first["id"], 3)
    response = (await shop.get("/v1/responses", max_score=3))["data"][0]
    assert response["import"] == {"id": first["id"], "source": "file", "external_id": "3"}
    assert response["external_id"] is None
    rows[3] = ["3", "10", "2026-02-07"]
    rows.append(["4", "0", "2026-01-05"])
    mended = await send(shop, table(rows))
    report = mended["report"]
    assert (report["updated"], report["added"], report["already_here"]) == (1, 1, 2)
    assert await nps(shop) == (net([9, 9, 10, 0]), 4)
    days = {answer["responded_at"][:10] for answer in (await shop.get("/v1/responses"))["data"]}
    assert "2026-02-07" in days
    assert (await shop.call("DELETE", f"/v1/imports/{mended['id']}")).status_code == 204
    assert await nps(shop) == (net([9, 9, 3]), 3)
    undone = await shop.get(f"/v1/imports/{mended['id']}")
    assert (undone["status"], undone["report"]["left"]) == ("undone", 0)
    again = await send(shop, table(rows))
    assert again["id"] != mended["id"]
    assert await nps(shop) == (net([9, 9, 10, 0]), 4)


async def test_undo_frees_ids_and_leaves_what_was_changed_later(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"], ["1", "9", "2026-01-05"],
            ["2", "3", "2026-01-05"]]  # fmt: skip
    first = await send(shop, table(rows))
    response = (await shop.get("/v1/responses", min_score=9))["data"][0]
    note = {"follow_up": {"status": "contacted", "note": "Called."}}
    await shop.call("PATCH", f"/v1/responses/{response['id']}", json=note)
    await shop.call("DELETE", f"/v1/imports/{first['id']}")
    left = (await shop.get(f"/v1/imports/{first['id']}"))["report"]
    assert (left["left"], left["left_ids"], left["undone"]) == (1, [response["id"]], 1)
    assert await nps(shop) == (100, 1)
    again = await send(shop, table(rows))
    assert (again["report"]["added"], again["report"]["already_here"]) == (1, 1)
    assert await nps(shop) == (0, 2)


async def test_rows_of_two_sources_are_two_and_copies_are_known(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"], ["1", "9", "2026-01-05"]]
    await send(shop, table(rows), source="till")
    await send(shop, table(rows), source="web")
    assert await nps(shop) == (100, 2)
    without = [["score", "responded_at"], ["9", "2026-01-05"], ["9", "2026-01-05"]]
    await send(shop, table(without), source="paper")
    await send(shop, table([*without, ["2", "2026-01-05"]]), source="paper")
    assert (await nps(shop))[1] == 5


async def test_replace_takes_away_what_is_no_longer_there(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at"], ["9", "2026-01-05"], ["1", "2026-01-06"]]
    first = await send(shop, table(rows))
    rows[2] = ["10", "2026-01-06"]
    second = await send(shop, table(rows), replace=first["id"])
    assert (second["report"]["added"], second["report"]["removed"]) == (1, 1)
    assert await nps(shop) == (100, 2)
    await shop.call("DELETE", f"/v1/imports/{second['id']}")
    assert await nps(shop) == (0, 2)


async def test_a_deleted_response_stays_deleted(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"], ["1", "9", "2026-01-05"]]
    await send(shop, table(rows))
    (response,) = (await shop.get("/v1/responses"))["data"]
    await shop.call("DELETE", f"/v1/responses/{response['id']}")
    again = await send(shop, table([*rows, ["2", "3", "2026-01-05"]]))
    assert again["report"]["left_deleted"] == 1
    assert await nps(shop) == (-100, 1)


async def test_bad_side_fields_are_left_out_and_the_score_is_taken(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at", "customer.email", "touchpoint", "why"],
            ["9", "2026-01-05", "nobody", "the moon!", "x" * 5000]]  # fmt: skip
    run = await send(shop, table(rows))
    assert run["accepted"] == 1
    assert len(run["report"]["notes"]) == 3
    assert await nps(shop) == (100, 1)


async def test_two_columns_of_one_field_and_names_without_case(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [[" SCORE ", "nps", "responded_at"], ["9", "3", "2026-01-05"]]
    reply = await post(shop, table(rows), map=["SCORE=score", "nps=score"])
    assert reply.status_code == 422
    assert "both become `score`" in reply.text
    assert (await send(shop, table(rows)))["accepted"] == 1
    reply = await post(shop, table(rows), map="npz=score")
    assert "did you mean `nps`" in reply.text
    reply = await post(shop, table(rows), map="nps=skore")
    assert "did you mean `score`" in reply.text


async def test_constants_conditions_and_long_files(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["id", "q", "a", "when"], ["r1", "score", "9", "2026-01-05"],
            ["r1", "why", "good", "2026-01-05"], ["r2", "score", "3", "2026-01-06"]]  # fmt: skip
    run = await send(
        shop, table(rows), pivot="q:a", by="id",
        map=["when=responded_at", "id=external_id"], set=["touchpoint=till", "property.shop=WAW"],
    )  # fmt: skip
    assert run["accepted"] == 2, run["report"]
    assert await nps(shop) == (0, 2)
    (response,) = (await shop.get("/v1/responses", min_score=9))["data"]
    assert (response["touchpoint"], response["answers"]["why"]) == ("till", "good")
    assert response["properties"] == {"shop": "WAW"}
    content = table([["score", "lang", "responded_at"], ["9", "pl", "2026-01-05"],
                  ["1", "de", "2026-01-05"]])  # fmt: skip
    assert (await send(shop, content, source="b", where="lang=pl"))["accepted"] == 1


async def test_spreadsheets_and_json(shop: Shop) -> None:
    await nps_survey(shop)
    lines = '{"answers": {"score": 9}, "responded_at": "2026-01-05"}\n'
    lines += '{"score": 3, "responded_at": "2026-01-06", "properties": {"shop": "WAW"}}\n'
    assert (await send(shop, lines, source="a"))["accepted"] == 2
    array = '[{"score": 10, "responded_at": "2026-01-06"}]'
    assert (await send(shop, array, source="b"))["accepted"] == 1
    assert (await nps(shop))[1] == 3


async def test_unreadable_files_are_refused_with_a_reason(shop: Shop) -> None:
    await nps_survey(shop)
    assert (await post(shop, "")).status_code == 422
    assert (await post(shop, b"PK\x03\x04 nothing", name="a.xlsx")).status_code == 422
    reply = await post(shop, table([["a", "b"], ["1", "2"]]))
    assert "No column is a question" in reply.text
    assert (await post(shop, "score\n9\n", survey="none")).status_code in {404, 422}
    await shop.post("/v1/surveys", {"template": "nps", "key": "draft"})
    assert (await post(shop, "score\n9\n", survey="draft")).status_code == 409


async def test_an_import_and_its_undo_emit_no_events(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"], ["1", "1", "2026-01-05"]]
    run = await send(shop, table(rows))
    await shop.call("DELETE", f"/v1/imports/{run['id']}")
    assert await shop.events() == []


@pytest.mark.parametrize(
    ("text", "year"),
    [("1700000000", 2023), ("1700000000.12", 2023), ("1700000000.123", 2023),
     ("1700000000000", 2023)],
)  # fmt: skip
def test_unix_times_with_and_without_fractions(text: str, year: int) -> None:
    assert DateReading(zone_of("UTC")).read(text).year == year
