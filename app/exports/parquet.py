# SPDX-License-Identifier: Apache-2.0
"""Parquet, where its library is installed (`afterword[parquet]`)."""

import datetime as dt
import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from app.exports.columns import Column, Type

MEDIA_TYPE = "application/vnd.apache.parquet"


def is_installed() -> bool:
    """Tell whether this service can write Parquet."""
    return find_spec("pyarrow") is not None


class ParquetWriter:
    """A row group for every few thousand rows; documents are JSON texts, times UTC."""

    media_type = MEDIA_TYPE

    def __init__(self, columns: Sequence[Column]) -> None:
        """Prepare for these columns."""
        # It is large, and most services never write it.
        import pyarrow as pa  # noqa: PLC0415 - large, and for this format alone
        from pyarrow import parquet  # noqa: PLC0415 - the same

        types: dict[Type, Any] = {
            Type.INTEGER: pa.int64(),
            Type.NUMBER: pa.float64(),
            Type.BOOLEAN: pa.bool_(),
            Type.TIME: pa.timestamp("us", tz="UTC"),
            Type.DATE: pa.date32(),
        }
        self._pa = pa
        self._schema = pa.schema(
            [(column.name, types.get(column.type, pa.string())) for column in columns]
        )
        self._fit = [_FITS.get(column.type, lambda value: value) for column in columns]
        self._out = io.BytesIO()
        self._file = parquet.ParquetWriter(_Sink(self._out), self._schema)

    def begin(self) -> bytes:
        """Write the magic bytes."""
        return self._drain()

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Write one row group."""
        arrays = [
            self._pa.array(
                [None if value is None else fit(value) for value in values], type=kind.type
            )
            for fit, values, kind in zip(
                self._fit, zip(*rows, strict=True), self._schema, strict=True
            )
        ]
        self._file.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        return self._drain()

    def end(self) -> bytes:
        """Write the footer."""
        self._file.close()
        return self._drain()

    def _drain(self) -> bytes:
        ready = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return ready


_FITS: dict[Type, Callable[[Any], Any]] = {
    Type.ID: str,
    Type.NUMBER: float,
    Type.TIME: lambda value: value.astimezone(dt.UTC),
}


class _Sink(io.RawIOBase):
    """The file that pyarrow writes to; it counts the bytes written, which pyarrow asks for."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = self._out.write(data)
        self._written += size
        return size

    def tell(self) -> int:
        return self._written
