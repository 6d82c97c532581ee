# SPDX-License-Identifier: Apache-2.0
"""The identity of a row of answers: its source and its id, or its source and its cells."""

from collections import Counter
from collections.abc import Container, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from app.core.ids import keyed_uuids
from app.imports.file_ids import FileIds, Repeat
from app.imports.rows import ParsedRow, UnreadableRowError, row_hash
from app.imports.table import REJECTED_COLUMN
from app.surveys.compiled import CompiledSurvey


class IdentifiedRow(NamedTuple):
    """One row with the id of its response.

    `former_id` is the id that earlier versions of this program gave to a row without an id: it
    depended on the mapping, so another mapping of the same row made another response.
    """

    row: ParsedRow
    id: UUID
    former_id: UUID | None = None

    @property
    def ids(self) -> tuple[UUID, ...]:
        """The ids under which its response may be stored."""
        return (self.id,) if self.former_id is None else (self.id, self.former_id)

    def known_as(self, earlier: Container[UUID]) -> "IdentifiedRow":
        """Return the row under its former id if only that is known from earlier imports."""
        if self.former_id is not None and self.former_id in earlier and self.id not in earlier:
            return IdentifiedRow(self.row, self.former_id)
        return self


@dataclass
class RowIdentities:
    """Identifies the rows of one file, and finds those that stand in it twice.

    `ids` has the ids of the file's responses; for rows with ids also the beginning of their
    content hash. If the file holds rejected rows, `elsewhere` has the responses of the other rows
    of the original file: a row without an id whose corrected cells equal one of them is new.
    """

    survey: CompiledSurvey
    source: str
    columns: Sequence[str]
    notes: Counter[str]
    ids: FileIds = field(default_factory=FileIds)
    elsewhere: Set[UUID] = frozenset()
    _repeats: FileIds = field(default_factory=FileIds)

    def __post_init__(self) -> None:
        """Prepare the names that all ids share."""
        names = ("import", str(self.survey.id), self.source)
        self._derived = keyed_uuids(self.survey.derivation.key, *names)

    def clear(self) -> None:
        """Forget all rows, before the file is read again."""
        self.ids.clear()
        self._repeats.clear()

    def identify(self, row: ParsedRow, cells: Sequence[str]) -> IdentifiedRow | None:
        """Return the row with its id; None if it repeats an earlier row with that id.

        Raises UnreadableRowError if an earlier row has its id and other values.
        """
        if row.external_id is None:
            content = self._hash_of_cells(cells)
            while (own := self._derived("cells", *self._number_repeat(content))) in self.elsewhere:
                pass
            return IdentifiedRow(row, own, self._derived("row", *self._number_repeat(row.content)))
        entry = IdentifiedRow(row, self._derived("id", row.external_id))
        repeat = self.ids.compare(entry.id, row.content)
        if repeat is None:
            return entry
        if repeat is Repeat.OTHER_VALUES:
            reason = f"an earlier row has the id `{row.external_id[:40]}` and other values"
            raise UnreadableRowError("external_id", reason)
        self.notes["external_id: the row repeats an earlier one"] += 1
        return None

    def _number_repeat(self, content: str) -> tuple[str, str]:
        return content, str(self._repeats.count(content))

    def _hash_of_cells(self, cells: Sequence[str]) -> str:
        """Return the hash of what stands in the row, whatever its columns mean."""
        return row_hash(
            sorted(
                (name.casefold(), cell)
                for name, cell in zip(self.columns, cells, strict=True)
                if cell and name.casefold() != REJECTED_COLUMN
            )
        )
