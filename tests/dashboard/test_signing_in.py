# SPDX-License-Identifier: Apache-2.0
"""Signing in by a mailed link or a key, out again, and no further than a role allows."""

import html
import re
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import event, text

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.settings import Settings
from app.pages.dashboard.link_mail import LINK_JOB
from app.worker import job_handlers
from tests.dashboard.conftest import PAGES, Browser, link_of
from tests.mailbox import Mailbox, plain_text_of
from tests.shop import Shop


@pytest.mark.parametrize("path", [*PAGES, "/surveys/nps", "/figures/nps.csv"])
async def test_nobody_looks_without_signing_in(browser: Browser, path: str) -> None:
    reply = await browser.open(path)
    assert reply.status_code == 303
    assert reply.headers["location"].startswith("/sign-in?next=")


async def test_a_key_signs_in_and_out(browser: Browser) -> None:
    form = await browser.page("/sign-in")
    assert len(re.findall(r'<input[^>]+type="password"', form)) == 1
    reply = await browser.sign_in(next_="/comments?q=x")
    assert (reply.status_code, reply.headers["location"]) == (303, "/comments?q=x")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert browser.shop.key not in cookie
    for path in PAGES:
        page = await browser.open(path)
        assert page.status_code == 200, (path, page.text)
        assert "default-src 'self'" in page.headers["content-security-policy"]
    cookies = dict(browser.client.cookies)
    out = await browser.send("/sign-out", page="/")
    assert out.headers["location"] == "/sign-in"
    browser.client.cookies.update(cookies)
    assert (await browser.open("/")).status_code == 303


async def test_wrong_and_weak_keys_are_refused(browser: Browser, shop: Shop) -> None:
    for key in ("sk_wrong", await shop.make_key("metrics"), await shop.make_key("collect")):
        reply = await browser.sign_in(key)
        assert reply.status_code == 401
        assert "set-cookie" not in reply.headers


async def test_signing_in_leads_to_no_other_site(browser: Browser) -> None:
    for path in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"):
        reply = await browser.sign_in(next_=path)
        assert reply.headers["location"] == "/"


async def test_a_deleted_key_signs_out(browser: Browser, shop: Shop) -> None:
    api_key = await shop.post("/v1/api-keys", {"name": "k", "scopes": ["read"]})
    assert (await browser.sign_in(api_key["secret"])).status_code == 303
    await browser.page("/")
    await shop.call("DELETE", f"/v1/api-keys/{api_key['id']}")
    assert (await browser.open("/")).status_code == 303


async def test_a_member_signs_in_by_a_mailed_link_once(browser: Browser, shop: Shop) -> None:
    email = f"eva-{shop.workspace_key}@c.pl"
    body = {"email": email, "name": "Eva", "role": "responder", "locale": "pl"}
    await shop.post("/v1/members", body)
    again = await shop.call("POST", "/v1/members", json=body)
    assert again.status_code == 409
    known = await browser.client.post("/sign-in", data={"email": email.upper()})
    unknown = await browser.client.post("/sign-in", data={"email": "nobody@c.pl"})
    assert known.text == unknown.text
    link = await link_of(shop, email)
    # A scanner opens it, twice; only a press uses it up.
    for _ in range(2):
        assert (await browser.open(link)).status_code == 200
        assert not browser.client.cookies
    signed_in = await browser.client.post(link, data={"next": "/journey"})
    assert signed_in.headers["location"] == "/journey"
    assert "Ścieżka klienta" in await browser.page("/journey")
    used = await browser.client.post(link, data={})
    assert used.status_code == 410


async def test_members_and_strangers_cost_the_same_work(
    app: FastAPI, browser: Browser, shop: Shop
) -> None:
    """What is done before the reply is the same to the statement, so its time tells nothing."""
    email = f"known-{shop.workspace_key}@c.pl"
    await shop.post("/v1/members", {"email": email, "name": "Known"})
    engine = app.state.database.engine.sync_engine
    ran: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        ran.append(statement)

    statements = {}
    event.listen(engine, "before_cursor_execute", note)
    try:
        for address in (email, f"stranger-{shop.workspace_key}@c.pl"):
            ran.clear()
            reply = await browser.client.post("/sign-in", data={"email": address})
            assert reply.status_code == 200
            statements[address] = list(ran)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    known, stranger = statements.values()
    assert known == stranger
    assert known
    assert not any("member" in statement for statement in known)


async def test_a_link_leads_back_to_a_filtered_page(browser: Browser, shop: Shop) -> None:
    email = f"f-{shop.workspace_key}@c.pl"
    await shop.post("/v1/members", {"email": email, "name": "F"})
    next_ = "/comments?survey=&q=late&band=detractor"
    for _ in range(3):
        await browser.client.post("/sign-in", data={"email": email, "next": next_})
    link = await link_of(shop, email)
    page = await browser.page(link)
    assert html.escape(next_) in page
    again = await browser.client.post("/sign-in", data={"email": email})
    assert again.status_code == 200
    assert await link_of(shop, email) == link
    target = "/ Your account is locked: sign in at https://evil.example"
    reply = await browser.sign_in(next_=target)
    assert reply.headers["location"] == "/"


