# SPDX-License-Identifier: Apache-2.0
"""`afterword serve` and `afterword worker` as processes of their own on one database."""

import asyncio
from pathlib import Path

import httpx

from app.core.settings import Settings
from tests.processes import environment_of, running, wait_for
from tests.shop import Shop


async def test_web_and_worker_run_apart(shop: Shop, settings: Settings, tmp_path: Path) -> None:
    await shop.publish("s")
    await asyncio.to_thread(ask_apart, shop.key, environment_of(settings, tmp_path))


def ask_apart(key: str, environment: dict[str, str]) -> None:
    """Ask a customer through the one process; only the other one sends it."""
    body = {"survey": "s", "channel": "email", "customer": {"email": "apart@e.pl"}}
    url = f"http://127.0.0.1:{environment['AFTERWORD_PORT']}"
    client = httpx.Client(base_url=url, auth=(key, ""))
    with client, running("serve", environment):
        wait_for(lambda: client.get("/readyz").status_code == 200)
        invitation = client.post("/v1/invitations", json=body).json()
        assert client.get(f"/v1/invitations/{invitation['id']}").json()["status"] == "scheduled"
        with running("worker", environment):
            path = f"/v1/invitations/{invitation['id']}"
            wait_for(lambda: client.get(path).json()["status"] == "stored")
    folder = Path(environment["AFTERWORD_DATA_DIR"]) / "mail"
    assert len(list(folder.glob(f"{invitation['id']}.*"))) == 1
