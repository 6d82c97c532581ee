# SPDX-License-Identifier: Apache-2.0
"""The dashboard, as a manager's browser asks for it: look, filter, follow up."""

import dataclasses
import datetime as dt
import html
import itertools
import re

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.pages.dashboard.insight_pages import TABS
from app.pages.dashboard.pages import NAVIGATION
from app.pages.dashboard.pages import PAGES as DASHBOARD_PAGES
from app.pages.dashboard.texts import DashboardTexts
from app.workspaces.scopes import Scope
from tests.dashboard.conftest import PAGES, Browser
from tests.insights.test_insights import drivers_shop
from tests.shop import Shop


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
        {"survey": "nps", "channel": "api", "answers": {"score": 1, "why": f"Word {number}."}}
        for number in range(55)
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
    follow_up = (await shop.get(f"/v1/responses/{answer['id']}"))["follow_up"]
    assert (follow_up["status"], follow_up["due_at"]) == ("contacted", "2030-01-31T14:00:00Z")
    for odd in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        body = {"follow_up": {"due_at": odd}}
        reply = await shop.call("PATCH", f"/v1/responses/{answer['id']}", json=body)
        assert reply.status_code == 422


def test_the_groups_of_the_navigation_stand_together() -> None:
    groups = [page.group for page in NAVIGATION]
    assert [group for group, _ in itertools.groupby(groups)] == list(dict.fromkeys(groups))


def test_every_link_of_the_navigation_has_its_own_icon() -> None:
    icons = [page.icon for page in NAVIGATION]
    assert all(icons)
    assert len(set(icons)) == len(icons)


