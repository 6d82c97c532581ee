# SPDX-License-Identifier: Apache-2.0
"""Odd values in every query parameter and path give a clear error or a page, never a 500."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from tests.shop import Shop

ODD = ["'", '"', "%", "\\", "\x00", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
       "-1", "1e999", "9" * 40, "😀", "../..", "null", "[]", "{}", "a" * 5000, "", " ",
       "2026-13-45", "0001-01-05", "9999-12-31",
       "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]  # fmt: skip
PAGES = ["/s/{public_id}", "/s/{public_id}/poster", "/i/{token}", "/i/{token}/9", "/u/{token}",
         "/i/{token}/data", "/guides", "/sign-in", "/", "/journey", "/comments",
         "/experience", "/answers", "/w/surveys/{public_id}"]  # fmt: skip
PAGE_NAMES = ["lang", "ref", "src", "p.store", "kiosk", "r", "again", "done", "next", "a.score",
              "period", "survey", "cursor", "q", "from", "to", "by", "insight", "order",
              "ticket"]  # fmt: skip


def parameters(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query":
                yield path, parameter["name"]


async def test_no_query_of_the_api_is_a_fault(app: FastAPI, shop: Shop) -> None:
    await shop.publish("s")
    ids = {"survey": "s", "reference": "s", "metric": "nps", "question": "score", "key": "s"}
    walked = 0
    for path, name in parameters(app.openapi()):
        url = path
        for part in path.split("{")[1:]:
            key = part.split("}")[0]
            url = url.replace("{" + key + "}", ids.get(key, "x"))
        for value in ODD:
            reply = await shop.call("GET", url, params={name: value})
            assert reply.status_code < 500, (url, name, value, reply.text)
            walked += 1
    assert walked > 1000


async def test_odd_paths_are_no_fault(app: FastAPI, shop: Shop) -> None:
    await shop.publish("s")
    for path in [route for route in app.openapi()["paths"] if "{" in route]:
        for value in ("%27", "%00", "%25", "%F0%9F%98%80", "%ED%A0%80", "a" * 3000, "-1"):
            url = path
            for part in path.split("{")[1:]:
                url = url.replace("{" + part.split("}")[0] + "}", value)
            reply = await shop.call("GET", url)
            assert reply.status_code < 500, (url, reply.text)


async def test_no_query_of_a_page_is_a_fault(shop: Shop) -> None:
    survey = await shop.publish("s")
    body = {"survey": "s", "customer": {"email": "a@e.pl"}, "channel": "link"}
    token = (await shop.post("/v1/invitations", body))["url"].rpartition("/")[2]
    await shop.client.post("/sign-in", data={"key": shop.key, "next": "/"})
    for path in PAGES:
        url = path.format(public_id=survey["public_id"], token=token)
        for name in PAGE_NAMES:
            for value in ODD:
                reply = await shop.client.get(url, params={name: value})
                assert reply.status_code < 500, (url, name, value)
                if url.startswith(("/s/", "/i/", "/u/")):
                    # A respondent is asked all the same.
                    assert reply.status_code in {200, 303}, (url, name, value)
