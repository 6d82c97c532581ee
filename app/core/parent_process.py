# SPDX-License-Identifier: Apache-2.0
"""End a child process with its parent: the child's standard input closes when the parent dies."""

import asyncio
import os
import stat
import sys
from collections.abc import Callable


def end_with_parent(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Call `stop` when the pipe on standard input closes; without a pipe there is no parent."""
    descriptor = sys.stdin.fileno() if sys.stdin else -1
    if descriptor < 0 or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return

    def stop_when_closed() -> None:
        if os.read(descriptor, 1) == b"":
            loop.remove_reader(descriptor)
            stop()

    loop.add_reader(descriptor, stop_when_closed)
