# SPDX-License-Identifier: Apache-2.0
"""Events as a chat, a mail or another system shows them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.texts import texts_of
from app.webhooks.subscriber_events import SubscriberEvent

_MAX_COMMENT_CHARACTERS = 1000
# Slack's limit is 3,000 characters for a section, and escaping makes texts longer.
_MAX_IN_SLACK_CHARACTERS = 400
_MARKDOWN = re.compile(r"[\\`*_\[\]()#~|!]")


@dataclass(frozen=True, slots=True)
class MessageStyle:
    """How a message is written: with personal data or without, its links, and its language."""

    personal: bool
    base_url: str
    language: str

    @property
    def words(self) -> Mapping[str, str]:
        """The product's words for messages, in the language."""
        return texts_of("chat", self.language)

    def name_of(self, kind: str, value: str) -> str:
        """Return the name of a built-in value."""
        name: str = texts_of("names", self.language).get(f"{kind}.{value}", value)
        return name


def headline(event: SubscriberEvent, style: MessageStyle) -> str:
    """Say in one line what happened."""
    data, words = event.data, style.words
    survey = data.get("survey")
    name = survey.get("name") if isinstance(survey, Mapping) else survey
    prefix = f"{words['test']}: " if data.get("test") else ""
    if event.type.startswith("alert."):
        return f"{prefix}{words[event.type]}: {data['alert']['name']}"
    if event.type not in words:
        return prefix + str(texts_of("dashboard", style.language)[f"event.{event.type}"])
    score = data.get("score")
    tail = "" if score is None else f": {score}"
    band = f" ({style.name_of('band', data['band'])})" if data.get("band") else ""
    return f"{prefix}{words[event.type]}{tail}{band}{f' · {name}' if name else ''}"


def facts(event: SubscriberEvent, style: MessageStyle) -> list[tuple[str, str]]:
    """Return what else is worth a line, as name and value."""
    data, words = event.data, style.words
    lines: list[tuple[str, str]] = []
    customer = data.get("customer")
    if style.personal and isinstance(customer, Mapping):
        names = " ".join(str(customer[key]) for key in ("name", "email") if customer.get(key))
        lines.append((words["customer"], names))
    if event.type.startswith("alert."):
        lines += [(words[name], str(data[name])) for name in ("period", "value", "expected")]
    lines += [
        (words[name], str(data.get(name) or "")) for name in ("touchpoint", "order", "ticket")
    ]
    follow_up = data.get("follow_up")
    if isinstance(follow_up, Mapping):
        status = str(follow_up.get("status") or "")
        lines.append((words["follow_up"], style.name_of("follow_up", status)))
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


def as_slack(event: SubscriberEvent, style: MessageStyle) -> dict[str, Any]:
    """Return a message of Slack's incoming webhooks."""
    title = _slack(headline(event, style))
    lines = [f"*{title}*"]
    lines += [f"{name}: {_slack(value)}" for name, value in facts(event, style)]
    if words := comment(event):
        lines += [f"> {_slack(line)}" for line in words[:_MAX_IN_SLACK_CHARACTERS].splitlines()]
    if url := link(event, style.base_url):
        lines.append(f"<{url}|{style.words['open']}>")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}
    return {"text": title, "blocks": [section]}


def _slack(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_teams(event: SubscriberEvent, style: MessageStyle) -> dict[str, Any]:
    """Return a message of Microsoft Teams' workflows: an Adaptive Card."""
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": True,
         "text": _escape_markdown(headline(event, style))},
    ]  # fmt: skip
    if pairs := facts(event, style):
        fact_rows = [{"title": name, "value": _escape_markdown(value)} for name, value in pairs]
        body.append({"type": "FactSet", "facts": fact_rows})
    if words := comment(event):
        body.append({"type": "TextBlock", "wrap": True, "text": _escape_markdown(words)})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if url := link(event, style.base_url):
        card["actions"] = [{"type": "Action.OpenUrl", "title": style.words["open"], "url": url}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _escape_markdown(value: str) -> str:
    """Escape Markdown, so that a comment cannot become a link."""
    return _MARKDOWN.sub(r"\\\g<0>", value)


def as_mail(event: SubscriberEvent, style: MessageStyle) -> tuple[str, str]:
    """Return subject and text of a mail."""
    lines = [f"{name}: {value}" for name, value in facts(event, style)]
    if words := comment(event):
        lines += ["", words]
    if url := link(event, style.base_url):
        lines += ["", url]
    return headline(event, style), "\n".join([headline(event, style), "", *lines, ""])
