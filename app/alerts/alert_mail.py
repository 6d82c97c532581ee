# SPDX-License-Identifier: Apache-2.0
"""The mail to a member that an alert was raised or cleared."""

import datetime as dt

from app.core.database import Database
from app.core.event_types import EventType
from app.core.jobs import Job
from app.core.settings import Settings
from app.core.texts import days_in, number_in, shipped_language, texts_of
from app.invitations.invitation_mails import send_or_later, sender_of
from app.invitations.mail import write_company_mail
from app.invitations.mailer import Mailer
from app.workspaces import members
from app.workspaces.service import get_workspace


async def mail_alert(database: Database, settings: Settings, mailer: Mailer, job: Job) -> None:
    """Mail one member what was raised or cleared, in the member's language."""
    async with database.session() as session:
        member = await members.find_by_email(session, job.workspace_id, job.payload["member"])
        workspace = await get_workspace(session, job.workspace_id)
    if member is None:
        return
    language = shipped_language(member.locale, workspace.default_locale)
    words = texts_of("mail", language)
    point = job.payload["said"]
    day = dt.date.fromisoformat(point["period"])
    is_raised = job.payload["event"] == EventType.ALERT_RAISED
    group = ", ".join(str(value) for value in (point["group"] or {}).values())
    lines = [
        words["alert_metric"].format(
            metric=texts_of("dashboard", language).get(
                "metric." + job.payload["metric"], job.payload["metric"]
            )
        ),
        words["alert_period"].format(period=days_in(language, day, day)),
    ]
    if point["value"] is not None:
        value = number_in(language, point["value"], 1)
        lines.append(words["alert_value"].format(value=value, n=number_in(language, point["n"])))
    if point["expected"] is not None:
        expected = number_in(language, point["expected"], 1)
        lines.append(words["alert_expected"].format(expected=expected))
    if group:
        lines.insert(1, words["alert_group"].format(group=group))
    subject = words["alert_raised" if is_raised else "alert_cleared"]
    message = write_company_mail(
        sender_of(workspace, settings), member.email, settings.base_url,
        subject=f"{subject.format(name=job.payload['name'])} · {workspace.name}",
        text="\n".join([*lines, "", f"{settings.base_url}/alerts", ""]),
        about=None,
    )  # fmt: skip
    await send_or_later(mailer, job, message)
