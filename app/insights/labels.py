# SPDX-License-Identifier: Apache-2.0
"""What drivers, pillars and modules are called in the workspace's language."""

from app.core.texts import shipped_language, texts_of
from app.insights.request import InsightRequest

# These tags ask what customers told or heard about the brand; they drive no score.
NON_DRIVER_TAGS = frozenset({"told", "heard"})


def label_of(request: InsightRequest, kind: str, value: str) -> str:
    """Return the name of a built-in value, or a company's own value with blanks."""
    names = texts_of("names", shipped_language(request.metric_request.workspace.default_locale))
    label: str = names.get(f"{kind}.{value}") or value.replace("_", " ")
    return label
