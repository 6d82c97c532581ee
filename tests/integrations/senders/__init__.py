# SPDX-License-Identifier: Apache-2.0
"""Every sender that the tests play, by the name of its source: one module each."""

import pkgutil
import time
from importlib import import_module

from tests.integrations.sender import SECRET, Sender

SENDERS: dict[str, Sender] = {
    module.name: import_module(f"{__name__}.{module.name}").SENDER
    for module in pkgutil.iter_modules(__path__)
}
STORIES = [(name, story) for name, sender in SENDERS.items() for story in sender.stories]


def signed_headers(
    source: str, body: bytes, *, secret: str = SECRET, at: float | None = None
) -> dict[str, str]:
    """Return the headers with which a source signs this body."""
    sign = SENDERS[source].sign
    assert sign is not None
    return sign(body, secret, int(time.time() if at is None else at))
