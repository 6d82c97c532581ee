# SPDX-License-Identifier: Apache-2.0
"""Corners of the dashboard in which a manager was once stuck."""

import re
from importlib.resources import files

import pytest

from app.core.database import Database
from app.metrics.registry import CARD_METRICS
from app.pages.dashboard.pages import PAGES
from app.pages.dashboard.texts import DashboardTexts
from tests.dashboard.conftest import Browser
from tests.dashboard.test_form_pages import press, sign_in_as_member
from tests.integrations.senders.freshdesk import status_event
from tests.integrations.test_sources import deliver, register
from tests.shop import Shop


async def editor_form(browser: Browser, key: str) -> dict[str, str]:
    page = await browser.page(f"/surveys/{key}/edit")
    inputs = re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', page)
    return dict(inputs) | {"default_locale": "en", "_do": "save"}


def test_every_page_that_a_route_shows_is_declared() -> None:
    folder = files("app.pages.dashboard")
    names = {
        name
        for file in folder.iterdir()
        if file.name.endswith(".py")
        for name in re.findall(r"visit\.render\(\s*\"(\w+)\"", file.read_text())
    }
    assert names
    assert names <= PAGES.keys(), f"no entry in pages.py for {names - PAGES.keys()}"
    assert PAGES.keys() <= names, f"no route shows {PAGES.keys() - names}"


