# SPDX-License-Identifier: Apache-2.0
"""The generic mapping: what each rule finds, what is refused, and what a delivery becomes."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.integrations import integration_health
from tests.integrations.sender import SECRET
from tests.shop import Shop

BODY: dict[str, Any] = {
    "id": 9, "status": "9", "kind": "order.paid", "total": 12999, "at": "2026-03-04 10:00",
    "epoch": 1_772_640_069, "ms": 1_772_640_069_123, "local": "04.03.2026 17:41", "vip": True,
    "nothing": None, "empty": "", "who": {"mail": "lea@e.fr", "a/b": "slash", "~": "tilde"},
    "list": [{"sku": "a"}, {"sku": "b"}], "currency": "JPY", "words": ["x", "y"],
}  # fmt: skip

# One rule a row: the rule of the property `found`, and what it finds in BODY.
RULES: list[tuple[str, Any, Any]] = [
    ("a pointer", "/id", 9),
    ("a pointer into a list", "/list/1/sku", "b"),
    ("an escaped pointer", "/who/a~1b", "slash"),
    ("another escape", "/who/~0", "tilde"),
    ("a pointer to a list of texts", "/words", ["x", "y"]),
    ("a pointer to nothing", "/nobody", None),
    ("null is nothing", "/nothing", None),
    ("the empty text is nothing", "/empty", None),
    ("truth", "/vip", True),
    ("a header", "header:X-Event", "paid"),
    ("a header that is missing", "header:X-Nobody", None),
    ("the root", "root:/id", 9),
    ("a constant text", {"const": "x"}, "x"),
    ("a constant number", {"const": 7}, 7),
    ("a template", {"template": "{/id}:{/status}"}, "9:9"),
    ("a template with a header", {"template": "{header:X-Event}-{root:/id}"}, "paid-9"),
    ("a template that lacks a part", {"template": "{/id}:{/nobody}"}, None),
    ("minor units", {"pointer": "/total", "scale": -2}, "129.99"),
    ("a power upwards", {"pointer": "/id", "scale": 3}, "9000"),
    ("no number to scale", {"pointer": "/kind", "scale": -2}, None),
    ("the currency's own units", {"pointer": "/total", "scale": "minor"}, "12999"),
    ("a time in ISO 8601", {"pointer": "/at", "time": "iso"}, "2026-03-04T09:00:00Z"),
    ("a time of another zone", {"pointer": "/at", "time": "iso", "timezone": "UTC"},
     "2026-03-04T10:00:00Z"),
    ("seconds", {"pointer": "/epoch", "time": "epoch"}, "2026-03-04T16:01:09Z"),
    ("milliseconds", {"pointer": "/ms", "time": "epoch_ms"}, "2026-03-04T16:01:09.123000Z"),
    ("a time by its signs",
     {"pointer": "/local", "time": "%d.%m.%Y %H:%M", "timezone": "Europe/Warsaw"},
     "2026-03-04T16:41:00Z"),
    ("a map", {"map": {"9": "nine"}, "of": "/status"}, "nine"),
    ("a map of a number", {"map": {"9": "nine"}, "of": "/id"}, "nine"),
    ("a map of truth", {"pointer": "/vip", "map": {"true": "yes"}}, "yes"),
    ("the map of old", {"pointer": "/status", "map": {"9": "nine"}}, "nine"),
    ("a map with another rule", {"map": {"1": "one"}, "of": "/status", "else": "/kind"},
     "order.paid"),
    ("a map that may find nothing", {"map": {"1": "one"}, "of": "/status", "else": None}, None),
    ("a map of nothing", {"map": {"1": "one"}, "of": "/nobody"}, None),
    ("the first that finds something", ["/nobody", "/empty", {"const": "last"}], "last"),
    ("a rule in a rule", {"of": {"template": "{/id}0"}, "scale": -1}, "9.0"),
]  # fmt: skip


def mapping(**more: Any) -> dict[str, Any]:
    return {"type": {"const": "visit"}, "external_id": "/id"} | more


async def register(shop: Shop, rules: dict[str, Any] | None = None, **more: Any) -> Any:
    body = {"source": "generic", "key": "g", "timezone": "Europe/Warsaw", "mapping": rules} | more
    return await shop.post(
        "/v1/integrations", {key: value for key, value in body.items() if value is not None}
    )


async def try_out(shop: Shop, body: Any = BODY, **headers: str) -> Any:
    sent = {"headers": {"X-Event": "paid"} | headers, "body": body}
    return await shop.post("/v1/integrations/g/preview", sent, status=200)


@pytest.mark.parametrize(
    ("rule", "expected"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
async def test_a_rule_finds(shop: Shop, rule: Any, expected: Any) -> None:
    value = {"amount": "/total", "currency": "/currency"}
    await register(shop, mapping(properties={"found": rule}, value=value))
    preview = await try_out(shop)
    assert preview["skipped"] is None
    (interaction,) = preview["interactions"]
    assert interaction["properties"].get("found") == expected
    assert (await shop.get("/v1/interactions"))["data"] == []
    assert (await shop.get("/v1/integrations/g/events"))["data"] == []


WRONG: list[tuple[str, Any, str]] = [
    ("a plain text", "paid", "const"),
    ("an empty text", "", "pointer"),
    ("a header of no name", "header:", "pointer"),
    ("an empty list", [], "list"),
    ("a number", 7, "pointer"),
    ("nothing named", {}, "exactly one"),
    ("two named", {"pointer": "/a", "const": "b"}, "exactly one"),
    ("an unknown part", {"pointer": "/a", "mapp": {}}, "mapp"),
    ("a pointer that is none", {"pointer": "a"}, "pointer"),
    ("a constant object", {"const": {}}, "const"),
    ("a template without a place", {"template": "x"}, "template"),
    ("a template of a plain word", {"template": "{id}"}, "pointer"),
    ("a template that is not closed", {"template": "{/id"}, "template"),
    ("a map of nothing", {"pointer": "/a", "map": {}}, "map"),
    ("a map of objects", {"pointer": "/a", "map": {"a": {}}}, "map"),
    ("an else without a map", {"pointer": "/a", "else": "/b"}, "else"),
    ("an else that is not a rule", {"pointer": "/a", "map": {"a": "b"}, "else": "c"}, "else"),
    ("half a power", {"pointer": "/a", "scale": 0.5}, "scale"),
    ("an odd time", {"pointer": "/a", "time": "soon"}, "time"),
    ("a zone without a time", {"pointer": "/a", "timezone": "UTC"}, "timezone"),
    ("an unknown zone", {"pointer": "/a", "time": "iso", "timezone": "UTC+2"}, "timezone"),
    ("a rule of no rule", {"of": 5, "map": {"a": "b"}}, "pointer"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "word"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
async def test_a_wrong_rule_is_refused_with_its_place(shop: Shop, rule: Any, word: str) -> None:
    body = {"source": "generic", "mapping": mapping(ticket=rule)}
    reply = await shop.call("POST", "/v1/integrations", json=body)
    assert reply.status_code == 422, reply.text
    (error,) = reply.json()["errors"]
    assert error["loc"][:3] == ["body", "mapping", "ticket"]
    assert word in error["msg"]


@pytest.mark.parametrize(
    "when",
    [
        {}, {"all": []}, {"pointer": "/a"}, {"pointer": "a", "op": "exists"},
        {"pointer": "/a", "op": "is", "value": 1}, {"pointer": "/a", "op": "in", "value": "x"},
        {"pointer": "/a", "op": "gt", "value": "x"}, {"pointer": "/a", "op": "eq"},
        {"any": [{"op": "eq"}]}, {"none": []}, {"pointer": "/a", "op": "exists", "valu": 1},
    ],
)  # fmt: skip
async def test_a_wrong_condition_is_refused(shop: Shop, when: Any) -> None:
    body = {"source": "generic", "mapping": mapping(when=when)}
    reply = await shop.call("POST", "/v1/integrations", json=body)
    assert reply.status_code == 422, reply.text
    assert reply.json()["errors"][0]["loc"][:3] == ["body", "mapping", "when"]


CONDITIONS: list[tuple[Any, str | None]] = [
    ({"pointer": "/status", "op": "eq", "value": 9}, None),
    ({"pointer": "/status", "op": "eq", "value": "8"}, "/status eq '8'"),
    ({"pointer": "/nobody", "op": "exists"}, "/nobody exists"),
    ({"pointer": "header:X-Event", "op": "in", "value": ["paid", "sent"]}, None),
    ({"all": [{"pointer": "/vip", "op": "eq", "value": True},
              {"pointer": "/total", "op": "gt", "value": 20000}]}, "/total gt 20000"),
    ({"any": [{"pointer": "/id", "op": "lt", "value": 1},
              {"pointer": "/kind", "op": "contains", "value": "paid"}]}, None),
    ({"any": [{"pointer": "/id", "op": "lt", "value": 1},
              {"all": [{"pointer": "/words", "op": "contains", "value": "z"}]}]},
     "none of: /id lt 1; /words contains 'z'"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "refused"), CONDITIONS)
async def test_what_does_not_match_is_skipped_with_the_condition(
    shop: Shop, when: Any, refused: str | None
) -> None:
    await register(shop, mapping(when=when))
    preview = await try_out(shop)
    assert preview["skipped"] == (f"when: {refused}" if refused else None)
    assert len(preview["interactions"]) == (0 if refused else 1)


async def test_each_member_makes_an_interaction_of_its_own(shop: Shop) -> None:
    orders = [
        {"id": number, "status": status, "at": 1_772_640_069}
        for number, status in ((1, "paid"), (2, "new"))
    ]
    rules = {
        "type": {"pointer": "/status", "map": {"paid": "order.paid"}},
        "external_id": {"template": "{root:/batch}:{/id}"}, "order": "/id", "items": "/orders",
        "when": {"pointer": "/status", "op": "eq", "value": "paid"},
        "also": [{"type": {"const": "order.seen"}, "external_id": {"template": "seen:{/id}"},
                  "order": "/id"}],
    }  # fmt: skip
    await register(shop, rules)
    preview = await try_out(shop, {"batch": "b7", "orders": orders})
    assert [
        (interaction["type"], interaction["external_id"], interaction["order"])
        for interaction in preview["interactions"]
    ] == [
        ("order.paid", "b7:1", "1"),
        ("order.seen", "seen:1", "1"),
        ("order.seen", "seen:2", "2"),
    ]
    await shop.call("PATCH", "/v1/integrations/g", json={"mapping": rules | {
        "items": "", "external_id": "/id", "also": []}})  # fmt: skip
    preview = await try_out(shop, orders)
    assert [interaction["external_id"] for interaction in preview["interactions"]] == ["1"]
    assert (await try_out(shop, []))["skipped"] == "the mapping's `items` finds nothing in it"


async def test_one_body_tells_of_opening_and_solving(shop: Shop) -> None:
    rules = {
        "type": {"const": "ticket.solved"}, "ticket": "/id", "occurred_at": "/solved",
        "also": [{"type": {"const": "ticket.opened"}, "ticket": "/id", "occurred_at": "/opened"}],
    }  # fmt: skip
    sender = await register(shop, rules)
    path = "/in/" + sender["url"].partition("/in/")[2]
    for _ in range(2):
        body = {"id": 5, "opened": "2026-03-01 08:00:00", "solved": "2026-03-01 10:00:00"}
        await shop.client.post(path, json=body)
        await shop.work()
    (ticket,) = (await shop.get("/v1/tickets"))["data"]
    assert ticket["first_resolution"]["calendar_seconds"] == 7200
    assert ticket["opened_at"] == "2026-03-01T07:00:00Z"


async def test_without_id_and_time_a_changed_generic_state_is_an_event(shop: Shop) -> None:
    rules = {"type": {"pointer": "/s", "map": {"done": "ticket.solved", "open": "ticket.reopened"}},
             "ticket": "/id"}  # fmt: skip
    sender = await register(shop, rules)
    path = "/in/" + sender["url"].partition("/in/")[2]
    for state in ("done", "done", "open", "done"):
        await shop.client.post(path, json={"id": 5, "s": state})
    await shop.work()
    types = sorted(
        interaction["type"] for interaction in (await shop.get("/v1/interactions"))["data"]
    )
    assert types == ["ticket.reopened", "ticket.solved", "ticket.solved"]


async def test_a_map_without_else_waits_for_its_word(shop: Shop) -> None:
    rules = mapping(type={"pointer": "/status", "map": {"1": "order.placed"}}, order="/id")
    sender = await register(shop, rules)
    path = "/in/" + sender["url"].partition("/in/")[2]
    await shop.client.post(path, json=BODY)
    await shop.work()
    (event,) = (await shop.get("/v1/integrations/g/events", status="failed"))["data"]
    assert "`else`" in event["reason"]
    (unmapped,) = (await shop.get("/v1/integrations/g"))["unmapped"]
    assert (unmapped["status"], unmapped["count"]) == ("9", 1)
    mended = rules | {"type": {"pointer": "/status", "map": {"9": "order.paid"}}}
    await shop.call("PATCH", "/v1/integrations/g", json={"mapping": mended})
    await shop.work()
    (interaction,) = (await shop.get("/v1/interactions"))["data"]
    assert (interaction["type"], interaction["order"]) == ("order.paid", "9")


async def test_a_time_that_cannot_be_read_fails_the_event(shop: Shop) -> None:
    sender = await register(shop, mapping(occurred_at={"pointer": "/at", "time": "epoch"}))
    path = "/in/" + sender["url"].partition("/in/")[2]
    await shop.client.post(path, json=BODY)
    await shop.work()
    (event,) = (await shop.get("/v1/integrations/g/events", status="failed"))["data"]
    assert "'2026-03-04 10:00' cannot be read" in event["reason"]


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
RAW = b'{"id": 9}'


def mac(signed: bytes, algorithm: str = "sha256", key: bytes = SECRET.encode()) -> bytes:
    return hmac.new(key, signed, algorithm).digest()


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def signed_ways(uri: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Return each way to sign: the rule, and the headers that a sender would send."""
    now = int(time.time())
    ms = str(now * 1000)
    standard_key = b"0123456789abcdef01234567"
    id_ = str(uuid.uuid4())
    rsa_signature = KEY.sign(RAW, padding.PKCS1v15(), hashes.SHA256())
    content = b"POST" + uri.encode() + RAW + ms.encode()
    return [
        ("the body", {"header": "X-Sig"}, {"X-Sig": mac(RAW).hex()}),
        ("sha1 in base64", {"header": "X-Sig", "algorithm": "sha1", "encoding": "base64"},
         {"X-Sig": b64(mac(RAW, "sha1"))}),
        ("sha512 with a prefix", {"header": "X-Sig", "algorithm": "sha512", "prefix": "s="},
         {"X-Sig": "s=" + mac(RAW, "sha512").hex()}),
        ("a time before", {"header": "X-Sig", "timestamp_header": "X-At", "joiner": ":"},
         {"X-Sig": mac(f"{now}:".encode() + RAW).hex(), "X-At": str(now)}),
        ("one header for all",
         {"header": "X-Sig", "combined": {"timestamp": "ts", "signature": "h1", "separator": ";",
                                          "joiner": ":"}},
         {"X-Sig": f"ts={now};h1={'0' * 64};h1={mac(f'{now}:'.encode() + RAW).hex()}"}),
        ("parts in their order",
         {"header": "X-Sig", "encoding": "base64", "timestamp_header": "X-At",
          "parts": ["method", "uri", "body", "timestamp"]},
         {"X-Sig": b64(mac(content)), "X-At": ms}),
        ("standard webhooks", {"scheme": "standard_webhooks"},
         {"webhook-id": id_, "webhook-timestamp": str(now), "webhook-signature": "v1,AAAA v1,"
          + b64(mac(f"{id_}.{now}.".encode() + RAW, key=standard_key))}),
        ("rsa", {"scheme": "rsa", "header": "X-Sig", "encoding": "base64",
                 "public_key": PUBLIC.decode()}, {"X-Sig": b64(rsa_signature)}),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(signed_ways(""))))
