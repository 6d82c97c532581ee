# SPDX-License-Identifier: Apache-2.0
import html
import json
import re
from collections import Counter
from typing import Any

import pytest

from app.integrations.guides import SOURCE_GUIDES, Instructions, read_instructions
from app.integrations.presets import PRESETS
from app.integrations.registry import SourceName
from app.pages.guides import BI, BOUNCES
from tests.integrations import test_presets
from tests.integrations.sender import SECRET
from tests.integrations.senders import SENDERS
from tests.integrations.test_sources import deliver
from tests.shop import Shop

# Events of these sources carry no address; their guides say how to add one.
SENDS_NO_ADDRESS = {"hubspot", "bigcommerce"}


async def test_every_source_and_preset_has_its_guide(shop: Shop) -> None:
    assert not {*map(str, SourceName)} & PRESETS.keys()
    assert set(SENDERS) == {*map(str, SourceName)} - {"generic"}
    assert set(SOURCE_GUIDES) == {*map(str, SourceName), *PRESETS}
    index = await shop.client.get("/guides")
    for source, guide in SOURCE_GUIDES.items():
        assert f'href="/guides/{source}"' in index.text
        page = await shop.client.get(f"/guides/{source}")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        # It stands between the quotes of a command.
        assert "'" not in json.dumps(guide["register"])
        for name in guide["properties"]:
            assert f"<code>{name}</code>" in page.text
    assert (await shop.client.get("/guides/nobody")).status_code == 404


@pytest.mark.parametrize("source", SOURCE_GUIDES)
def test_a_guide_says_the_same_in_each_language(source: str) -> None:
    english = read_instructions(source, "en")
    for language in ("pl", "ro"):
        translated = read_instructions(source, language)
        assert translated != english, f"{source}.json has no instructions in {language}"
        assert len(translated["steps"]) == len(english["steps"]), language
        assert code_in(translated) == code_in(english), language


def code_in(instructions: Instructions) -> Counter[str]:
    """Count what a guide's instructions show as code: addresses, names of events, commands."""
    texts = [instructions["before"], *instructions["steps"], instructions["test"]]
    return Counter(re.findall("`[^`]+`", " ".join(texts)))


async def commands_of(shop: Shop, guide: str) -> list[tuple[str, Any]]:
    """Return the requests that a guide's commands make, in their order."""
    page = html.unescape((await shop.client.get(f"/guides/{guide}")).text)
    blocks = "\n".join(re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL))
    requests = re.findall(r"curl -s -u \$KEY:.*? \$URL(/v1/\S+)(?: --json '([^']*)')?", blocks)
    return [(path, json.loads(body) if body else None) for path, body in requests]


async def follow_guide(shop: Shop, guide: str) -> Any:
    """Do what a guide says up to the sender's side, and return the integration."""
    commands = await commands_of(shop, guide)
    assert [path.rpartition("/")[2] for path, _ in commands[4:]] == [
        "events", "decisions", "invitations", "preview",
    ]  # fmt: skip
    (path, register), (_, survey), (publish, _), (_, trigger) = commands[:4]
    assert path == "/v1/integrations"
    if guide in SENDERS and SENDERS[guide].needs_url_first:
        sender = await shop.post(path, register)
        secret = {"secret": SECRET}
        await shop.call("PATCH", f"/v1/integrations/{sender['key']}", json=secret)
    else:
        secrets = {"secret": SECRET} if "secret" in register else {}
        if guide in PRESETS:
            secrets = {"secret": test_presets.SECRET} if "secret" in register else {}
        if guide in {"prestashop", "standard-webhooks"}:
            secrets = {"secret": test_presets.WHSEC}
        sender = await shop.post(path, register | secrets)
    await shop.post("/v1/surveys", survey)
    await shop.post(publish, status=200)
    await shop.post("/v1/triggers", trigger)
    # A second run makes no second trigger; and the trigger ignores events of other senders.
    assert (await shop.call("POST", "/v1/triggers", json=trigger)).status_code == 409
    assert trigger["where"] == [{"property": "source", "op": "eq", "value": sender["key"]}]
    await shop.post(commands[7][0], commands[7][1], status=200)
    return sender


async def expect_a_question(shop: Shop, guide: str) -> None:
    """The first question is on its way, or the reason is the one that the guide names."""
    decisions = (await shop.get("/v1/decisions"))["data"]
    assert decisions, guide
    first = decisions[-1]
    if guide in SENDS_NO_ADDRESS:
        assert first["reason"] == "no_address"
    else:
        assert (first["outcome"], first["reason"]) == ("invited", None)
        (invitation, *_) = (await shop.get("/v1/invitations"))["data"]
        assert invitation["status"] == "stored"


