# SPDX-License-Identifier: Apache-2.0
"""The compact table of a file's ids gives what a dictionary gives."""

import random
from uuid import UUID

from app.imports.file_ids import FileIds


def test_it_gives_what_a_dictionary_gives() -> None:
    chance = random.Random(11)
    # Few last bits, so that many ids want one slot.
    ids = [UUID(int=chance.getrandbits(64) << 64 | chance.getrandbits(9)) for _ in range(9000)]
    table = FileIds()
    expected: dict[UUID, int] = {}
    for id_ in chance.choices(ids, k=20_000):
        content = chance.getrandbits(64)
        known = expected.get(id_, 0)
        assert table.setdefault(id_, content) == known
        expected.setdefault(id_, content)
    assert len(table) == len(expected)
    assert all((id_ in table) == (id_ in expected) for id_ in ids)
    table.clear()
    assert (len(table), ids[0] in table) == (0, False)


def test_it_counts() -> None:
    table = FileIds()
    ids = [UUID(int=number + 1 << 64) for number in range(5000)]
    assert [table.count(id_) for id_ in ids] == [1] * 5000
    assert [table.count(id_) for id_ in ids[:3] * 2] == [2, 2, 2, 3, 3, 3]