async def test_connections_open_with_deliveries(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    body = {"url": "https://93.184.216.34/hook", "events": ["response.completed"]}
    endpoint = await shop.post("/v1/webhook-endpoints", body)
    await press(browser, "endpoint-test", "/connections", endpoint=endpoint["id"])
    page = await browser.page("/connections")
    assert "response.completed" in page
    assert "Send again" in page
    await press(browser, "endpoint-switch", "/connections", endpoint=endpoint["id"], active="0")
    details = await shop.get(f"/v1/webhook-endpoints/{endpoint['id']}")
    assert details["disabled_at"] is not None
    replay = await press(
        browser, "endpoint-replay", "/connections", endpoint=endpoint["id"], since="2026-01-01"
    )
    assert replay.status_code in {303, 409}, replay.text


async def test_a_draft_has_its_page(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.post("/v1/surveys", {"key": "draft", "template": "nps"})
    page = await browser.page("/surveys/draft")
    assert "Publish the survey" in page
    await shop.post("/v1/surveys/draft/publish", status=200)
    survey = await shop.get("/v1/surveys/draft")
    new = {"key": "more", "type": "text", "text": {"en": "More?"}}
    await shop.call("PATCH", "/v1/surveys/draft", json={"questions": [*survey["questions"], new]})
    assert "Publish the survey" not in await browser.page("/surveys/draft")


async def test_the_editor_names_what_is_wrong_and_adds_languages(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    await shop.post("/v1/surveys", {"key": "s", "template": "nps"})
    form = await editor_form(browser, "s")
    same = form | {"questions.1.key": form["questions.0.key"]}
    refused = await browser.client.post("/surveys/s/edit", data=same)
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text

    added = await browser.client.post("/surveys/s/edit", data=form | {"add_language": "de"})
    page = await browser.page(added.headers["location"])
    assert 'name="questions.0.text.de" value=""' in page
    german = form | {"questions.0.text.de": "Würden Sie uns empfehlen?"}
    await browser.client.post("/surveys/s/edit", data=german)
    texts = (await shop.get("/v1/surveys/s"))["questions"][0]["text"]
    assert texts["de"] == "Würden Sie uns empfehlen?"


async def test_only_admins_read_of_the_mail_server(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    assert "no mail server is set up" in await browser.page("/")
    await sign_in_as_member(browser, shop, "viewer")
    assert "mail server" not in await browser.page("/")


async def test_who_only_reads_finds_the_preview_of_a_draft(browser: Browser, shop: Shop) -> None:
    await shop.post("/v1/surveys", {"key": "s", "template": "nps"})
    await sign_in_as_member(browser, shop, "viewer")
    page = await browser.page("/surveys/s")
    assert "/surveys/s/edit" not in page
    assert 'href="/surveys/s/preview"' in page
    reply = await browser.open("/surveys/s/preview")
    assert "recommend" in await browser.page(reply.headers["location"])


async def test_customers_are_found_by_a_part_of_their_name(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    for key, name in (("c-1", "Jan Kowalski"), ("c-2", "Ala 100% Nowak")):
        await shop.call("PUT", f"/v1/customers/{key}", json={"name": name})
    page = await browser.page("/people?q=kowal")
    assert "Jan Kowalski" in page
    assert "Nowak" not in page
    assert "Nowak" in await browser.page("/people?q=0%25 no")
    assert "Jan Kowalski" in await browser.page("/people?q=C-1")


async def test_one_date_is_enough_and_their_order_does_not_matter(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    assert "1 Jan – 5 Jan 2026" in await browser.page("/?from=2026-01-05&to=2026-01-01")
    assert "6 Dec 2025 – 5 Jan 2026" in await browser.page("/?to=2026-01-05")
    assert (await browser.open("/?from=2026-01-05")).status_code == 200


async def test_business_hours_are_set_by_day(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    hours = {"hours.mon": "09:00-12:00, 13:00–17:00", "hours.tue": "9-17"}
    wrong = await press(browser, "workspace-hours", "/settings", **hours)
    assert wrong.status_code == 422
    assert "9-17" in wrong.text
    hours |= {"hours.tue": "", "holidays": "2027-01-01"}
    await press(browser, "workspace-hours", "/settings", **hours)
    business_hours = (await shop.get("/v1/workspace"))["business_hours"]
    assert business_hours["weekly"] == {"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}
    assert business_hours["holidays"] == ["2027-01-01"]
    assert 'value="09:00-12:00, 13:00-17:00"' in await browser.page("/settings")
    await press(browser, "workspace-hours", "/settings", **{"hours.mon": ""})
    assert (await shop.get("/v1/workspace"))["business_hours"] is None


async def test_a_wrong_signature_is_seen(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    sender = await shop.post("/v1/integrations", {"source": "shopify", "secret": "the right one"})
    headers = {"x-shopify-hmac-sha256": "d3Jvbmc=", "x-shopify-topic": "orders/paid"}
    reply = await shop.client.post(f"/in/{sender['id']}", content=b"{}", headers=headers)
    assert reply.status_code == 401
    details = await shop.get(f"/v1/integrations/{sender['id']}")
    assert details["last_refused_at"] is not None
    assert "not signed with this secret" in await browser.page(f"/connections/{sender['id']}")


async def test_decisions_are_narrowed_and_paged(
    browser: Browser, shop: Shop, database: Database
) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    trigger = await shop.make_trigger("nps", on="order.paid")
    for number in range(55):
        await shop.record("order.paid", f"o-{number}", order=f"o-{number}")
    page = await browser.page("/decisions?reason=no_address")
    assert page.count("o-") >= 50
    more = re.search(r'rel="next" href="([^"]+)"', page)
    assert more
    next_page = await browser.page(more[1].replace("&amp;", "&"))
    assert 0 < next_page.count(">o-") < 10
    assert ">o-" not in await browser.page("/decisions?reason=throttled")
    assert ">o-" in await browser.page(f"/decisions?trigger={trigger['id']}")


async def test_a_form_that_is_opened_again_leads_to_its_page(browser: Browser) -> None:
    await browser.sign_in()
    again = await browser.client.get("/forms/key-create", follow_redirects=False)
    assert (again.status_code, again.headers["location"]) == (303, "/connections")


async def test_an_unknown_status_is_given_its_meaning(browser: Browser, shop: Shop) -> None:
    integration = await register(shop, "freshdesk", status_map={"Parked": "on_hold"})
    assert (await deliver(shop, integration, *status_event("Waiting on vendor"))).status_code == 202
    await shop.work()
    await browser.sign_in()
    page = await browser.page(f"/connections/{integration['id']}")
    assert "Waiting on vendor" in page
    await press(
        browser, "status-mean", f"/connections/{integration['id']}", integration=integration["id"],
        status="Waiting on vendor", meaning="on_hold", status_map="parked = on_hold",
    )  # fmt: skip
    details = await shop.get(f"/v1/integrations/{integration['id']}")
    assert len(details["status_map"]) == 2
    assert details["unmapped"] == []
    await shop.work()
    assert [
        interaction["type"] for interaction in (await shop.get("/v1/interactions"))["data"]
    ] == ["ticket.on_hold"]


async def test_every_card_leads_to_its_chart(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    await shop.answer("nps", 9)
    await browser.sign_in()
    for metric in CARD_METRICS:
        reply = await browser.client.get("/", params={"period": "all", "metric": metric})
        assert reply.status_code == 200, metric
    # What is shared is what is seen.
    page = await browser.page("/?period=all&metric=nps")
    assert re.search(r'/sharing\?path=[^"]*metric%3Dnps', page)


@pytest.mark.parametrize(
    ("form", "fields", "field"),
    [
        ("workspace-hours", {"hours.mon": "9-17"}, "hours.mon"),
        ("workspace-hours", {"hours.mon": "09:00-17:00", "holidays": "1.1.2027"}, "holidays"),
        ("workspace-hours", {"holidays": "2027-01-01"}, "holidays"),
        ("workspace-figures", {"timezone": "Warsaw"}, "timezone"),
        ("workspace-figures", {"timezone": "Europe/Warsaw", "allowed_origins": "shop"},
         "allowed_origins"),
        ("workspace-brand", {"brand.colour": "#ffff00"}, "brand.colour"),
        ("survey-create", {"template": "nps", "key": "taken"}, "key"),
        ("member-create", {"email": "ewa@shop.example", "name": "E", "role": "viewer"}, "email"),
        ("workspace-reach", {"word_of_mouth.told_by_satisfied": "viele",
                             "word_of_mouth.told_by_dissatisfied": "10"},
         "word_of_mouth.told_by_satisfied"),
        ("alert-create", {"name": "A", "metric": "nps", "kind": "below", "value": "900",
                          "direction": "down", "interval": "day"}, "value"),
    ],
)  # fmt: skip
async def test_an_error_stands_at_its_field(
    browser: Browser, shop: Shop, form: str, fields: dict[str, str], field: str
) -> None:
    await shop.publish("taken")
    await shop.post("/v1/members", {"email": "ewa@shop.example", "name": "Ewa", "role": "viewer"})
    browser.client.headers["accept-language"] = "pl"
    await browser.sign_in()
    page = await browser.page("/settings")
    csrf = re.findall(r'name="_csrf" value="([^"]+)"', page)[0]
    reply = await browser.client.post(f"/forms/{form}", data=fields | {"_csrf": csrf})
    assert reply.status_code in {409, 422}
    wrong = re.search(rf'name="{re.escape(field)}"[^>]*aria-invalid="true"[^>]*>(.*?)</label>',
                      reply.text, re.DOTALL)  # fmt: skip
    assert wrong, field
    assert 'class="wrong"' in wrong[1]
    # It is said in the language of the page.
    for english in ("should", "must", "is no ", "cannot", "already", "need"):
        assert english not in wrong[1]


async def test_the_worst_follow_ups_can_go_first(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    for score in (5, 0, 3):
        await shop.answer("nps", score)
    await browser.sign_in()
    page = await browser.page("/follow-ups?order_by=score&survey=nps")
    assert re.findall(r'<strong class="score detractor">(\d)</strong>', page) == ["0", "3", "5"]
    assert await browser.page("/follow-ups?survey=other")


def test_every_page_has_its_template_and_title() -> None:
    templates = files("app.pages").joinpath("templates", "dashboard")
    for page in PAGES.values():
        assert templates.joinpath(f"{page.name}.html").is_file(), page.name
        if page.in_navigation:
            assert DashboardTexts("en")[page.name]


async def test_a_triggers_send_window_cancel_on_and_once_per_can_be_set(
    browser: Browser, shop: Shop
) -> None:
    await shop.publish("nps")
    await browser.sign_in()
    form = {"name": "T", "on": "order.paid", "survey": "nps", "channel": "email", "active": "0",
            "sample_percent": "100", "has_throttle": "0", "send_from": "09:00", "send_to": "17:00",
            "cancel_on": ["", "order.refunded", "order.edited"],
            "once_per": "customer"}  # fmt: skip
    csrf = re.findall(r'name="_csrf" value="([^"]+)"', await browser.page("/asking/new"))[0]
    reply = await browser.client.post(
        "/forms/trigger-create", data={**form, "send_days": ["", "mon", "fri"], "_csrf": csrf}
    )
    assert reply.status_code == 303, reply.text
    (trigger,) = (await shop.get("/v1/triggers"))["data"]
    assert trigger["send_window"] == {"days": ["mon", "fri"], "from": "09:00", "to": "17:00"}
    assert (trigger["cancel_on"], trigger["once_per"]) == (
        ["order.refunded", "order.edited"], "customer",
    )  # fmt: skip
    page = await browser.page(f"/asking/{trigger['id']}")
    assert re.search(r'value="mon" checked', page)
    form |= {"trigger": trigger["id"], "cancel_on": "", "once_per": "", "_csrf": csrf}
    # Times without a day hold on every day; without days and times there is no window.
    await browser.client.post("/forms/trigger-save", data={**form, "send_days": [""]})
    (trigger,) = (await shop.get("/v1/triggers"))["data"]
    assert len(trigger["send_window"]["days"]) == 7
    form |= {"send_from": "", "send_to": ""}
    saved = await browser.client.post("/forms/trigger-save", data={**form, "send_days": [""]})
    assert saved.status_code == 303, saved.text
    (trigger,) = (await shop.get("/v1/triggers"))["data"]
    assert (trigger["send_window"], trigger["cancel_on"], trigger["once_per"]) == (
        None, None, None,
    )  # fmt: skip


async def test_a_colour_is_shown_as_it_will_look(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    page = await browser.page("/surveys/new")
    assert page.count("data-fill") == 2
    csrf = re.findall(r'name="_csrf" value="([^"]+)"', page)[0]
    body = {"_csrf": csrf, "brand.colour": "#7a1fa2", "brand.name": "", "brand.logo_url": ""}
    saved = await browser.client.post("/forms/workspace-colour", data=body)
    assert saved.status_code == 303
    assert (await shop.get("/v1/workspace"))["brand"]["colour"] == "#7a1fa2"
    assert 'fill="#7a1fa2"' in await browser.page("/settings")


@pytest.mark.parametrize(
    ("language", "step", "label", "top"),
    [
        ("en", "Stages of your own pipelines", "“What its statuses mean”", "the top of this page"),
        ("pl", "Etapy Twoich własnych procesów", "„Co znaczą jego statusy”", "górnej części tej"),
        ("ro", "Etapele fluxurilor dumneavoastră", "„Ce înseamnă stările sale”", "partea de sus"),
    ],
)
async def test_a_sender_is_connected_in_the_managers_language(
    browser: Browser, shop: Shop, language: str, step: str, label: str, top: str
) -> None:
    integration = await register(shop, "generic", preset="hubspot")
    browser.client.headers["accept-language"] = language
    await browser.sign_in()
    page = await browser.page(f"/connections/{integration['id']}")
    for words in (step, label, top):
        assert words in page
    # What has a field here is not explained as a call of the API.
    assert "PATCH /v1" not in page


async def test_the_log_names_what_was_changed(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    # A touchpoint may have the key of a survey.
    till = {"name": {"en": "At the till"}, "stage": "during"}
    await shop.call("PUT", "/v1/touchpoints/nps", json=till)
    trigger = await shop.make_trigger("nps", name="After the till")
    await shop.call("PATCH", f"/v1/triggers/{trigger['id']}", json={"active": False})
    await shop.answer("nps", 3)
    (answer,) = (await shop.get("/v1/responses"))["data"]
    await shop.call("PATCH", f"/v1/responses/{answer['id']}", json={"tags": ["till"]})
    page = await browser.page("/audit")
    assert f'<a href="/asking/{trigger["id"]}">After the till</a>' in page
    assert ">At the till</td>" in page
    assert f'<a href="/responses/{answer["id"]}">…{answer["id"][-8:]}</a>' in page
    await shop.call("DELETE", f"/v1/triggers/{trigger['id']}")
    assert f'href="/asking/{trigger["id"]}"' not in await browser.page("/audit")


@pytest.mark.parametrize(
    ("form", "field", "typed", "error"),
    [
        ("workspace-brand", "brand.colour", "#FFFF00", "słabo widać go na białym; lepszy byłby #"),
        ("workspace-figures", "timezone", "Warsaw", "to nie strefa czasowa"),
        ("workspace-figures", "allowed_origins", "shop.example", "każdy musi być adresem"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_in_the_readers_language(
    browser: Browser, shop: Shop, form: str, field: str, typed: str, error: str
) -> None:
    await sign_in_as_member(browser, shop, "admin")
    page = await browser.page("/account")
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert csrf
    await browser.client.post("/account", data={"_csrf": csrf[1], "locale": "pl", "digest": "off"})
    refused = await press(browser, form, "/settings", **{field: typed})
    assert refused.status_code == 422
    assert error in refused.text


async def test_a_download_that_is_refused_is_no_file(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    refused = await browser.open("/answers.csv?survey=unknown")
    assert refused.status_code == 422
    assert "attachment" not in refused.headers.get("content-disposition", "")
    missing = await browser.open("/files/0190b6a0-0000-7000-8000-000000000002/rejected.csv")
    assert missing.status_code == 404


async def test_owners_are_offered_by_the_name_they_are_assigned_by(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    await shop.post("/v1/members", {"email": "eva@c.pl", "name": "Eva Maj"})
    await shop.answer("nps", 1)
    assert 'value="Eva Maj"' in await browser.page("/follow-ups")
