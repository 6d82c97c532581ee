"""Rendering a page: one set of templates, one policy of what a browser may load."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY + "; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_RIGHT_TO_LEFT = {"ar", "fa", "he", "ur", "yi"}
_CODE = re.compile(r"`([^`]+)`")


def _code(text: str) -> Markup:
    """Show what stands between backticks as code; everything is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


_templates = Environment(
    loader=PackageLoader("app.pages"), autoescape=True, undefined=StrictUndefined
)
_templates.filters["code"] = _code


def page(template: str, *, lang: str, status: int = 200, **shown: Any) -> HTMLResponse:
    """Render a template in a language; what is missing is an error, not an empty place."""
    direction = "rtl" if lang.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"
    text = _templates.get_template(template).render(lang=lang, dir=direction, **shown)
    return HTMLResponse(text, status_code=status, headers=HEADERS)
