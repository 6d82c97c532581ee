# SPDX-License-Identifier: Apache-2.0
"""Say an error of the API at the field of a form, in the words of a form."""

import re
from collections.abc import Container, Iterator, Mapping

from app.pages.dashboard.texts import DashboardTexts

# What the API calls the value of a field whose name is another; a longer name goes first.
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
    r"String should have at least \d+ character.*": "error.empty",
    r"Field required": "error.empty",
    r"List should have at least 1 item.*": "error.none_chosen",
    r"Input should be (?:less than or equal to|≤) ?(?P<n>[\d.]+)": "error.at_most",
    r"Input should be (?:greater than or equal to|≥) ?(?P<n>[\d.]+)": "error.at_least",
    r"Input should be a valid (?:number|integer).*": "error.number",
    r".*takes a number": "error.number",
    r"must be an ISO 8601 duration.*": "error.duration",
    r"Input should be a valid string|Input should be a valid dictionary.*": "error.form",
}  # fmt: skip
# The name under which the API refuses a body as a whole.
_WHOLE = "body"
# The API's share of 1 is a field's share of 100.
_PERCENT = "sample_percent"


def field_errors(
    texts: DashboardTexts, fields: Container[str], errors: Mapping[str, str]
) -> dict[str, str]:
    """Return the API's errors by the names of a form's fields, in the visitor's language.

    An error of no field keeps the API's name.
    """
    found: dict[str, str] = {}
    for name, message in errors.items():
        inner, _, rest = message.partition(": ")
        part = inner if name == _WHOLE else f"{name}.{inner}"
        if rest and any(field in fields for field in _fields_of(part)):
            name, message = part, rest  # noqa: PLW2901 - the message names its part
        field = next((field for field in _fields_of(name) if field in fields), name)
        found.setdefault(field, _in_words(texts, field, message))
    return found


def _fields_of(name: str) -> Iterator[str]:
    """Yield the fields that may hold a value of the API, the likeliest first."""
    for prefix, field in _FIELDS.items():
        if name == prefix or name.startswith(prefix + "."):
            parts = [field, *name[len(prefix) + 1 :].split(".")]
            yield from (".".join(part for part in parts[:n] if part) for n in (2, 1))
    yield from (name, f"{name}.amount", f"{name}.value", f"{name}.property")


def _in_words(texts: DashboardTexts, field: str, message: str) -> str:
    for pattern, name in _MESSAGES.items():
        if match := re.fullmatch(pattern, message):
            limit = match.groupdict().get("n")
            if limit is not None and field == _PERCENT:
                limit = f"{100 * float(limit):g}"
            return texts[name].format(n=limit)
    return message