async def test_every_way_to_sign(shop: Shop, number: int) -> None:
    _, rule, _ = signed_ways("")[number]
    secret = SECRET
    if rule.get("scheme") == "standard_webhooks":
        secret = "whsec_" + b64(b"0123456789abcdef01234567")
    more = {} if rule.get("scheme") == "rsa" else {"secret": secret}
    sender = await register(shop, mapping(), signature=rule, **more)
    assert sender["has_secret"] is True
    async with shop.state.database.session() as session:
        (state,) = await integration_health.read_health(session, UUID(shop.workspace_id))
    assert state.health == "waiting"
    _, _, headers = signed_ways(sender["url"])[number]
    path = urlsplit(sender["url"]).path
    assert (await shop.client.post(path, content=RAW, headers=headers)).status_code == 202
    changed = await shop.client.post(path, content=RAW + b" ", headers=headers)
    assert changed.status_code == 401
    assert (await shop.client.post(path, content=RAW)).status_code == 401
    text = RAW.decode()
    for sent, verdict in ((headers, "ok"), ({}, "absent"), (dict.fromkeys(headers, "x"), "wrong")):
        preview = await try_out(shop, text, **sent)
        assert preview["signature"] == verdict


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"header": "X", "scheme": "rsa"}, {"header": "X", "public_key": "x"},
        {"header": "X", "scheme": "rsa", "public_key": "-----BEGIN PUBLIC KEY-----"},
        {"header": "X", "parts": ["timestamp", "body"]}, {"header": "X", "parts": ["path"]},
        {"header": "X", "combined": {"timestamp": "t"}}, {"header": "X", "algorithm": "md5"},
    ],
)  # fmt: skip
async def test_a_wrong_signature_rule_is_refused(shop: Shop, rule: Any) -> None:
    body = {"source": "generic", "mapping": mapping(), "signature": rule, "secret": SECRET}
    reply = await shop.call("POST", "/v1/integrations", json=body)
    assert reply.status_code == 422, reply.text


async def test_a_preview_of_a_known_source_stores_nothing(shop: Shop) -> None:
    await shop.post("/v1/integrations", {"source": "zendesk", "key": "g"})
    body = {"ticket_id": "1", "status": "Gelöst", "updated_at": "2026-03-04T10:00:00Z"}
    preview = await try_out(shop, body)
    assert [interaction["type"] for interaction in preview["interactions"]] == ["ticket.solved"]
    assert preview["signature"] == "absent"
    odd = await try_out(shop, {"ticket_id": "1", "status": "Wie bitte"})
    assert "status_map" in odd["skipped"]
    assert (await try_out(shop, "not json"))["skipped"].startswith("body is not valid JSON")
    assert (await shop.get("/v1/tickets"))["data"] == []
    digest = hashlib.sha256(b"{}").hexdigest()
    assert digest not in json.dumps(await shop.get("/v1/integrations/g/events"))
