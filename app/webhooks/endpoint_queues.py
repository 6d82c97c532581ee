# SPDX-License-Identifier: Apache-2.0
"""Which delivery is sent next: a queue for each endpoint, so that none waits for another. Pure.

A claimed delivery waits in its endpoint's queue for a free slot. A delivery that waited too long
is not begun: its lease would end during the attempt, and another worker would send it too.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from app.webhooks.models import Delivery, WebhookEndpoint
from app.webhooks.subscriber_events import SubscriberEvent

MAX_CONCURRENT_DELIVERIES = 256
MAX_PER_ENDPOINT = 8
MAX_PER_WORKSPACE = 64
MAX_CLAIMED_PER_ENDPOINT = 128


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """One delivery with what it takes to send it; `begin_by` is a moment of the loop's clock."""

    delivery: Delivery
    endpoint: WebhookEndpoint
    event: SubscriberEvent | None
    begin_by: float


@dataclass
class EndpointQueues:
    """What is claimed, by endpoint, and what runs."""

    waiting: dict[UUID, deque[ClaimedDelivery]] = field(default_factory=dict)
    running_by_endpoint: Counter[UUID] = field(default_factory=Counter)
    running_by_workspace: Counter[UUID] = field(default_factory=Counter)

    def add(self, claimed: ClaimedDelivery) -> None:
        """Let a delivery wait in its endpoint's queue."""
        self.waiting.setdefault(claimed.endpoint.id, deque()).append(claimed)

    def take_ready(self, now: float) -> Iterator[ClaimedDelivery]:
        """Yield the deliveries to begin now; each counts as running from then on."""
        # The endpoint with the fewest running attempts comes first.
        for endpoint_id in sorted(
            self.waiting, key=lambda endpoint_id: self.running_by_endpoint[endpoint_id]
        ):
            queue = self.waiting[endpoint_id]
            while queue and self._has_slot(queue[0].endpoint):
                claimed = queue.popleft()
                if claimed.begin_by > now:
                    self.running_by_endpoint[endpoint_id] += 1
                    self.running_by_workspace[claimed.endpoint.workspace_id] += 1
                    yield claimed
            if not queue:
                del self.waiting[endpoint_id]

    def _has_slot(self, endpoint: WebhookEndpoint) -> bool:
        return (
            self.running_by_endpoint[endpoint.id] < MAX_PER_ENDPOINT
            and self.running_by_workspace[endpoint.workspace_id] < MAX_PER_WORKSPACE
            and self.running_by_endpoint.total() < MAX_CONCURRENT_DELIVERIES
        )

    def release_slot(self, endpoint: WebhookEndpoint) -> None:
        """Free a slot."""
        for counts, name in (
            (self.running_by_endpoint, endpoint.id),
            (self.running_by_workspace, endpoint.workspace_id),
        ):
            counts[name] -= 1
            if not counts[name]:
                del counts[name]

    def drain(self, endpoint_id: UUID) -> list[Delivery]:
        """Empty the queue of an endpoint that fails; return what was not begun."""
        return [claimed.delivery for claimed in self.waiting.pop(endpoint_id, ())]

    def count_claimed(self) -> dict[str, int]:
        """Return how many deliveries of each endpoint are claimed."""
        counts = Counter({str(id_): count for id_, count in self.running_by_endpoint.items()})
        for endpoint_id, queue in self.waiting.items():
            counts[str(endpoint_id)] += len(queue)
        return dict(counts)

    def is_idle(self, endpoint_id: UUID) -> bool:
        """Tell whether an endpoint has nothing more to do."""
        return endpoint_id not in self.waiting and endpoint_id not in self.running_by_endpoint
