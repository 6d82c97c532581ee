# SPDX-License-Identifier: Apache-2.0
"""Four senders, duplicates, reopenings, a throttle and kills give the result of a slow replay."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import Service

pytestmark = pytest.mark.slow
CUSTOMERS, ORDERS, TICKETS, SENDERS = 40, 300, 120, 4
TRIGGERS: list[dict[str, Any]] = [
    {"name": "throttled", "on": "order.paid", "throttle": {"days": 30, "scope": "survey"},
     "once_per": "interaction", "survey": "nps"},
    {"name": "vips", "on": "order.paid", "throttle": None, "once_per": "interaction",
     "where": [{"property": "vip", "op": "eq", "value": True}]},
    {"name": "each order", "on": "order.paid", "throttle": None, "once_per": "order"},
    {"name": "solved", "on": "ticket.solved", "throttle": None},
]  # fmt: skip


@contextlib.contextmanager
def running(workers: int) -> Iterator[Service]:
    service = Service(workers=workers)
    service.start()
    try:
        prepare(service)
        yield service
    finally:
        service.remove()


def happened() -> list[dict[str, Any]]:
    """Return orders that are told under two ids each, and tickets that are opened again."""
    chance = random.Random(5)
    messages: list[dict[str, Any]] = []
    for number in range(ORDERS):
        customer = {"email": f"c{chance.randrange(CUSTOMERS)}@example.com"}
        messages += [
            {"type": "order.paid", "source": "shop", "external_id": f"o-{number}-{times}",
             "order": f"o-{number}", "customer": customer,
             "occurred_at": f"2026-03-01T10:00:{times:02}Z",
             "properties": {"vip": number % 3 == 0}}
            for times in range(chance.randint(1, 2))
        ]  # fmt: skip
    for number in range(TICKETS):
        customer = {"email": f"c{chance.randrange(CUSTOMERS)}@example.com"}
        types = ["opened", "solved", "reopened", "solved", "reopened", "solved"]
        for place, type_ in enumerate(types[: chance.randint(1, 6)]):
            messages.append({
                "type": f"ticket.{type_}", "source": "desk", "ticket": f"t-{number}",
                "external_id": f"t-{number}-{place}", "customer": customer,
                "occurred_at": f"2026-03-0{1 + place}T{chance.randint(8, 18):02}:00:00Z",
            })  # fmt: skip
    return messages


def prepare(service: Service) -> None:
    with service.client() as client:
        for name in ("ces", "nps"):
            client.post("/v1/surveys", json={"template": name, "key": name}).raise_for_status()
            client.post(f"/v1/surveys/{name}/publish").raise_for_status()
        for trigger in TRIGGERS:
            body = {"survey": "ces", "delay": "P366D", "max_age": None} | trigger
            client.post("/v1/triggers", json=body).raise_for_status()


def start_sender(service: Service, folder: Path, number: int) -> subprocess.Popen[bytes]:
    file, name = str(folder / f"{number}.json"), "tests.slow.sender_process"
    command = [sys.executable, "-m", name, service.url, service.key, file, str(number)]
    return subprocess.Popen(command)


def send_under_kills(service: Service, folder: Path) -> None:
    """Let four processes send everything, some twice, while they and the service are killed."""
    chance, interactions = random.Random(9), happened()
    shares: list[list[dict[str, Any]]] = [[] for _ in range(SENDERS)]
    for number, interaction in enumerate(interactions):
        shares[number % SENDERS].append(interaction)
        shares[chance.randrange(SENDERS)].append(interaction)
    for number, share in enumerate(shares):
        (folder / f"{number}.json").write_text(json.dumps(share))
    senders = [start_sender(service, folder, number) for number in range(SENDERS)]
    for number, pattern in enumerate(("app.cli.web", "app.worker", "postgres -D", "app.cli.web")):
        time.sleep(1.5)
        senders[number].kill()
        senders[number].wait()
        found = service.find(pattern)
        if found:
            found[0].send_signal(signal.SIGKILL)
        senders[number] = start_sender(service, folder, number)
    assert [sender.wait(240) for sender in senders] == [0] * SENDERS


def pages(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        reply = client.get(path, params=params).raise_for_status().json()
        found += reply["data"]
        cursor = reply.get("next_cursor")
        if cursor is None:
            return found


def outcome(service: Service) -> dict[str, Any]:
    """Return what the interactions have come to, by names that both services share."""
    with service.client() as client:
        names = {trigger["id"]: trigger["name"] for trigger in pages(client, "/v1/triggers")}
        interactions = {one["id"]: one for one in pages(client, "/v1/interactions")}
        emails = {one["id"]: one["email"] for one in pages(client, "/v1/customers")}
        tickets = {
            ticket["ticket"]: {name: ticket[name] for name in (
                "status", "opened_at", "first_solved_at", "last_solved_at", "reopened", "invalid",
            )}
            for ticket in pages(client, "/v1/tickets")
        }  # fmt: skip
        decisions: Counter[tuple[Any, ...]] = Counter()
        decided: Counter[tuple[str, str]] = Counter()
        for decision in pages(client, "/v1/decisions"):
            about = interactions[decision["interaction"]]
            name = names[decision["trigger"]]
            decided[name, about["external_id"]] += 1
            # Decisions about tickets depend on the order of arrival, so only orders are compared.
            if about["type"] == "order.paid":
                who = about["order"] if name == "each order" else emails[about["customer_id"]]
                decisions[name, who, decision["outcome"], decision["reason"]] += 1
        invitations = Counter(
            (names[one["trigger"]], one["email"])
            for one in pages(client, "/v1/invitations")
            if names[one["trigger"]] != "solved"
        )
        ttr = client.get("/v1/metrics/ttr", params={"from": "2026-03-01", "to": "2026-04-01"})
    return {
        "interactions": sorted(one["external_id"] for one in interactions.values()),
        "customers": sorted(emails.values()),
        "tickets": tickets, "decisions": decisions, "decided": decided,
        "invitations": invitations, "ttr": ttr.json()["total"],
    }  # fmt: skip


def test_it_comes_to_what_a_slow_replay_does(tmp_path: Path) -> None:
    with running(workers=2) as service:
        send_under_kills(service, tmp_path)
        found = outcome(service)
        checked = service.command("rollups", "check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    with running(workers=1) as service:
        with service.client() as client:
            for interaction in sorted(happened(), key=lambda one: one["occurred_at"]):
                client.post("/v1/interactions", json=interaction).raise_for_status()
        expected = outcome(service)
    assert set(found["decided"].values()) == {1}, "an interaction was decided twice"
    throttled = Counter(email for name, email in found["invitations"] if name == "throttled")
    assert set(throttled.values()) == {1}, "the throttle was broken"
    for name, value in expected.items():
        assert found[name] == value, name
