# SPDX-License-Identifier: Apache-2.0
"""The dashboard's forms: each sends one request of the API, built from its fields.

After an error the page is shown again, with the typed values and an error at each wrong field.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import InvalidInput

Fields = Mapping[str, list[str]]
FieldReader = Callable[[list[str]], Any]


class _OmittedField:
    """Marks an empty field, which the request leaves out."""


LEFT_OUT = _OmittedField()


def as_text(values: list[str]) -> Any:
    """Read a line of text; an empty one is left out."""
    return values[-1].strip() or LEFT_OUT


def as_text_or_null(values: list[str]) -> Any:
    """Read a line of text; an empty one clears the value."""
    return values[-1].strip() or None


def as_day(values: list[str]) -> Any:
    """Read a day as the moment at which it begins in UTC; an empty field is left out."""
    typed = values[-1].strip()
    return f"{typed}T00:00:00Z" if typed else LEFT_OUT


def as_number(values: list[str]) -> Any:
    """Read a number; an empty field is left out."""
    typed = values[-1].strip()
    if not typed:
        return LEFT_OUT
    try:
        return float(typed) if "." in typed else int(typed)
    except ValueError:
        return typed


def as_number_or_null(values: list[str]) -> Any:
    """Read a number; an empty field clears the value."""
    number = as_number(values)
    return None if number is LEFT_OUT else number


def as_flag(values: list[str]) -> bool:
    """Read a box to tick; a hidden field before it says no."""
    return values[-1] == "1"


def as_choices(values: list[str]) -> list[str]:
    """Read boxes of which several may be ticked."""
    return [value for value in values if value]


def as_lines(values: list[str]) -> list[str]:
    """Read a text with one entry a line."""
    return [line.strip() for line in values[-1].splitlines() if line.strip()]


def as_words(values: list[str]) -> list[str]:
    """Read a text with entries between commas or on lines of their own."""
    return [word.strip() for word in values[-1].replace("\n", ",").split(",") if word.strip()]


def as_pairs(values: list[str]) -> dict[str, str]:
    """Read a text with one `name = value` a line; raise ValueError for another form."""
    pairs = {}
    for line in as_lines(values):
        name, separator, value = line.partition("=")
        if not separator:
            msg = f"`{line[:80]}` must be NAME = VALUE"
            raise ValueError(msg)
        pairs[name.strip()] = value.strip()
    return pairs


def as_json(values: list[str]) -> Any:
    """Read a text of JSON; an empty one is left out, any other text raises ValueError."""
    typed = values[-1].strip()
    if not typed:
        return LEFT_OUT
    try:
        return json.loads(typed)
    except ValueError as error:
        msg = f"is not valid JSON: {error}"
        raise ValueError(msg) from None


@dataclass(frozen=True)
class DashboardForm:
    """One form: the request of the API that it sends, and the page that it stands on.

    In `path`, `page` and `then`, a name in braces is a field of the form, in `then` also of the
    reply.
    """

    method: str
    path: str
    page: str
    # How each field of the body is read; `mail.footer` is the member `footer` of the object `mail`.
    body: Mapping[str, FieldReader] | None = None
    # The page that is shown after success, if not `page`.
    then: str | None = None
    # The form whose request is sent first, from the same fields.
    first_form: str | None = None
    # Fields of the reply that are shown once, such as a secret.
    shows_reply: tuple[str, ...] = ()
    # The request stores nothing; the form is shown again as it was filled in, beside the reply.
    is_trial: bool = False
    # The field that is typed to confirm, and the field whose value it must equal.
    confirmed_by: tuple[str, str] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    query: tuple[str, ...] = ()
    reshape: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def request_body(self, fields: Fields) -> dict[str, Any] | None:
        """Return the JSON of the request; None if it has none. InvalidInput names the field."""
        if self.body is None:
            return None
        body: dict[str, Any] = dict(self.fixed)
        for name, read in self.body.items():
            if name not in fields:
                continue
            try:
                value = read(fields[name])
            except ValueError as error:
                raise InvalidInput.at("body", name, msg=str(error)) from None
            if value is not LEFT_OUT:
                _put(body, name.split("."), value)
        return self.reshape(body) if self.reshape else body


def _put(body: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = value


@dataclass(frozen=True)
class FormOutcome:
    """The result of a form that was sent: its errors, or a reply that is shown once."""

    form: str
    fields: Fields
    error: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    reply: Any = None

    def value(self, form: str, name: str, otherwise: Any) -> Any:
        """Return what was typed into a field, or what it would hold otherwise."""
        if form == self.form and self.error is not None and name in self.fields:
            return self.fields[name][-1]
        return otherwise

    def error_of(self, form: str, name: str) -> str | None:
        """Return what is wrong with a field."""
        return self.errors.get(name) if form == self.form else None
