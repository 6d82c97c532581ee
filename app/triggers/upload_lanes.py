# SPDX-License-Identifier: Apache-2.0
"""Which interactions may be recorded side by side: those that share no case and no person. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from app.interactions.interaction_recorder import InteractionDraft


def split_into_lanes(drafts: Sequence[InteractionDraft], lanes: int) -> list[list[int]]:
    """Divide the drafts into at most so many lanes; a lane holds their positions, in their order.

    Drafts that share a ticket, an order or a person, directly or through others, are in one lane.
    So recording the lanes side by side has the same result as recording all drafts in order.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for position, first in enumerate(_first_positions(drafts)):
        groups[first].append(position)
    sizes: Counter[int] = Counter(dict.fromkeys(range(lanes), 0))
    positions: dict[int, list[int]] = defaultdict(list)
    for group in sorted(groups.values(), key=len, reverse=True):
        lane = min(sizes, key=sizes.__getitem__)
        sizes[lane] += len(group)
        positions[lane] += group
    return [sorted(lane) for lane in positions.values()]


def _first_positions(drafts: Sequence[InteractionDraft]) -> Iterable[int]:
    """Return for each draft the position of the first draft of its group."""
    parent = list(range(len(drafts)))

    def find(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    position_by_key: dict[tuple[object, ...], int] = {}
    for position, draft in enumerate(drafts):
        for key in _keys(draft):
            parent[find(position)] = find(position_by_key.setdefault(key, position))
    return [find(position) for position in range(len(drafts))]


def _keys(draft: InteractionDraft) -> Iterable[tuple[object, ...]]:
    """Return what ties a draft to others."""
    yield "itself", draft.source, draft.external_id
    if draft.ticket:
        yield "ticket", draft.ticket
    if draft.order:
        yield "order", draft.order
    if draft.customer_id:
        yield "customer", draft.customer_id
    if draft.customer is not None:
        # The same id may come from another source, so sources are not compared.
        yield from (("person", value) for _, value in draft.customer.identities)
