# SPDX-License-Identifier: Apache-2.0
"""Whether the encoding of a file is certain, as far as its taken columns need it."""

from collections.abc import Callable, Sequence

from app.core.errors import InvalidInput
from app.imports.columns import ColumnUse
from app.imports.table import Table


def require_one_reading(
    table: Table, uses: Sequence[ColumnUse], read_as: Callable[[str], Table]
) -> None:
    """Refuse a file that two encodings can read with different results in a taken column."""
    if table.other is None:
        return
    other = read_as(table.other)
    for (_, first), (_, second) in zip(table.rows(), other.rows(), strict=False):
        for use in uses:
            here = first[use.position]
            # Another reading may have fewer columns.
            there = "".join(second[use.position : use.position + 1])
            if here != there:
                detail = (
                    f"The file can be read as {table.encoding} (`{here[:60]}`) or as "
                    f"{table.other} (`{there[:60]}`); say which with `encoding`."
                )
                raise InvalidInput(detail)
