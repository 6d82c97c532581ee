"""News as a chat or a mail shows them: one heading, a few facts, the customer's words. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from app.webhooks.subscriber_events import SubscriberEvent

_LONGEST_COMMENT = 1000
# A section takes 3,000 characters; each may grow by what is escaped.
_LONGEST_IN_SLACK = 400
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
    if what is None:
        return prefix + event.type.replace("_", " ").replace(".", " ").capitalize()
    score = data.get("score")
    tail = "" if score is None else f": {score}"
    band = f" ({data['band']})" if data.get("band") else ""
    return f"{prefix}{what}{tail}{band}{f' · {name}' if name else ''}"


def facts(event: SubscriberEvent, *, personal: bool) -> list[tuple[str, str]]:
    """Return what else is worth a line, as name and value."""
    data = event.data
    found: list[tuple[str, str]] = []
    customer = data.get("customer")
    if personal and isinstance(customer, Mapping):
        who = " ".join(str(customer[k]) for k in ("name", "email") if customer.get(k))
        found.append(("Customer", who))
    found += [(n.capitalize(), str(data.get(n) or "")) for n in ("touchpoint", "order", "ticket")]
    follow_up = data.get("follow_up")
    if isinstance(follow_up, Mapping):
        found.append(("Follow-up", str(follow_up.get("status") or "")))
    return [(name, value) for name, value in found if value]


def comment(event: SubscriberEvent) -> str | None:
    """Return the customer's own words."""
    answers = event.data.get("answers")
    if not isinstance(answers, Mapping):
        return None
    # Only a free text holds a blank; an option is a key.
    said = [v for v in answers.values() if isinstance(v, str) and (" " in v or len(v) > 64)]
    return "\n".join(said)[:_LONGEST_COMMENT] or None


def link(event: SubscriberEvent, base_url: str) -> str | None:
    """Return the address of the answer on the dashboard."""
    if event.data.get("test") or not event.type.startswith(("response.", "follow_up.")):
        return None
    return f"{base_url}/responses/{event.data.get('id')}"


def as_slack(event: SubscriberEvent, *, personal: bool, base_url: str) -> dict[str, Any]:
    """Return a message of Slack's incoming webhooks."""
    title = _slack(headline(event))
    lines = [f"*{title}*"]
    lines += [f"{name}: {_slack(value)}" for name, value in facts(event, personal=personal)]
    if said := comment(event):
        lines += [f"> {_slack(line)}" for line in said[:_LONGEST_IN_SLACK].splitlines()]
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
    if said := comment(event):
        body.append({"type": "TextBlock", "wrap": True, "text": _plain(said)})
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
    """Take the meaning from Markdown: nobody's comment becomes a link."""
    return _MARKDOWN.sub(r"\\\g<0>", value)


def as_mail(event: SubscriberEvent, *, personal: bool, base_url: str) -> tuple[str, str]:
    """Return subject and text of a mail."""
    lines = [f"{name}: {value}" for name, value in facts(event, personal=personal)]
    if said := comment(event):
        lines += ["", said]
    if url := link(event, base_url):
        lines += ["", url]
    return headline(event), "\n".join([headline(event), "", *lines, ""])