async def test_a_link_whose_mail_had_to_wait_is_mailed_by_the_retry(
    browser: Browser, shop: Shop, settings: Settings, database: Database
) -> None:
    email = f"late-{shop.workspace_key}@c.pl"
    await shop.post("/v1/members", {"email": email, "name": "Late"})
    mailbox = Mailbox()
    by_mail = job_handlers(
        database, settings.model_copy(update={"smtp_url": SecretStr(mailbox.url)})
    )
    await browser.client.post("/sign-in", data={"email": email})
    await shop.work(known=by_mail)
    mailbox.start()
    try:
        async with database.transaction() as session:
            due = text("update job set run_at = :now where kind = :kind and workspace_id = :id")
            values = {"now": utc_now(), "kind": LINK_JOB, "id": UUID(shop.workspace_id)}
            await run_sql(session, due.bindparams(**values))
        await shop.work(known=by_mail)
        (mail,) = mailbox.mails
    finally:
        mailbox.stop()
    link = re.search(r"/sign-in/\S+", plain_text_of(mail))
    assert link
    signed_in = await browser.client.post(link[0], data={})
    assert signed_in.headers["location"] == "/"


async def test_a_link_is_good_for_a_quarter_of_an_hour(
    browser: Browser, shop: Shop, database: Database
) -> None:
    email = f"old-{shop.workspace_key}@c.pl"
    await shop.post("/v1/members", {"email": email, "name": "Old"})
    await browser.client.post("/sign-in", data={"email": email})
    link = await link_of(shop, email)
    async with database.transaction() as session:
        await run_sql(
            session,
            text("update sign_in_link set expires_at = :now").bindparams(now=utc_now()),
        )
    assert (await browser.client.post(link, data={})).status_code == 410


async def test_roles_hold_and_end_with_the_member(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    answer = (await shop.answer("nps", {"score": 1, "why": "Late again"})).json()
    email = f"v-{shop.workspace_key}@c.pl"
    member = await shop.post("/v1/members", {"email": email, "name": "Viewer"})
    await browser.client.post("/sign-in", data={"email": email})
    await browser.client.post(await link_of(shop, email), data={})
    page = await browser.page(f"/responses/{answer['id']}")
    assert "You may see this" in page
    path = f"/responses/{answer['id']}/follow-up"
    refused = await browser.send(path, page="/", status="resolved")
    assert refused.status_code == 403
    await shop.call("PATCH", f"/v1/members/{member['id']}", json={"role": "responder"})
    allowed = await browser.send(path, page="/", status="contacted")
    assert allowed.status_code == 303
    await shop.call("DELETE", f"/v1/members/{member['id']}")
    assert (await browser.open("/")).status_code == 303


async def test_a_form_of_another_site_is_refused(
    browser: Browser, shop: Shop, app: FastAPI, other_shop: Shop
) -> None:
    await shop.publish("nps")
    answer = (await shop.answer("nps", 1)).json()
    await browser.sign_in()
    path = f"/responses/{answer['id']}/follow-up"
    without = await browser.client.post(path, data={"status": "resolved"})
    assert without.status_code == 403
    forged = await browser.client.post(path, data={"status": "resolved", "_csrf": "x" * 60})
    assert forged.status_code == 403
    stranger = Browser(app, other_shop)
    await stranger.sign_in()
    csrf = re.search(r'name="_csrf" value="([^"]+)"', await stranger.page("/"))
    assert csrf
    theirs = await browser.client.post(path, data={"status": "resolved", "_csrf": csrf[1]})
    assert theirs.status_code == 403
    crossed = await browser.client.post(
        "/sign-out", data={}, headers={"sec-fetch-site": "cross-site"}
    )
    assert crossed.status_code == 403
    assert (await shop.get(f"/v1/responses/{answer['id']}"))["follow_up"]["status"] == "open"


async def test_members_are_listed_and_validated(shop: Shop, browser: Browser) -> None:
    for body in ({"email": "x", "name": "X"}, {"email": "a@c.pl"}, {"role": "boss"}):
        reply: Any = await shop.call("POST", "/v1/members", json=body)
        assert reply.status_code == 422
    member = await shop.post("/v1/members", {"email": "A@c.pl", "name": "A"})
    assert (member["email"], member["role"], member["locale"]) == ("a@c.pl", "viewer", "en")
    assert [row["id"] for row in (await shop.get("/v1/members"))["data"]] == [member["id"]]
    reader = await shop.make_key("write")
    assert (await shop.call("GET", "/v1/members", key=reader)).status_code == 403
