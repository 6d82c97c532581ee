# SPDX-License-Identifier: Apache-2.0
"""Names of columns on the cells of a table, which a phone shows one beneath the other. Pure."""

import re

_TABLE = re.compile(r'<table class="stack">.*?</table>', re.DOTALL)
_HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
_COLUMN = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
_ROW = re.compile(r"<tr>.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(td|th)\b([^>]*)>")


def label_cells(html: str) -> str:
    """Write the name of its column on each cell of the tables of a page."""
    return _TABLE.sub(lambda table: _label_table(table[0]), html)


def _label_table(table: str) -> str:
    head = _HEAD.search(table)
    if head is None:
        return table
    # A column whose header is only for screen readers holds buttons, which have their own labels.
    names = ["" if "<" in name else name.strip() for name in _COLUMN.findall(head[0])]
    body = _ROW.sub(lambda row: _label_row(row[0], names), table[head.end() :])
    return table[: head.end()] + body


def _label_row(row: str, names: list[str]) -> str:
    parts: list[str] = []
    end = 0
    for cell, name in zip(_CELL.finditer(row), names, strict=False):
        is_labelled = "data-label" in cell[2] or cell[1] == "th" or not name
        label = "" if is_labelled else f' data-label="{name}"'
        parts += [row[end : cell.start()], f"<{cell[1]}{cell[2]}{label}>"]
        end = cell.end()
    return "".join([*parts, row[end:]])
