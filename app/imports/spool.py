# SPDX-License-Identifier: Apache-2.0
"""Rows that were read, kept in a temporary file, so that they are taken exactly as shown."""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize

import msgspec

_LENGTH_BYTES = 8


class Spool:
    """Keeps chunks of rows in order on disk; its file is deleted together with the spool."""

    def __init__(self, type_: Any) -> None:
        """Start empty; `type_` is the type of a chunk."""
        self._file = TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
        finalize(self, self._file.close)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(type_).decode
        self.is_complete = False

    def keep(self, chunk: Any) -> None:
        """Keep one more chunk."""
        content = self._encode(chunk)
        self._file.write(len(content).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(content)

    def chunks(self) -> Iterator[Any]:
        """Yield the chunks that were kept."""
        self._file.seek(0)
        while length := self._file.read(_LENGTH_BYTES):
            yield self._decode(self._file.read(int.from_bytes(length, "big")))
