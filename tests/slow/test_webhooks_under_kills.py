# SPDX-License-Identifier: Apache-2.0
"""Every process is killed while deliveries are on their way; all of them arrive."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.receiver import Receiver
from tests.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(AFTERWORD_ALLOW_PRIVATE_WEBHOOKS="true")
    service.start()
    yield service
    service.remove()


def test_sixty_pending_survive_kill_9(service: Service, receiver: Receiver) -> None:
    receiver.behaviours["/slow"] = lambda _reply: time.sleep(2)
    with service.client() as client:
        client.post("/v1/surveys", json={"template": "nps", "key": "nps"}).raise_for_status()
        client.post("/v1/surveys/nps/publish").raise_for_status()
        # The receiver answers nothing until its manner is removed, so all deliveries stay pending.
        body = {"url": receiver.url + "/slow", "events": ["response.created"]}
        client.post("/v1/webhook-endpoints", json=body).raise_for_status()
        lines = [
            {"survey": "nps", "channel": "api", "answers": {"score": number % 11}}
            for number in range(60)
        ]
        client.post("/v1/responses/batch", json=lines).raise_for_status()
        wait_for(lambda: len(receiver.requests) > 0)
    service.kill_everything()
    del receiver.behaviours["/slow"]
    service.start()
    wait_for(lambda: len({request["headers"]["webhook-id"] for request in receiver.requests}) == 60)
    with service.client() as client:
        (endpoint,) = client.get("/v1/webhook-endpoints").json()["data"]
        log = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries"
        wait_for(
            lambda: (
                len(client.get(log, params={"status": "delivered", "limit": 500}).json()["data"])
                == 60
            )
        )


def wait_for(is_so: Callable[[], bool]) -> None:
    for _ in range(1200):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")
