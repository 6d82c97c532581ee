# SPDX-License-Identifier: Apache-2.0
"""The ids of a file's rows, kept compactly: in 40 to 80 bytes a row."""

from array import array
from enum import Enum
from uuid import UUID

_HALF_BITS = 64
_FIRST_SIZE = 1 << 12
# The table grows when more than 6 of 10 slots are taken.
_FULL_TENTHS = 6
_HEX_OF_CONTENT, _HEX_OF_ID = 16, 32


class Repeat(Enum):
    """How a row repeats an earlier row with its id."""

    SAME = "same"
    OTHER_VALUES = "other values"


class FileIds:
    """Maps ids to numbers, such as the beginnings of contents' hashes: 24 bytes a slot.

    An open-addressing table with linear probing. The upper half of an id is not 0; numbers are
    whole and below 2**64.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._resize(_FIRST_SIZE)

    def __contains__(self, id_: object) -> bool:
        """Tell whether the file has this id."""
        if not isinstance(id_, UUID):
            return False
        return bool(self._high[self._slot_of(*divmod(id_.int, 1 << _HALF_BITS))])

    def __len__(self) -> int:
        """Return how many ids there are."""
        return self._used

    def add(self, id_: UUID) -> None:
        """Keep an id, if it is new, with the number 0."""
        self._place(id_, 0)

    def compare(self, id_: UUID, content_hash: str) -> Repeat | None:
        """Keep an id with its row's content, a hash in hexadecimal; None if the id is new."""
        number = int(content_hash[:_HEX_OF_CONTENT], 16)
        slot, is_new = self._place(id_, number)
        if is_new:
            return None
        return Repeat.SAME if self._numbers[slot] == number else Repeat.OTHER_VALUES

    def count(self, content_hash: str) -> int:
        """Count one more row of a content; return how many there are."""
        slot, _ = self._place(UUID(content_hash[:_HEX_OF_ID]), 0)
        self._numbers[slot] += 1
        return self._numbers[slot]

    def clear(self) -> None:
        """Forget all ids."""
        self._resize(_FIRST_SIZE)

    def _place(self, id_: UUID, number: int) -> tuple[int, bool]:
        """Keep an id, if it is new, with a number; return its slot, and whether it is new."""
        high, low = divmod(id_.int, 1 << _HALF_BITS)
        slot = self._slot_of(high, low)
        if self._high[slot]:
            return slot, False
        if (self._used + 1) * 10 > len(self._high) * _FULL_TENTHS:
            self._grow()
            slot = self._slot_of(high, low)
        self._high[slot], self._low[slot], self._numbers[slot] = high, low, number
        self._used += 1
        return slot, True

    def _slot_of(self, high: int, low: int) -> int:
        """Return the slot of an id, or the free one where it would be kept."""
        mask = len(self._high) - 1
        slot = low & mask
        while self._high[slot] and (self._high[slot] != high or self._low[slot] != low):
            slot = (slot + 1) & mask
        return slot

    def _resize(self, size: int) -> None:
        self._high, self._low, self._numbers = (array("Q", bytes(8 * size)) for _ in range(3))
        self._used = 0

    def _grow(self) -> None:
        earlier = zip(self._high, self._low, self._numbers, strict=True)
        used = self._used
        self._resize(2 * len(self._high))
        self._used = used
        for high, low, number in earlier:
            if high:
                slot = self._slot_of(high, low)
                self._high[slot], self._low[slot], self._numbers[slot] = high, low, number
