# SPDX-License-Identifier: Apache-2.0
"""Ids, sealed boxes and telemetry."""

import asyncio
import gzip
import json
import logging
import re
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core import flags
from app.core.database import (
    Database,
    DatabaseUnreachableError,
    is_connection_lost,
    run_sql,
)
from app.core.guarded_http import is_public
from app.core.ids import derived_uuid, derived_uuid_sql, keyed_uuid, keyed_uuids, uuid7
from app.core.log import JsonFormatter, request_id
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.text_types import escape_csv_formula, slug_of
from tests.shop import Shop

ID = uuid.uuid4()


def test_ids_are_uuid7_in_the_order_of_time() -> None:
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first < second
    assert len({uuid7() for _ in range(5000)}) == 5000


def test_derived_ids_are_uuid8_and_depend_on_every_part() -> None:
    assert derived_uuid("a", "b") == derived_uuid("a", "b")
    assert derived_uuid("a", "b") != derived_uuid("ab", "")
    assert (derived_uuid("a").version, derived_uuid("a").variant) == (8, uuid.RFC_4122)


async def test_the_database_derives_the_same_ids(database: Database) -> None:
    names = [("a", f"zażółć {number}") for number in range(100)]
    statement = text(
        f"select {derived_uuid_sql('n.one', 'n.two')} from unnest(cast(:one as text[]), "
        "cast(:two as text[])) with ordinality n(one, two, number) order by n.number"
    ).bindparams(one=[name[0] for name in names], two=[name[1] for name in names])
    async with database.session() as session:
        ids = [row[0] for row in await run_sql(session, statement)]
    assert ids == [derived_uuid(*name) for name in names]


def test_a_rotated_secret_key_still_opens_and_a_foreign_one_does_not() -> None:
    sealed = SealedBox(["old"]).seal(b"secret")
    assert b"secret" not in sealed
    assert SealedBox(["new", "old"]).unseal(sealed) == b"secret"
    assert SealedBox(["other"]).unseal(sealed) is None


def test_a_log_line_is_json_with_the_request_it_belongs_to() -> None:
    token = request_id.set("r-1")
    record = logging.LogRecord("afterword", logging.ERROR, "", 0, "żółw %s", ("x",), None)
    record.__dict__["status"] = 500
    line = json.loads(JsonFormatter().format(record))
    request_id.reset(token)
    assert (line["message"], line["status"], line["request_id"]) == ("żółw x", 500, "r-1")


async def test_health_and_telemetry_are_open_and_tell_the_truth(shop: Shop) -> None:
    await shop.publish("s")
    await shop.answer("s", 9)
    assert (await shop.client.get("/healthz")).json() == {"status": "ok"}
    ready = (await shop.client.get("/readyz")).json()
    mail = "stored: AFTERWORD_SMTP_URL is not set"
    assert ready["checks"] == {
        "database": "ok", "migrations": "ok", "mail": mail, "sending": "on",
    }  # fmt: skip
    output = (await shop.client.get("/metrics")).text
    assert 'afterword_answers_total{outcome="created"}' in output
    assert shop.key not in output


def refusals(metrics: str) -> dict[str, float]:
    counts = re.findall(r'afterword_refused_total\{reason="(\w+)"\} ([\d.]+)', metrics)
    return {reason: float(count) for reason, count in counts}


async def test_a_refusal_is_counted_the_same_on_every_route(shop: Shop) -> None:
    await shop.publish("s")
    reader = await shop.make_key("read")
    line = {"survey": "s", "channel": "api", "answers": {"score": 9}}
    about = {"type": "visit", "source": "s", "external_id": "1"}
    posts: list[tuple[str, Any]] = [
        ("/v1/responses", line), ("/v1/responses/batch", [line]),
        ("/v1/surveys", {"template": "nps"}),
        ("/v1/interactions", about), ("/v1/interactions/batch", [about]),
        ("/v1/customers/batch", [{"external_id": "1"}]),
    ]  # fmt: skip
    before = refusals((await shop.client.get("/metrics")).text)
    for path, body in posts:
        assert (await shop.call("POST", path, key=reader, json=body)).status_code == 403
        assert (await shop.call("POST", path, key="sk_unknown", json=body)).status_code == 401
        odd = {"Content-Type": "text/html"}
        assert (await shop.call("POST", path, content=b"x", headers=odd)).status_code == 415
    await shop.call(
        "DELETE", f"/v1/responses/{(await shop.answer('s', 9, id=str(ID))).json()['id']}"
    )
    assert (await shop.answer("s", 9, id=str(ID))).status_code == 409
    assert (await shop.call("POST", "/v1/surveys", json={"template": "nps", "key": "s"})).is_error
    slow = await shop.make_key("write", rate_limit=1)
    path = "/v1/responses/batch"
    replies = [await shop.call("POST", path, key=slow, json=[line]) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 429]
    after = refusals((await shop.client.get("/metrics")).text)
    grown = {reason: count - before.get(reason, 0) for reason, count in after.items()}
    counts = {"scope": 6, "unknown_key": 6, "content_type": 6, "conflict": 2, "rate": 1}
    assert {reason: grown[reason] for reason in counts} == counts


