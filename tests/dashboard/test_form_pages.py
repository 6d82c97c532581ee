# SPDX-License-Identifier: Apache-2.0
"""The dashboard: what a manager does by clicking, with the API's own checks and words."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import pytest

from app.core.clock import utc_now
from app.pages.dashboard.forms import FORMS
from tests.dashboard.conftest import Browser, link_of
from tests.shop import Shop


async def press(browser: Browser, form: str, page: str, **fields: Any) -> Any:
    """Send a form of the dashboard as its page would."""
    csrf = re.search(r'name="_csrf" value="([^"]+)"', await browser.page(page))
    assert csrf, page
    data = {"_csrf": csrf[1]} | fields
    return await browser.client.post(f"/forms/{form}", data=data)


async def sign_in_as_member(browser: Browser, shop: Shop, role: str) -> None:
    """Sign in as a member of a role, by the link that the mail holds."""
    # A member of two workspaces gets a link to each.
    email = f"{role}-{shop.workspace_key}@c.pl"
    await shop.post("/v1/members", {"email": email, "name": role, "role": role})
    await browser.client.post("/sign-in", data={"email": email, "next": "/"})
    await browser.client.post(await link_of(shop, email), data={"next": "/"})


async def test_a_survey_is_made_edited_published_and_answered(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    assert "The first answer in a few steps" in await browser.page("/")
    fields = {"template": "csat", "name": "After checkout", "key": "", "default_locale": "en"}
    reply = await press(browser, "survey-create", "/surveys/new", **fields)
    assert reply.headers["location"].startswith("/surveys/after-checkout/edit")
    page = await browser.page("/surveys/after-checkout/edit")
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert csrf
    inputs = dict(re.findall(r'<input type="(?:text|hidden)" name="([^"]+)" value="([^"]*)"', page))
    form = inputs | {
        "questions.0.text.en": "How was the till?", "_do": "add", "add_type": "choice",
        "default_locale": "en",
    }  # fmt: skip
    saved = await browser.client.post("/surveys/after-checkout/edit", data=form)
    assert saved.status_code == 303, saved.text
    survey = await shop.get("/v1/surveys/after-checkout")
    assert survey["questions"][0]["text"]["en"] == "How was the till?"
    assert survey["questions"][-1]["type"] == "choice"
    assert survey["texts"]["thank_you"]["default"]["text"]["pl"].startswith("Dziękujemy")

    count = len(survey["questions"])
    form |= {"_do": f"remove.{count - 1}"} | {
        f"questions.{count - 1}.{name}": value
        for name, value in {"key": "q9", "type": "choice", "options.en": "a = A\nb = B"}.items()
    }
    await browser.client.post("/surveys/after-checkout/edit", data=form)
    assert len((await shop.get("/v1/surveys/after-checkout"))["questions"]) == count - 1
    preview = await browser.client.get("/surveys/after-checkout/preview", follow_redirects=True)
    assert "How was the till?" in preview.text
    assert "frame-ancestors 'self'" in preview.headers["content-security-policy"]

    await press(browser, "survey-publish", "/surveys/after-checkout/edit", survey="after-checkout")
    assert (await shop.get("/v1/surveys/after-checkout"))["status"] == "live"
    await shop.answer("after-checkout", 5)
    results = await browser.page("/surveys/after-checkout")
    assert "How was the till?" in results
    assert '<strong class="figure">100 %</strong>' in results


async def test_what_is_wrong_stands_at_its_field(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    refused = await press(
        browser, "member-create", "/settings", email="no address", name="Eva", role="viewer"
    )
    assert refused.status_code == 422
    assert 'value="no address"' in refused.text
    assert '<span class="wrong">' in refused.text
    assert (await shop.get("/v1/members"))["data"] == []


async def test_a_secret_is_shown_once_and_loading_again_makes_no_other(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    key = await press(browser, "key-create", "/connections", name="till", scopes=["write"])
    assert key.status_code == 303
    reply = await browser.open(key.headers["location"])
    assert reply.headers["cache-control"] == "no-store"
    secret = re.search(r'value="(sk_[^"]+)"', reply.text)
    assert secret
    assert (await shop.call("GET", "/v1/me", key=secret[1])).json()["key"]["name"] == "till"
    assert secret[1] not in await browser.page("/connections")
    names = [row["name"] for row in (await shop.get("/v1/api-keys"))["data"]]
    assert names.count("till") == 1


async def test_a_login_for_bi_tools_is_made_and_dropped_by_clicking(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    reply = await press(browser, "bi-role-create", "/connections", personal="")
    page = await browser.page(reply.headers["location"])
    url = re.search(r'value="(postgresql://bi_[^"]+)"', page)
    assert url
    (role,) = (await shop.get("/v1/bi-roles"))["data"]
    assert role["role"] in url[1]
    listed = await browser.page("/connections")
    assert role["role"] in listed
    assert url[1] not in listed
    await press(browser, "bi-role-delete", "/connections", role=role["role"], sure="1")
    assert (await shop.get("/v1/bi-roles"))["data"] == []


async def test_a_trigger_is_tried_on_history_and_switched_on(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    for number in range(3):
        await shop.post(
            "/v1/interactions/batch",
            [{"type": "order.paid", "source": "shop", "external_id": f"o-{number}",
              "order": f"o-{number}", "customer": {"email": f"p{number}@c.pl"},
              "value": {"amount": str(40 * number), "currency": "EUR"}}],
            status=200,
        )  # fmt: skip
    page = await browser.page("/asking/new")
    assert 'value="order.paid"' in page
    reply = await press(
        browser, "trigger-create", "/asking/new", name="Paid", on="order.paid", survey="nps",
        active="0", has_throttle="0", sample_percent="100",
        **{"delay.amount": "2", "delay.unit": "hours", "max_age.amount": "", "max_age.unit": "days",
           "where.0.property": "value.amount", "where.0.op": "gte", "where.0.value": "40",
           "where.1.property": "", "where.1.op": "eq", "where.1.value": ""},
    )  # fmt: skip
    path = reply.headers["location"].partition("?")[0]
    tried = await browser.page(f"{path}?dry_run=1")
    assert "It would have asked 2 of 3." in tried
    trigger = path.rpartition("/")[2]
    await press(browser, "trigger-switch", path, trigger=trigger, active="1")
    saved = await shop.get(f"/v1/triggers/{trigger}")
    assert (saved["active"], saved["delay"], saved["max_age"]) == (True, "PT2H", None)
    assert saved["where"] == [{"property": "value.amount", "op": "gte", "value": 40}]
    await press(
        browser, "trigger-save", path, trigger=trigger,
        **{"where.0.property": "", "where.0.op": "eq",
           "delay.amount": "90", "delay.unit": "minutes"},
    )  # fmt: skip
    saved = await shop.get(f"/v1/triggers/{trigger}")
    assert (saved["where"], saved["delay"]) == ([], "PT90M")
    assert 'name="delay.amount" value="90"' in await browser.page(path)


async def test_answers_are_tagged_rejected_and_restored_in_bulk(
    browser: Browser, shop: Shop
) -> None:
    await browser.sign_in()
    await shop.publish("nps")
    for score in (1, 2, 9):
        await shop.answer("nps", score)
    page = await browser.page("/answers")
    ids = re.findall(r'name="ids" value="([^"]+)"', page)
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert csrf
    data = {"_csrf": csrf[1], "ids": ids[:2], "back": "/answers"}
    await browser.client.post("/answers", data=data | {"_do": "tag", "tags": "parcel, late"})
    assert len((await shop.get("/v1/responses", tag="parcel"))["data"]) == 2
    assert await browser.page("/answers?tag=late&period=all") != page
    await browser.client.post("/answers", data=data | {"_do": "reject"})
    assert (await shop.metric("nps", period="all"))["total"]["n"] == 1
    await browser.client.post("/answers", data=data | {"_do": "restore"})
    assert (await shop.metric("nps", period="all"))["total"]["n"] == 3
    csv = (await browser.client.get("/answers.csv?tag=late")).text
    assert csv.count("\n") == 3


async def test_a_customer_is_found_changed_and_erased(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.call("PUT", "/v1/customers/c-1", json={"email": "ala@c.pl", "name": "Ala Nowak"})
    await shop.publish("nps")
    await shop.answer("nps", 3, customer={"external_id": "c-1"})
    results = await browser.page("/people?q=ala@c.pl")
    customer = re.search(r'/people/([0-9a-f-]{36})"', results)
    assert customer
    path = f"/people/{customer[1]}"
    page = await browser.page(path)
    assert "Ala Nowak" in page
    assert "detractor" in page
    assert "Asked next" not in page
    soon = utc_now() + dt.timedelta(days=2)
    invitation = {"survey": "nps", "channel": "email", "customer": {"external_id": "c-1"}}
    await shop.call("POST", "/v1/invitations", json=invitation | {"send_at": soon.isoformat()})
    assert "Asked next" in await browser.page(path)
    saved = await press(
        browser, "person-save", path, customer=customer[1], name="Ala Lis", email="ala@c.pl",
        locale="pl", consent_said="no", do_not_survey="1",
    )  # fmt: skip
    assert saved.status_code == 303
    now = await shop.get(f"/v1/customers/{customer[1]}")
    assert (now["name"], now["consent"]["surveys"], now["do_not_survey"]) == (
        "Ala Lis",
        False,
        True,
    )
    wrong = await press(
        browser, "person-erase", path, customer=customer[1], word="ERASE", typed="erase it"
    )
    assert wrong.status_code == 422
    assert (await shop.get(f"/v1/customers/{customer[1]}"))["erased_at"] is None
    await press(browser, "person-erase", path, customer=customer[1], word="ERASE", typed="ERASE")
    assert (await shop.get(f"/v1/customers/{customer[1]}"))["erased_at"]


async def test_a_view_is_shared_without_names_and_comments(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 2})
    await shop.publish("nps")
    who = {"email": "ala@c.pl", "name": "Ala Nowak"}
    await shop.answer("nps", {"score": 2, "why": "The parcel was wet"}, customer=who)
    await shop.answer("nps", 9, touchpoint="till")
    reply = await press(browser, "share-create", "/sharing", path="/?period=30d")
    page = await browser.page(reply.headers["location"])
    assert "Overview · Last 30 days" in page
    url = re.search(r'value="(http[^"]+/shared/[^"]+)"', page)
    assert url
    path = "/shared/" + url[1].rpartition("/")[2]
    stranger = await shop.client.get(path)
    assert stranger.status_code == 200
    assert '<p class="value">0</p>' in stranger.text
    for hidden in ("Ala", "parcel", "ala@c.pl", "<form", "Sign out"):
        assert hidden not in stranger.text, hidden
    (link,) = (await shop.get("/v1/share-links"))["data"]
    await press(browser, "share-delete", "/sharing", link=link["id"])
    assert (await shop.client.get(path)).status_code == 410
    unknown = path[:-4] + ("AAAA" if path[-4:] != "AAAA" else "BBBB")
    assert (await shop.client.get(unknown)).status_code == 404
    past = {"path": "/", "expires_at": "2020-01-01T00:00:00Z"}
    assert (await shop.call("POST", "/v1/share-links", json=past)).status_code == 422
    for odd in ("/answers", "/experience?insight=drivers&insight=comments"):
        refused = await shop.call("POST", "/v1/share-links", json={"path": odd})
        assert refused.status_code == 422, odd


async def test_small_groups_stay_hidden_in_a_shared_view(browser: Browser, shop: Shop) -> None:
    await browser.sign_in()
    await shop.call("PATCH", "/v1/workspace", json={"min_group_size": 3})
    await shop.publish("nps")
    for touchpoint, scores in {"till": (9, 9, 9, 0), "web": (0, 0)}.items():
        for score in scores:
            await shop.answer("nps", score, touchpoint=touchpoint)
    link = await shop.post("/v1/share-links", {"path": "/compare?by=touchpoint"})
    page = (await shop.client.get("/shared/" + link["url"].rpartition("/")[2])).text
    assert "till" in page
    row = page[page.index('<th scope="row">web') :].partition("</tr>")[0]
    assert "–" in row
    assert "−100" not in row


@pytest.mark.parametrize("role", ["viewer", "responder"])
async def test_roles_hold_for_every_form(browser: Browser, shop: Shop, role: str) -> None:
    await shop.publish("nps")
    answer_id = (await shop.answer("nps", 3)).json()["id"]
    await sign_in_as_member(browser, shop, role)
    page = await browser.page("/account")
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert csrf
    allowed = {"answer-tags"} if role == "responder" else set()
    for name, form in FORMS.items():
        names = dict.fromkeys(re.findall(r"{(\w+)}", form.path + form.page), answer_id)
        same: Sequence[str] = form.confirmed_by or []
        typed = {field: names.get(same[-1], "x") for field in same}
        more = {"tags": "late"} if name == "answer-tags" else {}
        reply = await browser.client.post(
            f"/forms/{name}", data={"_csrf": csrf[1]} | names | typed | more
        )
        statuses = {303} if name in allowed else {403}
        assert reply.status_code in statuses, (name, reply.status_code, reply.text[:300])
    for path in ("/answers", "/files", "/surveys/nps/edit"):
        data = {"_csrf": csrf[1], "ids": answer_id, "_do": "reject"}
        assert (await browser.client.post(path, data=data)).status_code == 403, path
    own = {"_csrf": csrf[1], "locale": "pl", "digest": "weekly"}
    assert (await browser.client.post("/account", data=own)).status_code == 303
    assert "Wyloguj" in await browser.page("/")


async def test_what_the_dashboard_does_is_audited(browser: Browser, shop: Shop) -> None:
    await sign_in_as_member(browser, shop, "admin")
    await press(browser, "suppression-add", "/suppressions", email="gone@c.pl")
    (first, *_) = (await shop.get("/v1/audit"))["data"]
    assert (first["actor"], first["action"]) == ("admin", "POST /v1/unsubscribes")
    assert "Unsubscribed address: made" in await browser.page("/audit")


async def test_nothing_from_outside_can_name_a_caller(browser: Browser, shop: Shop) -> None:
    headers = {"afterword.signed_in": "1", "afterword.shared": "1"}
    assert (await shop.client.get("/v1/me", headers=headers)).status_code == 401
    assert (await shop.client.get("/", headers=headers)).status_code == 303
    await browser.sign_in()
    stolen = await browser.client.post(
        "/forms/member-create", data={"name": "x", "email": "x@c.pl", "role": "admin"}
    )
    assert stolen.status_code == 403