async def test_what_a_visitor_may_not_see_is_not_shown(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scope of a page guards the page, not its link alone."""
    guarded = dataclasses.replace(DASHBOARD_PAGES["alerts"], scope=Scope.ADMIN)
    api_key = await browser.shop.post("/v1/api-keys", {"name": "reader", "scopes": ["read"]})
    await browser.sign_in(api_key["secret"])
    assert (await browser.open("/alerts")).status_code == 200
    monkeypatch.setitem(DASHBOARD_PAGES, "alerts", guarded)
    assert (await browser.open("/alerts")).status_code == 403


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
    charts = page.count('<figure class="chart"')
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
    assert "The first answer in a few steps" in await browser.page("/")
    hints = {
        "/journey": "No touchpoint is known yet", "/experience": "There is no answer here",
        "/follow-ups": "Nobody waits", "/comments": "Nobody has written",
        "/decisions": "No trigger has decided", "/connections": "No system listens yet",
    }  # fmt: skip
    for path, hint in hints.items():
        assert hint in await browser.page(path), path
    await shop.publish("nps")
    steps = await browser.page("/")
    assert steps.count('<li class="done">') == 2
    await shop.answer("nps", 9)
    steps = await browser.page("/")
    assert steps.count('<li class="done">') == 4
    await shop.answer("nps", 8)
    assert "The first answer in a few steps" not in await browser.page("/")


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
    page = await browser.page("/experience?insight=drivers")
    rows = (await shop.metric("rating", group_by="driver"))["rows"]
    assert f"{rows[0]['mean_0_100']:.1f}" in page
    assert "Courtesy" in page
    assert "Too few answers: 3 of the" in page
    assert "Empathy" in await browser.page("/experience?insight=pillars")
    emotions = await browser.page("/experience?insight=emotions")
    assert "Joy comes first (100 %), but not surely" in emotions
    assert 'class="whisker"' in emotions
    journey = await browser.page("/journey")
    assert journey.index("During the purchase") < journey.index("<h3>counter")


async def test_connections_show_what_is_wrong(
    browser: Browser, shop: Shop, database: Database
) -> None:
    body = {"url": "mailto:a@c.pl", "events": ["response.created"]}
    endpoint = await shop.post("/v1/webhook-endpoints", body)
    await shop.post("/v1/integrations", {"source": "zendesk"})
    sender = await shop.post("/v1/integrations", {"source": "freshdesk"})
    path = "/in/" + sender["url"].partition("/in/")[2]
    for number in range(12):
        await shop.client.post(path, json={"ticket_id": number, "event": "ticket.created"})
    await browser.sign_in()
    page = await browser.page("/connections")
    assert "its secret is missing" in page
    assert "silent" not in page
    async with database.transaction() as session:
        await run_sql(
            session,
            text(
                "update inbound_event set received_at = :then "
                "where workspace_id = cast(:id as uuid)"
            ).bindparams(id=shop.workspace_id, then=utc_now() - dt.timedelta(days=3)),
        )
        await run_sql(
            session,
            text(
                "update webhook_endpoint set disabled_at = now(), disabled_reason = 'gone away' "
                "where id = cast(:id as uuid)"
            ).bindparams(id=endpoint["id"]),
        )
    page = await browser.page("/connections")
    assert "silent for longer than usual" in page
    assert "gone away" in page
    assert "gone away" in await browser.page("/")


async def test_decisions_say_why_nobody_was_asked(browser: Browser, shop: Shop) -> None:
    await shop.publish("ces", "ces")
    await shop.make_trigger("ces")
    await shop.record("ticket.solved", "e-1", ticket="7")
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
    page = await browser.page("/comments?q=word+18&band=passive")
    assert page.count("<blockquote>") == 1
    assert "No answers" in await browser.page("/comments?q=word+17&band=passive")


@pytest.mark.parametrize(
    ("accepted", "language"), [("pl-PL,pl;q=0.9,en;q=0.8", "pl"), ("ro", "ro")]
)
async def test_the_dashboard_speaks_its_readers_language(
    browser: Browser, shop: Shop, accepted: str, language: str
) -> None:
    browser.client.headers["accept-language"] = accepted
    await browser.sign_in()
    texts = DashboardTexts(language)
    for path, name in (("/", "overview"), ("/journey", "journey"), ("/experience", "experience")):
        page = await browser.page(path)
        assert f'<html lang="{language}"' in page
        assert f"<h1>{texts[name]}</h1>" in page


NUMBERS: list[tuple[str, float, int, str]] = [
    ("en", 1234567.891, 1, "1,234,567.9"), ("pl", 1234567.891, 1, "1 234 567,9"),
    ("ro", 1234567.891, 1, "1.234.567,9"), ("en", -8.86, 0, "−9"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "value", "digits", "text_"), NUMBERS)
def test_numbers_are_written_as_the_language_does(
    language: str, value: float, digits: int, text_: str
) -> None:
    assert DashboardTexts(language).number(value, digits).replace("\xa0", " ") == text_


def test_lengths_of_time_are_short() -> None:
    texts = DashboardTexts("en")
    seconds = [None, 90, 3700, 7260, 200_000]
    assert [texts.duration(duration) for duration in seconds] == [
        "–",
        "2 min",
        "1 h 1 min",
        "2 h 1 min",
        "2 d 7 h",
    ]
    moment = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    assert texts.moment(moment, dt.UTC) == "1\u00a0Jan\u00a02025,\u00a000:00"


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


async def test_a_bad_experience_that_stays_bad_is_no_recovery(browser: Browser, shop: Shop) -> None:
    """As in public ratings of airlines: after a bad rating a good one is rare."""
    await shop.publish("nps")
    now = dt.datetime.now(dt.UTC)
    for number in range(60):
        was_bad = number % 2 == 0
        is_good = number % 20 == 0 if was_bad else number % 20 != 1
        for days, score in ((40, 2 if was_bad else 10), (20, 9 if is_good else 3)):
            await shop.answer(
                "nps", score, customer={"external_id": f"c{number}"},
                responded_at=(now - dt.timedelta(days=days, minutes=number)).isoformat(),
            )  # fmt: skip
    await browser.sign_in()
    page = html.unescape(await browser.page("/experience?insight=recovery"))
    control = (await shop.get("/v1/insights/recovery", period="12mo"))["control"]
    assert control["p_good_after_bad"] < 20
    assert control["p_good_after_good"] > 80
    assert DashboardTexts("en")["sentence.recovery_none"] in page


@pytest.mark.parametrize("tab", TABS)
async def test_every_tab_opens_without_answers(browser: Browser, shop: Shop, tab: str) -> None:
    await browser.sign_in()
    await browser.page(f"/experience?insight={tab}")
    await shop.publish("nps")
    await shop.answer("nps", 9)
    await browser.page(f"/experience?insight={tab}")


async def test_hidden_drivers_have_a_page(browser: Browser, shop: Shop) -> None:
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 500})
    await drivers_shop(shop, 100)
    await browser.sign_in()
    page = await browser.page("/experience?insight=drivers")
    assert DashboardTexts("en")["sentence.all_hidden"] in page
    assert "Waiting time" in page
