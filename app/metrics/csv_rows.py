# SPDX-License-Identifier: Apache-2.0
"""A metric's reply as CSV: one row a period and group, the same fields in the same order."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import Request

from app.core.text_types import escape_csv_formula

_FIRST = ("period",)
_LAST = "distribution"
_CHANGES = ("delta", "p_value", "significant")
_TOTAL_ONLY = "excluded"


def to_csv(reply: dict[str, Any]) -> str:
    """Write the rows, or the total where there are none; the first line names the columns."""
    rows = reply["rows"] or ([] if reply["group_by"] else [reply["total"]])
    flat = [_flat(row) for row in rows]
    if not reply["rows"] and flat:
        flat[0] |= _comparison_columns(reply)
    if flat and reply.get("warnings"):
        flat[0]["warnings"] = "; ".join(reply["warnings"])
    columns = list(dict.fromkeys(_distribution_last([name for row in flat for name in row])))
    if not columns:
        figure = [name for name in _flat(reply["total"]) if not name.startswith(_TOTAL_ONLY)]
        periods = _FIRST if reply["interval"] != "none" else ()
        columns = list(dict.fromkeys(_distribution_last([*periods, *reply["group_by"], *figure])))
    return _write_rows(flat, columns)


def rows_to_csv(rows: Iterable[dict[str, Any]], *, columns: Sequence[str] = ()) -> str:
    """Write rows of figures; the first line names the columns of all of them, `columns` first."""
    flat = [_flat(row) for row in rows]
    names = dict.fromkeys([*columns, *(name for row in flat for name in row)])
    return _write_rows(flat, list(names))


def _write_rows(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def _comparison_columns(reply: dict[str, Any]) -> dict[str, Any]:
    """Return what the total is compared with, where that was asked for."""
    previous, change = reply.get("previous"), reply.get("change")
    if previous is None or change is None:
        return {}
    return {
        "previous_value": previous.get("value"),
        "previous_n": previous.get("n"),
        **{f"change_{name}": change.get(name) for name in _CHANGES},
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Lay nested parts side by side: groups under their own names, `ci` as low and high."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "group":
            flat |= value
        elif name == "ci" or name.endswith("_ci"):
            low, high = value or (None, None)
            flat |= {f"{name}_low": low, f"{name}_high": high}
        elif isinstance(value, dict):
            flat |= _flatten_nested(name, value)
        else:
            flat[name] = value
    return flat


def _flatten_nested(name: str, value: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for part, number in value.items():
        column = f"{name}_{part}"
        # The parts of a distribution are named by the options of a question, whatever they are.
        if isinstance(number, dict):
            flat |= _flatten_nested(column, number)
        else:
            flat |= {column: number} if name.startswith(_LAST) else _flat({column: number})
    return flat


def _distribution_last(names: list[str]) -> list[str]:
    first = [name for name in names if not name.startswith(_LAST)]
    return first + [name for name in names if name.startswith(_LAST)]


def _cell(value: Any) -> Any:
    """Defuse texts that a spreadsheet would run as a formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return escape_csv_formula(value) if isinstance(value, str) else value


def wants_csv(request: Request) -> bool:
    """Tell whether the caller asked for CSV, by `format` or by `Accept`."""
    format_ = request.query_params.get("format")
    if format_ is not None:
        return format_ == "csv"
    first = request.headers.get("accept", "").partition(",")[0]
    return first.partition(";")[0].strip().lower() == "text/csv"
