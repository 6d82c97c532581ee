# SPDX-License-Identifier: Apache-2.0
"""The demo workspace: a shop with a year of answers, orders and tickets behind it."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts import service as alerts
from app.alerts.schemas import AlertIn
from app.cli.demo_data import SEED, demo_year
from app.core import audit
from app.core.batch_lines import BatchLine
from app.core.clock import utc_now
from app.core.database import Database
from app.core.ids import derived_uuid
from app.core.settings import Settings
from app.core.signing import SealedBox, load_secret_keys
from app.integrations import service as integrations
from app.integrations.schemas import IntegrationIn
from app.interactions import service as interactions
from app.interactions.interaction_schemas import InteractionIn
from app.interactions.schemas import JourneyIn, Step, TouchpointIn
from app.invitations import service as invitations
from app.invitations import suppression
from app.pages.demo_key import demo_key
from app.responses import inbox
from app.responses import service as responses
from app.responses.batch_writing import write_lines
from app.responses.follow_ups import FollowUpStatus
from app.responses.group_commit import GroupCommit
from app.responses.inbox import FollowUpFilter
from app.responses.ingest import Ingest
from app.responses.schemas import FollowUpPatch, ResponsePatch
from app.responses.submission import SubmissionOrigin
from app.surveys import service as surveys
from app.surveys.schemas import SurveyIn
from app.triggers import service as triggers
from app.triggers.interaction_intake import take_interactions
from app.triggers.schemas import TriggerIn
from app.webhooks import service as webhooks
from app.webhooks.schemas import EndpointIn
from app.workspaces import members
from app.workspaces import service as workspaces
from app.workspaces.caller import Caller
from app.workspaces.member_schemas import MemberIn, Role
from app.workspaces.schemas import ApiKeyIn, WorkspaceIn, WorkspacePatch
from app.workspaces.scopes import Scope, expand

DEMO = "demo"
# Triggers decide about the interactions of these last days; their low answers get a follow-up.
_RECENT_TIME = dt.timedelta(days=10)
_PART = 500
_TOUCHPOINTS = (
    ("advertising", "before", "marketing", "Advertising", "Reklama", "Publicitate"),
    ("product-page", "before", "product", "Product page", "Strona produktu", "Pagina produsului"),
    ("checkout", "during", "sales", "Checkout", "Kasa", "Finalizarea comenzii"),
    ("delivery", "after", "service", "Delivery", "Dostawa", "Livrare"),
    ("support", "after", "service", "Support", "Obsługa klienta", "Asistență"),
)
DEMO_SURVEYS = {
    "nps": "nps", "csat": "csat", "ces": "ces", "delivery": "delivery", "support": "support",
    "relationship": "relationship", "pillars": "six_pillars", "brand": "brand_experience",
}  # fmt: skip
_MEMBERS = (("Manager", Role.ADMIN), ("Ewa", Role.RESPONDER))
_TRIGGERS: tuple[dict[str, Any], ...] = (
    {"key": "after-order", "name": "After an order", "on": "order.paid", "survey": "relationship",
     "channel": "link", "throttle": {"days": 30}, "max_age": "P30D"},
    {"key": "after-ticket", "name": "After a solved ticket", "on": "ticket.solved",
     "survey": "support", "channel": "link", "sample_rate": 0.8, "max_age": "P30D"},
)  # fmt: skip


async def fill_demo(database: Database, settings: Settings) -> str | None:
    """Make the workspace `demo` with its answers; return its key, or None if it is there."""
    async with database.transaction() as session:
        default = await workspaces.find_workspace(session, workspaces.DEFAULT_WORKSPACE)
        founder = _caller(default.id, bootstrap=True)
        if await workspaces.workspace_exists(session, DEMO):
            await _open_shop(session, settings)
            return None
        workspace, _, _ = await workspaces.create_workspace(
            session, founder, body=WorkspaceIn(name="Demo shop", key=DEMO), settings=settings
        )
        await workspaces.change_workspace(
            session,
            workspace.id,
            WorkspacePatch(timezone="Europe/Warsaw", segments=["store", "agent"], min_group_size=1),
        )
        await _declare(session, workspace.id)
        _, secret = await workspaces.create_key(
            session, workspace.id, ApiKeyIn(name="demo", scopes=[Scope.ADMIN])
        )
        await _open_shop(session, settings)
    box = SealedBox(load_secret_keys(settings))
    await _connect(database, workspace.id, box, settings)
    await _fill(database, workspace.id, box)
    async with database.transaction() as session:
        await _open_invitations(session, workspace.id)
        await _share_out_follow_ups(session, workspace.id)
    return secret


async def _open_shop(session: AsyncSession, settings: Settings) -> None:
    """Let the demo's shop use the widget, at the address where the service stands now."""
    workspace = await workspaces.find_workspace(session, DEMO)
    key = demo_key(SealedBox(load_secret_keys(settings)))
    await workspaces.ensure_public_key(session, workspace.id, name="demo shop", secret=key)
    address = urlsplit(settings.base_url)
    origin = f"{address.scheme}://{address.netloc}".lower()
    if origin not in workspace.allowed_origins:
        patch = WorkspacePatch(allowed_origins=[*workspace.allowed_origins, origin])
        await workspaces.change_workspace(session, workspace.id, patch)


