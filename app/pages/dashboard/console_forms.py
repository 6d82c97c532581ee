# SPDX-License-Identifier: Apache-2.0
"""Every form of the console that is one request of the API."""

from typing import Any

from app.core.errors import InvalidInput
from app.interactions.schedule import WEEKDAYS
from app.pages.dashboard.form_fields import (
    ConsoleForm,
    day,
    flag,
    json_text,
    lines,
    many,
    number,
    number_or_null,
    pairs,
    text,
    text_or_null,
    words,
)

MAX_CONDITIONS = 12
_UNITS = {"minutes": "PT{}M", "hours": "PT{}H", "days": "P{}D"}
_DURATIONS = ("delay", "max_age", "expires_after", "reminder_after")
# These may be cleared; the others have a default of their own.
_CLEARABLE = {"max_age", "reminder_after"}


def _condition(row: dict[str, Any]) -> dict[str, Any]:
    """Return the API's condition of one row of the form."""
    value, op = row.get("value"), row.get("op", "eq")
    if op in {"in", "not_in"}:
        value = [entry.strip() for entry in (value or "").split(",")]
    elif op in {"gt", "gte", "lt", "lte"}:
        value = _as_number(value)
    elif op == "exists":
        value = None
    return {"property": row["property"], "op": op, "value": value}


def _shape_durations(body: dict[str, Any]) -> None:
    for name in _DURATIONS:
        if name in body:
            amount, unit = body[name].get("amount"), body[name].get("unit", "hours")
            body[name] = None if amount is None else _UNITS.get(unit, "PT{}H").format(amount)
            if amount is None and name not in _CLEARABLE:
                del body[name]


def _shape_window(body: dict[str, Any]) -> None:
    """Turn the ticked days and the two times into the window in which mails may leave.

    Times without a day hold on every day.
    """
    days = body.pop("send_days", None)
    opens, closes = body.pop("send_from", None), body.pop("send_to", None)
    if not days and (opens or closes):
        days = list(WEEKDAYS)
    if days is not None:
        window = {"days": days, "from": opens or "00:00", "to": closes or "23:59"}
        body["send_window"] = window if days else None


def _shape_trigger(body: dict[str, Any]) -> dict[str, Any]:
    """Turn the rows, durations and percentages of a trigger's form into what the API takes."""
    for name in ("where", "unless"):
        if name in body:
            rows = body[name].values()
            body[name] = [_condition(row) for row in rows if row.get("property")]
    if other := body.pop("on_other", ""):
        body["on"] = other
    _shape_durations(body)
    if "sample_percent" in body:
        share = body.pop("sample_percent")
        body["sample_rate"] = share / 100 if isinstance(share, int | float) else share
    _shape_window(body)
    for name in ("cancel_on", "once_per"):
        # Left empty, what is usual for the type holds.
        if name in body:
            body[name] = body[name] or None
    days = body.pop("throttle_days", None)
    scope = body.pop("throttle_scope", "workspace")
    # Days that are typed are a pause of the trigger's own, ticked or not.
    if body.pop("has_throttle", False) or days:
        body["throttle"] = {"days": days or 30, "scope": scope}
    return body


def _as_number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _shape_throttle(body: dict[str, Any]) -> dict[str, Any]:
    days = body.pop("throttle_days", None)
    body["throttle"] = {"days": days, "scope": "workspace"} if days else None
    return body


def _shape_hours(body: dict[str, Any]) -> dict[str, Any]:
    """Turn a line of hours a day into business hours; no hours at all mean none."""
    weekly = {
        day: [[part.strip() for part in span.replace("–", "-").split("-")]
              for span in spans.split(",") if span.strip()]
        for day, spans in body.pop("hours", {}).items()
    }  # fmt: skip
    holidays = body.pop("holidays", [])
    if holidays and not any(weekly.values()):
        msg = "need business hours; type them for at least one day"
        raise InvalidInput.at("body", "holidays", msg=msg)
    hours = {"weekly": weekly, "holidays": holidays} if any(weekly.values()) else None
    return body | {"business_hours": hours}


