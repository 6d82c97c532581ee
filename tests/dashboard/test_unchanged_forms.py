# SPDX-License-Identifier: Apache-2.0
"""A form that is saved as it was opened changes nothing, whatever the API had set."""

from app.workspaces.schemas import WorkspacePatch
from tests.dashboard.conftest import Browser
from tests.dashboard.html_forms import forms_of
from tests.shop import Shop

SETTINGS = {
    "throttle": {"days": 30, "scope": "survey"},
    "retention_days": 400,
    "require_consent": True,
    "min_group_size": 7,
    "segments": ["store", "agent"],
    "timezone": "Europe/Warsaw",
    "name": "Łąka",
    "default_locale": "pl",
    "allowed_origins": ["https://laka.example"],
    "brand": {"name": "Łąka", "colour": "#8a1c4a"},
    "mail": {"from_name": "Ala", "footer": "Łąka sp. z o.o.\nWarszawa"},
    "business_hours": {
        "timezone": "America/New_York",
        "weekly": {"mon": [["09:00", "12:00"], ["13:00", "17:30"]], "sat": [["10:00", "14:00"]]},
        "holidays": ["2026-12-25"],
    },
    "word_of_mouth": {"told_by_satisfied": 3.5, "told_by_dissatisfied": 9},
}
TRIGGER = {
    "name": "After a solved ticket", "on": "ticket.solved", "survey": "nps", "channel": "link",
    "delay": "PT90S", "max_age": "PT36H", "expires_after": "P10D", "reminder_after": "P3D",
    "sample_rate": 0.125, "priority": 3, "once_per": "customer", "cancel_on": ["ticket.reopened"],
    "throttle": {"days": 10, "scope": "metric"},
    "send_window": {"days": ["mon", "tue"], "from": "09:00", "to": "17:00"},
    "where": [{"property": "tags", "op": "contains", "value": "vip"},
              {"property": "value.amount", "op": "gte", "value": 100}],
    "unless": [{"property": "agent", "op": "in", "value": ["adam", "eva"]}],
}  # fmt: skip
QUESTIONS = [
    {"key": "score", "type": "nps", "text": {"en": "How likely?"}},
    {"key": "why", "type": "choice", "text": {"en": "Why?"},
     "options": [{"key": "1", "text": {"en": "Price"}}, {"key": "2", "text": {"en": "Service"}}]},
    {"key": "more", "type": "text", "text": {"en": "Tell us more"},
     "show_if": {"question": "why", "op": "==", "value": "1"}},
]  # fmt: skip


async def save_unchanged(browser: Browser, path: str, form: str) -> None:
    (fields,) = [
        fields
        for action, fields in forms_of(await browser.page(path)).items()
        if action.endswith(form)
    ]
    reply = await browser.client.post(f"/{form}", data=fields)
    assert reply.status_code == 303, (form, reply.text)


async def test_settings_that_are_saved_unchanged_stay(browser: Browser, shop: Shop) -> None:
    assert set(SETTINGS) == set(WorkspacePatch.model_fields), "give each setting a value of its own"
    changed = await shop.call("PATCH", "/v1/workspace", json=SETTINGS)
    assert changed.status_code == 200, changed.text
    await browser.sign_in()
    before = await shop.get("/v1/workspace")
    names = [
        action.rpartition("/")[2]
        for action in forms_of(await browser.page("/settings"))
        if action.rpartition("/")[2].startswith("workspace-")
    ]
    assert len(names) >= 6
    for name in names:
        await save_unchanged(browser, "/settings", f"forms/{name}")
        assert await shop.get("/v1/workspace") == before, name


async def test_a_trigger_that_is_saved_unchanged_stays(browser: Browser, shop: Shop) -> None:
    await shop.publish("nps")
    trigger = await shop.post("/v1/triggers", TRIGGER)
    await browser.sign_in()
    await save_unchanged(browser, f"/asking/{trigger['id']}", "forms/trigger-save")
    after = await shop.get(f"/v1/triggers/{trigger['id']}")
    times = {"updated_at": trigger["updated_at"]}
    assert after | times == trigger


async def test_a_survey_that_is_saved_unchanged_stays(browser: Browser, shop: Shop) -> None:
    texts = {"thank_you": {"default": {"text": {"en": "Thank you!"}}}}
    await shop.post(
        "/v1/surveys", {"key": "s", "name": "S", "questions": QUESTIONS, "texts": texts}
    )
    await browser.sign_in()
    before = await shop.get("/v1/surveys/s")
    (fields,) = [
        fields for fields in forms_of(await browser.page("/surveys/s/edit")).values()
        if "questions.0.key" in fields
    ]  # fmt: skip
    reply = await browser.client.post("/surveys/s/edit", data=fields | {"_do": "save"})
    assert reply.status_code in {200, 303}, reply.text
    after = await shop.get("/v1/surveys/s")
    assert after["questions"] == before["questions"]
    assert after["texts"] == before["texts"]

    # A type that no question has is read as a text, as for the question itself.
    odd = fields | {"_do": "save", "questions.1.type": "slider"}
    assert (await browser.client.post("/surveys/s/edit", data=odd)).status_code < 500

    # An empty field takes the thanks away.
    cleared = fields | {"_do": "save", "texts.thank_you.en": ""}
    reply = await browser.client.post("/surveys/s/edit", data=cleared)
    assert reply.status_code in {200, 303}, reply.text
    assert not ((await shop.get("/v1/surveys/s"))["texts"].get("thank_you") or {}).get("default")
