"""The guides: one for every source, with every property it yields."""

import html
import re

from app.integrations.registry import ADAPTERS, SourceName
from app.pages.connecting import BI, GUIDES
from tests.shop import Shop


async def test_every_source_has_its_guide(shop: Shop) -> None:
    assert set(GUIDES) == set(map(str, SourceName))
    index = await shop.client.get("/guides")
    for source in GUIDES:
        assert f'href="/guides/{source}"' in index.text
        page = await shop.client.get(f"/guides/{source}")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        for name in ADAPTERS[source].properties:
            assert f"<code>{name}</code>" in page.text
    assert (await shop.client.get("/guides/nobody")).status_code == 404


async def test_running_and_watching_name_what_exists(shop: Shop) -> None:
    shown = (await shop.client.get("/guides/watching")).text
    served = (await shop.client.get("/metrics")).text
    for name in set(re.findall(r"afterword_[a-z_]+", shown)):
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
