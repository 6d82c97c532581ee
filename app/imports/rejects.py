"""The rows that were not taken, as a file of the same shape with a last column that says why."""

import csv
from collections.abc import Sequence
from typing import TextIO

from app.imports.looking import OpenFile, RejectedRow
from app.imports.reading import REJECTED_COLUMN
from app.imports.records import OpenRecords


def write_rejects(
    file: OpenFile | OpenRecords, rejected: Sequence[RejectedRow], to: TextIO
) -> None:
    """Write the rejected rows as a file that can be corrected and imported."""
    writer = csv.writer(to, delimiter=file.table.delimiter or ",")
    columns = file.table.columns
    kept = [place for place, name in enumerate(columns) if name.casefold() != REJECTED_COLUMN]
    writer.writerow([*(columns[place] for place in kept), REJECTED_COLUMN])
    for row in rejected:
        writer.writerow([*(row.cells[place] for place in kept), f"line {row.line}: {row.reason}"])
