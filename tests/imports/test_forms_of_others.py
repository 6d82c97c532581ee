# SPDX-License-Identifier: Apache-2.0
"""Forms in which other tools write labels, headers and rejected rows; each with its own figure."""

import pytest

from tests.imports.files import TEXT, net, nps, nps_survey, post, send, table
from tests.imports.test_mending import undo
from tests.shop import Shop

DAY = "2026-01-05"


async def csat(shop: Shop, points: int, type_: str = "csat") -> None:
    question = {"key": "score", "type": type_, "points": points, "text": TEXT}
    await shop.publish("nps", metric=type_, questions=[question])


LABELS = ["Not at all likely - 0", "Extremely likely - 10", "9 - Extremely likely", "8 (Likely)",
          "Likely (7)", "Very likely: 9", "Neutral – 5", "10 — sehr wahrscheinlich"]  # fmt: skip


async def test_a_label_may_stand_at_either_side_of_its_score(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at"], *([label, DAY] for label in LABELS)]
    assert (await send(shop, table(rows)))["rejected"] == 0
    assert await nps(shop) == (net([0, 10, 9, 8, 7, 9, 5, 10]), 8)


@pytest.mark.parametrize("label", ["Mar-5", "March - 5", "Sty - 9", "5-Mar", "9. maj"])
async def test_a_month_is_no_label(shop: Shop, label: str) -> None:
    await nps_survey(shop)
    rows = [
        ["score", "responded_at"],
        *([str(number % 11), DAY] for number in range(30)),
        [label, DAY],
    ]
    assert (await send(shop, table(rows)))["rejected"] == 1


@pytest.mark.parametrize(
    ("type_", "points", "label"),
    [("csat", 2, "1 - Very satisfied"), ("csat", 3, "1 - Very satisfied"),
     ("csat", 7, "1 - Very satisfied"), ("csat", 10, "2 - bardzo zadowolony"),
     ("ces", 5, "1 - Very easy"), ("ces", 7, "7 - Very difficult"), ("csat", 5, "1 - sehr gut"),
     ("csat", 5, "5 - mangelhaft")],
)  # fmt: skip
async def test_a_word_against_its_number_is_refused_on_every_scale(
    shop: Shop, type_: str, points: int, label: str
) -> None:
    await csat(shop, points, type_)
    rows = [["score", "responded_at"], ["1", DAY], ["2", DAY], [label, DAY]]
    look = await send(shop, table(rows), dry_run=True)
    assert "contradicts itself: its number means" in look["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("points", "texts"),
    [(7, ["très difficile", "plutôt facile", "d'accord", "muy fácil", "né facile né difficile"]),
     (5, ["sehr schwierig", "leicht", "ani łatwo, ani trudno", "foarte ușor", "difícil"])],
)  # fmt: skip
async def test_words_of_ease_are_known_in_all_languages(
    shop: Shop, points: int, texts: list[str]
) -> None:
    await csat(shop, points, "ces")
    scores = {7: [1, 5, 6, 7, 4], 5: [1, 4, 3, 5, 2]}[points]
    await send(shop, table([["score", "responded_at"], *([text, DAY] for text in texts)]))
    figure = await shop.metric("ces", period="all")
    assert figure["total"]["n"] == len(texts)
    answers = (await shop.get("/v1/responses"))["data"]
    assert sorted(answer["score"] for answer in answers) == sorted(scores)


async def test_a_shorter_scale_is_no_bad_result(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"]]
    rows += [[str(number), str(1 + number % 5), DAY] for number in range(40)]
    refused = await send(shop, table(rows), dry_run=True)
    assert "above 5 of 10" in refused["refused"]
    run = await send(shop, table(rows), allow_rejects=True)
    assert run["accepted"] == 40
    assert (await send(shop, table([*rows[:20], ["x", "9", DAY]]), dry_run=True))["refused"] is None


OPEN = [
    ["id", "opened", "solved", "Note"],
    *(
        [
            str(number),
            f"2026-01-0{1 + number % 9} 10:00",
            f"2026-01-0{1 + number % 9} 12:00",
            "fine",
        ]
        for number in range(30)
    ),
]


async def test_an_open_quote_swallows_no_tickets(shop: Shop) -> None:
    content = table(OPEN).replace("20,2026-01-03 10:00,2026-01-03 12:00,fine",
                                  '20,2026-01-03 10:00,2026-01-03 12:00,"oops', 1)  # fmt: skip
    assert '"oops' in content
    look = (await post(shop, content, survey=None, kind="tickets", dry_run=True)).json()
    assert "a quote opens in this row, and 9 rows after it" in look["rejected"][0]["reason"]
    assert look["refused"].startswith("10 of 30 rows cannot be read")


async def test_an_open_quote_swallows_no_customers(shop: Shop) -> None:
    rows = [
        ["email", "name", "city"],
        *([f"a{number}@b.pl", f"A {number}", "Łódź"] for number in range(30)),
    ]
    content = table(rows).replace("A 20,", '"A 20,', 1)
    look = (await post(shop, content, survey=None, kind="customers", dry_run=True)).json()
    assert look["refused"].startswith("10 of 30 rows cannot be read")


async def test_swallowed_rows_weigh_as_many_rows(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at", "why"], *(["9", DAY, "ok"] for _ in range(100))]
    content = table(rows).splitlines()
    content[90] = f'9,{DAY},"oops'
    # Rows that are too wide are rows, too.
    content[95] = f"9,{DAY},well, well, well"
    look = await send(shop, "\n".join(content), dry_run=True)
    assert look["refused"].startswith("11 of 100 rows cannot be read")


async def test_rejected_rows_keep_both_header_rows_and_the_zone(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [
        ["StartDate", "RecordedDate", "ResponseId", "QID1"],
        ["Start Date", "Recorded Date", "Response ID", TEXT["en"]],
        [
            '{"ImportId":"startDate","timeZone":"America/Denver"}',
            '{"ImportId":"recordedDate","timeZone":"America/Denver"}',
            '{"ImportId":"_recordId"}',
            '{"ImportId":"QID1"}',
        ],
        *(
            [f"2026-01-05 09:{number}:00", f"2026-01-05 10:{number}:00", f"R_{number}", "9"]
            for number in range(10, 40)
        ),
        ["2026-01-05 09:00:00", "2026-01-05 10:00:00", "R_9", "often"],
    ]
    run = await send(shop, table(rows))
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    assert (await send(shop, rejects.replace("often", "2", 1)))["accepted"] == 1
    times = {
        answer["responded_at"][:13]
        for answer in (await shop.get("/v1/responses", limit=100))["data"]
    }
    assert times == {"2026-01-05T17"}


async def test_rejected_rows_keep_the_order_of_their_dates(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at"], *(["9", f"{number}/04/2026"] for number in range(1, 29))]
    run = await send(shop, table([*rows, ["often", "05/04/2026"]]))
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    assert (await send(shop, rejects.replace("often", "2", 1)))["accepted"] == 1
    days = {
        answer["responded_at"][:10]
        for answer in (await shop.get("/v1/responses", limit=100))["data"]
    }
    assert "2026-04-05" in days
    assert "2026-05-04" not in days


async def test_rejected_rows_hold_whatever_their_file_holds_and_say_their_encoding(
    shop: Shop,
) -> None:
    await nps_survey(shop)
    rows = [
        ["score", "responded_at", "why"],
        *([str(number % 11), DAY, f"größer {number}"] for number in range(30)),
        ["often", DAY, "größer"],
    ]
    content = table(rows).encode("cp1252")
    run = await send(shop, content, encoding="cp1252")
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).content
    assert rejects.startswith(b"\xef\xbb\xbf")
    await send(shop, rejects.replace(b"often", b"9", 1), encoding="cp1252")
    last_run = await send(shop, content.replace(b"often", b"9", 1), encoding="cp1252")
    assert last_run["report"]["already_here"] == 31


async def test_rejected_rows_replace_nothing_and_ask_for_no_replacement(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [
        ["score", "responded_at"],
        *([str(number % 11), DAY] for number in range(30)),
        ["often", DAY],
    ]
    run = await send(shop, table(rows))
    rejects = (await shop.call("GET", f"/v1/imports/{run['id']}/rejects")).text
    mended = rejects.replace("often", "9", 1)
    assert not any("replace" in note for note in (await send(shop, mended, dry_run=True))["notes"])
    refused = await post(shop, mended, replace=run["id"])
    assert (refused.status_code, "has only these rows" in refused.text) == (422, True)


async def test_reasons_are_counted_by_what_is_wrong(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at"], ["x", DAY], ["y", DAY], ["12", DAY], ["9", DAY], ["", ""]]
    look = await send(shop, table(rows), dry_run=True)
    assert [(reject["n"], reject["reason"][:13]) for reject in look["rejected"]] == [
        (2, "score: `x` is"), (1, "score: `12` i"),
    ]  # fmt: skip
    assert look["rows"]["empty"] == 1


async def test_an_unanswered_row_of_limesurvey_has_no_date(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["id. Response ID", "submitdate. Date submitted", "lastpage. Last page",
             "startlanguage. Start language", "score"],
            *([str(number), "2026-01-05 10:00:00", "2", "pl", "9"] for number in range(30)),
            ["99", "1980-01-01 00:00:00", "1", "pl", "3"]]  # fmt: skip
    assert (await send(shop, table(rows)))["rejected"] == 1


async def test_a_value_may_have_an_equals_sign(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, f"score,responded_at,l\n9,{DAY},a=b\n2,{DAY},c\n", where="l=a=b",
               set="property.link=https://x.pl/?a=b")  # fmt: skip
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert answer["properties"]["link"] == "https://x.pl/?a=b"
    unknown = await post(shop, f"score,responded_at\n9,{DAY}\n", set="foo=1")
    assert unknown.json()["errors"][0]["loc"] == ["query", "set"]


async def test_a_repeated_private_column_stays_private(shop: Shop) -> None:
    header = ["Issue key", "Created", "Resolved", "Status", "Comment", "Comment"]
    row = ["AB-1", "2026-01-05 10:00", "2026-01-05 12:00", "Done", "secret", "secret too"]
    reply = await post(shop, table([header, row]), survey=None, kind="tickets", dry_run=True)
    becomes = {column["column"]: column["becomes"] for column in reply.json()["columns"]}
    assert becomes["Comment"] is None
    assert becomes["Comment#2"] is None


async def test_a_look_at_tickets_counts_what_is_taken(shop: Shop) -> None:
    header = ["id", "opened", "solved"]
    rows = [["1", "2026-01-05 10:00", "2026-01-05 12:00"]] * 2
    rows += [["2", "2026-01-05 10:00", ""]] * 2
    reply = (await post(shop, table([header, *rows]), survey=None, kind="tickets",
                        dry_run=True)).json()  # fmt: skip
    assert (reply["figures"]["tickets"], reply["figures"]["solved"]) == (2, 1)
    assert (reply["rows"]["accepted"], reply["rows"]["new"]) == (2, 2)


async def test_two_encodings_of_joined_rows_are_asked_about(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["who", "question", "answer"]]
    for person in range(8):
        rows += [[str(person), "score", "9"], [str(person), "why", "źle"]]
    options = {"pivot": "question:answer", "by": "who", "undated": DAY}
    reply = await post(shop, table(rows).encode("cp1250"), **options)
    assert reply.status_code == 422
    assert "say which with `encoding`" in reply.text
    await send(shop, table(rows).encode("cp1250"), encoding="cp1250", **options)
    answers = (await shop.get("/v1/responses"))["data"]
    assert [answer["comment"] for answer in answers] == ["źle"] * 8


async def test_an_undo_after_an_undo(shop: Shop) -> None:
    await nps_survey(shop)
    first = await send(shop, f"external_id,score,responded_at\n1,9,{DAY}\n")
    await undo(shop, first)
    assert (await undo(shop, first))["left"] == 0


@pytest.mark.parametrize("encoding", ["mac_roman", "cp850", "cp1252"])
@pytest.mark.parametrize("text", ["schöne Läden", "größer als erwartet", "été", "più veloce",
                                  "el envío llegó tarde", "väldigt bra"])  # fmt: skip
async def test_old_macs_and_dos_are_never_taken_for_another(
    shop: Shop, encoding: str, text: str
) -> None:
    await nps_survey(shop)
    reply = await post(shop, f"score,responded_at,why\n9,{DAY},{text}\n".encode(encoding))
    if reply.status_code == 422:
        assert "encoding" in reply.text
        return
    (answer,) = (await shop.get("/v1/responses"))["data"]
    assert answer["comment"] == text
