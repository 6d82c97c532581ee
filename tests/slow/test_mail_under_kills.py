# SPDX-License-Identifier: Apache-2.0
"""Every mail is sent, although processes are killed and the mail server is away."""

import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.mailbox import Mailbox
from tests.service import Service

pytestmark = pytest.mark.slow
MAILS, KILLS, AT_ONCE = 120, 4, 8


@pytest.fixture
def service(mailbox: Mailbox) -> Iterator[Service]:
    running = Service(AFTERWORD_SMTP_URL=mailbox.url)
    running.start()
    with running.client() as client:
        client.post("/v1/surveys", json={"template": "ces", "key": "ces"}).raise_for_status()
        client.post("/v1/surveys/ces/publish").raise_for_status()
        body = {"name": "t", "on": "ticket.solved", "survey": "ces"}
        client.post("/v1/triggers", json=body).raise_for_status()
    yield running
    running.remove()


def solve_tickets(service: Service) -> set[str]:
    """Have every customer asked; return the invitations."""
    lines = [
        {"type": "ticket.solved", "source": "h", "external_id": f"{number}", "ticket": f"{number}",
         "customer": {"email": f"c{number}@example.pl"}}
        for number in range(MAILS)
    ]  # fmt: skip
    with service.client() as client:
        reply = client.post("/v1/interactions/batch?triggers=true", json=lines)
        assert reply.json()["accepted"] == MAILS
        page = client.get("/v1/invitations", params={"limit": 500}).json()
        return {invitation["id"] for invitation in page["data"]}


def wait_for_all(mailbox: Mailbox, service: Service, seconds: float) -> None:
    """Wait until every invitation has been sent."""
    until = time.monotonic() + seconds
    with service.client() as client:
        while time.monotonic() < until:
            if not client.get("/v1/invitations?status=scheduled&limit=1").json()["data"]:
                return
            time.sleep(0.5)
    raise AssertionError(f"only {len(mailbox.mails)} mails were sent within {seconds} s")


def test_a_killed_worker_loses_no_mail(service: Service, mailbox: Mailbox) -> None:
    invitations = solve_tickets(service)
    assert len(invitations) == MAILS
    for _ in range(KILLS):
        time.sleep(0.4)
        for worker in service.find("app.worker"):
            worker.send_signal(signal.SIGKILL)
    wait_for_all(mailbox, service, 150)
    sent = Counter(mail["Message-ID"].strip("<>").partition(".")[0] for mail in mailbox.mails)
    assert set(sent) == invitations
    assert sum(sent.values()) - MAILS <= KILLS * AT_ONCE


def test_mails_wait_for_their_server(service: Service, mailbox: Mailbox) -> None:
    mailbox.stop()
    invitations = solve_tickets(service)
    time.sleep(5)
    assert mailbox.mails == []
    mailbox.start()
    wait_for_all(mailbox, service, 150)
    sent = Counter(mail["Message-ID"].strip("<>").partition(".")[0] for mail in mailbox.mails)
    assert sent == dict.fromkeys(invitations, 1)
