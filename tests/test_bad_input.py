# SPDX-License-Identifier: Apache-2.0
"""Bad input gets a clear 4xx, never a 500, and loses nothing."""

import gzip
from typing import Any

import pytest

from tests.shop import Shop

JSON = {"Content-Type": "application/json"}
GOOD = b'{"survey":"s","channel":"api","answers":{"score":9}}'


def with_answers(part: bytes) -> bytes:
    return b'{"survey":"s","channel":"api","answers":' + part + b"}"


BODIES: dict[str, bytes] = {
    "empty": b"",
    "no json": b"{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NUL in a text": with_answers(b'{"score":9,"why":"a\\u0000b"}'),
    "NUL in a key": with_answers(b'{"a\\u0000":9}'),
    "raw NUL": with_answers(b'{"why":"a\x00b"}'),
    "lone surrogate": with_answers(b'{"why":"\\ud800 x"}'),
    "surrogate pair cut": with_answers(b'{"why":"\\ud83d"}'),
    "a number of 400 digits": with_answers(b'{"score":1' + b"0" * 400 + b"}"),
    "a number of 5,000 digits": with_answers(b'{"score":1' + b"0" * 5000 + b"}"),
    "1e400": with_answers(b'{"score":1e400}'),
    "NaN": with_answers(b'{"score":NaN}'),
    "half a point": with_answers(b'{"score":4.5}'),
    "a text for a score": with_answers(b'{"score":"9"}'),
    "true for a score": with_answers(b'{"score":true}'),
    "out of range": with_answers(b'{"score":11}'),
    "minus one": with_answers(b'{"score":-1}'),
    "unknown question": with_answers(b'{"scor":9}'),
    "answers is a list": with_answers(b"[1]"),
    "100,000 brackets": with_answers(b"[" * 100_000 + b"]" * 100_000),
    "100,000 open brackets": b"[" * 100_000,
    "100,000 nested objects": b'{"a":' * 100_000,
    "broken UTF-8": with_answers(b'{"why":"\xff\xfe"}'),
    "text too long": with_answers(b'{"score":9,"why":"' + b"x" * 4001 + b'"}'),
    "unknown field": GOOD[:-1] + b',"scroe":1}',
    "no survey": b'{"channel":"api","answers":{}}',
    "odd channel": GOOD.replace(b'"api"', b'"fax"'),
    "odd id": GOOD[:-1] + b',"id":"7"}',
    "seq zero": GOOD[:-1] + b',"seq":0}',
    "seq huge": GOOD[:-1] + b',"seq":99999999999}',
    "time without zone": GOOD[:-1] + b',"responded_at":"2026-01-01T00:00:00"}',
    "time in the far future": GOOD[:-1] + b',"responded_at":"2999-01-01T00:00:00Z"}',
    "time in the far past": GOOD[:-1] + b',"responded_at":"0001-01-01T00:00:00Z"}',
    "no time": GOOD[:-1] + b',"responded_at":"soon"}',
    "a customer without a name": GOOD[:-1] + b',"customer":{"name":"x"}}',
    "an odd e-mail": GOOD[:-1] + b',"customer":{"email":"x"}}',
    "properties nested": GOOD[:-1] + b',"properties":{"a":{"b":1}}}',
    "33 properties": GOOD[:-1]
    + b',"properties":{'
    + b",".join(b'"p%d":1' % number for number in range(33))
    + b"}}",
    "touchpoint with a slash": GOOD[:-1] + b',"touchpoint":"a/b"}',
}


@pytest.mark.parametrize("name", list(BODIES))
async def test_a_bad_answer_is_refused_with_its_field(shop: Shop, name: str) -> None:
    await shop.publish("s")
    reply = await shop.call("POST", "/v1/responses", content=BODIES[name], headers=JSON)
    assert reply.status_code == 422, reply.text
    problem = reply.json()
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["errors"]
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert (await shop.metric("nps"))["total"]["n"] == 0


@pytest.mark.parametrize(
    "name", [name for name in BODIES if name.startswith(("100", "broken", "no json"))]
)
async def test_other_routes_refuse_it_too(shop: Shop, name: str) -> None:
    for path in ("/v1/surveys", "/v1/api-keys"):
        reply = await shop.call("POST", path, content=BODIES[name], headers=JSON)
        assert reply.status_code == 422, (path, reply.text)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/batch", "/v1/surveys"])
async def test_thirty_megabytes_are_too_large(shop: Shop, path: str) -> None:
    reply = await shop.call("POST", path, content=b" " * (30 << 20), headers=JSON)
    assert reply.status_code == 413
    assert "MiB" in reply.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/batch", "/v1/surveys"])
