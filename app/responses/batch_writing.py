# SPDX-License-Identifier: Apache-2.0
"""Write many answers at once; an invalid line never affects the others."""

import asyncio
import hashlib
from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.batch_lines import BatchLine, LinesReport
from app.core.errors import AfterwordError, not_found_as_field_error
from app.responses.answer_rules import customer_reference_of, survey_for
from app.responses.body import ResponseIn, decode_response
from app.responses.cases import find_cases
from app.responses.ingest import Ingest
from app.responses.submission import SubmissionOrigin, submission_of
from app.responses.writing import MAX_ROWS, WriteOutcome, WriteResult
from app.surveys.compiled import CheckedAnswers, CompiledSurvey

_AT_ONCE = 2


async def write_lines(
    ingest: Ingest, origin: SubmissionOrigin, lines: Sequence[BatchLine], *, events: bool
) -> LinesReport:
    """Write the lines in chunks of 500, two chunks at a time, and report on each line."""
    report = LinesReport()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def write_chunk(chunk: Sequence[BatchLine]) -> None:
        async with slots:
            await _write_chunk(ingest, origin, chunk, report, events=events)

    chunks = [lines[start : start + MAX_ROWS] for start in range(0, len(lines), MAX_ROWS)]
    await asyncio.gather(*map(write_chunk, chunks))
    return report


async def _write_chunk(
    ingest: Ingest,
    origin: SubmissionOrigin,
    chunk: Sequence[BatchLine],
    report: LinesReport,
    *,
    events: bool,
) -> None:
    caller = origin.caller
    valid_lines: list[tuple[BatchLine, ResponseIn, CompiledSurvey, CheckedAnswers]] = []
    for line in chunk:
        try:
            body = decode_response(line.text)
            with not_found_as_field_error("body", "survey"):
                published = await ingest.catalogue.get(caller.workspace_id, body.survey)
            survey = survey_for(caller, published, body.survey)
            valid_lines.append(
                (line, body, survey, survey.check(body.answers, complete=body.complete))
            )
        except AfterwordError as error:
            report.reject(line.number, error)
    if not valid_lines:
        return
    customers = await _customers(ingest, origin, [body for _, body, _, _ in valid_lines])
    cases = await find_cases(
        ingest.database, caller.workspace_id, [body for _, body, _, _ in valid_lines]
    )
    submissions = []
    for number, (line, body, survey, checked) in enumerate(valid_lines):
        customer_id = customers[number]
        own = msgspec.structs.replace(origin, line=line.number, case=cases.get(number))
        if origin.idempotency_key is not None:
            own = msgspec.structs.replace(own, body_hash=hashlib.sha256(line.text).digest())
        submissions.append(
            submission_of(body, survey, own, checked=checked, customer_id=customer_id)
        )
    results = await ingest.take_many(caller.workspace_id, submissions, events=events)
    for (line, *_), result in zip(valid_lines, results, strict=True):
        _count(report, line.number, result)


async def _customers(
    ingest: Ingest, origin: SubmissionOrigin, bodies: list[ResponseIn]
) -> list[UUID | None]:
    """Resolve the customers of a whole chunk in one step; test responses have no customer."""
    references = [
        customer_reference_of(body.customer)
        if body.customer and not body.test and not origin.caller.test
        else None
        for body in bodies
    ]
    customers = await ingest.customers.resolve(
        origin.caller.workspace_id, (reference for reference in references if reference is not None)
    )
    return [customers[reference] if reference is not None else None for reference in references]


def _count(report: LinesReport, number: int, result: WriteResult | AfterwordError) -> None:
    if isinstance(result, AfterwordError):
        report.reject(number, result)
    elif result.outcome in {WriteOutcome.CREATED, WriteOutcome.UPDATED}:
        report.accepted += 1
    else:
        report.duplicates += 1