def _shape_consent(body: dict[str, Any]) -> dict[str, Any]:
    answer = body.pop("consent_said", None)
    if answer in {"yes", "no"}:
        body["consent"] = {"surveys": answer == "yes", "source": "dashboard"}
    return body


def _shape_source(body: dict[str, Any]) -> dict[str, Any]:
    """Turn a preset into the generic source with that preset."""
    source = body.get("source", "")
    if source.startswith("preset:"):
        body |= {"source": "generic", "preset": source.removeprefix("preset:")}
    return body


def _shape_status(body: dict[str, Any]) -> dict[str, Any]:
    """Add the meaning of one status to those that are there."""
    status, meaning = body.pop("status", ""), body.pop("meaning", "")
    return body | {"status_map": {**body.get("status_map", {}), status: meaning}}


def _shape_reach(body: dict[str, Any]) -> dict[str, Any]:
    rates = body.get("word_of_mouth", {})
    if all(rate is None for rate in rates.values()):
        body["word_of_mouth"] = None
    return body


def _shape_alert(body: dict[str, Any]) -> dict[str, Any]:
    kind = body.pop("kind", "shift")
    rule: dict[str, Any] = {"kind": kind}
    value = body.pop("value", None)
    if kind != "shift":
        rule["value"] = value
    body["rule"] = rule
    body["filter"] = {name: v for name, v in body.pop("filter", {}).items() if v}
    body["notify"] = [f"member:{email}" for email in body.get("notify", ())]
    return body


_ALERT = {
    "name": text, "metric": text, "interval": text, "direction": text, "kind": text,
    "value": number, "filter.survey": text, "filter.touchpoint": text, "notify": many,
}  # fmt: skip
_TRIGGER = {
    "name": text, "on": text, "survey": text, "channel": text,
    "sample_percent": number, "has_throttle": flag,
    "throttle_days": number, "throttle_scope": text, "priority": number, "active": flag,
    "send_days": many, "send_from": text, "send_to": text, "cancel_on": many, "on_other": text,
    "once_per": text_or_null,
} | {
    f"{name}.{part}": read
    for name in _DURATIONS for part, read in (("amount", number), ("unit", text))
} | {
    f"{name}.{place}.{part}": text
    for name in ("where", "unless") for place in range(MAX_CONDITIONS)
    for part in ("property", "op", "value")
}  # fmt: skip

