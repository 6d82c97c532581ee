# SPDX-License-Identifier: Apache-2.0
"""What an import makes of one row of answers."""

import datetime as dt
from typing import Any, NamedTuple

import msgspec

from app.imports.identities import IdentifiedRow
from app.imports.models import WRITING
from app.responses.body import ResponseIn


class RowChange(NamedTuple):
    """What becomes of one row.

    `before` is the response that it changes, None if it adds one. With `clears`, a response with
    this id is stored and is deleted before the row is written. With `is_stored`, the response is
    stored already and equals the row.
    """

    entry: IdentifiedRow
    before: dict[str, Any] | None
    clears: bool = False
    is_stored: bool = False
    seq: int = 1

    @property
    def new_seq(self) -> int:
        """The number of the response once the row is written."""
        return self.before["seq"] + 1 if self.before is not None else self.seq

    @property
    def noted_seq(self) -> int:
        """The number to note before the row is written."""
        return WRITING if self.before is not None else self.seq

    @property
    def tags(self) -> list[str]:
        """The tags of the response once the row is written."""
        own_tags = self.entry.row.body.tags
        return list(own_tags or (self.before["tags"] if self.before is not None else ()))

    def body(self) -> ResponseIn:
        """Return the body to write.

        If the row has no tags, those that people gave stay; if it has no date, the stored time.
        """
        row = self.entry.row
        body = msgspec.structs.replace(
            row.body, id=self.entry.id, seq=self.new_seq, tags=self.tags or row.body.tags
        )
        if not row.is_dated and self.before is not None:
            body.responded_at = dt.datetime.fromisoformat(self.before["responded_at"])
        return body
