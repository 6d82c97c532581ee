# SPDX-License-Identifier: Apache-2.0
"""The table that a benchmark prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure with its bar: a ratio to a baseline, or of another unit."""

    label: str
    ratio: float
    bar: float
    at_most: bool = False
    unit: str = "×"

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar


def show(rows: list[Row]) -> None:
    """Print the table as in docs/performance.md."""
    print("\n| what | measured | bar | met |\n|---|---|---|---|")
    for row in rows:
        sign = "≤" if row.at_most else "≥"
        met = "yes" if row.met else "NO"
        print(f"| {row.label} | {row.ratio:.2f} {row.unit} | {sign} {row.bar} {row.unit} | {met} |")
