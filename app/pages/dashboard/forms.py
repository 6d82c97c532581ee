# SPDX-License-Identifier: Apache-2.0
"""Every form of the dashboard that is one request of the API."""

from typing import Any

from app.core.errors import InvalidInput
from app.interactions.schedule import WEEKDAYS
from app.pages.dashboard.form_fields import (
    DashboardForm,
    as_choices,
    as_day,
    as_flag,
    as_json,
    as_lines,
    as_number,
    as_number_or_null,
    as_pairs,
    as_text,
    as_text_or_null,
    as_words,
)

MAX_CONDITIONS = 12
# The units in which a duration is typed: each as ISO 8601 writes it, and in seconds.
DURATION_UNITS = {
    "seconds": ("PT{}S", 1), "minutes": ("PT{}M", 60), "hours": ("PT{}H", 3600),
    "days": ("P{}D", 86_400),
}  # fmt: skip
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
            body[name] = (
                None
                if amount is None
                else DURATION_UNITS.get(unit, DURATION_UNITS["hours"])[0].format(amount)
            )
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
        # An empty choice means the default of the event's type.
        if name in body:
            body[name] = body[name] or None
    days = body.pop("throttle_days", None)
    scope = body.pop("throttle_scope", "workspace")
    # Days that are typed set the trigger's own throttle, even if the box is not ticked.
    if body.pop("has_throttle", False) or days:
        body["throttle"] = {"days": days or 30, "scope": scope}
    return body


def _as_number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _shape_throttle(body: dict[str, Any]) -> dict[str, Any]:
    days, scope = body.pop("throttle_days", None), body.pop("throttle_scope", "workspace")
    body["throttle"] = {"days": days, "scope": scope} if days else None
    return body


def _shape_hours(body: dict[str, Any]) -> dict[str, Any]:
    """Turn a line of hours a day into business hours; no hours at all mean none."""
    weekly = {
        day: [[part.strip() for part in span.replace("–", "-").split("-")]
              for span in spans.split(",") if span.strip()]
        for day, spans in body.pop("hours", {}).items()
    }  # fmt: skip
    holidays, zone = body.pop("holidays", []), body.pop("hours_timezone", None)
    if holidays and not any(weekly.values()):
        msg = "need business hours; type them for at least one day"
        raise InvalidInput.at("body", "holidays", msg=msg)
    if not any(weekly.values()):
        return body | {"business_hours": None}
    hours = {"weekly": weekly, "holidays": holidays, "timezone": zone}
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


def _shape_word_of_mouth(body: dict[str, Any]) -> dict[str, Any]:
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
    body["filter"] = {name: choice for name, choice in body.pop("filter", {}).items() if choice}
    body["notify"] = [f"member:{email}" for email in body.get("notify", ())]
    return body


_ALERT = {
    "name": as_text, "metric": as_text, "interval": as_text, "direction": as_text, "kind": as_text,
    "value": as_number, "filter.survey": as_text, "filter.touchpoint": as_text,
    "notify": as_choices,
}  # fmt: skip
_TRIGGER = {
    "name": as_text, "on": as_text, "survey": as_text, "channel": as_text,
    "sample_percent": as_number, "has_throttle": as_flag,
    "throttle_days": as_number, "throttle_scope": as_text, "priority": as_number, "active": as_flag,
    "send_days": as_choices, "send_from": as_text, "send_to": as_text, "cancel_on": as_choices,
    "on_other": as_text,
    "once_per": as_text_or_null,
} | {
    f"{name}.{part}": read
    for name in _DURATIONS for part, read in (("amount", as_number), ("unit", as_text))
} | {
    f"{name}.{number}.{part}": as_text
    for name in ("where", "unless") for number in range(MAX_CONDITIONS)
    for part in ("property", "op", "value")
}  # fmt: skip