FORMS: dict[str, ConsoleForm] = {
    # Surveys
    "survey-create": ConsoleForm(
        "POST", "/v1/surveys", "/surveys/new",
        {"template": text, "name": text, "key": text, "default_locale": text},
        then="/surveys/{key}/edit", first_form="workspace-colour",
    ),
    "survey-publish": ConsoleForm(
        "POST", "/v1/surveys/{survey}/publish", "/surveys/{survey}/edit", then="/surveys/{key}"
    ),
    "survey-close": ConsoleForm("POST", "/v1/surveys/{survey}/close", "/surveys/{survey}"),
    "survey-duplicate": ConsoleForm(
        "POST", "/v1/surveys/{survey}/duplicate", "/surveys/{survey}",
        {"name": text, "key": text}, then="/surveys/{key}/edit",
    ),
    "survey-delete": ConsoleForm(
        "DELETE", "/v1/surveys/{survey}", "/surveys/{survey}", then="/surveys",
        confirmed_by=("typed", "survey"),
    ),
    "survey-widget-key": ConsoleForm(
        "POST", "/v1/api-keys", "/surveys/{survey}",
        {"name": text, "scopes": many, "survey": text}, shows_reply=("secret",),
    ),
    "survey-test-mail": ConsoleForm(
        "POST", "/v1/surveys/{survey}/test-mail", "/surveys/{survey}",
        {"email": text, "locale": text},
    ),
    # Asking
    "trigger-create": ConsoleForm(
        "POST", "/v1/triggers", "/asking/new", _TRIGGER, then="/asking/{id}", reshape=_shape_trigger
    ),
    "trigger-save": ConsoleForm(
        "PATCH", "/v1/triggers/{trigger}", "/asking/{trigger}", _TRIGGER, reshape=_shape_trigger
    ),
    "trigger-switch": ConsoleForm(
        "PATCH", "/v1/triggers/{trigger}", "/asking/{trigger}", {"active": flag}
    ),
    "trigger-delete": ConsoleForm(
        "DELETE", "/v1/triggers/{trigger}", "/asking/{trigger}", then="/asking"
    ),
    "invitation-cancel": ConsoleForm(
        "POST", "/v1/invitations/{invitation}/cancel", "/invitations"
    ),
    "invitation-remind": ConsoleForm(
        "POST", "/v1/invitations/{invitation}/remind", "/invitations"
    ),
    "suppression-add": ConsoleForm("POST", "/v1/unsubscribes", "/suppressions", {"email": text}),
    "suppression-remove": ConsoleForm(
        "DELETE", "/v1/unsubscribes", "/suppressions", query=("email",)
    ),
    # People
    "person-save": ConsoleForm(
        "PATCH", "/v1/customers/{customer}", "/people/{customer}",
        {"name": text_or_null, "email": text_or_null, "locale": text_or_null,
         "do_not_survey": flag, "consent_said": text},
        reshape=_shape_consent,
    ),
    "person-merge": ConsoleForm(
        "POST", "/v1/customers/merge", "/people/{customer}", {"from": text, "into": text},
        then="/people/{id}",
    ),
    "person-erase": ConsoleForm(
        "DELETE", "/v1/customers/{customer}", "/people/{customer}", then="/people/{customer}",
        confirmed_by=("typed", "word"),
    ),
    # Answers
    "answer-tags": ConsoleForm(
        "PATCH", "/v1/responses/{response}", "/responses/{response}", {"tags": words}
    ),
    "answer-reject": ConsoleForm(
        "POST", "/v1/responses/{response}/reject", "/responses/{response}"
    ),
    "answer-restore": ConsoleForm(
        "POST", "/v1/responses/{response}/restore", "/responses/{response}"
    ),
    # Connections
    "integration-create": ConsoleForm(
        "POST", "/v1/integrations", "/connections",
        {"source": text, "key": text, "touchpoint": text, "mapping": json_text},
        then="/connections/{id}", reshape=_shape_source,
    ),
    "integration-save": ConsoleForm(
        "PATCH", "/v1/integrations/{integration}", "/connections/{integration}",
        {"touchpoint": text_or_null, "timezone": text_or_null,
         "accept_test": flag, "status_map": pairs},
    ),
    "integration-secret": ConsoleForm(
        "PATCH", "/v1/integrations/{integration}", "/connections/{integration}", {"secret": text}
    ),
    "status-mean": ConsoleForm(
        "PATCH", "/v1/integrations/{integration}", "/connections/{integration}",
        {"status_map": pairs, "status": text, "meaning": text}, reshape=_shape_status,
    ),
    "integration-delete": ConsoleForm(
        "DELETE", "/v1/integrations/{integration}", "/connections/{integration}",
        then="/connections",
    ),
    "event-retry": ConsoleForm(
        "POST", "/v1/integrations/{integration}/events/{event}/retry",
        "/connections/{integration}",
    ),
    "endpoint-create": ConsoleForm(
        "POST", "/v1/webhook-endpoints", "/connections",
        {"url": text, "events": many, "format": text, "include_personal": flag},
        shows_reply=("secret",),
    ),
    "endpoint-switch": ConsoleForm(
        "PATCH", "/v1/webhook-endpoints/{endpoint}", "/connections", {"active": flag}
    ),
    "endpoint-test": ConsoleForm(
        "POST", "/v1/webhook-endpoints/{endpoint}/test", "/connections"
    ),
    "endpoint-replay": ConsoleForm(
        "POST", "/v1/webhook-endpoints/{endpoint}/replay", "/connections", {"since": day}
    ),
    "endpoint-delete": ConsoleForm(
        "DELETE", "/v1/webhook-endpoints/{endpoint}", "/connections"
    ),
    "delivery-again": ConsoleForm("POST", "/v1/deliveries/{delivery}/redeliver", "/connections"),
    "key-create": ConsoleForm(
        "POST", "/v1/api-keys", "/connections",
        {"name": text, "scopes": many, "survey": text, "rate_limit": number, "test": flag},
        shows_reply=("secret",),
    ),
    "key-rotate": ConsoleForm(
        "POST", "/v1/api-keys/{api_key}/rotate", "/connections", shows_reply=("secret",)
    ),
    "key-delete": ConsoleForm("DELETE", "/v1/api-keys/{api_key}", "/connections"),
    "bi-role-create": ConsoleForm(
        "POST", "/v1/bi-roles", "/connections", {"personal": flag}, shows_reply=("url",)
    ),
    "bi-role-delete": ConsoleForm("DELETE", "/v1/bi-roles/{role}", "/connections"),
    "import-undo": ConsoleForm("DELETE", "/v1/imports/{import_id}", "/files"),
    # Alerts
    "alert-create": ConsoleForm("POST", "/v1/alerts", "/alerts", _ALERT, reshape=_shape_alert),
    "alert-preview": ConsoleForm(
        "POST", "/v1/alerts/preview", "/alerts", _ALERT, reshape=_shape_alert, is_trial=True
    ),
    "alert-switch": ConsoleForm("PATCH", "/v1/alerts/{alert}", "/alerts", {"active": flag}),
    "alert-delete": ConsoleForm("DELETE", "/v1/alerts/{alert}", "/alerts"),
    # Settings
    "workspace-brand": ConsoleForm(
        "PATCH", "/v1/workspace", "/settings",
        {"name": text, "brand.name": text_or_null, "brand.colour": text_or_null,
         "brand.logo_url": text_or_null},
    ),
    "workspace-colour": ConsoleForm(
        "PATCH", "/v1/workspace", "/surveys/new",
        {"brand.name": text_or_null, "brand.colour": text_or_null, "brand.logo_url": text_or_null},
    ),
    "workspace-figures": ConsoleForm(
        "PATCH", "/v1/workspace", "/settings",
        {"timezone": text, "default_locale": text, "segments": lines, "min_group_size": number,
         "allowed_origins": lines},
    ),
    "workspace-asking": ConsoleForm(
        "PATCH", "/v1/workspace", "/settings",
        {"throttle_days": number, "require_consent": flag, "retention_days": number_or_null},
        reshape=_shape_throttle,
    ),
    "workspace-hours": ConsoleForm(
        "PATCH", "/v1/workspace", "/settings",
        {f"hours.{day}": text for day in WEEKDAYS} | {"holidays": lines}, reshape=_shape_hours,
    ),
    "workspace-mail": ConsoleForm(
        "PATCH", "/v1/workspace", "/settings",
        {"mail.from_name": text_or_null, "mail.from_email": text_or_null,
         "mail.reply_to": text_or_null, "mail.footer": text_or_null},
    ),
    "workspace-reach": ConsoleForm(
        "PATCH", "/v1/workspace", "/settings",
        {"word_of_mouth.told_by_satisfied": number_or_null,
         "word_of_mouth.told_by_dissatisfied": number_or_null},
        reshape=_shape_reach,
    ),
    "member-create": ConsoleForm(
        "POST", "/v1/members", "/settings",
        {"email": text, "name": text, "role": text, "locale": text, "digest": text},
    ),
    "member-save": ConsoleForm(
        "PATCH", "/v1/members/{member}", "/settings", {"role": text, "digest": text}
    ),
    "member-delete": ConsoleForm("DELETE", "/v1/members/{member}", "/settings"),
    "touchpoint-save": ConsoleForm(
        "PUT", "/v1/touchpoints/{touchpoint}", "/settings",
        {"stage": text, "area": text, "name.en": text, "name.pl": text, "name.ro": text},
    ),
    # Sharing
    "share-create": ConsoleForm(
        "POST", "/v1/share-links", "/sharing?path={path}", {"path": text, "expires_at": text},
        shows_reply=("url",),
    ),
    "share-delete": ConsoleForm("DELETE", "/v1/share-links/{link}", "/sharing"),
}  # fmt: skip
