# SPDX-License-Identifier: Apache-2.0
"""A survey to read files into, and files as people send them."""

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from tests.shop import Shop

TEXT = {"en": "How likely are you to recommend us?", "pl": "Czy nas polecisz?"}
QUESTIONS = [
    {"key": "score", "type": "nps", "text": TEXT},
    {"key": "why", "type": "text", "text": {"en": "Why?"}},
]
ALL_TIME = {"period": "all"}


async def nps_survey(shop: Shop) -> None:
    await shop.publish("nps", metric="nps", questions=QUESTIONS)


async def send(shop: Shop, content: str | bytes, **params: Any) -> Any:
    """Send a file and return the reply's body; refuse anything but success."""
    reply = await post(shop, content, **params)
    assert reply.status_code in {200, 202}, reply.text
    return reply.json()


async def post(shop: Shop, content: str | bytes, **params: Any) -> Any:
    body = content.encode() if isinstance(content, str) else content
    query = {"survey": "nps", "source": "file"} | params
    query = {name: value for name, value in query.items() if value is not None}
    headers = {"Content-Type": "application/octet-stream"}
    return await shop.call("POST", "/v1/imports", content=body, params=query, headers=headers)


def table(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def net(scores: list[int]) -> float:
    good, bad = sum(score >= 9 for score in scores), sum(score <= 6 for score in scores)
    return 100 * (good - bad) / len(scores)


async def nps(shop: Shop) -> tuple[float | None, int]:
    total = (await shop.metric("nps", **ALL_TIME))["total"]
    return total["value"], total["n"]


_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
# Excel counts days from here.
_ORIGIN = dt.date(1899, 12, 30)


def sheets(*contents: tuple[str, Sequence[Sequence[Any]]], hidden: str = "") -> bytes:
    """Return an xlsx file with these sheets; `hidden` names one that a person does not see."""
    states = {name: "hidden" if name == hidden else "visible" for name, _ in contents}
    tags = "".join(
        f'<sheet name="{name}" sheetId="{number}" state="{states[name]}" r:id="rId{number}"/>'
        for number, (name, _) in enumerate(contents, start=1)
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{_R}/worksheet" Target="worksheets/s{number}.xml"/>'
        for number in range(1, len(contents) + 1)
    )
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
        f'Type="{_R}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_R}"><sheets>{tags}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{related}'
        f'<Relationship Id="rId0" Type="{_R}/styles" Target="styles.xml"/></Relationships>',
        # The second style is a date.
        "xl/styles.xml": f'<styleSheet {_MAIN}><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for number, (_, rows) in enumerate(contents, start=1):
        rows_xml = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        parts[f"xl/worksheets/s{number}.xml"] = (
            f"<worksheet {_MAIN}><sheetData>{rows_xml}</sheetData></worksheet>"
        )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, dt.date):
        return f'<c s="1"><v>{(value - _ORIGIN).days}</v></c>'
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