FORMS: dict[str, DashboardForm] = {
    # Surveys
    "survey-create": DashboardForm(
        "POST", "/v1/surveys", "/surveys/new",
        {"template": as_text, "name": as_text, "key": as_text, "default_locale": as_text},
        then="/surveys/{key}/edit", first_form="workspace-colour",
    ),
    "survey-publish": DashboardForm(
        "POST", "/v1/surveys/{survey}/publish", "/surveys/{survey}/edit", then="/surveys/{key}"
    ),
    "survey-close": DashboardForm("POST", "/v1/surveys/{survey}/close", "/surveys/{survey}"),
    "survey-duplicate": DashboardForm(
        "POST", "/v1/surveys/{survey}/duplicate", "/surveys/{survey}",
        {"name": as_text, "key": as_text}, then="/surveys/{key}/edit",
    ),
    "survey-delete": DashboardForm(
        "DELETE", "/v1/surveys/{survey}", "/surveys/{survey}", then="/surveys",
        confirmed_by=("typed", "survey"),
    ),
    "survey-widget-key": DashboardForm(
        "POST", "/v1/api-keys", "/surveys/{survey}",
        {"name": as_text, "scopes": as_choices, "survey": as_text}, shows_reply=("secret",),
    ),
    "survey-test-mail": DashboardForm(
        "POST", "/v1/surveys/{survey}/test-mail", "/surveys/{survey}",
        {"email": as_text, "locale": as_text},
    ),
    # Asking
    "trigger-create": DashboardForm(
        "POST", "/v1/triggers", "/asking/new", _TRIGGER, then="/asking/{id}", reshape=_shape_trigger
    ),
    "trigger-save": DashboardForm(
        "PATCH", "/v1/triggers/{trigger}", "/asking/{trigger}", _TRIGGER, reshape=_shape_trigger
    ),
    "trigger-switch": DashboardForm(
        "PATCH", "/v1/triggers/{trigger}", "/asking/{trigger}", {"active": as_flag}
    ),
    "trigger-delete": DashboardForm(
        "DELETE", "/v1/triggers/{trigger}", "/asking/{trigger}", then="/asking"
    ),
    "invitation-cancel": DashboardForm(
        "POST", "/v1/invitations/{invitation}/cancel", "/invitations"
    ),
    "invitation-remind": DashboardForm(
        "POST", "/v1/invitations/{invitation}/remind", "/invitations"
    ),
    "suppression-add": DashboardForm("POST", "/v1/unsubscribes", "/suppressions",
    {"email": as_text}),
    "suppression-remove": DashboardForm(
        "DELETE", "/v1/unsubscribes", "/suppressions", query=("email",)
    ),
    # People
    "person-save": DashboardForm(
        "PATCH", "/v1/customers/{customer}", "/people/{customer}",
        {"name": as_text_or_null, "email": as_text_or_null, "locale": as_text_or_null,
         "do_not_survey": as_flag, "consent_said": as_text},
        reshape=_shape_consent,
    ),
    "person-merge": DashboardForm(
        "POST", "/v1/customers/merge", "/people/{customer}", {"from": as_text, "into": as_text},
        then="/people/{id}",
    ),
    "person-erase": DashboardForm(
        "DELETE", "/v1/customers/{customer}", "/people/{customer}", then="/people/{customer}",
        confirmed_by=("typed", "word"),
    ),
    # Answers
    "answer-tags": DashboardForm(
        "PATCH", "/v1/responses/{response}", "/responses/{response}", {"tags": as_words}
    ),
    "answer-reject": DashboardForm(
        "POST", "/v1/responses/{response}/reject", "/responses/{response}"
    ),
    "answer-restore": DashboardForm(
        "POST", "/v1/responses/{response}/restore", "/responses/{response}"
    ),
    # Connections
    "integration-create": DashboardForm(
        "POST", "/v1/integrations", "/connections",
        {"source": as_text, "key": as_text, "touchpoint": as_text, "mapping": as_json},
        then="/connections/{id}", reshape=_shape_source,
    ),
    "integration-save": DashboardForm(
        "PATCH", "/v1/integrations/{integration}", "/connections/{integration}",
        {"touchpoint": as_text_or_null, "timezone": as_text_or_null,
         "accept_test": as_flag, "status_map": as_pairs},
    ),
    "integration-secret": DashboardForm(
        "PATCH", "/v1/integrations/{integration}", "/connections/{integration}", {"secret": as_text}
    ),
    "status-mean": DashboardForm(
        "PATCH", "/v1/integrations/{integration}", "/connections/{integration}",
        {"status_map": as_pairs, "status": as_text, "meaning": as_text}, reshape=_shape_status,
    ),
    "integration-delete": DashboardForm(
        "DELETE", "/v1/integrations/{integration}", "/connections/{integration}",
        then="/connections",
    ),
    "event-retry": DashboardForm(
        "POST", "/v1/integrations/{integration}/events/{event}/retry",
        "/connections/{integration}",
    ),
    "endpoint-create": DashboardForm(
        "POST", "/v1/webhook-endpoints", "/connections",
        {"url": as_text, "events": as_choices, "format": as_text, "include_personal": as_flag},
        shows_reply=("secret",),
    ),
    "endpoint-switch": DashboardForm(
        "PATCH", "/v1/webhook-endpoints/{endpoint}", "/connections", {"active": as_flag}
    ),
    "endpoint-test": DashboardForm(
        "POST", "/v1/webhook-endpoints/{endpoint}/test", "/connections"
    ),
    "endpoint-replay": DashboardForm(
        "POST", "/v1/webhook-endpoints/{endpoint}/replay", "/connections", {"since": as_day}
    ),
    "endpoint-delete": DashboardForm(
        "DELETE", "/v1/webhook-endpoints/{endpoint}", "/connections"
    ),
    "delivery-again": DashboardForm("POST", "/v1/deliveries/{delivery}/redeliver", "/connections"),
    "key-create": DashboardForm(
        "POST", "/v1/api-keys", "/connections",
        {"name": as_text, "scopes": as_choices, "survey": as_text, "rate_limit": as_number,
        "test": as_flag},
        shows_reply=("secret",),
    ),
    "key-rotate": DashboardForm(
        "POST", "/v1/api-keys/{api_key}/rotate", "/connections", shows_reply=("secret",)
    ),
    "key-delete": DashboardForm("DELETE", "/v1/api-keys/{api_key}", "/connections"),
    "bi-role-create": DashboardForm(
        "POST", "/v1/bi-roles", "/connections", {"personal": as_flag}, shows_reply=("url",)
    ),
    "bi-role-delete": DashboardForm("DELETE", "/v1/bi-roles/{role}", "/connections"),
    "import-undo": DashboardForm("DELETE", "/v1/imports/{import_id}", "/files"),
    # Alerts
    "alert-create": DashboardForm("POST", "/v1/alerts", "/alerts", _ALERT, reshape=_shape_alert),
    "alert-preview": DashboardForm(
        "POST", "/v1/alerts/preview", "/alerts", _ALERT, reshape=_shape_alert, is_trial=True
    ),
    "alert-switch": DashboardForm("PATCH", "/v1/alerts/{alert}", "/alerts", {"active": as_flag}),
    "alert-delete": DashboardForm("DELETE", "/v1/alerts/{alert}", "/alerts"),
    # Settings
    "workspace-brand": DashboardForm(
        "PATCH", "/v1/workspace", "/settings",
        {"name": as_text, "brand.name": as_text_or_null, "brand.colour": as_text_or_null,
         "brand.logo_url": as_text_or_null},
    ),
    "workspace-colour": DashboardForm(
        "PATCH", "/v1/workspace", "/surveys/new",
        {"brand.name": as_text_or_null, "brand.colour": as_text_or_null,
        "brand.logo_url": as_text_or_null},
    ),
    "workspace-figures": DashboardForm(
        "PATCH", "/v1/workspace", "/settings",
        {"timezone": as_text, "default_locale": as_text, "segments": as_lines,
        "min_group_size": as_number,
         "allowed_origins": as_lines},
    ),
    "workspace-asking": DashboardForm(
        "PATCH", "/v1/workspace", "/settings",
        {"throttle_days": as_number, "throttle_scope": as_text, "require_consent": as_flag,
        "retention_days": as_number_or_null},
        reshape=_shape_throttle,
    ),
    "workspace-hours": DashboardForm(
        "PATCH", "/v1/workspace", "/settings",
        {f"hours.{day}": as_text for day in WEEKDAYS}
        | {"holidays": as_lines, "hours_timezone": as_text_or_null},
        reshape=_shape_hours,
    ),
    "workspace-mail": DashboardForm(
        "PATCH", "/v1/workspace", "/settings",
        {"mail.from_name": as_text_or_null, "mail.from_email": as_text_or_null,
         "mail.reply_to": as_text_or_null, "mail.footer": as_text_or_null},
    ),
    "workspace-reach": DashboardForm(
        "PATCH", "/v1/workspace", "/settings",
        {"word_of_mouth.told_by_satisfied": as_number_or_null,
         "word_of_mouth.told_by_dissatisfied": as_number_or_null},
        reshape=_shape_word_of_mouth,
    ),
    "member-create": DashboardForm(
        "POST", "/v1/members", "/settings",
        {"email": as_text, "name": as_text, "role": as_text, "locale": as_text, "digest": as_text},
    ),
    "member-save": DashboardForm(
        "PATCH", "/v1/members/{member}", "/settings", {"role": as_text, "digest": as_text}
    ),
    "member-delete": DashboardForm("DELETE", "/v1/members/{member}", "/settings"),
    "touchpoint-save": DashboardForm(
        "PUT", "/v1/touchpoints/{touchpoint}", "/settings",
        {"stage": as_text, "area": as_text, "name.en": as_text, "name.pl": as_text,
        "name.ro": as_text},
    ),
    # Sharing
    "share-create": DashboardForm(
        "POST", "/v1/share-links", "/sharing?path={path}", {"path": as_text, "expires_at": as_text},
        shows_reply=("url",),
    ),
    "share-delete": DashboardForm("DELETE", "/v1/share-links/{link}", "/sharing"),
}  # fmt: skip
