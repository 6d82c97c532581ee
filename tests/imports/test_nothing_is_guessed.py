# SPDX-License-Identifier: Apache-2.0
"""Files that could be read in two ways are refused with the remedy, and no row is lost in them."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.core.database import Database, run_sql
from tests.imports.files import net, nps, nps_survey, post, send, table
from tests.shop import Shop

HEAD = "external_id,responded_at,score,why\n"
DAY = "2026-01-05"


def lines(*rows: str) -> str:
    return HEAD + "".join(f"{row}\n" for row in rows)


async def look(shop: Shop, content: str, **params: Any) -> Any:
    return await send(shop, content, dry_run=True, **params)


@pytest.mark.parametrize(
    "content",
    [
        lines(f'1,{DAY},10,"great', f"2,{DAY},2,bad", f"3,{DAY},3,bad"),
        lines(f'1,{DAY},10,"great', f"2,{DAY},2,bad", f'3,{DAY},9,"nice"'),
        lines(f'1,{DAY},10,"great', f"2,{DAY},2,bad").replace(",", "\t"),
    ],
)
async def test_an_open_quote_that_swallows_rows_is_named(shop: Shop, content: str) -> None:
    await nps_survey(shop)
    run = await send(shop, content)
    assert run["status"] == "refused"
    (rejected,) = run["report"]["rejected"]
    assert (rejected["line"], "quote" in rejected["reason"]) == (2, True)


async def test_comments_of_many_lines_are_no_swallowed_rows(shop: Shop) -> None:
    await nps_survey(shop)
    words = '"Dear all,\nthanks, it was, well, good\n1, 2, 3, go"'
    assert (await send(shop, lines(f"1,{DAY},10,{words}", f"2,{DAY},2,bad")))["accepted"] == 2


@pytest.mark.parametrize("cell", ["9-Oct-25", "9-Oct-2025", "9 – Sept 2025", "9:Okt 25", "9-maj"])
async def test_a_date_is_no_score(shop: Shop, cell: str) -> None:
    await nps_survey(shop)
    run = await send(shop, lines(f"1,{DAY},{cell},"))
    assert "is a date" in run["report"]["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("labels", "is_taken"),
    [
        (["1 - Very satisfied", "5 - Very dissatisfied"], False),
        (["1 - sehr zufrieden", "5 - sehr unzufrieden"], False),
        (["5 - Very satisfied", "1 - Very dissatisfied"], True),
        (["1 - Poor", "2 - Fair", "3 - Good", "5 - Excellent"], True),
    ],
)
async def test_a_number_with_a_word_that_says_the_contrary(
    shop: Shop, labels: list[str], is_taken: bool
) -> None:
    await shop.publish("csat", "csat")
    rows = [["responded_at", "score"], *([DAY, label] for label in labels)]
    seen = await look(shop, table(rows), survey="csat")
    assert (seen["refused"] is None) == is_taken
    if not is_taken:
        assert "its word the opposite" in seen["rejected"][0]["reason"]


async def test_two_digit_years_that_may_come_first_are_refused(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [f"{number},{day},9," for number, day in enumerate(("25-01-13", "25-02-14", "24-12-05"))]
    refused = await post(shop, lines(*rows))
    assert refused.status_code == 422
    assert "date_format" in refused.text
    run = await send(shop, lines(*rows), date_format="%y-%m-%d")
    assert run["accepted"] == 3
    usual = [
        f"{number},{day},9," for number, day in enumerate(("13.01.25", "14.02.25", "05.12.24"))
    ]
    assert (await send(shop, lines(*usual), source="other"))["accepted"] == 3


@pytest.mark.parametrize("encoding", ["utf-16", "hex", "zlib", "rot13", "idna", "klingon"])
async def test_an_encoding_that_reads_no_text_is_refused(shop: Shop, encoding: str) -> None:
    await nps_survey(shop)
    refused = await post(shop, lines(f"1,{DAY},9,fine"), encoding=encoding)
    assert refused.status_code == 422
    assert "encoding" in refused.text


async def test_a_header_in_other_letters_is_the_same_row(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, f"responded_at,score\n{DAY},9\n")
    again = await send(shop, f"Score;Responded_At\n9;{DAY}\n")
    assert (again["accepted"], again["duplicates"]) == (0, 1)


PIVOT = {"pivot": "q:a", "by": "rid"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([f",{DAY},score,9", f",{DAY},score,3"], "is empty"),
        ([f"1,{DAY},score,9", f"1,{DAY},score,2"], "two answers"),
        ([f"1,{DAY},score,9", f"1,{DAY},why,good, but"], "beyond it"),
    ],
)
async def test_joined_rows_that_contradict_each_other(
    shop: Shop, rows: list[str], reason: str
) -> None:
    await nps_survey(shop)
    content = "rid,responded_at,q,a\n" + "\n".join([*rows, f"7,{DAY},score,8"])
    seen = await look(shop, content, **PIVOT)
    assert (seen["rows"]["rejected"], seen["rows"]["new"]) == (1, 1)
    assert reason in seen["rejected"][0]["reason"]


async def test_an_empty_answer_contradicts_none(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [f"1,{DAY},score,", f"1,{DAY},score,9", f"1,{DAY},score,"]
    seen = await look(shop, "rid,responded_at,q,a\n" + "\n".join(rows), **PIVOT)
    assert (seen["rows"]["rejected"], seen["questions"][0]["value"]) == (0, 100)


async def test_joined_rows_take_the_value_they_are_joined_by_as_id(shop: Shop) -> None:
    await nps_survey(shop)
    for score, done in ((9, "added"), (3, "updated")):
        content = f"rid,responded_at,q,a\n1,{DAY},score,{score}\n"
        assert (await send(shop, content, **PIVOT))["report"][done] == 1
    assert await nps(shop) == (net([3]), 1)


async def test_a_rejected_wide_row_is_rejected_again_until_it_is_mended(shop: Shop) -> None:
    await nps_survey(shop)
    run = await send(shop, lines(f"1,{DAY},9,nice, but slow"), allow_rejects=True)
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    assert (await look(shop, rejects))["rows"]["rejected"] == 1
    mended = rejects.replace("nice", '"nice, but slow"').rsplit(",", 1)[0]
    assert (await look(shop, mended))["rows"]["new"] == 1


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("customer.external_id", "c" * 150),
        ("locale", "en" + "-abcdefgh" * 5),
        ("property." + "p" * 70, "x"),
    ],
)
async def test_a_side_field_that_does_not_fit_costs_no_score(
    shop: Shop, header: str, cell: str
) -> None:
    await nps_survey(shop)
    run = await send(shop, f"responded_at,score,{header}\n{DAY},9,{cell}\n")
    assert (run["accepted"], len(run["report"]["notes"]) > 0) == (1, True)


async def test_more_properties_than_are_kept_cost_no_score(shop: Shop) -> None:
    await nps_survey(shop)
    names = ",".join(f"property.p{number}" for number in range(40))
    cells = ",".join("x" for _ in range(40))
    assert (await send(shop, f"responded_at,score,{names}\n{DAY},9,{cells}\n"))["accepted"] == 1


async def test_nothing_is_replaced_while_rows_are_rejected(shop: Shop) -> None:
    await nps_survey(shop)
    first = await send(shop, lines(f"1,{DAY},9,", f"2,{DAY},8,"))
    params = {"replace": first["id"], "allow_rejects": True}
    again = await send(shop, lines(f"1,{DAY},9,", f"2,{DAY},eight,"), **params)
    assert again["status"] == "refused"
    assert "replace" in again["report"]["refused"]
    assert (await nps(shop))[1] == 2


async def test_customers_replace_customers_of_their_source_alone(shop: Shop) -> None:
    await nps_survey(shop)
    file = {"kind": "customers", "survey": None}
    may = await send(shop, "external_id,name\n1,Ann\n2,Bo\n", **file, source="may")
    answers = await send(shop, lines(f"1,{DAY},9,"))
    june = "external_id,name\n1,Ann\n"
    for source, replaced in (("june", may["id"]), ("may", answers["id"]), ("may", str(uuid4()))):
        refused = await post(shop, june, **file, source=source, replace=replaced)
        assert refused.status_code == 422, refused.text
        assert "replace" in refused.text
    seen = await look(shop, june, **file, source="may", replace=may["id"])
    assert seen["rows"]["removed"] == 1
    run = await send(shop, june, **file, source="may", replace=may["id"])
    assert run["report"]["removed"] == 1
    left = {row["name"] for row in (await shop.get("/v1/customers"))["data"]}
    assert "Ann" in left
    assert "Bo" not in left


async def test_one_id_of_two_sources_is_two_customers(shop: Shop) -> None:
    content = "external_id,source,name\n1,shop,Ann\n1,crm,Bo\na1,shop,Cy\nA1,shop,Di\n"
    options = {"map": "source=source"}
    run = await send(shop, content, kind="customers", survey=None, **options)
    assert (run["accepted"], run["rejected"]) == (4, 0)


async def test_a_customer_whose_only_name_does_not_fit_is_rejected(shop: Shop) -> None:
    content = "phone,name\n0,y\n+48600100200,Zed\n"
    run = await send(shop, content, kind="customers", survey=None, allow_rejects=True)
    assert (run["accepted"], run["rejected"]) == (1, 1)


async def test_an_undo_leaves_what_the_survey_no_longer_takes_back(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, lines(f"1,{DAY},9,fine", f"2,{DAY},2,"))
    corrected = await send(shop, lines(f"1,{DAY},8,fine", f"2,{DAY},3,"))
    changed = {"questions": [{"key": "score", "type": "nps", "text": {"en": "Recommend?"}}]}
    reply = await shop.call("PATCH", "/v1/surveys/nps", json=changed)
    assert reply.is_success, reply.text
    await shop.post("/v1/surveys/nps/publish", status=200)
    reply = await shop.call("DELETE", f"/v1/imports/{corrected['id']}")
    assert reply.status_code == 204, reply.text
    report = (await shop.get(f"/v1/imports/{corrected['id']}"))["report"]
    assert (report["undone"], report["left"]) == (1, 1)
    assert await nps(shop) == (net([8, 2]), 2)


async def test_an_import_that_is_still_taken_is_not_undone(shop: Shop) -> None:
    await nps_survey(shop)
    content = lines(*(f"{number},{DAY},{number % 11}," for number in range(6_000)))
    sending = asyncio.create_task(send(shop, content))
    runs: list[dict[str, Any]] = []
    for _ in range(500):
        await asyncio.sleep(0.01)
        if runs := (await shop.get("/v1/imports"))["data"]:
            break
    reply = await shop.call("DELETE", f"/v1/imports/{runs[0]['id']}")
    run = await sending
    assert (reply.status_code, run["status"]) == (409, "done")
    assert (await shop.call("DELETE", f"/v1/imports/{run['id']}")).status_code == 204
    assert (await nps(shop))[1] == 0


async def test_one_file_sent_twice_at_once_is_taken_once(shop: Shop) -> None:
    await nps_survey(shop)
    content = lines(*(f"{number},{DAY},{number % 11}," for number in range(3_000)))
    runs = await asyncio.gather(*(send(shop, content) for _ in range(3)))
    assert {(run["id"], run["status"], run["accepted"]) for run in runs} == {
        (runs[0]["id"], "done", 3_000)
    }
    assert (await nps(shop))[1] == 3_000


async def test_five_words_of_ease_are_not_squeezed_into_four_scores(shop: Shop) -> None:
    await shop.publish("ces", "ces")
    words = ["Very easy", "Easy", "Difficult", "Very difficult", "Extremely difficult"]
    rows = [["responded_at", "score"], *([DAY, word] for word in words)]
    seen = await look(shop, table(rows), survey="ces")
    assert "Very difficult" in seen["refused"]
    assert "value" in seen["refused"]


async def test_an_import_that_was_interrupted_says_so_and_is_continued(
    shop: Shop, database: Database
) -> None:
    await nps_survey(shop)
    content = "external_id,score,responded_at\n1,9,2026-01-05\n2,3,2026-01-05\n"
    run = await send(shop, content)
    assert run["interrupted"] is False
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "update import_run set status = 'reading', updated_at = now() - interval '1 hour' "
                "where id = cast(:id as uuid)"
            ).bindparams(id=run["id"]),
        )
    (listed,) = (await shop.get("/v1/imports"))["data"]
    assert (listed["status"], listed["interrupted"]) == ("reading", True)
    again = await send(shop, content)
    assert (again["id"], again["status"], again["interrupted"]) == (run["id"], "done", False)
    assert await nps(shop) == (net([9, 3]), 2)
