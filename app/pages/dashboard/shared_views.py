# SPDX-License-Identifier: Apache-2.0
"""The views that can be shared, described in words."""

from urllib.parse import parse_qs

from pydantic import ValidationError

from app.core.property_filters import PROPERTY
from app.pages.dashboard.filters import FilterChoices, PageFilter, without_empty
from app.pages.dashboard.pages import PAGES
from app.pages.dashboard.texts import DashboardTexts
from app.workspaces.share_links import SHARED_PAGES, SHARED_SURVEYS

# The names of the pages that can be shared without opening them first.
_PAGE_NAMES = {PAGES[name].path: name for name in PAGES if PAGES[name].path in SHARED_PAGES}


def views_offered(
    texts: DashboardTexts, choices: FilterChoices, chosen_path: str
) -> list[tuple[str, str]]:
    """Return the paths to choose from with their descriptions, the chosen one first."""
    offered = [*_PAGE_NAMES, *(SHARED_SURVEYS + key for key in choices.surveys)]
    return [
        (path, describe_view(texts, choices, path))
        for path in dict.fromkeys([chosen_path, *offered])
    ]


def describe_view(texts: DashboardTexts, choices: FilterChoices, path: str) -> str:
    """Say which page a path shows, of which period and with which filters."""
    plain, _, query = path.partition("?")
    query_values = parse_qs(query)
    try:
        view = PageFilter.model_validate(
            {name: values[-1] for name, values in query_values.items()}
        )
    except ValidationError:
        # The page of such a link says what is wrong with it.
        return path
    properties = without_empty(
        {name.removeprefix(PROPERTY): values for name, values in query_values.items()
         if name.startswith(PROPERTY)}
    )  # fmt: skip
    period = texts.days(view.days) if view.has_dates else texts.time_span(view.shown_period)
    filters = [
        f"{texts.name('filter', name)}: {_value(texts, choices, name, value)}"
        for name, value, _ in view.chips("/", properties)
    ]
    return " · ".join([_title(texts, choices, plain), period, *filters])


def _title(texts: DashboardTexts, choices: FilterChoices, plain: str) -> str:
    if plain.startswith(SHARED_SURVEYS):
        key = plain.removeprefix(SHARED_SURVEYS)
        return choices.surveys.get(key, key)
    return texts[_PAGE_NAMES[plain]] if plain in _PAGE_NAMES else plain


def _value(texts: DashboardTexts, choices: FilterChoices, name: str, value: str) -> str:
    known = {"survey": choices.surveys, "touchpoint": choices.touchpoints}
    return known.get(name, {}).get(value) or texts.name(name, value)