async def _declare(session: AsyncSession, workspace_id: UUID) -> None:
    for key, stage, area, en, pl, ro in _TOUCHPOINTS:
        touchpoint = TouchpointIn.model_validate(
            {"name": {"en": en, "pl": pl, "ro": ro}, "stage": stage, "area": area, "online": True}
        )
        await interactions.declare_touchpoint(session, workspace_id, key, touchpoint)
        _note_change(session, workspace_id, "PUT /v1/touchpoints/{key}", key=key)
    journey = JourneyIn(
        name={"en": "Online purchase", "pl": "Zakup online", "ro": "Cumpărare online"},
        steps=[Step(touchpoint=key) for key, *_ in _TOUCHPOINTS],
    )
    await interactions.put_journey(session, workspace_id, "purchase", journey)
    _note_change(session, workspace_id, "PUT /v1/journeys/{key}", key="purchase")
    for key, template in DEMO_SURVEYS.items():
        survey = SurveyIn.model_validate({"template": template, "key": key})
        await surveys.create(session, workspace_id, survey)
        await surveys.publish(session, workspace_id, key)
        _note_change(session, workspace_id, "POST /v1/surveys/{survey}/publish", survey=key)
    for trigger in _TRIGGERS:
        await triggers.create(session, workspace_id, TriggerIn.model_validate(trigger))
        _note_change(session, workspace_id, "POST /v1/triggers")


async def _fill(database: Database, workspace_id: UUID, box: SealedBox) -> None:
    """Write the year: old interactions without triggers, those of the last days with triggers."""
    now = utc_now()
    async with database.session() as session:
        definitions = {
            key: await surveys.definition_of(
                session, await surveys.find(session, workspace_id, key), 1
            )
            for key in DEMO_SURVEYS
        }
    year = demo_year(now, definitions)
    recent_from = (now - _RECENT_TIME).isoformat()
    await _answer(
        database,
        workspace_id,
        [answer for answer in year.answers if answer["responded_at"] < recent_from],
    )
    await _answer(
        database,
        workspace_id,
        [answer for answer in year.answers if answer["responded_at"] >= recent_from],
        as_history=False,
    )
    drafts = [InteractionIn.model_validate(body).draft(test=False) for body in year.interactions]
    for is_recent in (False, True):
        part = [
            draft
            for draft in drafts
            if ((draft.occurred_at or now) >= now - _RECENT_TIME) is is_recent
        ]
        for start in range(0, len(part), _PART):
            async with database.transaction() as session:
                await take_interactions(
                    session, box, workspace_id, part[start : start + _PART], triggers=is_recent
                )


