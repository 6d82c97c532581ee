# SPDX-License-Identifier: Apache-2.0
"""Many answers at once: every line for itself."""

import json
from uuid import uuid4

from tests.shop import Shop

NDJSON = {"Content-Type": "application/x-ndjson"}


def line(score: object, **more: object) -> dict[str, object]:
    return {"survey": "many", "channel": "import", "answers": {"score": score}} | more


async def test_bad_lines_are_reported_by_number_and_spoil_nothing(shop: Shop) -> None:
    await shop.publish("many")
    lines = [
        json.dumps(line(9)),
        json.dumps(line(11)),
        "",
        "{not json",
        json.dumps(line(3) | {"surve": 1}),
        json.dumps(line(2)),
    ]
    body = "\n".join(lines).encode() + b"\n\xff\xfe\n"
    reply = await shop.call("POST", "/v1/responses/batch", content=body, headers=NDJSON)
    assert reply.status_code == 200, reply.text
    report = reply.json()
    assert (report["accepted"], report["duplicates"]) == (2, 0)
    assert [rejection["line"] for rejection in report["rejected"]] == [2, 4, 5, 7]
    assert report["rejected"][0]["errors"][0]["loc"] == ["body", "answers", "score"]
    assert "did you mean `survey`" in report["rejected"][2]["errors"][0]["msg"]
    assert (await shop.metric("nps"))["total"]["value"] == 0


async def test_sending_the_same_batch_again_counts_nothing_twice(shop: Shop) -> None:
    await shop.publish("many")
    body = [line(number % 11) for number in range(1200)]
    header = {"Idempotency-Key": "history"}
    replies = [
        await shop.call("POST", "/v1/responses/batch", json=body, headers=header) for _ in range(2)
    ]
    assert replies[0].json() == replies[1].json()
    assert replies[0].json()["accepted"] == 1200
    assert replies[1].headers["idempotency-replayed"] == "true"
    other = await shop.call("POST", "/v1/responses/batch", json=body[:3], headers=header)
    assert other.status_code == 409
    assert (await shop.metric("nps"))["total"]["n"] == 1200


async def test_repeats_inside_a_batch_are_one_response_with_the_highest_seq(shop: Shop) -> None:
    await shop.publish("many")
    id_ = str(uuid4())
    body = [line(score, id=id_, seq=seq) for score, seq in ((1, 1), (10, 3), (5, 2))]
    reply = await shop.call("POST", "/v1/responses/batch", json=body)
    assert reply.json() == {"accepted": 2, "duplicates": 1, "rejected": []}
    assert (await shop.get(f"/v1/responses/{id_}"))["score"] == 10


async def test_more_than_ten_thousand_lines_are_refused_whole(shop: Shop) -> None:
    await shop.publish("many")
    body = b"\n".join([json.dumps(line(1)).encode()] * 10_001)
    reply = await shop.call("POST", "/v1/responses/batch", content=body, headers=NDJSON)
    assert reply.status_code == 422
    assert (await shop.metric("nps"))["total"]["n"] == 0


async def test_lines_may_name_several_surveys_and_customers(shop: Shop) -> None:
    await shop.publish("many")
    await shop.publish("more", template="csat")
    body = [
        line(9, customer={"external_id": f"c-{number % 3}"}) | {"survey": survey}
        for number, survey in enumerate(["many", "more", "many", "nowhere"])
    ]
    body[1]["answers"] = {"score": 5}
    report = (await shop.call("POST", "/v1/responses/batch", json=body)).json()
    assert report["accepted"] == 3
    assert report["rejected"][0]["line"] == 4
    assert "no survey `nowhere`" in report["rejected"][0]["errors"][0]["msg"]
