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

from tests.integrations.sender import MONTH
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


def make_interactions() -> list[dict[str, Any]]:
    """Return interactions of orders, some under two ids, and of tickets, some of them reopened."""
    chance = random.Random(5)
    interactions: list[dict[str, Any]] = []
    for number in range(ORDERS):
        customer = {"email": f"c{chance.randrange(CUSTOMERS)}@example.com"}
        interactions += [
            {"type": "order.paid", "source": "shop", "external_id": f"o-{number}-{times}",
             "order": f"o-{number}", "customer": customer,
             "occurred_at": f"{MONTH}-01T10:00:{times:02}Z",
             "properties": {"vip": number % 3 == 0}}
            for times in range(chance.randint(1, 2))
        ]  # fmt: skip
    for number in range(TICKETS):
        customer = {"email": f"c{chance.randrange(CUSTOMERS)}@example.com"}
        types = ["opened", "solved", "reopened", "solved", "reopened", "solved"]
        for step, type_ in enumerate(types[: chance.randint(1, 6)]):
            interactions.append({
                "type": f"ticket.{type_}", "source": "desk", "ticket": f"t-{number}",
                "external_id": f"t-{number}-{step}", "customer": customer,
                "occurred_at": f"{MONTH}-0{1 + step}T{chance.randint(8, 18):02}:00:00Z",
            })  # fmt: skip
    return interactions


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
    chance, interactions = random.Random(9), make_interactions()
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
        processes = service.find(pattern)
        if processes:
            processes[0].send_signal(signal.SIGKILL)
        senders[number] = start_sender(service, folder, number)
    assert [sender.wait(240) for sender in senders] == [0] * SENDERS


def pages(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    rows, cursor = [], None
    while True:
        params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        reply = client.get(path, params=params).raise_for_status().json()
        rows += reply["data"]
        cursor = reply.get("next_cursor")
        if cursor is None:
            return rows


def outcome(service: Service) -> dict[str, Any]:
    """Return the final state of a service, by names instead of ids, so that two can be compared."""
    with service.client() as client:
        names = {trigger["id"]: trigger["name"] for trigger in pages(client, "/v1/triggers")}
        interactions = {row["id"]: row for row in pages(client, "/v1/interactions")}
        emails = {row["id"]: row["email"] for row in pages(client, "/v1/customers")}
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
            (names[row["trigger"]], row["email"])
            for row in pages(client, "/v1/invitations")
            if names[row["trigger"]] != "solved"
        )
        ttr = client.get("/v1/metrics/ttr", params={"from": f"{MONTH}-01", "to": f"{MONTH}-28"})
    return {
        "interactions": sorted(row["external_id"] for row in interactions.values()),
        "customers": sorted(emails.values()),
        "tickets": tickets, "decisions": decisions, "decided": decided,
        "invitations": invitations, "ttr": ttr.json()["total"],
    }  # fmt: skip


def test_senders_under_kills_end_with_the_result_of_a_slow_replay(tmp_path: Path) -> None:
    with running(workers=2) as service:
        send_under_kills(service, tmp_path)
        result = outcome(service)
        checked = service.command("rollups", "check")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    with running(workers=1) as service:
        with service.client() as client:
            for interaction in sorted(make_interactions(), key=lambda row: row["occurred_at"]):
                client.post("/v1/interactions", json=interaction).raise_for_status()
        expected = outcome(service)
    assert set(result["decided"].values()) == {1}, "an interaction was decided twice"
    throttled = Counter(email for name, email in result["invitations"] if name == "throttled")
    assert set(throttled.values()) == {1}, "the throttle was broken"
    for name, value in expected.items():
        assert result[name] == value, name
