# SPDX-License-Identifier: Apache-2.0
"""Corrected, repeated, replaced, interrupted and undone files: nothing is lost, nothing doubled."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.imports import answer_import, answer_inspection
from app.imports import undo as undo_import
from app.imports.answer_writing import write_responses
from tests.imports.files import net, nps, nps_survey, post, send, table
from tests.shop import Shop

DAY = "2026-01-05"


def table_of_scores(scores: dict[str, int]) -> str:
    rows = [["external_id", "score", "responded_at"]]
    return table(rows + [[id_, str(score), DAY] for id_, score in scores.items()])


async def undo(shop: Shop, run: dict[str, Any]) -> dict[str, Any]:
    reply = await shop.call("DELETE", f"/v1/imports/{run['id']}")
    assert reply.status_code == 204, reply.text
    report: dict[str, Any] = (await shop.get(f"/v1/imports/{run['id']}"))["report"]
    return report


async def answer_of(shop: Shop, external_id: str) -> dict[str, Any]:
    rows = (await shop.get("/v1/responses", limit=200))["data"]
    answer: dict[str, Any] = next(
        row for row in rows if row["import"]["external_id"] == external_id
    )
    return answer


class Break(Exception):
    """Raised to simulate that the process ends."""


def break_call(original: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    """Return the function as it is when the process ends before or after it is called."""

    async def wrapper(*arguments: Any) -> Any:
        if not before:
            await original(*arguments)
        raise Break

    return wrapper


@pytest.mark.parametrize(
    "step", ["remove_responses", "remove_responses_with_tombstones", "restore_responses"]
)
@pytest.mark.parametrize("before", [True, False])
async def test_an_undo_that_is_interrupted_anywhere_can_be_completed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
) -> None:
    await nps_survey(shop)
    await send(shop, table_of_scores({"1": 9, "2": 9, "3": 2}))
    corrected = await send(shop, table_of_scores({"1": 1, "2": 9, "3": 3, "4": 10}))
    with monkeypatch.context() as patch:
        patch.setattr(undo_import, step, break_call(getattr(undo_import, step), before=before))
        reply = await shop.call("DELETE", f"/v1/imports/{corrected['id']}")
        assert reply.status_code == 500
    report = await undo(shop, corrected)
    assert report["left"] == 0
    assert await nps(shop) == (net([9, 9, 2]), 3)


@pytest.mark.parametrize(
    "step", ["remove_responses_with_tombstones", "write_responses", "restore_follow_ups"]
)
@pytest.mark.parametrize("before", [True, False])
async def test_a_correction_that_is_interrupted_anywhere_is_completed_and_undone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
) -> None:
    await nps_survey(shop)
    await send(shop, table_of_scores({"1": 9, "2": 9, "3": 2}))
    low = await answer_of(shop, "3")
    note = {"follow_up": {"status": "contacted", "note": "Called."}}
    await shop.call("PATCH", f"/v1/responses/{low['id']}", json=note)
    file = table_of_scores({"1": 1, "2": 9, "3": 3, "4": 10})
    with monkeypatch.context() as patch:
        patch.setattr(answer_import, step, break_call(getattr(answer_import, step), before=before))
        assert (await send(shop, file))["status"] == "reading"
    corrected = await send(shop, file)
    assert corrected["status"] == "done"
    assert await nps(shop) == (net([1, 9, 3, 10]), 4)
    assert (await answer_of(shop, "3"))["follow_up"]["status"] == "contacted"
    assert (await undo(shop, corrected))["left"] == 0
    assert await nps(shop) == (net([9, 9, 2]), 3)
    assert (await answer_of(shop, "3"))["follow_up"]["status"] == "contacted"


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
async def test_an_import_that_ends_at_any_of_its_chunks_is_completed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    await nps_survey(shop)
    monkeypatch.setattr(answer_inspection, "CHUNK", 2)
    file = table_of_scores({str(number): number for number in range(8)})
    left = writes

    async def ending(*arguments: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Break
        left -= 1
        return await write_responses(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(answer_import, "write_responses", ending)
        interrupted = await send(shop, file)
    assert interrupted["status"] == "reading"
    assert interrupted["lines_done"] <= 2 * writes + 1
    done = await send(shop, file)
    assert (done["status"], done["lines_done"]) == ("done", 9)
    assert await nps(shop) == (net(list(range(8))), 8)


async def test_one_file_in_two_surveys_is_two_imports(shop: Shop) -> None:
    await nps_survey(shop)
    await shop.publish("second")
    file = table_of_scores({"1": 9, "2": 3})
    first = await send(shop, file)
    second = await send(shop, file, survey="second")
    assert first["id"] != second["id"]
    await undo(shop, second)
    assert (await shop.metric("nps", period="all", survey="nps"))["total"]["n"] == 2
    assert (await shop.metric("nps", period="all", survey="second"))["total"]["n"] == 0


async def test_undos_in_turn_leave_what_a_person_has_changed(shop: Shop) -> None:
    await nps_survey(shop)
    first = await send(shop, table_of_scores({"1": 9, "2": 9}))
    answer = await answer_of(shop, "1")
    change = {"id": answer["id"], "survey": "nps", "channel": "import", "seq": 2,
              "answers": {"score": 5}}  # fmt: skip
    reply = await shop.call("POST", "/v1/responses", json=change)
    assert reply.status_code == 200, reply.text
    second = await send(shop, table_of_scores({"1": 10, "2": 9}))
    await undo(shop, second)
    assert (await answer_of(shop, "1"))["score"] == 5
    report = await undo(shop, first)
    assert report["left_ids"] == [answer["id"]]
    assert await nps(shop) == (-100, 1)


async def test_a_follow_up_before_an_import_does_not_hold_up_its_undo(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, table_of_scores({"1": 2}))
    answer = await answer_of(shop, "1")
    note = {"follow_up": {"status": "contacted", "note": "Called."}}
    await shop.call("PATCH", f"/v1/responses/{answer['id']}", json=note)
    second = await send(shop, table_of_scores({"1": 4}))
    assert (await undo(shop, second))["left"] == 0
    restored = await answer_of(shop, "1")
    assert (restored["score"], restored["follow_up"]["status"]) == (2, "contacted")
    assert "Called." in str(restored["follow_up"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"map": ["Q=score", "When=responded_at"]},
         {"map": ["Q=score", "When=responded_at", "Remark=why"]}),
        ({"map": ["Q=score", "When=responded_at"]},
         {"map": ["Q=score", "When=responded_at"], "timezone": "America/New_York"}),
    ],
)  # fmt: skip
async def test_a_corrected_mapping_of_rows_without_ids_mends_them(
    shop: Shop, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await nps_survey(shop)
    file = table([["When", "Q", "Remark"], [f"{DAY} 09:00", "9", "good"],
                  [f"{DAY} 10:00", "2", "bad"], [f"{DAY} 10:00", "2", "bad"]])  # fmt: skip
    await send(shop, file, **before)
    look = await send(shop, file, dry_run=True, **after)
    assert (look["rows"]["new"], look["rows"]["changed"]) == (0, 3)
    assert (await send(shop, file, **after))["report"]["updated"] == 3
    assert await nps(shop) == (net([9, 2, 2]), 3)


async def test_a_new_row_without_an_id_is_said_to_be_new(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, table([["score", "responded_at"], ["9", DAY]]))
    look = await send(shop, table([["score", "responded_at"], ["8", DAY]]), dry_run=True)
    assert any("`replace`" in note for note in look["notes"])


async def test_an_id_that_stands_twice_is_taken_once_or_rejected(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at"], ["1", "9", DAY], ["1", "9", DAY],
            ["1", "0", DAY], ["2", "9", DAY]]  # fmt: skip
    look = await send(shop, table(rows), dry_run=True, allow_rejects=True)
    (score,) = [question for question in look["questions"] if question["question"] == "score"]
    assert (score["n"], look["rows"]["rejected"]) == (2, 1)
    assert "an earlier row has the id `1`" in look["rejected"][0]["reason"]
    assert any("repeats an earlier one" in note for note in look["notes"])
    await send(shop, table(rows), allow_rejects=True)
    assert await nps(shop) == (100, 2)


async def test_replace_in_a_chain_takes_away_what_the_last_file_lacks(shop: Shop) -> None:
    await nps_survey(shop)
    first = await send(shop, table_of_scores({"1": 9, "2": 9, "3": 9}))
    second = await send(shop, table_of_scores({"1": 9, "2": 3, "3": 9}), replace=first["id"])
    look = await send(shop, table_of_scores({"1": 9}), replace=second["id"], dry_run=True)
    assert look["rows"]["removed"] == 2
    third = await send(shop, table_of_scores({"1": 9}), replace=second["id"])
    assert await nps(shop) == (100, 1)
    back = await send(shop, table_of_scores({"1": 9, "2": 3}), replace=third["id"])
    assert back["report"]["left_deleted"] == 0
    assert await nps(shop) == (0, 2)
    await undo(shop, back)
    assert await nps(shop) == (100, 1)
    await undo(shop, third)
    assert await nps(shop) == (net([9, 3, 9]), 3)


async def test_replacing_the_first_of_a_chain_counts_its_replacement_too(shop: Shop) -> None:
    await nps_survey(shop)
    first = await send(shop, table_of_scores({"1": 9, "2": 9, "3": 9}))
    await send(shop, table_of_scores({"1": 9, "2": 3, "3": 9}), replace=first["id"])
    await send(shop, table_of_scores({"1": 9}), replace=first["id"])
    assert await nps(shop) == (100, 1)


async def test_replace_leaves_what_another_file_of_the_source_holds(shop: Shop) -> None:
    await nps_survey(shop)
    january = await send(shop, table_of_scores({"1": 9, "2": 9}))
    await send(shop, table_of_scores({"2": 9, "3": 9}))
    await send(shop, table_of_scores({"1": 10}), replace=january["id"])
    assert await nps(shop) == (100, 3)


async def test_replace_is_refused_for_rows_of_something_else(shop: Shop) -> None:
    await nps_survey(shop)
    await shop.publish("second")
    other_survey = await send(shop, table_of_scores({"1": 9}), survey="second")
    other_source = await send(shop, table_of_scores({"1": 9}), source="till")
    for replaced, words in ((other_survey, "same survey"), (other_source, "source `till`"),
                            ({"id": UUID(int=7)}, "is not an import")):  # fmt: skip
        body = {"survey": "nps", "source": "file", "replace": str(replaced["id"])}
        reply = await shop.call(
            "POST", "/v1/imports", content=table_of_scores({"5": 9}).encode(), params=body
        )
        assert (reply.status_code, words in reply.text) == (422, True), reply.text
    assert (await nps(shop))[1] == 2


async def test_tags_that_people_gave_stay(shop: Shop) -> None:
    await nps_survey(shop)
    await send(shop, table_of_scores({"1": 9}))
    answer = await answer_of(shop, "1")
    await shop.call("PATCH", f"/v1/responses/{answer['id']}", json={"tags": ["vip"]})
    await send(shop, table_of_scores({"1": 3}))
    assert (await answer_of(shop, "1"))["tags"] == ["vip"]


async def test_a_key_of_one_survey_imports_into_no_other(shop: Shop) -> None:
    await nps_survey(shop)
    await shop.publish("second")
    api_key = await shop.post(
        "/v1/api-keys", {"name": "till", "scopes": ["write"], "survey": "second"}
    )
    content = table_of_scores({"1": 9}).encode()
    for params, status in (({"survey": "nps"}, 403), ({"kind": "customers"}, 403),
                           ({"survey": "second"}, 202)):  # fmt: skip
        reply = await shop.client.post(
            "/v1/imports", content=content, params=params | {"source": "x"},
            headers={"Authorization": f"Bearer {api_key['secret']}"},
        )  # fmt: skip
        assert reply.status_code == status, reply.text


async def test_a_rejected_row_that_becomes_like_another_is_one_more(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["score", "responded_at", "why"], ["9", DAY, "fine"], ["9", DAY, "fine"]]
    rows += [["often", DAY, "fine"], ["seldom", DAY, "fine"]]
    first = await send(shop, table(rows), allow_rejects=True)
    assert (first["accepted"], first["rejected"]) == (2, 2)
    rejects = (await shop.call("GET", f"/v1/imports/{first['id']}/rejects")).text
    half = rejects.replace("often", "9", 1)
    second = await send(shop, half, allow_rejects=True)
    assert (second["accepted"], second["rejected"]) == (1, 1)
    last = (await shop.call("GET", f"/v1/imports/{second['id']}/rejects")).text
    for expected in (1, 0):
        # Sent again, it adds nothing.
        sent = await send(shop, last.replace("seldom", "9", 1), name=f"{expected}.csv")
        assert sent["report"]["added"] == expected
    for content in (half.replace("seldom", "9", 1), table([*rows[:3], rows[1], rows[1]])):
        sent = await send(shop, content)
        assert (sent["report"]["added"], sent["rejected"]) == (0, 0)
    assert await nps(shop) == (100, 4)


async def test_a_file_read_again_after_another_is_an_import_of_its_own(shop: Shop) -> None:
    await nps_survey(shop)
    older, newer = table_of_scores({"1": 9, "2": 9}), table_of_scores({"1": 2, "2": 9})
    runs = [await send(shop, content) for content in (older, newer, older, older)]
    assert len({run["id"] for run in runs}) == 3
    assert runs[2]["id"] == runs[3]["id"]
    assert runs[2]["report"]["updated"] == 1
    expected = {runs[2]["id"]: (0, 2), runs[1]["id"]: (100, 2), runs[0]["id"]: (None, 0)}
    for id_, figure in expected.items():
        assert (await undo(shop, {"id": id_}))["left"] == 0
        assert await nps(shop) == figure


async def test_an_answer_that_somebody_has_tagged_survives_an_undo(shop: Shop) -> None:
    await nps_survey(shop)
    rows = [["external_id", "score", "responded_at", "tags"]]
    rows += [[id_, "9", DAY, "vip" if id_ == "2" else ""] for id_ in "1234"]
    first = await send(shop, table(rows))
    await send(shop, table_of_scores({"4": 2}))
    for id_, tags in {"1": ["call"], "2": ["vip", "call"]}.items():
        path = f"/v1/responses/{(await answer_of(shop, id_))['id']}"
        await shop.call("PATCH", path, json={"tags": tags})
    report = await undo(shop, first)
    tagged = {(await answer_of(shop, id_))["id"] for id_ in "12"}
    assert tagged < set(report["left_ids"])
    # What another file has changed since stays too.
    assert (report["left"], report["undone"]) == (3, 1)


async def test_replace_counts_the_rows_that_another_file_has_too(shop: Shop) -> None:
    await nps_survey(shop)
    first = await send(shop, table_of_scores({"1": 9, "2": 9, "3": 9}))
    await send(shop, table_of_scores({"2": 9, "4": 9}))
    look = await send(shop, table_of_scores({"1": 9}), replace=first["id"], dry_run=True)
    assert (look["rows"]["removed"], look["rows"]["kept"]) == (1, 1)
    run = await send(shop, table_of_scores({"1": 9}), replace=first["id"])
    assert (run["report"]["removed"], run["report"]["kept"]) == (1, 1)


async def test_an_import_that_is_undone_is_not_restored_by_the_next_undo(shop: Shop) -> None:
    await nps_survey(shop)
    old = await send(shop, table_of_scores({"1": 5}), name="oldest")
    first = await send(shop, table_of_scores({"1": 9, "2": 9}))
    second = await send(shop, table_of_scores({"1": 2, "2": 9, "3": 10}))
    assert (await undo(shop, first))["left"] == 1
    assert (await undo(shop, second))["left"] == 0
    assert await nps(shop) == (-100, 1)
    assert (await answer_of(shop, "1"))["score"] == 5
    again = await send(shop, table_of_scores({"1": 9, "2": 9}))
    assert (again["report"]["added"], again["report"]["updated"]) == (1, 1)
    await undo(shop, again)
    await undo(shop, old)
    assert await nps(shop) == (None, 0)


async def test_a_file_that_is_refused_later_leaves_its_first_import_alone(shop: Shop) -> None:
    options = [{"key": key, "text": {"en": key}} for key in ("price", "parcel", "people")]
    topic = {"key": "topic", "type": "choice", "text": {"en": "About?"}, "options": options}
    score = {"key": "score", "type": "nps", "text": {"en": "How?"}}
    await shop.publish("nps", metric="nps", questions=[score, topic])
    rows = table([["responded_at", "score", "topic"],
                  *([f"2026-01-{day}", "9", "people"] for day in range(10, 24))])  # fmt: skip
    first = await send(shop, rows, source="a")
    assert (first["status"], first["accepted"]) == ("done", 14)
    other = {"questions": [score, topic | {"options": options[:2]}]}
    for method, path in (("PATCH", "/v1/surveys/nps"), ("POST", "/v1/surveys/nps/publish")):
        changed = await shop.call(method, path, json=other if method == "PATCH" else None)
        assert changed.status_code == 200, changed.text
    again = await post(shop, rows, source="a")
    assert (again.json()["status"], again.json()["id"] != first["id"]) == ("refused", True)
    run = await shop.get(f"/v1/imports/{first['id']}")
    assert (run["status"], run["accepted"]) == ("done", 14)
