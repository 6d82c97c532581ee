# SPDX-License-Identifier: Apache-2.0
"""Write the answers of files: without events, and whole responses in place of earlier ones."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.core.clock import utc_now
from app.core.errors import AfterwordError
from app.responses.body import ResponseIn
from app.responses.changes import DELETE_SILENTLY, change_responses
from app.responses.ingest import Ingest
from app.responses.replacement import remove_tombstones, restore_follow_ups
from app.responses.submission import SubmissionOrigin, submission_of
from app.responses.writing import Submission
from app.surveys.compiled import CompiledSurvey
from app.workspaces.caller import Caller
from app.workspaces.scopes import Scope, expand


def import_caller(workspace_id: UUID) -> Caller:
    """Return the caller on whose behalf files are imported."""
    return Caller.without_key(workspace_id, "import", expand([Scope.WRITE]))


async def write_responses(
    ingest: Ingest, workspace_id: UUID, submissions: list[Submission]
) -> list[AfterwordError | None]:
    """Write at most 500 responses without events; return the error of each, or None."""
    results = await ingest.take_many(workspace_id, submissions, events=False)
    return [result if isinstance(result, AfterwordError) else None for result in results]


async def remove_responses(ingest: Ingest, workspace_id: UUID, ids: Sequence[UUID]) -> None:
    """Delete responses without events; their tombstones stay."""
    if ids:
        database, slot = ingest.database, ingest.group.slot
        await change_responses(database, slot, workspace_id, statement=DELETE_SILENTLY, ids=ids)


async def remove_responses_with_tombstones(
    ingest: Ingest, workspace_id: UUID, ids: Sequence[UUID]
) -> None:
    """Delete responses, so that they can be written again with another time or touchpoint."""
    if ids:
        await remove_responses(ingest, workspace_id, ids)
        async with ingest.database.transaction() as session:
            await remove_tombstones(session, workspace_id, ids)


def find_unfit(survey: CompiledSurvey, responses: Sequence[dict[str, Any]]) -> set[UUID]:
    """Return which whole responses can no longer be restored, since the survey has changed."""
    unfit = set()
    for state in responses:
        try:
            _restored_submission(survey, state)
        except AfterwordError:
            unfit.add(UUID(state["id"]))
    return unfit


async def restore_responses(
    ingest: Ingest, survey: CompiledSurvey, responses: Sequence[dict[str, Any]]
) -> set[UUID]:
    """Write responses as they were, with their numbers and follow-ups; return those that failed.

    `responses` are whole documents that fit the survey; no row with their ids may be stored now.
    """
    if not responses:
        return set()
    workspace_id = survey.workspace_id
    submissions = [_restored_submission(survey, state) for state in responses]
    errors = await write_responses(ingest, workspace_id, submissions)
    async with ingest.database.transaction() as session:
        await restore_follow_ups(session, workspace_id, responses)
    return {
        UUID(state["id"])
        for state, error in zip(responses, errors, strict=True)
        if error is not None
    }


def _restored_submission(survey: CompiledSurvey, state: dict[str, Any]) -> Submission:
    """Return the submission that restores an earlier response, of a closed survey too."""
    keys = {question.key for question in survey.definition.questions}
    answers = {
        key: value for key, value in state["answers"].items() if key in keys or value is not None
    }
    body = msgspec.convert(
        {
            "survey": survey.key, "channel": state["channel"], "answers": answers,
            "touchpoint": state["touchpoint"] or None, "locale": state["locale"],
            "properties": state["properties"], "order": state["order_ref"],
            "ticket": state["ticket_ref"], "interaction": state["interaction_ref"],
            "id": state["id"], "seq": state["seq"], "complete": state["complete"],
            "responded_at": state["responded_at"], "tags": state["tags"],
        },
        ResponseIn,
    )  # fmt: skip
    import_id = UUID(state["import_id"]) if state["import_id"] else None
    origin = SubmissionOrigin(
        import_caller(survey.workspace_id), now=utc_now(), import_id=import_id
    )
    customer = UUID(state["customer_id"]) if state["customer_id"] else None
    checked = survey.check(body.answers, complete=body.complete)
    restored = submission_of(body, survey, origin, checked=checked, customer_id=customer)
    return Submission(restored.row)
