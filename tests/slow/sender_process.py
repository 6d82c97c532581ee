# SPDX-License-Identifier: Apache-2.0
"""A process that sends interactions in an order of its own until all are acknowledged.

`python -m tests.slow.sender_process URL KEY FILE SEED` sends those of FILE (a JSON array), some one
by one over a few connections and some in batches. What is not acknowledged is sent again.
"""

import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

_CONNECTIONS = 6
_ALONE, _MAX_TOGETHER = 0.6, 25


def send_until_acknowledged(client: httpx.Client, sent: list[Any]) -> None:
    """Send one interaction, or a batch, until it is acknowledged."""
    alone = len(sent) == 1
    path = "/v1/interactions" if alone else "/v1/interactions/batch?triggers=true"
    while True:
        try:
            reply = client.post(path, json=sent[0] if alone else sent)
        except httpx.TransportError:
            reply = None
        if reply is not None and reply.status_code in {200, 201}:
            rejected = [] if alone else reply.json()["rejected"]
            assert not rejected, rejected
            return
        # A 4xx reply other than 429 is final: sending it again would not help.
        refused = reply is not None and reply.status_code < 500 and reply.status_code != 429
        assert not refused, reply and reply.text
        time.sleep(0.1)


def main() -> None:
    """Send everything once, in pieces of different lengths."""
    url, key, file, seed = sys.argv[1:]
    chance = random.Random(seed)
    waiting = json.loads(Path(file).read_text())
    chance.shuffle(waiting)
    pieces = []
    while waiting:
        length = 1 if chance.random() < _ALONE else chance.randint(2, _MAX_TOGETHER)
        pieces.append(waiting[:length])
        del waiting[:length]
    headers = {"Authorization": f"Bearer {key}"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=30) as client,
        ThreadPoolExecutor(_CONNECTIONS) as threads,
    ):
        for _ in threads.map(lambda piece: send_until_acknowledged(client, piece), pieces):
            pass


if __name__ == "__main__":
    main()
