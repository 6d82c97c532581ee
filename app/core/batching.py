# SPDX-License-Identifier: Apache-2.0
"""Group commit: while one batch of a workspace is being written, the next one gathers.

No timer adds latency: a lone item is written at once; under load, a batch holds all items that
arrived while the previous batch was being written.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from app.core.errors import AfterwordError, Busy

# So many items must wait before a second batch of a workspace begins beside the first.
_WAITING_FOR_SECOND_WRITER = 16
T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _WaitingItem(Generic[T, R]):
    item: T
    done: asyncio.Future[R]


@dataclass(slots=True)
class _Queue(Generic[T, R]):
    """What waits for one workspace, and how many tasks write for it."""

    waiting: deque[_WaitingItem[T, R]] = field(default_factory=deque)
    writers: int = 0


class Batcher(Generic[T, R]):
    """Gathers what callers submit, and writes it in batches of one workspace each.

    `write` returns a result or an error for each item, in their order. `slots` says how many
    batches may be written at once, `per_workspace` how many of them for one workspace, `most` how
    many items one has, and `max_waiting` how many may wait before callers are told to come back.
    """

    def __init__(
        self,
        write: Callable[[UUID, list[T]], Awaitable[Sequence[R | AfterwordError]]],
        *,
        slots: asyncio.Semaphore,
        most: int,
        max_waiting: int,
        per_workspace: int = 1,
    ) -> None:
        """Prepare; nothing runs before the first item."""
        self._write = write
        self._slots = slots
        self._most = most
        self._max_waiting = max_waiting
        self._per_workspace = per_workspace
        self._queues: dict[UUID, _Queue[T, R]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def submit(self, workspace_id: UUID, item: T) -> R:
        """Return the item's result when it is on disk; raise Busy where too many wait."""
        if self._count >= self._max_waiting:
            raise Busy(reason="backpressure")
        queue = self._queues.setdefault(workspace_id, _Queue())
        if queue.writers == 0 and not self._slots.locked():
            return await self._write_alone(workspace_id, queue, item)
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        queue.waiting.append(_WaitingItem(item, done))
        self._count += 1
        if queue.writers == 0 or self._needs_another_writer(queue):
            queue.writers += 1
            self._start_writer(workspace_id, queue)
        return await done

    async def _write_alone(self, workspace_id: UUID, queue: _Queue[T, R], item: T) -> R:
        """Write an item for which nothing waits, in its caller's own task, which is faster."""
        own = asyncio.current_task()
        assert own is not None  # noqa: S101 - a coroutine of asyncio runs in a task
        queue.writers += 1
        self._count += 1
        self._tasks.add(own)
        try:
            async with self._slots:
                (result,) = await self._write(workspace_id, [item])
        finally:
            self._count -= 1
            self._tasks.discard(own)
            if queue.waiting:
                self._start_writer(workspace_id, queue)
            else:
                self._end_writer(workspace_id, queue)
        if isinstance(result, AfterwordError):
            raise result
        return result

    def _start_writer(self, workspace_id: UUID, queue: _Queue[T, R]) -> None:
        task = asyncio.create_task(self._drain(workspace_id, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end_writer(self, workspace_id: UUID, queue: _Queue[T, R]) -> None:
        queue.writers -= 1
        if queue.writers == 0:
            del self._queues[workspace_id]

    async def close(self) -> None:
        """Write what waits."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self, workspace_id: UUID, queue: _Queue[T, R]) -> None:
        """Write batch after batch until none waits for this workspace."""
        try:
            while queue.waiting:
                async with self._slots:
                    size = min(self._most, len(queue.waiting))
                    batch = [queue.waiting.popleft() for _ in range(size)]
                    await self._write_all(workspace_id, batch)
        finally:
            self._end_writer(workspace_id, queue)

    async def _write_all(self, workspace_id: UUID, batch: list[_WaitingItem[T, R]]) -> None:
        if not batch:
            # Another task has taken the waiting items.
            return
        try:
            results = await self._write(workspace_id, [waiting.item for waiting in batch])
        except Exception as error:  # noqa: BLE001 - every waiting caller hears of it
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                _resolve_future(waiting.done, result)
        finally:
            self._count -= len(batch)

    def _needs_another_writer(self, queue: _Queue[T, R]) -> bool:
        return (
            queue.writers < self._per_workspace and len(queue.waiting) >= _WAITING_FOR_SECOND_WRITER
        )


def _resolve_future(done: asyncio.Future[R], result: R | AfterwordError) -> None:
    if done.done():
        return
    if isinstance(result, AfterwordError):
        done.set_exception(result)
    else:
        done.set_result(result)
