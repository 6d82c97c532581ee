# SPDX-License-Identifier: Apache-2.0
"""The rows that were not taken, as a file of the same shape with a last column that says why."""

import csv
from collections.abc import Sequence
from typing import TextIO
from uuid import UUID

from app.imports.report import InspectedFile
from app.imports.row_scan import RejectedRow
from app.imports.table import REJECTED_COLUMN, RejectsOrigin


def encoding_of_rejects(of_file: str | None) -> str:
    """Return the encoding of rejected rows: UTF-8, with a byte order mark if the file had another.

    The mark overrides the file's option `encoding` when the rows are read again.
    """
    is_utf8 = of_file is None or of_file.replace("_", "-").startswith("utf-8")
    return "utf-8" if is_utf8 else "utf-8-sig"


def write_rejects(
    file: InspectedFile, rejected: Sequence[RejectedRow], to: TextIO, import_id: UUID | None = None
) -> None:
    """Write the rejected rows as a file that can be corrected and imported with the same options.

    Rows before the header are written as empty rows; further header rows are copied. A row that
    was joined from several is written as those rows.
    `import_id` is the import that takes the other rows, None while the file is only looked at.
    """
    table = file.table
    earlier = table.origin.imports if table.origin else ()
    own = () if import_id is None else (import_id,)
    # A date format that was given must be given again with the rejects.
    dates = file.dates if file.dates is not None and file.dates.format is None else None
    origin = RejectsOrigin(
        file.options.source, earlier + own,
        dates.order if dates else None, dates.zone.key if dates else None,
    )  # fmt: skip
    writer = csv.writer(to, delimiter=table.delimiter or ",")
    for _ in range(table.skipped_rows):
        writer.writerow(["-"])
    columns = table.original_columns or table.columns
    indices = [
        position for position, name in enumerate(columns) if name.casefold() != REJECTED_COLUMN
    ]
    writer.writerow([*(columns[position] for position in indices), REJECTED_COLUMN])
    for header in table.more_headers:
        writer.writerow(header[position] if position < len(header) else "" for position in indices)
    for row in rejected:
        reason = f"line {row.line}: {row.reason} {origin}"
        for cells in table.originals(row.line) if table.originals else [row.cells]:
            # Cells beyond the header stay beyond it, so that the row is not taken without them.
            writer.writerow(
                [*(cells[position] for position in indices), reason, *cells[len(columns) :]]
            )