async def _answer(
    database: Database, workspace_id: UUID, bodies: list[dict[str, Any]], *, as_history: bool = True
) -> None:
    group = GroupCommit(database, slot=0, max_waiting=1)
    ingest = Ingest.for_command(database, group)
    import_id = derived_uuid(str(workspace_id), "demo", str(SEED)) if as_history else None
    origin = SubmissionOrigin(_caller(workspace_id), now=utc_now(), import_id=import_id)
    lines = [
        BatchLine(number, json.dumps(body, default=str).encode())
        for number, body in enumerate(bodies, start=1)
    ]
    report = await write_lines(ingest, origin, lines, events=not as_history)
    assert not report.rejected, report.rejected[:1]  # noqa: S101 - our own made-up answers
    await group.close()


async def _connect(
    database: Database, workspace_id: UUID, box: SealedBox, settings: Settings
) -> None:
    """Add two webhooks, one of them broken, an alert, members and an integration."""
    async with database.transaction() as session:
        workspace = await workspaces.get_workspace(session, workspace_id)
        team, night = [
            (await webhooks.create(
                session, workspace_id,
                EndpointIn.model_validate({"url": url, "events": ["response.low_score"]}),
                box=box, settings=settings,
            ))[0]
            for url in ("mailto:team@demo-shop.example", "mailto:night@demo-shop.example")
        ]  # fmt: skip
        # The API refuses a host that does not exist, so its URL is set afterwards.
        night.url = "https://hooks.demo-shop.invalid/afterword"
        session.add_all([team, night])
        alert = {"name": "NPS falls", "metric": "nps", "interval": "week", "direction": "down",
                 "rule": {"kind": "shift"}}  # fmt: skip
        await alerts.create(session, workspace, AlertIn.model_validate(alert))
        for name, role in _MEMBERS:
            member = MemberIn(email=f"{name.lower()}@demo-shop.example", name=name, role=role)
            await members.create(session, workspace_id, member)
            _note_change(session, workspace_id, "POST /v1/members")
        shopify = IntegrationIn.model_validate({"source": "shopify", "touchpoint": "checkout"})
        await integrations.create(session, workspace_id, shopify, box=box)
        await suppression.suppress(
            session,
            workspace_id,
            ["c-13@customers.example"],
            kind=suppression.SuppressionKind.UNSUBSCRIBED,
        )


async def _open_invitations(session: AsyncSession, workspace_id: UUID) -> None:
    """Let the customers who were asked lately open most of their links, and answer some."""
    rows = await invitations.find_page(
        session, workspace_id, limit=200, cursor=None, narrowed={"status": "scheduled"}
    )
    for number, invitation in enumerate(rows):
        if number % 5 == 4:
            continue
        invitation.status, invitation.sent_at = "sent", invitation.send_at
        await invitations.note_opened(session, invitation)
        if number % 5 < 2:
            await invitations.note_answered(session, invitation)


async def _share_out_follow_ups(session: AsyncSession, workspace_id: UUID) -> None:
    """Give the oldest follow-ups an owner and a due day, one of them overdue."""
    rows, _ = await inbox.find_follow_ups(session, workspace_id, FollowUpFilter("open", "", False))
    for number, row in enumerate(rows[-4:]):
        patch = FollowUpPatch(
            status=FollowUpStatus.CONTACTED if number % 2 else FollowUpStatus.OPEN,
            assignee=_MEMBERS[number % 2][0],
            due_at=utc_now() + dt.timedelta(days=number - 1),
        )
        await responses.annotate(
            session, _caller(workspace_id), row["id"], ResponsePatch(follow_up=patch)
        )
        _note_change(
            session, workspace_id, "PATCH /v1/responses/{response_id}",
            actor=_MEMBERS[number % 2][0], response_id=str(row["id"]),
        )  # fmt: skip


def _note_change(
    session: AsyncSession, workspace_id: UUID, action: str, *, actor: str = DEMO, **target: str
) -> None:
    """Note a change in the audit log, as the route of the API would."""
    audit.add_entry(session, workspace_id, actor=actor, action=action, target=target)


def _caller(workspace_id: UUID, *, bootstrap: bool = False) -> Caller:
    caller = Caller.without_key(workspace_id, "demo", expand([Scope.ADMIN]))
    return replace(caller, bootstrap=bootstrap)
