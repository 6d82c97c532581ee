# SPDX-License-Identifier: Apache-2.0
"""A whole service with two companies' answers and tickets, and a BI role of each."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.service import Service

LINES = [
    (10, "web", "pl", "2026-01-05T10:00:00Z"), (9, "web", "pl", "2026-01-05T11:00:00Z"),
    (3, "email", "en", "2026-01-05T23:30:00Z"), (7, "web", "en", "2026-02-10T10:00:00Z"),
    (None, "web", "en", "2026-02-10T10:00:00Z"), ("na", "web", "en", "2026-02-10T10:00:00Z"),
]  # fmt: skip


@dataclass
class BiCompany:
    """One workspace with its key and the URL of its BI role."""

    service: Service
    name: str
    headers: dict[str, str] = field(default_factory=dict)
    sql: str = ""

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.service.url, headers=self.headers, timeout=60)

    def figure(self, metric: str, **params: Any) -> Any:
        query = {"from": "2026-01-01", "to": "2026-03-01"} | params
        with self.client as client:
            reply = client.get(f"/v1/metrics/{metric}", params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def answer(self) -> str:
        """Give one more answer, as a test, and return its id."""
        line = {"survey": "s", "channel": "api", "answers": {"score": 9},
                "responded_at": "2025-01-31T10:00:00Z"}  # fmt: skip
        with self.client as client:
            response_id: str = client.post("/v1/responses", json=line).json()["id"]
        return response_id

    def role(self, *options: str) -> str:
        """Make a BI role by the command, and return the URL that it prints."""
        process = self.service.command("bi-role", "--workspace", self.name, *options)
        assert process.returncode == 0, process.stderr
        (line,) = process.stdout.splitlines()
        return line

    def furnish(self) -> None:
        with self.service.client() as admin:
            tenant = admin.post("/v1/workspaces", json={"name": self.name, "key": self.name}).json()
        self.headers = {"Authorization": f"Bearer {tenant['api_key']['secret']}"}
        ces = {"key": "effort", "type": "ces", "text": {"en": "?"}}
        csat = {"key": "happy", "type": "csat", "text": {"en": "?"}}
        with self.client as client:
            client.patch("/v1/workspace", json={"segments": ["store"]}).raise_for_status()
            nps = {"key": "score", "type": "nps", "text": {"en": "?"}}
            body = {"key": "s", "name": "S", "metric": "nps", "touchpoint": "shop"}
            questions = [nps, ces, csat]
            client.post("/v1/surveys", json=body | {"questions": questions}).raise_for_status()
            client.post("/v1/surveys/s/publish").raise_for_status()
            lines = [
                {"survey": "s", "channel": channel, "locale": locale, "responded_at": at,
                 "answers": {"score": score, "effort": 5, "happy": 4},
                 "properties": {"store": "W" if channel == "web" else "E"},
                 "customer": {"email": f"{self.name}@c.pl", "name": f"Mr {self.name}"}}
                for score, channel, locale, at in LINES
            ]  # fmt: skip
            reply = client.post("/v1/responses/batch", json=lines).json()
            assert reply["accepted"] == len(LINES), reply
            for number, (type_, at) in enumerate(
                (("ticket.opened", "08:00:00"), ("ticket.solved", "10:00:00"))
            ):
                entry = {"type": type_, "source": "desk", "external_id": str(number), "ticket": "7"}
                entry["occurred_at"] = f"2026-01-05T{at}Z"
                client.post("/v1/interactions", json=entry).raise_for_status()


@pytest.fixture(scope="package")
def service() -> Iterator[Service]:
    service = Service()
    service.start()
    yield service
    service.remove()


@pytest.fixture(scope="package")
def company(service: Service) -> BiCompany:
    company = BiCompany(service, "mine")
    company.furnish()
    company.sql = company.role()
    return company


@pytest.fixture(scope="package")
def neighbour(service: Service) -> BiCompany:
    neighbour = BiCompany(service, "theirs")
    neighbour.furnish()
    neighbour.sql = neighbour.role("--personal")
    return neighbour


@pytest.fixture(scope="package")
def several(service: Service) -> BiCompany:
    """A company that asks the same on several scales."""
    company = BiCompany(service, "several")
    company.furnish()
    company.sql = company.role()
    csat = {"key": "glad", "type": "csat", "points": 3, "text": {"en": "?"}}
    ces = {"key": "toil", "type": "ces", "points": 5, "text": {"en": "?"}}
    would = {"key": "would", "type": "yes_no", "text": {"en": "?"}}
    body = {"key": "other", "name": "Other", "metric": "nps", "questions": [would, csat, ces]}
    with company.client as client:
        client.post("/v1/surveys", json=body).raise_for_status()
        client.post("/v1/surveys/other/publish").raise_for_status()
        for number, answer in enumerate((True, True, False)):
            answers = {"would": answer, "glad": number + 1, "toil": 5 - number}
            line = {"survey": "other", "channel": "web", "answers": answers,
                    "responded_at": "2026-01-20T10:00:00Z"}  # fmt: skip
            client.post("/v1/responses", json=line).raise_for_status()
    return company
