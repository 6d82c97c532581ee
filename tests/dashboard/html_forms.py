# SPDX-License-Identifier: Apache-2.0
"""Reading a page's forms as a browser would send them, unchanged."""

from html.parser import HTMLParser


class _FormReader(HTMLParser):
    """Collects the fields of every form of a page, by the form's action."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, list[str]]] = {}
        self._fields: dict[str, list[str]] = {}
        self._select = self._area = ""
        self._first_option: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        if tag == "form":
            self._fields = self.forms.setdefault(values.get("action", ""), {})
        elif tag == "input" and name:
            self._read_input(name, values)
        elif tag == "select":
            self._select, self._first_option = name, None
        elif tag == "option" and self._select:
            self._read_option(values)
        elif tag == "textarea" and name:
            self._area = name
            self._fields.setdefault(name, []).append("")

    def _read_input(self, name: str, values: dict[str, str]) -> None:
        is_chosen = values.get("type") not in {"checkbox", "radio"} or "checked" in values
        if is_chosen and values.get("type") not in {"submit", "file"}:
            self._fields.setdefault(name, []).append(values.get("value", "on"))

    def _read_option(self, values: dict[str, str]) -> None:
        value = values.get("value", "")
        if "selected" in values:
            self._fields.setdefault(self._select, []).append(value)
        elif self._first_option is None:
            self._first_option = value

    def handle_data(self, data: str) -> None:
        if self._area:
            self._fields[self._area][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""
        elif tag == "select":
            if self._select not in self._fields and self._first_option is not None:
                self._fields[self._select] = [self._first_option]
            self._select = ""


def forms_of(page: str) -> dict[str, dict[str, list[str]]]:
    """Return the fields of every form of a page with their values, by the form's action."""
    reader = _FormReader()
    reader.feed(page)
    return reader.forms