async def test_a_request_that_waits_too_long_for_a_connection_gets_503(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.database_url is not None
    monkeypatch.setattr("app.core.database.MAX_WAIT_SECONDS", 0.1)
    async with Database(settings.database_url, pool_size=1) as database, AsyncExitStack() as stack:
        for _ in range(6):
            session = await stack.enter_async_context(database.session())
            await run_sql(session, text("select 1"))
        with pytest.raises(PoolTimeoutError) as refused:
            async with database.session() as session:
                await run_sql(session, text("select 1"))
        # The edge answers such an error with 503 and Retry-After.
        assert is_connection_lost(refused.value)


async def test_only_a_failed_connection_counts_as_a_lost_database(tmp_path: Path) -> None:
    for url in (
        "postgresql://nobody@no-such-host.invalid/afterword",
        "postgresql://nobody@127.0.0.1:1/afterword",
        f"postgresql://nobody@/afterword?host={tmp_path}",
    ):
        with pytest.raises(DatabaseUnreachableError) as refused:
            await Database(url).connect()
        assert is_connection_lost(refused.value)
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "missing").read_bytes()
    assert not is_connection_lost(missing.value)


async def test_a_proxy_that_is_not_trusted_is_remembered(shop: Shop, database: Database) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    survey = (await shop.publish("s"))["public_id"]
    assert (await shop.client.get(f"/s/{survey}", headers=forwarded)).status_code == 200
    address = None
    for _ in range(100):
        async with database.session() as session:
            address = await flags.read(session, flags.UNTRUSTED_PROXY)
        if address:
            break
        await asyncio.sleep(0.02)
    assert address == "127.0.0.1"


async def test_the_documentation_needs_nothing_from_outside(shop: Shop) -> None:
    page = (await shop.client.get("/docs")).text
    assert "http" not in page.replace("/openapi.json", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "docs.js"):
        reply = await shop.client.get(f"/docs/{asset}")
        assert reply.status_code == 200
        assert len(reply.content) > 100
    assert (await shop.client.get("/docs/../main.py")).status_code == 404


async def test_a_request_keeps_the_id_it_came_with_if_it_is_plain(shop: Shop) -> None:
    reply = await shop.call("GET", "/v1/surveys", headers={"X-Request-ID": "trace-7"})
    assert reply.headers["x-request-id"] == "trace-7"
    odd = await shop.call("GET", "/v1/surveys", headers={"X-Request-ID": "a b"})
    assert odd.headers["x-request-id"] != "a b"


async def test_monitors_may_ask_with_head_and_people_find_the_documentation(shop: Shop) -> None:
    for path in ("/healthz", "/readyz", "/docs"):
        assert (await shop.client.head(path)).status_code == 200
    start = await shop.client.get("/")
    assert (start.status_code, start.headers["location"]) == (303, "/sign-in?next=%2F")
    form = await shop.client.get("/sign-in")
    assert 'href="/docs"' in form.text
    assert 'href="/guides"' in form.text


@pytest.mark.parametrize(
    ("cell", "safe_cell"),
    [
        ("=1+1", "'=1+1"), ("@cmd", "'@cmd"), ("\tx", "'\tx"), ("\rx", "'\rx"),
        ("\uff1d1+1", "'\uff1d1+1"), ("\uff20cmd", "'\uff20cmd"),
        ("-12", "-12"), ("+48600", "+48600"), ("-12.50", "-12.50"), ("-order_7:a", "-order_7:a"),
        ("-1+1", "'-1+1"), ("+48 600", "'+48 600"), ("-2-3*cmd|' /C calc'!A0",
                                                      "'-2-3*cmd|' /C calc'!A0"),
        ("\uff0b1+1", "'\uff0b1+1"), ("a=1", "a=1"), ("", ""),
    ],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_run_is_defused(cell: str, safe_cell: str) -> None:
    assert escape_csv_formula(cell) == safe_cell


@pytest.mark.parametrize(
    ("number", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::ffff:93.184.216.34", False), ("::ffff:10.0.0.1", False), ("5f00::1", False),
        ("64:ff9b::1", False), ("10.0.0.1", False), ("::1", False),
    ],
)  # fmt: skip
def test_only_plain_public_addresses_are_called(number: str, public: bool) -> None:
    assert is_public(number) is public


def test_ids_of_names_that_begin_alike_are_those_of_all_the_names() -> None:
    derive = keyed_uuids(b"key", "import", "survey")
    assert derive("id", "7") == keyed_uuid(b"key", "import", "survey", "id", "7")
    assert derive("id", "8") != derive("id", "7")


def test_keys_are_made_of_any_text_and_none_is_made_twice() -> None:
    keys: list[str] = []
    for text_ in ("A+", "A-", "Zażółć gęślą", "Привет", "Как"):
        keys.append(slug_of(text_, default="option", keys=keys))
    assert keys == ["a", "a-2", "zazolc-gesla", "option", "option-2"]


async def test_gzip_of_several_members_is_read_whole(shop: Shop) -> None:
    await shop.publish("nps")
    answer = {"survey": "nps", "channel": "api"}
    lines = [
        gzip.compress(json.dumps(answer | {"answers": {"score": score}}).encode() + b"\n")
        for score in (9, 1)
    ]
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    reply = await shop.call("POST", "/v1/responses/batch", content=b"".join(lines), headers=headers)
    assert reply.status_code == 200, reply.text
    assert (await shop.metric("nps"))["total"]["n"] == 2
    many = lines[0] * 1001
    for broken in (lines[0] + b"trailing", lines[0] + lines[1][:-3], many):
        refused = await shop.call("POST", "/v1/responses/batch", content=broken, headers=headers)
        assert refused.status_code == 422


@pytest.mark.parametrize(
    "odd", [{"smtp_url": "smtp://h:abc"}, {"smtp_url": "smtp://h:99999"}, {"default_locale": "no!"}]
)
def test_settings_that_would_fail_later_are_refused_at_the_start(odd: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**odd)
