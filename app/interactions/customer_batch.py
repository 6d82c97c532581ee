# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/customers/batch`: up to 10,000 customers as NDJSON or a JSON array."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from app.core.batch_lines import (
    BatchLine,
    LinesReport,
    batch_route,
    read_lines,
    refuse_query,
    reply_once,
)
from app.core.database import Database
from app.core.errors import AfterwordError, InvalidInput
from app.core.http import from_validation
from app.core.json_values import decode_json
from app.core.openapi import LINES_REPORT_SCHEMA, BatchOperation, reference
from app.interactions.customer_schemas import CustomerRow
from app.interactions.customers import find_existing, put_customer
from app.workspaces.admission import admit
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope

PATH = "/v1/customers/batch"
_CHUNK = 200
_REPORT = {
    **LINES_REPORT_SCHEMA,
    "title": "CustomersReport",
    "required": ["accepted", "duplicates", "created", "updated", "rejected"],
    "properties": {
        **LINES_REPORT_SCHEMA["properties"],
        "created": {"type": "integer"},
        "updated": {"type": "integer"},
    },
}
SCHEMAS: dict[str, Any] = {
    "CustomersReport": _REPORT,
    "CustomerRow": CustomerRow.model_json_schema(ref_template="#/components/schemas/{model}"),
}
SCHEMAS |= SCHEMAS["CustomerRow"].pop("$defs", {})
DOCUMENT = BatchOperation(
    tag="Customers, interactions and tickets",
    summary="Make or change many customers",
    description="Make or change customers; fields that are left out keep their values.",
    operation_id="create_customers",
    item=reference("CustomerRow"),
    example={"external_id": "c-17", "email": "ala@example.pl"},
    report=reference("CustomersReport"),
).document()


async def _take(request: Request) -> Response:
    """Take many customers; reply when all valid ones are on disk."""
    caller = await admit(request, Scope.WRITE)
    refuse_query(request)
    body, lines = await read_lines(request, wrapped_as="customers")
    database: Database = request.app.state.database

    async def write() -> LinesReport:
        report = LinesReport(extra_counts={"created": 0, "updated": 0})
        rows = _valid_rows(lines, report)
        # Sorted, so that two batches cannot deadlock.
        rows.sort(key=lambda pair: (_sort_key(pair[1]), pair[0]))
        for start in range(0, len(rows), _CHUNK):
            async with database.transaction() as session:
                for number, row in rows[start : start + _CHUNK]:
                    await _put(session, caller, number, row, report)
        report.accepted = report.extra_counts["created"] + report.extra_counts["updated"]
        return report

    return await reply_once(request, caller.workspace_id, body, write)


post_batch = batch_route(_take)


def _sort_key(row: CustomerRow) -> tuple[str, str]:
    """Return the sort key of a row; lines of the same customer keep their order."""
    if row.external_id:
        return row.external_id, ""
    return "", (row.email or "").lower() or row.phone or ""


def _valid_rows(lines: Sequence[BatchLine], report: LinesReport) -> list[tuple[int, CustomerRow]]:
    """Return the customers of valid lines, and report why other lines are rejected."""
    rows = []
    for line in lines:
        try:
            rows.append((line.number, _row(line)))
        except AfterwordError as error:
            report.reject(line.number, error)
    return rows


def _row(line: BatchLine) -> CustomerRow:
    try:
        return CustomerRow.model_validate(decode_json(line.text))
    except ValidationError as error:
        errors = from_validation(list(error.errors()), list(CustomerRow.model_fields))
        raise InvalidInput(
            errors=[{**fault, "loc": ["body", *fault["loc"]]} for fault in errors]
        ) from None


async def _put(
    session: AsyncSession, caller: Caller, number: int, row: CustomerRow, report: LinesReport
) -> None:
    """Store one customer; one that cannot be stored is rejected, and the others stay."""
    try:
        async with session.begin_nested():
            existing = await find_existing(session, caller.workspace_id, row)
            stored, created = await put_customer(session, caller.workspace_id, row)
    except AfterwordError as error:
        report.reject(number, error)
        return
    if existing is not None and _caller_fields(existing) == _caller_fields(stored):
        report.duplicates += 1
    else:
        report.extra_counts["created" if created else "updated"] += 1


def _caller_fields(customer: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that callers set on a customer, without the times of setting."""
    names = (
        "email",
        "phone_number",
        "name",
        "locale",
        "properties",
        "do_not_survey",
        "external_ids",
    )
    consent = customer["consent"] or {}
    return {name: customer[name] for name in names} | {"consent": (consent.get("surveys"),
                                                          consent.get("source"))}  # fmt: skip
