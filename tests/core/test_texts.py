# SPDX-License-Identifier: Apache-2.0
"""Numbers as people read them."""

import pytest

from app.core.texts import number_in


@pytest.mark.parametrize(
    ("language", "value", "digits", "written"),
    [
        ("en", 12.5, 0, "13"),
        ("en", -12.5, 0, "−13"),
        ("en", -0.2, 0, "0"),
        ("pl", 1234.25, 1, "1 234,3"),
        ("ro", 0.05, 1, "0,1"),
    ],
)
def test_halves_are_rounded_away_from_zero(
    language: str, value: float, digits: int, written: str
) -> None:
    assert number_in(language, value, digits).replace("\xa0", " ") == written
