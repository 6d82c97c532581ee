# SPDX-License-Identifier: Apache-2.0
"""The compact table of a file's ids gives what a dictionary gives."""

import random
from uuid import UUID

from app.imports.file_ids import FileIds, Repeat


def test_it_compares_as_a_dictionary_does() -> None:
    chance = random.Random(11)
    # Few last bits, so that many ids want one slot.
    ids = [UUID(int=chance.getrandbits(64) << 64 | chance.getrandbits(9)) for _ in range(9000)]
    table = FileIds()
    for _ in range(2):
        expected: dict[UUID, str] = {}
        for id_ in chance.choices(ids, k=20_000):
            content = f"{chance.randrange(3):016x}" + "0" * 48
            known = expected.setdefault(id_, content) if id_ in expected else None
            expected.setdefault(id_, content)
            repeat = Repeat.SAME if known == content else Repeat.OTHER_VALUES
            assert table.compare(id_, content) is (None if known is None else repeat)
        assert len(table) == len(expected)
        assert all((id_ in table) == (id_ in expected) for id_ in ids)
        table.clear()
        assert (len(table), ids[0] in table) == (0, False)


def test_it_counts() -> None:
    table = FileIds()
    contents = [f"{number + 1:064x}"[::-1] for number in range(5000)]
    assert [table.count(content) for content in contents] == [1] * 5000
    assert [table.count(content) for content in contents[:3] * 2] == [2, 2, 2, 3, 3, 3]


def test_what_is_added_is_there() -> None:
    table = FileIds()
    table.add(UUID(int=7 << 64))
    assert UUID(int=7 << 64) in table
    assert UUID(int=8 << 64) not in table
    assert "no id" not in table
