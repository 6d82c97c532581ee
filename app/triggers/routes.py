# SPDX-License-Identifier: Apache-2.0
"""Routes of triggers and decisions, and of recording an interaction."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Response

from app.core.durations import duration_of
from app.core.errors import InvalidInput
from app.core.paging import Page, page_of
from app.core.parameters import PageCursor, PageLimit
from app.core.routing import BoxDep, SessionDep, router
from app.interactions.interaction_schemas import InteractionIn
from app.triggers import decisions, interaction_intake, service
from app.triggers.history_dry_run import dry_run_history
from app.triggers.models import Trigger
from app.triggers.schemas import (
    DecisionFilter,
    DecisionListFilter,
    DecisionOut,
    DecisionSummary,
    DryRunOut,
    Duration,
    HistoryDryRunOut,
    InteractionWithDecisions,
    TriggerIn,
    TriggerOut,
    TriggerPatch,
)
from app.workspaces.admission import Reader, Writer

routes = router("Triggers and decisions")

TriggerRef = Annotated[str, Path(max_length=64, description="The trigger's id or key.")]


async def _make_reply(session: SessionDep, trigger: Trigger) -> TriggerOut:
    return (await service.triggers_out(session, [trigger]))[0]


@routes.post(
    "/v1/interactions",
    status_code=201,
    summary="Record an interaction",
    responses={200: {"model": InteractionWithDecisions, "description": "Known already."}},
)
async def create_interaction(
    session: SessionDep, caller: Writer, box: BoxDep, body: InteractionIn, reply: Response
) -> InteractionWithDecisions:
    """Record one interaction; every trigger of its type decides whether to ask the customer.

    The same source and external id again returns 200 and records nothing.
    """
    draft = body.draft(test=caller.test)
    results = await interaction_intake.take_and_show(session, box, caller.workspace_id, [draft])
    interaction, created = results[0]
    reply.status_code = 201 if created else 200
    return InteractionWithDecisions.model_validate(interaction)


@routes.post("/v1/triggers", status_code=201, summary="Make a trigger")
async def create_trigger(session: SessionDep, caller: Writer, body: TriggerIn) -> TriggerOut:
    """Make a rule: after interactions of a type, under conditions, ask a survey."""
    return await _make_reply(session, await service.create(session, caller.workspace_id, body))


@routes.get("/v1/triggers", summary="List triggers")
async def list_triggers(
    session: SessionDep, caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[TriggerOut]:
    """Return triggers, newest first."""
    rows = await service.find_page(session, caller.workspace_id, limit=limit, cursor=cursor)
    by_id = {trigger.id: trigger for trigger in await service.triggers_out(session, rows)}
    return page_of(rows, limit, position=lambda t: (t.created_at, t.id), show=lambda t: by_id[t.id])


@routes.get("/v1/triggers/{trigger}", summary="Read a trigger")
async def get_trigger(session: SessionDep, caller: Reader, trigger: TriggerRef) -> TriggerOut:
    """Return one trigger."""
    return await _make_reply(session, await service.find(session, caller.workspace_id, trigger))


@routes.patch("/v1/triggers/{trigger}", summary="Change a trigger")
async def update_trigger(
    session: SessionDep, caller: Writer, trigger: TriggerRef, body: TriggerPatch
) -> TriggerOut:
    """Change what is given. Invitations that wait are decided by the new rules when due."""
    changed = await service.change(session, caller.workspace_id, trigger, body)
    return await _make_reply(session, changed)


@routes.delete("/v1/triggers/{trigger}", status_code=204, summary="Delete a trigger")
async def delete_trigger(session: SessionDep, caller: Writer, trigger: TriggerRef) -> None:
    """Delete a trigger; its decisions stay, and what waits is not sent."""
    await service.delete(session, caller.workspace_id, trigger)


@routes.post("/v1/triggers/{trigger}/dry-run", summary="Try a trigger")
async def dry_run_trigger(
    session: SessionDep,
    caller: Writer,
    trigger: TriggerRef,
    body: InteractionIn | None = None,
    since: Annotated[
        Duration | None, Query(description="Instead of a body: over what happened, such as P30D.")
    ] = None,
) -> DryRunOut | HistoryDryRunOut:
    """Say what the trigger would decide of this interaction now, or of all since some time.

    Nothing is stored.
    """
    row = await service.find(session, caller.workspace_id, trigger)
    if since is not None:
        return await dry_run_history(session, row, duration_of(since) or dt.timedelta())
    if body is None:
        msg = "is required; or set `since` to try the trigger on past interactions"
        raise InvalidInput.at("body", msg=msg)
    return await interaction_intake.dry_run(session, row, body.draft(test=caller.test))


@routes.get("/v1/decisions", summary="List decisions")
async def list_decisions(
    session: SessionDep, caller: Reader, filters: Annotated[DecisionListFilter, Query()]
) -> Page[DecisionOut]:
    """Return why customers were asked or not, newest first."""
    rows = await decisions.find_page(session, caller.workspace_id, filters)
    return page_of(rows, filters.limit, position=_position, show=DecisionOut.model_validate)


def _position(row: dict[str, Any]) -> tuple[dt.datetime, UUID]:
    return row["at"], row["id"]


@routes.get("/v1/decisions/summary", summary="Count decisions")
async def summarize_decisions(
    session: SessionDep, caller: Reader, filters: Annotated[DecisionFilter, Query()]
) -> DecisionSummary:
    """Count the decisions by trigger, outcome and reason."""
    counts = await decisions.count_by_reason(session, caller.workspace_id, filters)
    by_outcome = {
        name: sum(count.n for count in counts if count.outcome == name) for name in _OUTCOMES
    }
    reasons: dict[str, int] = {}
    for count in counts:
        if count.reason:
            reasons[count.reason] = reasons.get(count.reason, 0) + count.n
    return DecisionSummary(
        total=sum(by_outcome.values()), **by_outcome, reasons=reasons, data=counts
    )


_OUTCOMES = ("invited", "skipped")
