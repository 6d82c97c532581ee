# SPDX-License-Identifier: Apache-2.0
"""The e-mail digest to members: the figures of the last week or day, follow-ups and comments."""

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.alerts.service import find_raised_alerts
from app.core import jobs
from app.core.clock import utc_now
from app.core.database import Database, run_sql
from app.core.jobs import Job
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.texts import days_in, number_in, shipped_language, texts_of
from app.interactions.service import touchpoint_names
from app.invitations.invitation_mails import send_or_later, sender_of
from app.invitations.mail import write_company_mail
from app.invitations.mailer import Mailer
from app.metrics.journey import find_weakest
from app.metrics.parameters import MetricQuery, resolve
from app.metrics.registry import CARD_METRICS, METRICS, SCORE_METRICS
from app.metrics.service import measure
from app.metrics.written_values import write_value
from app.responses.inbox import count_open_follow_ups
from app.surveys.scales import LOW_BANDS
from app.workspaces.models import Member, Workspace
from app.workspaces.service import get_workspace

# Stored jobs, sent links and a column know the digest by its older name.
DIGEST_JOB = "letters.send"
PURPOSE = "letter"
_HOUR = dt.time(8)
_MAX_COMMENTS = 5
_MAX_COMMENT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class DigestContent:
    """What a digest says, before it is written in a language."""

    first: dt.date
    end: dt.date
    figures: Sequence[tuple[str, dict[str, Any]]]
    weakest: tuple[str, float] | None
    alerts: Sequence[str]
    waiting: int
    comments: Sequence[tuple[int | None, str]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.figures or self.alerts or self.waiting or self.comments)


async def enqueue_due_digests(session: AsyncSession, now: dt.datetime) -> None:
    """Enqueue each digest once, at 08:00 of the workspace's zone: on Mondays, or every day.

    If the service was down when one digest was due, that digest is enqueued when it runs again.
    """
    rows = await session.exec(
        select(Member, Workspace)
        .join(Workspace, col(Workspace.id) == col(Member.workspace_id))
        .where(Member.digest != "off")
        .with_for_update(of=Member, skip_locked=True)
    )
    for member, workspace in rows.all():
        day = _due_day(member, now.astimezone(ZoneInfo(workspace.timezone)))
        if day is None:
            continue
        member.letter_on = day
        session.add(member)
        await jobs.enqueue(
            session, DIGEST_JOB, workspace_id=workspace.id, max_attempts=jobs.MAIL_ATTEMPTS,
            payload={"member": str(member.id), "on": day.isoformat()},
            dedupe=f"{member.id}:{day}",
        )  # fmt: skip


def _due_day(member: Member, local: dt.datetime) -> dt.date | None:
    """Return the day of the digest that a member should have by now, None if there is none.

    A digest of an earlier day is late. It is sent only to a member who got the digest before it, or
    whose first digest it is; all others had their digests switched off on that day.
    """
    day = local.date() if local.time() >= _HOUR else local.date() - dt.timedelta(days=1)
    step = dt.timedelta(days=1)
    if member.digest == "weekly":
        day -= dt.timedelta(days=day.weekday())
        step = dt.timedelta(days=7)
    last = member.letter_on
    if last is not None and last >= day:
        return None
    was_wanted = (
        last >= day - step
        if last is not None
        else member.created_at < dt.datetime.combine(day, _HOUR, local.tzinfo)
    )
    return day if day == local.date() or was_wanted else None


async def send_digest(
    database: Database, settings: Settings, box: SealedBox, mailer: Mailer, job: Job
) -> None:
    """Write and mail one member's digest; an empty digest is not sent."""
    async with database.session() as session:
        member = await session.get(Member, (job.workspace_id, UUID(job.payload["member"])))
        if member is None or member.digest == "off":
            return
        workspace = await get_workspace(session, job.workspace_id)
        end = dt.date.fromisoformat(job.payload["on"])
        days = 7 if member.digest == "weekly" else 1
        language = shipped_language(member.locale, workspace.default_locale)
        first = end - dt.timedelta(days=days)
        content = await read_content(session, workspace, first, end, language)
    if content.is_empty:
        return
    link = f"{settings.base_url}/letter/{digest_token(box, member)}"
    await send_or_later(mailer, job, write_digest(settings, workspace, member, content, link))


def digest_token(box: SealedBox, member: Member) -> str:
    """Return the token of a member in the address that stops their digests."""
    return box.sign(PURPOSE, member.workspace_id.bytes + member.id.bytes)


async def find_by_token(session: AsyncSession, box: SealedBox, token: str) -> Member | None:
    """Return the member of a token in such an address, or None for an unknown token."""
    content = box.verify(PURPOSE, token)
    if content is None or len(content) != 32:
        return None
    return await session.get(Member, (UUID(bytes=content[:16]), UUID(bytes=content[16:])))


async def read_content(
    session: AsyncSession, workspace: Workspace, first: dt.date, end: dt.date, language: str
) -> DigestContent:
    """Read the content from the first day to `end`, which is exclusive; names in a language."""
    figures = []
    for metric in CARD_METRICS:
        reply = await _measure(session, workspace, metric, first, end)
        if reply["total"]["n"]:
            figures.append((metric, reply))
    return DigestContent(
        first=first,
        end=end,
        figures=figures,
        weakest=await _find_weakest(session, workspace, first, end, language),
        alerts=[alert.name for alert in await find_raised_alerts(session, workspace.id)],
        waiting=await count_open_follow_ups(session, workspace.id),
        comments=await _read_comments(session, workspace, first, end),
    )


