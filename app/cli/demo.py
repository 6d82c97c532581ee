"""The demo workspace: a year of plausible answers in Polish, Romanian and English, from a seed."""

import datetime as dt
import json
import random
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.batch_lines import BatchLine
from app.core.clock import utc_now
from app.core.database import Database
from app.core.ids import derived_uuid
from app.core.settings import Settings
from app.core.signing import SealedBox, load_secret_keys
from app.interactions import service as interactions
from app.interactions.customer_resolver import CustomerResolver
from app.interactions.schemas import JourneyIn, Step, TouchpointIn
from app.pages.demo_shop import demo_key
from app.responses.batch_writing import Ingest, write_lines
from app.responses.group_commit import GroupCommit
from app.responses.submission import SubmissionOrigin
from app.surveys import service as surveys
from app.surveys.catalogue import Catalogue
from app.surveys.schemas import SurveyIn
from app.workspaces import service as workspaces
from app.workspaces.caller import Caller
from app.workspaces.schemas import ApiKeyIn, WorkspaceIn, WorkspacePatch
from app.workspaces.scopes import Scope, expand

DEMO = "demo"
_SEED = 20_260_101
_DAYS = 365
_COMMENTS = {
    "pl": (
        ("Szybka dostawa, dziękuję!", "Bardzo miła obsługa.", "Wszystko jasne i proste."),
        ("Za długo czekałem na odpowiedź.", "Paczka przyszła uszkodzona.", "Niejasny regulamin."),
    ),
    "ro": (
        ("Livrare rapidă, mulțumesc!", "Personal foarte amabil.", "Totul clar și simplu."),
        ("Am așteptat prea mult.", "Coletul a ajuns deteriorat.", "Condiții neclare."),
    ),
    "en": (
        ("Fast delivery, thank you!", "Very friendly staff.", "Clear and simple."),
        ("I waited too long for a reply.", "The parcel arrived damaged.", "Unclear terms."),
    ),
}
_STORES = ("WAW-1", "KRK-2", "BUC-1", "CLJ-3")
_TOUCHPOINTS = (
    ("advertising", "before", "marketing", "Advertising", "Reklama", "Publicitate"),
    ("product-page", "before", "product", "Product page", "Strona produktu", "Pagina produsului"),
    ("checkout", "during", "sales", "Checkout", "Kasa", "Finalizarea comenzii"),
    ("delivery", "after", "service", "Delivery", "Dostawa", "Livrare"),
    ("support", "after", "service", "Support", "Obsługa klienta", "Asistență"),
)
_QUALITY = {
    "advertising": 0.7,
    "product-page": 0.8,
    "checkout": 0.87,
    "delivery": 0.76,
    "support": 0.68,
}


async def fill_demo(database: Database, settings: Settings) -> str | None:
    """Make the workspace `demo` with its answers; return its key, or None if it is there."""
    async with database.transaction() as session:
        default = await workspaces.find_workspace(session, workspaces.DEFAULT_WORKSPACE)
        founder = _caller(default.id, bootstrap=True)
        if await workspaces.workspace_exists(session, DEMO):
            await _open_shop(session, settings)
            return None
        workspace, _, _ = await workspaces.create_workspace(
            session, founder, wanted=WorkspaceIn(name="Demo shop", key=DEMO), settings=settings
        )
        await workspaces.change_workspace(
            session,
            workspace.id,
            WorkspacePatch(timezone="Europe/Warsaw", segments=["store"], min_group_size=1),
        )
        await _declare(session, workspace.id)
        _, secret = await workspaces.create_key(
            session, workspace.id, ApiKeyIn(name="demo", scopes=[Scope.ADMIN])
        )
        await _open_shop(session, settings)
    await _answer(database, workspace.id)
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
        wanted = TouchpointIn.model_validate(
            {"name": {"en": en, "pl": pl, "ro": ro}, "stage": stage, "area": area, "online": True}
        )
        await interactions.declare_touchpoint(session, workspace_id, key, wanted)
    journey = JourneyIn(
        name={"en": "Online purchase", "pl": "Zakup online", "ro": "Cumpărare online"},
        steps=[Step(touchpoint=key) for key, *_ in _TOUCHPOINTS],
    )
    await interactions.put_journey(session, workspace_id, "purchase", journey)
    for template in ("nps", "csat", "ces"):
        survey = SurveyIn.model_validate({"template": template, "key": template})
        await surveys.create(session, workspace_id, survey)
        await surveys.publish(session, workspace_id, template)


async def _answer(database: Database, workspace_id: UUID) -> None:
    group = GroupCommit(database, slot=0, max_waiting=1)
    ingest = Ingest(database, Catalogue(database), CustomerResolver(database), group)
    import_id = derived_uuid(str(workspace_id), "demo", str(_SEED))
    origin = SubmissionOrigin(_caller(workspace_id), now=utc_now(), import_id=import_id)
    lines = [
        BatchLine(number, json.dumps(body, default=str).encode())
        for number, body in enumerate(_bodies(utc_now()), start=1)
    ]
    report = await write_lines(ingest, origin, lines, events=False)
    assert not report.rejected, report.rejected[:1]  # noqa: S101 - our own made-up answers
    await group.close()


def _bodies(now: dt.datetime) -> list[dict[str, Any]]:
    """Make up the answers: moods rise over the year, dip in December, and differ by touchpoint."""
    chance = random.Random(_SEED)  # noqa: S311 - made-up answers, no secret
    bodies = []
    for days_ago in range(_DAYS, 0, -1):
        day = now - dt.timedelta(days=days_ago)
        progress = 1 - days_ago / _DAYS
        bodies += [_body(chance, day, progress=progress) for _ in range(chance.randint(5, 14))]
    return bodies


def _body(chance: random.Random, day: dt.datetime, *, progress: float) -> dict[str, Any]:
    survey = chance.choices(("nps", "csat", "ces"), (5, 3, 2))[0]
    touchpoint = "support" if survey == "ces" else chance.choice(_TOUCHPOINTS)[0]
    mood = _QUALITY[touchpoint] + 0.15 * progress - (0.1 if day.month == 12 else 0)
    mood = min(1.0, max(0.0, chance.gauss(mood, 0.22)))
    low, high = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[survey]
    locale = chance.choices(("pl", "ro", "en"), (5, 3, 2))[0]
    answers: dict[str, Any] = {"score": low + round(mood * (high - low))}
    if chance.random() < 0.25:
        answers["why"] = chance.choice(_COMMENTS[locale][0 if mood > 0.6 else 1])
    moment = day.replace(hour=0, minute=0) + dt.timedelta(minutes=chance.randint(8 * 60, 22 * 60))
    return {
        "survey": survey,
        "channel": chance.choices(("email", "web", "widget"), (4, 3, 3))[0],
        "answers": answers,
        "touchpoint": touchpoint,
        "locale": locale,
        "properties": {"store": chance.choice(_STORES)},
        "customer": {"external_id": f"c-{chance.randint(1, 900)}"},
        "responded_at": min(moment, day).isoformat(),
    }


def _caller(workspace_id: UUID, *, bootstrap: bool = False) -> Caller:
    return Caller(
        workspace_id=workspace_id, key_id=workspace_id, name="demo",
        scopes=expand([Scope.ADMIN]), test=False, survey=None, rate_limit=None,
        bootstrap=bootstrap, expires_at=None, allowed_origins=frozenset(),
    )  # fmt: skip
