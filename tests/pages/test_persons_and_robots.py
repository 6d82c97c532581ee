# SPDX-License-Identifier: Apache-2.0
"""Whether a person answered an invitation, or a scanner: gestures, speed, hidden links, trust."""

import asyncio

import pytest

from tests.pages.forms import browse, follow, parse
from tests.pages.test_invited import STEPS, count_answers, invite, states
from tests.shop import Shop


async def test_a_click_in_a_mail_is_provisional_until_a_person_moves(shop: Shop) -> None:
    await shop.publish("s")
    id_, path = await invite(shop)
    page = await browse(shop.client, path + "/3")
    assert await states(shop) == [(3, "provisional")]
    assert page.fields["score"] == "3"
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["excluded"]["provisional"]) == (0, 1)
    assert (await shop.get("/v1/responses", follow_up="open"))["data"] == []
    gesture = {"score": "3", "_g": "1", "_js": "1", "_first": "1"}
    assert (await shop.client.post(path, data=page.fields | gesture)).status_code == 204
    assert await states(shop) == [(3, "ok")]
    assert await count_answers(shop) == 1
    # Only now there is a follow-up, and only now an event is emitted.
    (response,) = (await shop.get("/v1/responses", follow_up="open"))["data"]
    assert (response["id"], response["complete"]) == (id_, False)


async def test_a_form_that_only_a_script_sent_is_asked_to_confirm(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    again = await follow(shop.client, await page.send(shop.client, why="", _js="1"))
    assert "Please confirm that you are a person." in again.text
    assert await states(shop) == [(9, "unverified")]
    done = await follow(shop.client, await again.send(shop.client, _js="1", _g="1"))
    assert "Thank you" in done.text
    assert await states(shop) == [(9, "ok")]


async def test_without_scripts_a_person_is_slower_than_a_robot(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    again = await follow(shop.client, await page.send(shop.client, why="Fine"))
    assert await states(shop) == [(9, "unverified")]
    # A person who has read the first page may send the second after one second.
    await asyncio.sleep(1.1)
    await follow(shop.client, await again.send(shop.client))
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["integrity"], response["answers"]["why"]) == ("ok", "Fine")


async def test_the_signed_time_cannot_be_made_up(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path)
    other = await browse(shop.client, path)
    page.fields["_at"] = other.fields["_at"][:-2] + (
        "AA" if other.fields["_at"][-2:] != "AA" else "BB"
    )
    assert (await page.send(shop.client, score="9", why="")).status_code == 303
    assert await states(shop) == [(9, "unverified")]
    # A post without a time is not from our form but from a program that sends it on purpose.
    await shop.client.post(path, data={"score": "9"})
    assert await states(shop) == [(9, "ok")]


async def test_nothing_sent_confirms_nothing(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    await shop.client.get(path + "/9")
    await shop.client.post(path)
    assert await states(shop) == [(9, "unverified")]


async def test_a_scanner_that_opens_everything_is_quarantined(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    for score in range(11):
        await shop.client.get(f"{path}/{score}")
    ((_, integrity),) = await states(shop)
    assert integrity == "quarantined"
    total = (await shop.metric("nps"))["total"]
    assert (total["n"], total["excluded"]["quarantined"]) == (0, 1)
    # The person whose mail it scanned is counted all the same.
    page = await browse(shop.client, path + "/8")
    await page.send(shop.client, score="8", why="", _g="1", _js="1")
    assert await states(shop) == [(8, "ok")]
    assert await count_answers(shop) == 1


async def test_a_hidden_link_and_a_hidden_field_catch_robots(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    assert page.hidden_links == [path + "/all"]
    await shop.client.get(page.hidden_links[0])
    assert await states(shop) == [(9, "quarantined")]
    _, path = await invite(shop, customer={"email": "b@b.pl"})
    page = await browse(shop.client, path + "/9")
    (trap,) = page.traps
    await page.send(shop.client, **{trap: "http://buy.example", "_g": "1", "_js": "1"})
    assert await states(shop) == [(9, "quarantined")] * 2
    assert await count_answers(shop) == 0


async def test_three_scores_in_two_minutes_are_no_person(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path)
    for score in ("1", "5"):
        await page.send(shop.client, score=score, _g="1", _js="1")
    reply = await page.send(shop.client, score="9", _g="1", _js="1")
    assert await states(shop) == [(9, "quarantined")]
    assert await count_answers(shop) == 0
    # A person who tried several scores is asked to confirm, and confirms.
    again = await follow(shop.client, reply)
    assert "Please confirm that you are a person." in again.text
    await again.send(shop.client, _g="1", _js="1")
    assert await states(shop) == [(9, "ok")]


async def test_three_scores_at_once_are_no_person_either(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path)
    send = (page.send(shop.client, score=score, _g="1", _js="1") for score in ("1", "5", "9") * 3)
    await asyncio.gather(*send)
    assert await count_answers(shop) == 0


async def test_a_scanner_that_comes_later_takes_nothing_away(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    await page.send(shop.client, score="9", why="Good", _g="1", _js="1")
    for score in range(5):
        await shop.client.get(f"{path}/{score}")
    scanned = await browse(shop.client, f"{path}/0")
    await scanned.send(shop.client, _js="1")
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["score"], response["integrity"]) == (9, "ok")
    assert response["answers"]["why"] == "Good"


@pytest.mark.parametrize("scripts", [True, False])
async def test_what_a_gesture_confirmed_is_not_overwritten_without_one(
    shop: Shop, scripts: bool
) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path + "/9")
    await page.send(shop.client, score="9", _g="1", _js="1")
    without = {"_js": "1"} if scripts else {}
    later = await browse(shop.client, path + "/1")
    # Sent without the time that we sign, it is taken as slow enough for a person.
    later.fields.pop("_at")
    await later.send(shop.client, score="1", why="I am a scanner", **without)
    (response,) = (await shop.get("/v1/responses"))["data"]
    assert (response["score"], response["integrity"]) == (9, "ok")
    # A person who moves may still think again.
    await (await browse(shop.client, path + "/2")).send(shop.client, score="2", _g="1", _js="1")
    assert await states(shop) == [(2, "ok")]


async def test_of_equal_trust_the_last_wins_and_less_trust_only_adds(shop: Shop) -> None:
    await shop.publish("s", metric="nps", questions=STEPS)
    _, path = await invite(shop)
    for score in ("9", "3"):
        await shop.client.post(path, data={"score": score})
    assert await states(shop) == [(3, "ok")]
    id_, path = await invite(shop)
    await (await browse(shop.client, path)).send(shop.client, score="4", _g="1", _js="1")
    await shop.client.post(path, data={"why": "Scripts were blocked on this page", "score": "8"})
    answers = (await shop.get(f"/v1/responses/{id_}"))["answers"]
    assert (answers["score"], answers["why"]) == (4, "Scripts were blocked on this page")


async def test_a_scanner_that_presses_buttons_unsubscribes_nobody(shop: Shop) -> None:
    await shop.publish("s")
    _, path = await invite(shop)
    page = await browse(shop.client, path.replace("/i/", "/u/"))
    asked_again = parse(await page.send(shop.client, _js="1"))
    assert "Unsubscribe?" in asked_again.text
    assert (await shop.get("/v1/unsubscribes"))["data"] == []
    await page.send(shop.client, _js="1", _g="1")
    assert len((await shop.get("/v1/unsubscribes"))["data"]) == 1
