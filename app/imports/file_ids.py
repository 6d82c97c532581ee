# SPDX-License-Identifier: Apache-2.0
"""The ids of a file's rows, kept compactly: a file of millions takes tens of megabytes."""

from array import array
from uuid import UUID

_FIRST_SIZE = 1 << 12
# Of ten slots so many may be taken before there are more.
_FULL_TENTHS = 6


class FileIds:
    """Maps each row's id to a number that stands for its content, 24 bytes a slot.

    An open-addressing table with linear probing. An id is not 0; no content is 0.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._resize(_FIRST_SIZE)

    def __contains__(self, id_: object) -> bool:
        """Tell whether a row of the file has this id."""
        return isinstance(id_, UUID) and bool(self._high[self._slot_of(*divmod(id_.int, 1 << 64))])

    def __len__(self) -> int:
        """Return how many ids there are."""
        return self._used

    def setdefault(self, id_: UUID, content: int = 0) -> int:
        """Return the content kept for an id; keep the given one if the id is new.

        Contents are whole numbers below 2**64. For a new id, 0 is returned.
        """
        high, low = divmod(id_.int, 1 << 64)
        slot = self._slot_of(high, low)
        if self._high[slot]:
            return self._contents[slot]
        self._high[slot], self._low[slot], self._contents[slot] = high, low, content
        self._used += 1
        if self._used * 10 > len(self._high) * _FULL_TENTHS:
            self._grow()
        return 0

    def count(self, id_: UUID) -> int:
        """Count one more of an id instead of keeping a content; return how many there are."""
        self.setdefault(id_)
        slot = self._slot_of(*divmod(id_.int, 1 << 64))
        self._contents[slot] += 1
        return self._contents[slot]

    def clear(self) -> None:
        """Forget all ids."""
        self._resize(_FIRST_SIZE)

    def _slot_of(self, high: int, low: int) -> int:
        """Return the slot of an id, or the free one where it would be kept."""
        mask = len(self._high) - 1
        slot = low & mask
        while self._high[slot] and (self._high[slot] != high or self._low[slot] != low):
            slot = (slot + 1) & mask
        return slot

    def _resize(self, size: int) -> None:
        self._high, self._low, self._contents = (array("Q", bytes(8 * size)) for _ in range(3))
        self._used = 0

    def _grow(self) -> None:
        earlier = zip(self._high, self._low, self._contents, strict=True)
        used = self._used
        self._resize(2 * len(self._high))
        self._used = used
        for high, low, content in earlier:
            if high:
                slot = self._slot_of(high, low)
                self._high[slot], self._low[slot], self._contents[slot] = high, low, content
