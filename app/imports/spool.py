"""Rows that were read, kept in a temporary file, so that they are taken exactly as shown."""

import pickle
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize


class Spool:
    """Keeps chunks of rows in order on disk; its file is deleted together with the spool."""

    def __init__(self) -> None:
        """Start empty."""
        self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
        finalize(self, self._file.close)
        self.is_complete = False

    def keep(self, chunk: Any) -> None:
        """Keep one more chunk."""
        pickle.dump(chunk, self._file, protocol=pickle.HIGHEST_PROTOCOL)

    def chunks(self) -> Iterator[Any]:
        """Yield the chunks that were kept."""
        self._file.seek(0)
        while True:
            try:
                # It is safe: only `keep` writes this file, which has no name.
                yield pickle.load(self._file)  # noqa: S301
            except EOFError:
                return