@pytest.mark.parametrize("guide", SENDERS)
async def test_a_guide_leads_to_the_first_question(shop: Shop, guide: str) -> None:
    sender = await follow_guide(shop, guide)
    headers, body = SENDERS[guide].first
    assert (await deliver(shop, sender, headers, body)).status_code == 202
    await shop.work()
    await expect_a_question(shop, guide)


@pytest.mark.parametrize("case", test_presets.CASES, ids=lambda case: case.preset)
async def test_a_presets_guide_leads_to_the_first_question(
    shop: Shop, case: test_presets.Case
) -> None:
    sender = await follow_guide(shop, case.preset)
    if case.preset == "jira-service-management":
        # Its guide connects Automation, whose body it shows.
        paste = PRESETS[case.preset]["paste"].replace("{{", "").replace("}}", "")
        body = json.loads(paste)
        body |= {"at": "2026-03-04T17:01:09.101+0100", "created": "2026-03-04T16:01:09.101+0100"}
        body["reporter"]["email"] = "lars@example.no"
        path = "/in/" + sender["url"].partition("/in/")[2]
        assert (await shop.client.post(path, json=body)).status_code == 202
    elif case.preset == "standard-webhooks":
        body = json.loads(PRESETS[case.preset]["paste"])
        assert (await test_presets.send(shop, sender, case, {}, body)).status_code == 202
    else:
        for headers, body in case.deliveries:
            await test_presets.send(shop, sender, case, headers, body)
            await shop.work()
            if (await shop.get("/v1/decisions"))["data"]:
                # Later deliveries of the story would cancel the invitation.
                break
    await shop.work()
    await expect_a_question(shop, case.preset)


async def test_the_generic_guide_leads_to_the_first_question(shop: Shop) -> None:
    sender = await follow_guide(shop, "generic")
    body = {"kind": "end", "id": 7, "who": {"mail": "you@shop.example"}}
    raw = json.dumps(body).encode()
    mac = test_presets._mac(raw, key=SECRET).hex()
    path = "/in/" + sender["url"].partition("/in/")[2]
    reply = await shop.client.post(path, content=raw, headers={"X-Signature": f"sha256={mac}"})
    assert reply.status_code == 202
    await shop.work()
    await expect_a_question(shop, "generic")


async def test_every_provider_of_mail_has_its_guide(shop: Shop) -> None:
    assert set(BOUNCES) == {"postmark", "mailgun", "sendgrid", "ses", "brevo", "mailjet"}
    index = (await shop.client.get("/guides")).text
    for name in BOUNCES:
        assert f'href="/guides/{name}"' in index
        page = (await shop.client.get(f"/guides/{name}")).text
        assert "://sk_…:@" in page
        assert "/v1/bounces" in page
    assert "/v1/me" in (await shop.client.get("/guides/automation")).text


async def test_running_and_watching_name_what_exists(shop: Shop) -> None:
    guide = (await shop.client.get("/guides/watching")).text
    served = (await shop.client.get("/metrics")).text
    for name in set(re.findall(r"afterword_[a-z_]+", guide)):
        assert name.removesuffix("_count") in served, name
    assert "afterword up" in (await shop.client.get("/guides/running")).text
    assert "Standard Webhooks" in (await shop.client.get("/guides/webhooks")).text


async def test_zendesks_template_is_there_to_paste(shop: Shop) -> None:
    page = (await shop.client.get("/guides/zendesk")).text
    assert "{{ticket.updated_at_with_timestamp}}" in page


async def test_every_bi_tool_has_its_page_with_the_formulas(shop: Shop) -> None:
    assert set(BI) == {"metabase", "superset", "powerbi", "excel", "tableau", "grafana"}
    index = (await shop.client.get("/guides")).text
    for name, guide in BI.items():
        assert f'href="/guides/{name}"' in index
        page = await shop.client.get(f"/guides/{name}")
        assert page.status_code == 200
        for figure, formula in guide["formulas"].items():
            assert f'<th scope="row">{figure}</th>' in page.text
            assert html.escape(formula, quote=False)[:30] in html.unescape(page.text)
        if guide["way"] == "odata":
            assert "/odata/v4/" in page.text