@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "multipart/form-data"])
async def test_a_wrong_content_type_says_which_header_to_add(
    shop: Shop, path: str, kind: str | None
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    reply = await shop.call("POST", path, content=GOOD, headers=headers)
    assert reply.status_code == 415
    assert "Content-Type: application/" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/responses"), ("DELETE", "/v1/surveys"), ("PATCH", "/v1/metrics/nps")],
)
async def test_a_wrong_method_is_405_and_says_which_are_right(
    shop: Shop, method: str, path: str
) -> None:
    reply = await shop.call(method, path)
    assert reply.status_code == 405
    assert "GET" in reply.headers["allow"]


async def test_an_unknown_path_is_a_problem_too(shop: Shop) -> None:
    reply = await shop.call("GET", "/v1/nothing")
    assert reply.status_code == 404
    assert reply.json()["type"] == "urn:afterword:not-found"


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "cursor=!", "cursor=AAAA", "q=%00", "since=x", "limt=5",
     "band=good", "cursor=" + "A" * 300, "since=9999-12-31T23:59:59-14:00", "property.x=%00"],
)  # fmt: skip
async def test_an_odd_query_is_refused(shop: Shop, query: str) -> None:
    reply = await shop.call("GET", f"/v1/responses?{query}")
    assert reply.status_code == 422, reply.text


@pytest.mark.parametrize("id_", ["x", "%00", "00000000-0000-0000-0000-000000000000", "é" * 300])
async def test_an_odd_id_finds_nothing(shop: Shop, id_: str) -> None:
    for path in (f"/v1/responses/{id_}", f"/v1/surveys/{id_}", f"/v1/touchpoints/{id_}"):
        reply = await shop.call("GET", path)
        assert reply.status_code in {404, 422}, (path, reply.text)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ż"])
async def test_an_odd_idempotency_key_is_refused(shop: Shop, key: str) -> None:
    await shop.publish("s")
    headers = JSON | {"Idempotency-Key": key.encode()}
    reply = await shop.call("POST", "/v1/responses", content=GOOD, headers=headers)
    expected = {422, 201} if key == "ż" else {422}
    assert reply.status_code in expected


async def test_odd_workspace_settings_name_the_field(shop: Shop) -> None:
    wrong: dict[str, Any] = {
        "timezone": "UTC+2",
        "segments": ["email"],
        "allowed_origins": ["https://a.example/path"],
        "min_group_size": 0,
        "default_locale": "Polish!",
        "name": "a\u0007b",
        "timezon": "UTC",
    }
    for field, value in wrong.items():
        reply = await shop.call("PATCH", "/v1/workspace", json={field: value})
        assert reply.status_code == 422, field
        assert reply.json()["errors"][0]["loc"][1] == field


ANSWER = b'{"survey": "s", "channel": "api", "answers": {"score": 9}}'
LINES = b'{"survey": "s", "channel": "api", "answers": {"score": 9}, "external_id": "x"}\n'
MARK = b"\xef\xbb\xbf"
PACKED = [
    ("/v1/responses", "application/json", ANSWER, 201),
    ("/v1/responses/batch", "application/x-ndjson", LINES, 200),
    ("/v1/interactions", "application/json",
     b'{"type": "visit", "source": "shop", "external_id": "v-1"}', 201),
]  # fmt: skip


@pytest.mark.parametrize(("path", "kind", "body", "status"), PACKED)
@pytest.mark.parametrize("marked", [False, True])
async def test_a_packed_body_and_a_byte_order_mark_are_understood(
    shop: Shop, path: str, kind: str, body: bytes, status: int, marked: bool
) -> None:
    await shop.publish("s")
    body = MARK + body if marked else body
    headers = {"Content-Type": kind}
    plain = await shop.call("POST", path, content=body, headers=headers)
    assert plain.status_code == status, plain.text
    headers["Content-Encoding"] = "gzip"
    packed = await shop.call("POST", path, content=gzip.compress(body), headers=headers)
    assert packed.status_code in {status, 200}, packed.text
    for broken in (b"no gzip", gzip.compress(body)[:-9]):
        reply = await shop.call("POST", path, content=broken, headers=headers)
        assert reply.status_code == 422, reply.text
    headers["Content-Encoding"] = "br"
    assert (await shop.call("POST", path, content=body, headers=headers)).status_code == 415


@pytest.mark.parametrize(("path", "kind", "body", "status"), PACKED)
async def test_what_is_only_large_once_unpacked_is_refused(
    shop: Shop, path: str, kind: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * (64 << 20))
    assert (await shop.call("POST", path, content=bomb, headers=headers)).status_code == 413


@pytest.mark.parametrize("name", ["Email", "uuid", "Foo", "list[x]"])
async def test_an_unknown_field_is_named_whatever_it_looks_like(shop: Shop, name: str) -> None:
    reply = await shop.call("POST", "/v1/surveys", json={"key": "s", "template": "nps", name: 1})
    assert [error["loc"] for error in reply.json()["errors"]] == [["body", name]]
    property_ = {"survey": "s", "channel": "api", "answers": {}, "properties": {name: {"a": 1}}}
    reply = await shop.call("POST", "/v1/invitations", json=property_)
    assert reply.status_code == 422