async def _measure(
    session: AsyncSession, workspace: Workspace, metric: str, first: dt.date, end: dt.date,
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    query = MetricQuery(
        from_=first.isoformat(), to=end.isoformat(), compare="previous_period", **more
    )
    return await measure(session, await resolve(session, workspace, metric, query, {}))


async def _find_weakest(
    session: AsyncSession, workspace: Workspace, first: dt.date, end: dt.date, language: str
) -> tuple[str, float] | None:
    """Return the name and score (0-100) of the touchpoint that the journey shows as weakest."""
    query = MetricQuery(from_=first.isoformat(), to=end.isoformat(), group_by=["touchpoint"])
    requests = {
        metric: await resolve(session, workspace, metric, query, {}) for metric in SCORE_METRICS
    }
    weakest = await find_weakest(session, requests)
    if weakest is None:
        return None
    names = await touchpoint_names(session, workspace.id, language)
    return names.get(weakest.key, weakest.key), weakest.score


async def _read_comments(
    session: AsyncSession, workspace: Workspace, first: dt.date, end: dt.date
) -> list[tuple[int | None, str]]:
    rows = await run_sql(
        session,
        text(
            "select score, comment from response where workspace_id = :workspace "
            "and state = 'counted' and comment is not null and band = any(:bands) "
            "and responded_at >= cast(:first as date) ::timestamp at time zone :zone "
            "and responded_at < cast(:end as date) ::timestamp at time zone :zone "
            "order by responded_at desc, id desc limit :most"
        ).bindparams(
            workspace=workspace.id, bands=[str(band) for band in LOW_BANDS], first=first, end=end,
            zone=workspace.timezone, most=_MAX_COMMENTS,
        ),
    )  # fmt: skip
    return [(row.score, row.comment) for row in rows]


def write_digest(
    settings: Settings, workspace: Workspace, member: Member, content: DigestContent, link: str
) -> EmailMessage:
    """Write the digest in the member's language, as plain text and as HTML."""
    language = shipped_language(member.locale, workspace.default_locale)
    words = texts_of("mail", language)
    last = content.end - dt.timedelta(days=1)
    title = words["digest_title"].format(company=workspace.name)
    days = days_in(language, content.first, last)
    sections = _sections(content, language)
    plain = [title, days, ""]
    for heading, lines in sections:
        plain += [heading, *(f"* {line}" for line in lines), ""]
    plain += [settings.base_url, "", f"{words['digest_stop']}: {link}", ""]
    message = write_company_mail(
        sender_of(workspace, settings), member.email, settings.base_url,
        subject=f"{title} · {days}", text="\n".join(plain), about=None,
    )  # fmt: skip
    # A digest may be sent twice if the service stops before the server has answered: the same
    # Message-ID lets mail programs recognise it.
    host = urlsplit(settings.base_url).hostname or "localhost"
    del message["Message-ID"]
    message["Message-ID"] = f"<{member.id}.{content.end}.letter@{host}>"
    message["List-Unsubscribe"] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    parts = [f"<h1>{html.escape(title)}</h1><p>{html.escape(days)}</p>"]
    for heading, lines in sections:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        parts.append(f"<h2>{html.escape(heading)}</h2><ul>{items}</ul>")
    address, stop = html.escape(settings.base_url), html.escape(words["digest_stop"])
    parts.append(f'<p><a href="{address}">{address}</a></p>')
    parts.append(f'<p><small><a href="{html.escape(link)}">{stop}</a></small></p>')
    document = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title></head><body>{''.join(parts)}</body></html>"
    )
    message.add_alternative(document, subtype="html", cte="quoted-printable")
    return message


def _sections(content: DigestContent, language: str) -> list[tuple[str, list[str]]]:
    """Return the headings with their lines; empty sections are left out."""
    words = texts_of("mail", language)
    sections: list[tuple[str, list[str]]] = []
    figures = [_figure_line(metric, reply, language) for metric, reply in content.figures]
    if figures:
        sections.append((words["digest_figures"], figures))
    if content.weakest is not None:
        name, score = content.weakest
        weakest = f"{name}: {number_in(language, score, 0)} / 100"
        sections.append((words["digest_weakest"], [weakest]))
    if content.alerts:
        sections.append((words["digest_alerts"], list(content.alerts)))
    if content.waiting:
        waiting = number_in(language, content.waiting)
        sections.append((words["digest_waiting"], [waiting]))
    if content.comments:
        lines = [
            f"{score}: {' '.join(comment.split())[:_MAX_COMMENT_CHARACTERS]}"
            for score, comment in content.comments
        ]
        sections.append((words["digest_comments"], lines))
    return sections


def _figure_line(metric: str, reply: dict[str, Any], language: str) -> str:
    """Write one figure with its change, and whether the change may be chance."""
    words = texts_of("mail", language)
    total, change = reply["total"], reply["change"]
    name = words[f"digest_{metric}"]
    line = f"{name}: {write_value(language, metric, total['value'])} (n = "
    line += f"{number_in(language, total['n'])})"
    if change["delta"] is None:
        return line
    sign = "+" if change["delta"] > 0 else ""
    line += f", {sign}{_format_change(metric, change['delta'], language)}"
    if change["p_value"] is None:
        return line
    certain = "digest_significant" if change["significant"] else "digest_chance"
    return f"{line} ({words[certain]})"


def _format_change(metric: str, delta: float, language: str) -> str:
    """Write a difference; that of two shares is in points."""
    unit = METRICS[metric].unit
    if unit.kind != "percent":
        return write_value(language, metric, delta)
    number = number_in(language, delta, unit.digits)
    return str(texts_of("mail", language)["digest_points"]).format(n=number)


async def stop_digest(session: AsyncSession, member: Member) -> None:
    """Send the member no more digests."""
    member.digest, member.updated_at = "off", utc_now()
    session.add(member)
