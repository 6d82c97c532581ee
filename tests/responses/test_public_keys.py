# SPDX-License-Identifier: Apache-2.0
"""A publishable key is no secret, so it is trusted with little."""

from uuid import uuid4

from tests.shop import Shop

PAGE = "https://shop.example"


async def collecting(shop: Shop, **options: object) -> str:
    await shop.publish("page", touchpoint="checkout")
    reply = await shop.call("PATCH", "/v1/workspace", json={"allowed_origins": [PAGE, "null"]})
    assert reply.status_code == 200, reply.text
    return await shop.make_key("collect", **options)


def body(score: int = 9, **more: object) -> dict[str, object]:
    return {"survey": "page", "channel": "widget", "answers": {"score": score}} | more


async def test_only_allowed_pages_may_submit_and_they_learn_no_content(shop: Shop) -> None:
    key = await collecting(shop)
    assert key.startswith("pk_")
    for origin, status in ((PAGE, 201), ("null", 201), (None, 201), ("https://evil.example", 403)):
        headers = {"Origin": origin} if origin else {}
        reply = await shop.call("POST", "/v1/responses", key=key, json=body(), headers=headers)
        assert reply.status_code == status, origin
        if status == 201:
            assert set(reply.json()) == {"id", "seq", "complete"}
            assert reply.headers.get("access-control-allow-origin") == origin
            assert "ratelimit-remaining" in reply.headers


async def test_a_public_page_cannot_choose_time_tags_or_channel(shop: Shop) -> None:
    key = await collecting(shop)
    claims: list[dict[str, object]] = [
        {"channel": "api"},
        {"responded_at": "2026-01-01T00:00:00Z"},
        {"tags": ["x"]},
        {"external_id": "x"},
    ]
    for claim in claims:
        reply = await shop.call("POST", "/v1/responses", key=key, json=body() | claim)
        assert reply.status_code == 422, claim
        assert reply.json()["errors"][0]["loc"][1] in claim


async def test_what_a_page_says_of_a_customer_is_only_claimed(shop: Shop) -> None:
    key = await collecting(shop)
    claim = {"customer": {"email": "boss@shop.example"}, "touchpoint": "made-up", "locale": "xx"}
    reply = await shop.call("POST", "/v1/responses", key=key, json=body() | claim)
    read = await shop.get(f"/v1/responses/{reply.json()['id']}")
    assert read["customer"]["id"] is None
    assert read["customer"]["claimed"] == {"email": "boss@shop.example"}
    assert (read["touchpoint"], read["locale"]) == ("checkout", "en")
    assert (await shop.get("/v1/responses", customer="boss@shop.example"))["data"] == []


async def test_a_public_key_reads_only_a_live_survey(shop: Shop) -> None:
    key = await collecting(shop)
    await shop.post("/v1/surveys", {"template": "csat", "key": "draft"})
    assert (await shop.call("GET", "/v1/surveys/page", key=key)).status_code == 200
    assert (await shop.call("GET", "/v1/surveys/draft", key=key)).status_code == 404
    for path in ("/v1/surveys", "/v1/responses", "/v1/metrics/nps", "/v1/workspace"):
        assert (await shop.call("GET", path, key=key)).status_code == 403, path


async def test_a_key_bound_to_a_survey_answers_no_other(shop: Shop) -> None:
    key = await collecting(shop, survey="page")
    await shop.publish("other")
    assert (await shop.call("POST", "/v1/responses", key=key, json=body())).status_code == 201
    other = body() | {"survey": "other"}
    assert (await shop.call("POST", "/v1/responses", key=key, json=other)).status_code == 403
    assert (await shop.call("GET", "/v1/surveys/other", key=key)).status_code == 404


async def test_a_survey_may_be_named_in_capitals_everywhere(shop: Shop) -> None:
    survey = await shop.publish("page", touchpoint="checkout")
    await shop.answer("page", 9)
    for name in ("PAGE", survey["id"].upper()):
        key = await shop.make_key("collect", survey=name)
        sent = body() | {"survey": name}
        assert (await shop.call("POST", "/v1/responses", key=key, json=sent)).status_code == 201
        widget = await shop.client.get(f"/w/surveys/page?key={key}")
        assert widget.status_code == 200, widget.text
        assert (await shop.get(f"/v1/surveys/{name}"))["key"] == "page"
        assert (await shop.get(f"/v1/responses?survey={name}"))["data"]
        assert (await shop.metric("nps", survey=name))["total"]["n"] > 0


async def test_a_correction_from_the_page_moves_the_figure(shop: Shop) -> None:
    key = await collecting(shop)
    id_ = str(uuid4())
    for seq, score, status in ((1, 2, 201), (2, 10, 200), (2, 3, 200)):
        sent = body(score, id=id_, seq=seq)
        reply = await shop.call("POST", "/v1/responses", key=key, json=sent)
        assert reply.status_code == status
    assert (await shop.metric("nps"))["total"]["value"] == 100


async def test_a_browser_may_ask_before_it_posts(shop: Shop) -> None:
    reply = await shop.client.request("OPTIONS", "/v1/responses", headers={"Origin": PAGE})
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in reply.headers["access-control-allow-headers"]
