"""The guides: one for every source, with every property it yields."""

from app.integrations.registry import ADAPTERS, SourceName
from app.pages.connecting import GUIDES
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


async def test_zendesks_template_is_there_to_paste(shop: Shop) -> None:
    page = (await shop.client.get("/guides/zendesk")).text
    assert "{{ticket.updated_at_with_timestamp}}" in page
