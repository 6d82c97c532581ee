# SPDX-License-Identifier: Apache-2.0
"""Filters, links, exports and records say the same on every page of the dashboard."""

import csv
import html
import io
import re

from tests.dashboard.conftest import Browser
from tests.shop import Shop


async def two_languages(shop: Shop) -> None:
    await shop.publish("nps")
    await shop.answer("nps", {"score": 2, "why": "za późno"}, locale="pl")
    await shop.answer("nps", {"score": 9, "why": "quick"}, locale="en")


async def test_a_language_narrows_lists_and_their_csv(browser: Browser, shop: Shop) -> None:
    await two_languages(shop)
    await browser.sign_in()
    for path in ("/answers", "/comments", "/"):
        page = await browser.page(f"{path}?locale=pl")
        assert ("za późno" in page, "quick" in page) == (True, False), path
    rows = list(csv.DictReader(io.StringIO(await browser.page("/answers.csv?locale=pl"))))
    assert [row["locale"] for row in rows] == ["pl"]
    listed = await shop.get("/v1/responses", locale="en")
    assert [row["score"] for row in listed["data"]] == [9]


async def test_the_csv_is_of_what_is_shown(browser: Browser, shop: Shop) -> None:
    await two_languages(shop)
    (first, _) = (await shop.get("/v1/responses"))["data"]
    await shop.call("POST", f"/v1/responses/{first['id']}/reject")
    await browser.sign_in()
    for integrity, count in (("", 1), ("all", 2), ("rejected", 1), ("ok", 1)):
        page = await browser.page("/answers" + (f"?integrity={integrity}" if integrity else ""))
        link = html.unescape(re.findall(r'href="(/answers\.csv[^"]*)"', page)[0])
        rows = list(csv.DictReader(io.StringIO(await browser.page(link))))
        assert (len(rows), page.count('name="ids"')) == (count, count), integrity


async def test_a_follow_up_is_in_the_audit(browser: Browser, shop: Shop) -> None:
    await two_languages(shop)
    await browser.sign_in()
    (answer,) = (await shop.get("/v1/responses", max_score=6))["data"]
    path = f"/responses/{answer['id']}"
    sent = await browser.send(
        f"{path}/follow-up", page=path, status="resolved", assignee="Eva", note="Called."
    )
    assert sent.status_code == 303
    follow_up = (await shop.get(f"/v1/responses/{answer['id']}"))["follow_up"]
    assert (follow_up["status"], follow_up["assignee"]) == ("resolved", "Eva")
    audit = (await shop.get("/v1/audit"))["data"]
    assert any("/v1/responses" in str(entry) for entry in audit)


async def test_a_period_that_is_chosen_takes_the_place_of_dates(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    dated = await browser.page("/?from=2026-01-01&to=2026-01-05")
    assert '<option value="dates" selected>' in dated
    chosen = await browser.page("/?period=12mo&was=dates&from=2026-01-01&to=2026-01-05")
    assert '<option value="12mo" selected>' in chosen
    assert "Jan 2026" not in chosen
    typed = await browser.page("/?period=90d&was=90d&from=2026-01-01&to=2026-01-05")
    assert "1 Jan – 5 Jan 2026" in typed


async def test_own_dates_show_the_change_against_the_days_before(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    for day, score in (("2026-03-02", 9), ("2026-02-20", 2)):
        moment = f"{day}T12:00:00Z"
        await shop.answer("nps", {"score": score}, responded_at=moment, channel="api")
    await browser.sign_in()
    page = await browser.page("/?period=all&from=2026-03-01&to=2026-03-10")
    assert "against the period before" in page


async def test_the_journey_obeys_its_filters(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    for touchpoint in ("checkout", "delivery"):
        await shop.answer("nps", {"score": 2}, touchpoint=touchpoint, channel="web")
    await browser.sign_in()
    page = await browser.page("/journey?touchpoint=checkout")
    content = page.split('class="filters"', 1)[1].split("</form>", 1)[1]
    assert ("checkout" in content, "delivery" in content) == (True, False)
    await shop.publish("other")
    for survey, count in (("nps", 1), ("other", 0)):
        content = await browser.page(f"/journey?survey={survey}")
        assert ("Open follow-ups" in content) == bool(count), survey


async def test_a_published_question_keeps_its_key_and_points(browser: Browser, shop: Shop) -> None:
    await shop.publish("csat", "csat")
    await browser.sign_in()
    page = await browser.page("/surveys/csat/edit")
    assert "can no longer change" in page
    assert not re.search(r'<select name="questions\.0\.points"', page)
    assert re.search(r'<input type="hidden" name="questions\.0\.key"', page)


async def test_the_response_rate_is_a_card_once_somebody_was_asked(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    assert "Response rate" not in await browser.page("/")
    body = {"survey": "nps", "channel": "link", "customer": {"email": "ala@e.pl"}}
    await shop.post("/v1/invitations", body)
    assert "Response rate" in await browser.page("/")
