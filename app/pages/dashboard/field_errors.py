# SPDX-License-Identifier: Apache-2.0
"""Say an error of the API at the field of a form, in the words of a form."""

import re
from collections.abc import Container, Iterator, Mapping

from app.pages.dashboard.texts import DashboardTexts

# The form field of each API field with another name; longer API names come first.
_FIELDS = {
    "business_hours.weekly": "hours",
    "business_hours.holidays": "holidays",
    "sample_rate": "sample_percent",
    "throttle.scope": "throttle_scope",
    "throttle": "throttle_days",
    "rule": "value",
}
# The API's messages about a value's form, and the text that says the same to a person.
_MESSAGES = {
    r"String should match pattern .*": "error.form",
    r"String should have at most \d+ character.*|is longer than \d+ characters":
        "error.too_long",
    r"String should have at least (?P<n>\d+) characters.*": "error.too_short",
    r"String should have at least \d+ character.*": "error.empty",
    r"Field required": "error.empty",
    r"List should have at least 1 item.*": "error.none_chosen",
    r"Input should be (?:less than or equal to|≤) ?(?P<n>[\d.]+)": "error.at_most",
    r"Input should be (?:greater than or equal to|≥) ?(?P<n>[\d.]+)": "error.at_least",
    r"Input should be a valid (?:number|integer).*": "error.number",
    r".*takes a number": "error.number",
    r"must be an ISO 8601 duration.*": "error.duration",
    r"Input should be a valid date.*|must be a date.*": "error.date",
    r"is not an IANA time zone.*": "error.zone",
    r"must be an origin.*": "error.origin",
    r"has too little contrast on white.*; (?P<seen>#\w+) has enough": "error.colour",
    r".*takes one value": "error.value",
    r"must be from (?P<low>-?[\d.]+) to (?P<high>-?[\d.]+), which .*": "error.reach",
    r"need business hours.*": "error.hours",
    r"Input should be a valid string|Input should be a valid dictionary.*": "error.form",
}  # fmt: skip
# What the API says of a whole request, by the form's field that it is about.
_DETAILS = {
    r".* is a member already\.": ("email", "error.member_exists"),
    r"There is a \w+ `(?P<key>[^`]*)` already.*": ("key", "error.key_exists"),
    r"There is no such customer in this workspace\.": ("from", "error.no_customer"),
}
# The name under which the API refuses a body as a whole.
_WHOLE_BODY = "body"
# The API's share of 1 is a field's share of 100.
_PERCENT = "sample_percent"


def field_errors(
    texts: DashboardTexts, fields: Container[str], errors: Mapping[str, str]
) -> dict[str, str]:
    """Return the API's errors by the names of a form's fields, in the reader's language.

    An error of no field keeps the API's name.
    """
    messages: dict[str, str] = {}
    for name, message in errors.items():
        inner, _, detail = message.partition(": ")
        part = inner if name == _WHOLE_BODY else f"{name}.{inner}"
        if detail and any(field in fields for field in _fields_of(part)):
            name, message = part, detail  # noqa: PLW2901 - the message names its part
        field = next((field for field in _fields_of(name) if field in fields), name)
        messages.setdefault(field, _in_words(texts, field, message))
    return messages


def error_of_detail(texts: DashboardTexts, fields: Container[str], detail: str) -> dict[str, str]:
    """Return what the API says of a whole request as the error of one field, if it is about one."""
    for pattern, (field, name) in _DETAILS.items():
        if field in fields and (match := re.fullmatch(pattern, detail)):
            return {field: texts[name].format(**match.groupdict())}
    return {}


def _fields_of(name: str) -> Iterator[str]:
    """Yield the fields that may hold a value of the API, the likeliest first."""
    for prefix, field in _FIELDS.items():
        if name == prefix or name.startswith(prefix + "."):
            parts = [field, *name[len(prefix) + 1 :].split(".")]
            yield from (".".join(part for part in parts[:length] if part) for length in (2, 1))
    yield from (name, f"{name}.amount", f"{name}.value", f"{name}.property")
    # An entry of a list has the field of the whole list.
    yield name.rpartition(".")[0]


def _in_words(texts: DashboardTexts, field: str, message: str) -> str:
    for pattern, name in _MESSAGES.items():
        if match := re.fullmatch(pattern, message):
            values = match.groupdict()
            if field == _PERCENT and values.get("n") is not None:
                values["n"] = f"{100 * float(values['n']):g}"
            return texts[name].format(**values)
    return message
