"""The dashboard, as a manager's browser asks for it: sign in, look, follow up, sign out."""

import datetime as dt
import html
import json
import re
from importlib.resources import files
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.core.database import Database, run_sql
from app.pages.dashboard.words import Said
from tests.shop import Shop

PAGES = ["/", "/journey", "/experience", "/follow-ups", "/comments", "/decisions", "/connections"]


class Browser:
    """A visitor with cookies; forms are read from the pages as they are."""

    def __init__(self, app: FastAPI, shop: Shop) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.shop = shop
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    async def open(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def page(self, path: str) -> str:
        reply = await self.open(path)
        assert reply.status_code == 200, reply.text
        return reply.text

    async def sign_in(self, key: str | None = None, next_: str = "/") -> httpx.Response:
        fields = {"key": key or self.shop.key, "next": next_}
        return await self.client.post("/sign-in", data=fields)

    async def send(self, path: str, *, page: str, **fields: str) -> httpx.Response:
        found = re.search(r'name="_csrf" value="([^"]+)"', await self.page(page))
        assert found
        return await self.client.post(path, data={"_csrf": html.unescape(found[1]), **fields})


@pytest.fixture
def browser(app: FastAPI, shop: Shop) -> Browser:
    return Browser(app, shop)


async def link_of(shop: Shop, email: str) -> str:
    """Return the path of the latest link that was mailed to an address."""
    await shop.work()
    state = shop.client._transport.app.state  # type: ignore[attr-defined]
    folder = state.settings.data_dir / "mail"
    mails = sorted(folder.glob("*.notice.eml"), key=lambda path: path.stat().st_mtime)
    found = [path.read_text() for path in mails if f"To: {email}" in path.read_text()]
    assert found, email
    path = re.search(r"http://127\.0\.0\.1:8000(/sign-in/\S+)", found[-1].replace("=\n", ""))
    assert path
    return path[1].replace("=3D", "=")


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
    kept = dict(browser.client.cookies)
    out = await browser.send("/sign-out", page="/")
    assert out.headers["location"] == "/sign-in"
    browser.client.cookies.update(kept)
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
    made = await shop.post("/v1/api-keys", {"name": "k", "scopes": ["read"]})
    assert (await browser.sign_in(made["secret"])).status_code == 303
    await browser.page("/")
    await shop.call("DELETE", f"/v1/api-keys/{made['id']}")
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
    said = "/ Your account is locked: sign in at https://evil.example"
    reply = await browser.sign_in(next_=said)
    assert reply.headers["location"] == "/"


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
            text("update sign_in_link set expires_at = expires_at - interval '15 minutes'"),
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
    assert "You may look" in page
    path = f"/responses/{answer['id']}/follow-up"
    refused = await browser.send(path, page="/", status="resolved")
    assert refused.status_code == 403
    await shop.call("PATCH", f"/v1/members/{member['id']}", json={"role": "responder"})
    allowed = await browser.send(path, page="/", status="contacted")
    assert allowed.status_code == 303
    await shop.call("DELETE", f"/v1/members/{member['id']}")
    assert (await browser.open("/")).status_code == 303


async def test_a_low_score_opens_by_itself_and_is_followed_up(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    who = {"email": "ala@c.pl", "name": "Ala Nowak"}
    answer = (await shop.answer("nps", {"score": 1, "why": "Late again"}, customer=who)).json()
    await browser.sign_in()
    listed = await browser.page("/follow-ups")
    assert "Ala Nowak" in listed
    assert "Late again" in listed
    path = f"/responses/{answer['id']}/follow-up"
    fields = {"status": "contacted", "assignee": "eva", "due_at": "2020-01-31", "note": "Called"}
    saved = await browser.send(path, page=f"/responses/{answer['id']}", **fields)
    assert saved.status_code == 303
    page = await browser.page(saved.headers["location"])
    assert "Saved." in page
    assert "Called" in page
    assert "overdue" in await browser.page("/follow-ups?overdue=true&owner=eva")
    stored = (await shop.get(f"/v1/responses/{answer['id']}"))["follow_up"]
    assert (stored["status"], stored["assignee"]) == ("contacted", "eva")
    assert stored["notes"][0]["text"] == "Called"
    await browser.send(path, page="/", status="resolved", assignee="eva", due_at="")
    assert "Nobody waits" in await browser.page("/follow-ups")
    for odd in ({"status": "nope"}, {"status": "open", "due_at": "soon"}):
        assert (await browser.send(path, page="/", **odd)).status_code == 422


async def test_follow_ups_are_paged_and_keep_their_time(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    lines = [
        {"survey": "nps", "channel": "api", "answers": {"score": 1, "why": f"Word {n}."}}
        for n in range(55)
    ]
    await shop.call("POST", "/v1/responses/batch", json=lines)
    await browser.sign_in()
    first = await browser.page("/follow-ups")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = await browser.page(html.unescape(older[1]))
    rows = [*re.findall(r"Word \d+\.", first), *re.findall(r"Word \d+\.", second)]
    assert len(set(rows)) == len(rows) == 55
    (answer, *_) = (await shop.get("/v1/responses"))["data"]
    due = {"follow_up": {"status": "open", "due_at": "2030-01-31T14:00:00Z"}}
    await shop.call("PATCH", f"/v1/responses/{answer['id']}", json=due)
    path = f"/responses/{answer['id']}/follow-up"
    await browser.send(path, page="/", status="contacted", due_at="2030-01-31")
    kept = (await shop.get(f"/v1/responses/{answer['id']}"))["follow_up"]
    assert (kept["status"], kept["due_at"]) == ("contacted", "2030-01-31T14:00:00Z")
    for odd in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        body = {"follow_up": {"due_at": odd}}
        reply = await shop.call("PATCH", f"/v1/responses/{answer['id']}", json=body)
        assert reply.status_code == 422


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
    found = re.search(r'name="_csrf" value="([^"]+)"', await stranger.page("/"))
    assert found
    theirs = await browser.client.post(path, data={"status": "resolved", "_csrf": found[1]})
    assert theirs.status_code == 403
    crossed = await browser.client.post(
        "/sign-out", data={}, headers={"sec-fetch-site": "cross-site"}
    )
    assert crossed.status_code == 403
    assert (await shop.get(f"/v1/responses/{answer['id']}"))["follow_up"]["status"] == "open"


async def test_a_neighbours_answers_are_not_there(
    browser: Browser, shop: Shop, other_shop: Shop
) -> None:
    await other_shop.publish("theirs")
    answer = (await other_shop.answer("theirs", {"score": 1, "why": "Their secret"})).json()
    await browser.sign_in()
    for path in PAGES:
        assert "Their secret" not in await browser.page(path)
    assert (await browser.open(f"/responses/{answer['id']}")).status_code == 404
    assert (await browser.open("/surveys/theirs")).status_code == 404
    assert (await browser.open("/?survey=theirs")).status_code == 422


async def test_figures_are_those_of_the_api_and_every_chart_has_its_table(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps", touchpoint="shop")
    for score in (10, 9, 8, 3, 0):
        await shop.answer("nps", score)
    await browser.sign_in()
    page = await browser.page("/?period=12mo")
    total = (await shop.metric("nps", period="12mo"))["total"]
    assert f'<p class="value">{total["display"]}</p>' in page
    low, high = (f"{bound:.0f}".replace("-", "−") for bound in total["ci"])
    assert f"{low} … {high}" in page
    charts = page.count("<svg")
    assert charts >= 2
    assert page.count('role="img"') == charts
    assert page.count("<desc") == charts
    assert page.count("<caption>") == charts
    csv = await browser.page("/figures/nps.csv?period=12mo")
    api = await shop.call("GET", "/v1/metrics/nps?period=12mo&interval=month&format=csv")
    assert csv == api.text


async def test_filters_narrow_every_view(browser: Browser, shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"segments": ["store"]})
    await shop.work()
    await shop.publish("nps")
    for score, store, channel in ((10, "W", "web"), (0, "K", "email"), (0, "K", "email")):
        body = {"survey": "nps", "channel": channel, "answers": {"score": score}}
        await shop.post("/v1/responses", body | {"properties": {"store": store}})
    await browser.sign_in()
    assert '<p class="value">−33</p>' in await browser.page("/")
    assert '<p class="value">100</p>' in await browser.page("/?property.store=W&survey=")
    assert '<p class="value">−100</p>' in await browser.page("/?channel=email&property.store=")
    assert '<option value="K" selected>' in await browser.page("/?property.store=K")
    assert (await browser.open("/?period=soon")).status_code == 422
    assert (await browser.open("/?chanel=web")).status_code == 422


async def test_without_data_each_page_says_what_to_do_next(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    assert "Nothing has been asked yet" in await browser.page("/")
    hints = {
        "/journey": "No touchpoint is known yet", "/experience": "Tag rating questions",
        "/follow-ups": "Nobody waits", "/comments": "Nobody has written",
        "/decisions": "No trigger has decided", "/connections": "No system listens yet",
    }  # fmt: skip
    for path, hint in hints.items():
        assert hint in await browser.page(path), path
    await shop.publish("nps")
    assert "The survey is live" in await browser.page("/")


async def test_the_experience_is_shown_with_intervals(browser: Browser, shop: Shop) -> None:
    questions = [
        {"key": "score", "type": "nps", "text": {"en": "?"}},
        {"key": "kind", "type": "rating", "driver": "courtesy", "pillar": "empathy",
         "text": {"en": "?"}},
        {"key": "mood", "type": "emotion", "text": {"en": "?"}},
    ]  # fmt: skip
    await shop.publish("x", questions=questions, metric="nps", touchpoint="counter")
    await shop.call("PUT", "/v1/touchpoints/counter", json={"stage": "during"})
    for kind in (5, 4, 4):
        await shop.answer("x", {"score": 9, "kind": kind, "mood": "joy"})
    await browser.sign_in()
    page = await browser.page("/experience")
    rows = (await shop.metric("rating", group_by="driver"))["rows"]
    assert f"{rows[0]['mean_0_100']:.1f}" in page
    assert "Courtesy" in page
    assert "Empathy" in page
    assert "Joy" in page
    assert 'class="whisker"' in page
    journey = await browser.page("/journey")
    assert journey.index("During the purchase") < journey.index("<h3>counter")


async def test_connections_show_what_is_wrong(
    browser: Browser, shop: Shop, database: Database
) -> None:
    wanted = {"url": "mailto:a@c.pl", "events": ["response.created"]}
    endpoint = await shop.post("/v1/webhook-endpoints", wanted)
    await shop.post("/v1/integrations", {"source": "zendesk"})
    sender = await shop.post("/v1/integrations", {"source": "freshdesk"})
    path = "/in/" + sender["url"].partition("/in/")[2]
    for number in range(12):
        await shop.client.post(path, json={"ticket_id": number, "event": "ticket.created"})
    await browser.sign_in()
    page = await browser.page("/connections")
    assert "waits for its secret" in page
    assert "silent" not in page
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "update inbound_event set received_at = received_at - interval '3 days' "
                "where workspace_id = cast(:id as uuid)"
            ).bindparams(id=shop.workspace_id),
        )
        await run_sql(
            session,
            text(
                "update webhook_endpoint set disabled_at = now(), disabled_reason = 'gone away' "
                "where id = cast(:id as uuid)"
            ).bindparams(id=endpoint["id"]),
        )
    page = await browser.page("/connections")
    assert "silent: longer than it usually is" in page
    assert "gone away" in page
    assert "gone away" in await browser.page("/")


async def test_decisions_say_why_nobody_was_asked(browser: Browser, shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    await shop.happened("ticket.solved", "e-1", ticket="7")
    await browser.sign_in()
    page = await browser.page("/decisions")
    assert "no address" in page
    assert "skipped" in page


async def test_comments_are_searched_and_paged(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    for number in range(55):
        await shop.answer("nps", {"score": number % 11, "why": f"Word {number} <b>"})
    await browser.sign_in()
    first = await browser.page("/comments")
    assert "Word 54 &lt;b&gt;" in first
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    assert "Word 4 " in await browser.page(html.unescape(older[1]))
    found = await browser.page("/comments?q=word+17&band=passive")
    assert found.count("<blockquote>") == 1 if 17 % 11 in {7, 8} else "No answers" in found


@pytest.mark.parametrize("language", ["pl", "ro"])
async def test_the_dashboard_speaks_its_readers_language(
    browser: Browser, shop: Shop, language: str
) -> None:
    browser.client.headers["accept-language"] = language
    await browser.sign_in()
    said = Said(language)
    for path, name in zip(PAGES, ("overview", "journey", "experience"), strict=False):
        page = await browser.page(path)
        assert f'<html lang="{language}"' in page
        assert f"<h1>{said[name]}</h1>" in page


def test_every_word_is_there_in_every_language() -> None:
    words = json.loads(files("app.pages.dashboard").joinpath("words.json").read_text())
    assert all(set(texts) == {"en", "pl", "ro"} for texts in words.values())
    templates = files("app.pages").joinpath("templates/dashboard")
    for template in templates.iterdir():
        for name in re.findall(r'said\["([a-z_.]+)"\]', template.read_text()):
            assert name in words, (template.name, name)


NUMBERS: list[tuple[str, float, int, str]] = [
    ("en", 1234567.891, 1, "1,234,567.9"), ("pl", 1234567.891, 1, "1 234 567,9"),
    ("ro", 1234567.891, 1, "1.234.567,9"), ("en", -8.86, 0, "−9"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "value", "digits", "text_"), NUMBERS)
def test_numbers_are_written_as_the_language_does(
    language: str, value: float, digits: int, text_: str
) -> None:
    assert Said(language).number(value, digits).replace("\xa0", " ") == text_


def test_lengths_of_time_are_short() -> None:
    said = Said("en")
    seconds = [None, 90, 3700, 7260, 200_000]
    assert [said.duration(s) for s in seconds] == [
        "–",
        "2 min",
        "1 h 1 min",
        "2 h 1 min",
        "2 d 7 h",
    ]
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert said.moment(moment, dt.UTC) == "2026-01-01 00:00"


async def test_members_are_listed_and_validated(shop: Shop, browser: Browser) -> None:
    for body in ({"email": "x", "name": "X"}, {"email": "a@c.pl"}, {"role": "boss"}):
        reply: Any = await shop.call("POST", "/v1/members", json=body)
        assert reply.status_code == 422
    made = await shop.post("/v1/members", {"email": "A@c.pl", "name": "A"})
    assert (made["email"], made["role"], made["locale"]) == ("a@c.pl", "viewer", "en")
    assert [m["id"] for m in (await shop.get("/v1/members"))["data"]] == [made["id"]]
    reader = await shop.make_key("write")
    assert (await shop.call("GET", "/v1/members", key=reader)).status_code == 403


async def test_one_survey_has_its_page(browser: Browser, shop: Shop) -> None:
    questions = [
        {"key": "score", "type": "nps", "text": {"en": "?"}},
        {"key": "kind", "type": "rating", "driver": "waiting", "text": {"en": "?"}},
        {"key": "why", "type": "text", "text": {"en": "?"}},
    ]
    await shop.publish("mine", questions=questions, metric="nps", name="My survey")
    await shop.publish("other")
    await shop.answer("mine", {"score": 10, "kind": 5, "why": "Mine"})
    await shop.answer("other", {"score": 0, "why": "Not mine"})
    await browser.sign_in()
    page = await browser.page("/surveys/mine")
    assert "<h1>My survey</h1>" in page
    assert '<p class="value">100</p>' in page
    assert "Waiting time" in page
    assert "Mine" in page
    assert "Not mine" not in page
