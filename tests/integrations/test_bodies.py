# SPDX-License-Identifier: Apache-2.0
"""Bodies of webhooks: forms and JSON, plain and compressed, whole and cut off."""

import gzip
import json
import zlib

import pytest

from tests.integrations.test_mapping import mapping, register
from tests.shop import Shop

FORM = b"id=9&who%5Bmail%5D=lea%40e.fr&tag=a&tag=b&empty="


SENT: list[tuple[str, bytes, dict[str, str]]] = [
    ("a form", FORM, {"content-type": "application/x-www-form-urlencoded"}),
    ("JSON with a mark", b"\xef\xbb\xbf" + json.dumps({"id": 9, "who": {"mail": "lea@e.fr"},
                                                       "tag": ["a", "b"]}).encode(), {}),
    ("a compressed form", gzip.compress(FORM),
     {"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"}),
    ("a form in two gzip members", gzip.compress(FORM[:20]) + gzip.compress(FORM[20:]),
     {"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"}),
    ("a zlib form under the name gzip", zlib.compress(FORM),
     {"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"}),
    ("a gzip form under the name deflate", gzip.compress(FORM),
     {"content-type": "application/x-www-form-urlencoded", "content-encoding": "deflate"}),
    ("a deflated form", zlib.compress(FORM),
     {"content-type": "application/x-www-form-urlencoded", "content-encoding": "deflate"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers"), [row[1:] for row in SENT], ids=[row[0] for row in SENT]
)
async def test_bodies_of_every_form_are_read(
    shop: Shop, body: bytes, headers: dict[str, str]
) -> None:
    rules = mapping(customer={"email": "/who/mail"}, properties={"tags": "/tag"})
    sender = await register(shop, rules)
    path = "/in/" + sender["url"].partition("/in/")[2]
    reply = await shop.client.post(path, content=body, headers=headers)
    assert reply.status_code == 202
    await shop.work()
    (interaction,) = (await shop.get("/v1/interactions"))["data"]
    assert (interaction["external_id"], interaction["properties"]) == ("9", {"tags": ["a", "b"]})


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", gzip.compress(b"0" * (2 << 20)), "larger than 1 MiB"),
        ("deflate", zlib.compress(b"0" * (2 << 20)), "larger than 1 MiB"),
        ("gzip", gzip.compress(FORM)[:-12], "cut off"),
        ("deflate", zlib.compress(FORM)[:-6], "cut off"),
        ("gzip", b"plain", "not valid gzip"),
        ("deflate", b"plain", "not valid deflate"),
        ("br", b"{}", "gzip and deflate"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_kept_with_its_reason(
    shop: Shop, coding: str, body: bytes, reason: str
) -> None:
    sender = await register(shop, mapping())
    path = "/in/" + sender["url"].partition("/in/")[2]
    headers = {"content-encoding": coding, "content-type": "application/x-www-form-urlencoded"}
    reply = await shop.client.post(path, content=body, headers=headers)
    assert reply.status_code == 202
    await shop.work()
    (event,) = (await shop.get("/v1/integrations/g/events", status="failed"))["data"]
    assert reason in event["reason"]
