# SPDX-License-Identifier: Apache-2.0
"""Events as a chat, a mail or another system shows them. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from app.core.event_types import EventType
from app.webhooks.subscriber_events import SubscriberEvent

_MAX_COMMENT_CHARACTERS = 1000
# Slack's limit is 3,000 characters for a section, and escaping makes texts longer.
_MAX_IN_SLACK_CHARACTERS = 400
_MARKDOWN = re.compile(r"[\\`*_\[\]()#~|!]")


def headline(event: SubscriberEvent) -> str:
    """Say in one line what happened."""
    data = event.data
    survey = data.get("survey")
    name = survey.get("name") if isinstance(survey, Mapping) else survey
    prefix = "Test: " if data.get("test") else ""
    what = {
        "response.low_score": "A low score",
        "response.completed": "An answer",
        "response.created": "A new answer",
        "response.updated": "A changed answer",
    }.get(event.type)
    if event.type.startswith("alert."):
        label = "Alert" if event.type == EventType.ALERT_RAISED else "Alert over"
        return f"{prefix}{label}: {data['alert']['name']}"
    if what is None:
        return prefix + event.type.replace("_", " ").replace(".", " ").capitalize()
    score = data.get("score")
    tail = "" if score is None else f": {score}"
    band = f" ({data['band']})" if data.get("band") else ""
    return f"{prefix}{what}{tail}{band}{f' · {name}' if name else ''}"


def facts(event: SubscriberEvent, *, personal: bool) -> list[tuple[str, str]]:
    """Return what else is worth a line, as name and value."""
    data = event.data
    lines: list[tuple[str, str]] = []
    customer = data.get("customer")
    if personal and isinstance(customer, Mapping):
        names = " ".join(str(customer[k]) for k in ("name", "email") if customer.get(k))
        lines.append(("Customer", names))
    if event.type.startswith("alert."):
        lines += [(name.capitalize(), str(data[name])) for name in ("period", "value", "expected")]
    lines += [(n.capitalize(), str(data.get(n) or "")) for n in ("touchpoint", "order", "ticket")]
    follow_up = data.get("follow_up")
    if isinstance(follow_up, Mapping):
        lines.append(("Follow-up", str(follow_up.get("status") or "")))
    return [(name, value) for name, value in lines if value]


def comment(event: SubscriberEvent) -> str | None:
    """Return the customer's own words."""
    if isinstance(text := event.data.get("comment"), str):
        return text[:_MAX_COMMENT_CHARACTERS]
    answers = event.data.get("answers")
    if not isinstance(answers, Mapping):
        return None
    # Older events have no `comment`; a free text is recognised by its blanks or its length.
    texts = [
        answer
        for answer in answers.values()
        if isinstance(answer, str) and (" " in answer or len(answer) > 64)
    ]
    return "\n".join(texts)[:_MAX_COMMENT_CHARACTERS] or None


def link(event: SubscriberEvent, base_url: str) -> str | None:
    """Return the address of the answer on the dashboard."""
    if event.type.startswith("alert."):
        return str(event.data["link"])
    if event.data.get("test") or not event.type.startswith(("response.", "follow_up.")):
        return None
    return f"{base_url}/responses/{event.data.get('id')}"


def as_slack(event: SubscriberEvent, *, personal: bool, base_url: str) -> dict[str, Any]:
    """Return a message of Slack's incoming webhooks."""
    title = _slack(headline(event))
    lines = [f"*{title}*"]
    lines += [f"{name}: {_slack(value)}" for name, value in facts(event, personal=personal)]
    if words := comment(event):
        lines += [f"> {_slack(line)}" for line in words[:_MAX_IN_SLACK_CHARACTERS].splitlines()]
    if url := link(event, base_url):
        lines.append(f"<{url}|Open>")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}
    return {"text": title, "blocks": [section]}


def _slack(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_teams(event: SubscriberEvent, *, personal: bool, base_url: str) -> dict[str, Any]:
    """Return a message of Microsoft Teams' workflows: an Adaptive Card."""
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": True,
         "text": _plain(headline(event))},
    ]  # fmt: skip
    if found := facts(event, personal=personal):
        shown = [{"title": name, "value": _plain(value)} for name, value in found]
        body.append({"type": "FactSet", "facts": shown})
    if words := comment(event):
        body.append({"type": "TextBlock", "wrap": True, "text": _plain(words)})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if url := link(event, base_url):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": url}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _plain(value: str) -> str:
    """Escape Markdown, so that a comment cannot become a link."""
    return _MARKDOWN.sub(r"\\\g<0>", value)


def as_mail(event: SubscriberEvent, *, personal: bool, base_url: str) -> tuple[str, str]:
    """Return subject and text of a mail."""
    lines = [f"{name}: {value}" for name, value in facts(event, personal=personal)]
    if words := comment(event):
        lines += ["", words]
    if url := link(event, base_url):
        lines += ["", url]
    return headline(event), "\n".join([headline(event), "", *lines, ""])
