# SPDX-License-Identifier: Apache-2.0
"""Colours that can be read: contrast as WCAG 2.2 defines it. Pure."""

from typing import NamedTuple

_WHITE, _BLACK = "#ffffff", "#000000"
PAPER, DARK_PAPER = _WHITE, "#16181c"
# The accents of pages of a workspace without a colour.
_USUAL_ACCENT, _USUAL_ACCENT_ON_DARK = "#0b5cad", "#7ab8ff"
# WCAG 2.2, success criterion 1.4.11: what one must see to use a control.
_MIN_CONTRAST = 3.0
_STEPS = 40


class Accent(NamedTuple):
    """A colour to fill with, and the one to write on it."""

    fill: str
    ink: str


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, from 0 to 1."""
    parts = [int(colour[position : position + 2], 16) / 255 for position in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(first), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(fill: str) -> str:
    """Return black or white, whichever reads better on the colour; either is above 4.5."""
    return max((_WHITE, _BLACK), key=lambda ink: contrast(fill, ink))


def can_be_seen(colour: str) -> bool:
    """Tell whether a control in this colour can be seen on a white page."""
    return contrast(colour, PAPER) >= _MIN_CONTRAST


def nearest_seen(colour: str, paper: str) -> str:
    """Return the colour, lightened or darkened just enough to be visible on the background."""
    target = _BLACK if luminance(paper) > 0.5 else _WHITE
    for step in range(_STEPS + 1):
        mixed = _mix(colour, target, step / _STEPS)
        if contrast(mixed, paper) >= _MIN_CONTRAST:
            return mixed
    return target


def accent(colour: str, paper: str) -> Accent:
    """Return how a brand's colour is used on a page."""
    fill = nearest_seen(colour, paper)
    return Accent(fill, ink_on(fill))


def shades_of(colour: str | None) -> list[tuple[str, str, Accent]]:
    """Return how a colour looks on a light and on a dark page: the name, the paper, the accent."""
    return [
        (name, paper, accent(colour or usual, paper))
        for name, paper, usual in (
            ("light", PAPER, _USUAL_ACCENT),
            ("dark", DARK_PAPER, _USUAL_ACCENT_ON_DARK),
        )
    ]


def _mix(first: str, other: str, share: float) -> str:
    pairs = [
        (int(first[position : position + 2], 16), int(other[position : position + 2], 16))
        for position in (1, 3, 5)
    ]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
