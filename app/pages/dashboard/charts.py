# SPDX-License-Identifier: Apache-2.0
"""Lay out charts, which templates draw. Pure geometry, without a library.

Every chart also holds its figures as text, for the table beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 12, 12, 40
_ROW, _LABEL = 34, 190
_MAX_LABELS = 8
# Bars with longer labels lie beneath each other, with the labels at their side.
_SHORT_LABELS = 60
# About how wide and high a character of a chart's labels is, on the small screen too.
_CHARACTER, _LINE = 8.5, 18
# The part of an axis that stays free above and below its values.
_HEADROOM = 0.06


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series: what it is called, how sure it is, and on how many answers."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    value_text: str = ""
    interval: str = ""
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A series over time with its band; `paths` break where there is no value."""

    points: Sequence[Point]
    paths: Sequence[str]
    bands: Sequence[str]
    dots: Sequence[tuple[float, float]]
    across: Sequence[Tick]
    up: Sequence[Tick]
    zero: float | None
    before: Sequence[str] = ()
    unfinished: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM

    @property
    def known(self) -> list[Point]:
        """The points that have a value, as `dots` are."""
        return [point for point in self.points if point.value is not None]


def line_of(
    points: Sequence[Point],
    *,
    within: tuple[float, float] | None = None,
    before: Sequence[float | None] = (),
    is_complete: bool = True,
    write: Callable[[float], str] | None = None,
    unit: float = 1,
) -> ChartLine:
    """Lay out a series; the axis covers all intervals, limited to `within`.

    `before` are the values of the previous period, point by point. Unless the last period
    `is_complete`, its step is drawn as `unfinished`. `write` formats the labels of the axis, which
    are round multiples of `unit`.
    """
    bottom, top = _range(points, within, before)
    step = (WIDTH - _LEFT - _RIGHT) / max(len(points) - 1, 1)

    def x(number: int) -> float:
        return round(_LEFT + (step * number if len(points) > 1 else step / 2), 1)

    def y(value: float) -> float:
        share = (min(max(value, bottom), top) - bottom) / (top - bottom)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def path(run: Sequence[int], value: Callable[[int], float]) -> str:
        coordinates = [(x(number), y(value(number))) for number in run]
        return " ".join(
            f"{'L' if number else 'M'}{horizontal},{vertical}"
            for number, (horizontal, vertical) in enumerate(coordinates)
        )

    paths, bands, unfinished = [], [], ""
    for run in _runs([point.value for point in points]):
        solid = run
        if not is_complete and run[-1] == len(points) - 1 and len(run) > 1:
            solid = run[:-1]
            unfinished = path(run[-2:], lambda n: points[n].value or 0)
        paths.append(path(solid, lambda n: points[n].value or 0))
    # A period without an interval interrupts the band.
    for run in _runs([None if point.low is None else point.high for point in points]):
        above = [f"{x(number)},{y(points[number].high or 0)}" for number in run]
        below = [f"{x(number)},{y(points[number].low or 0)}" for number in reversed(run)]
        if len(run) > 1:
            bands.append("M" + " L".join(above + below) + " Z")
    every = max(1, -(-len(points) // _MAX_LABELS))
    format_tick = write or (lambda value: f"{value:g}".replace("-", "−"))
    return ChartLine(
        points=points,
        paths=paths,
        bands=bands,
        dots=[
            (x(number), y(point.value))
            for number, point in enumerate(points)
            if point.value is not None
        ],
        across=[
            Tick(x(number), point.label)
            for number, point in enumerate(points)
            if number % every == 0
        ],
        up=[Tick(y(value), format_tick(value)) for value in _round_values(bottom, top, unit)],
        zero=y(0) if bottom < 0 < top else None,
        before=[path(run, lambda n: before[n] or 0) for run in _runs(before[: len(points)])],
        unfinished=unfinished,
    )


def _runs(values: Sequence[float | None]) -> list[list[int]]:
    """Return the positions of consecutive values, one list for each line without a gap."""
    runs: list[list[int]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(number)
    return [run for run in runs if run]


def _range(
    points: Sequence[Point], within: tuple[float, float] | None, before: Sequence[float | None]
) -> tuple[float, float]:
    values = [
        value
        for point in points
        for value in (point.value, point.low, point.high)
        if value is not None
    ]
    values += [value for value in before if value is not None]
    bottom, top = (min(values), max(values)) if values else (within or (0.0, 1.0))
    if top - bottom < 1e-9:
        bottom, top = bottom - 1, top + 1
    free = _HEADROOM * (top - bottom)
    bottom, top = bottom - free, top + free
    if within:
        bottom, top = max(bottom, within[0]), min(top, within[1])
    return (bottom, top) if top - bottom > 1e-9 else (bottom - 1, top + 1)


def _round_values(bottom: float, top: float, unit: float = 1) -> list[float]:
    """Return up to seven round multiples of a unit between two numbers."""
    if unit != 1:
        return [value * unit for value in _round_values(bottom / unit, top / unit)]
    span = top - bottom
    step = 10.0 ** len(str(int(span))) / 100
    while span / step > 6:
        step *= 2 if str(step).lstrip("0.")[0] in "15" else 2.5
    first = -(-bottom // step) * step
    count = int((top - first) / step + 1e-9) + 1
    return [round(first + step * number, 6) for number in range(count)]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it stands and how long it is."""

    x: float
    y: float
    width: float
    height: float
    label: str
    n: int
    share: float
    band: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """A distribution; `lying` bars begin at `left`, where their labels end."""

    bars: Sequence[Bar]
    lying: bool = False
    width: int = WIDTH
    height: int = HEIGHT
    bottom: int = HEIGHT - _BOTTOM
    left: int = _LABEL


def bars_of(counts: Sequence[tuple[str, int]], band: Callable[[str], str] = lambda _: "") -> Bars:
    """Lay out how often each answer was given; `band` says which are low and high.

    Bars with short labels stand side by side; with long ones they lie in rows, without overlap.
    """
    most, total = max((count for _, count in counts), default=0), sum(count for _, count in counts)
    lying = sum(len(label) for label, _ in counts) > _SHORT_LABELS
    box_of = _lying_bar if lying else _standing_bar
    bars = [
        Bar(
            *box_of(number, count / most if most else 0.0, len(counts)),
            label=label,
            n=count,
            share=100 * count / total if total else 0.0,
            band=band(label),
        )
        for number, (label, count) in enumerate(counts)
    ]
    return Bars(bars, lying, height=_ROW * len(counts) if lying else HEIGHT)


def _standing_bar(number: int, share: float, count: int) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a bar; `share` is its part of the longest."""
    step = (WIDTH - _RIGHT * 2) / max(count, 1)
    long = round((HEIGHT - _BOTTOM - _TOP - 16) * share, 1)
    left = round(_RIGHT + step * number + step * 0.1, 1)
    return left, round(HEIGHT - _BOTTOM - long, 1), round(step * 0.8, 1), long


def _lying_bar(number: int, share: float, _count: int) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a bar; room for its percentage stays at its end."""
    long = round((WIDTH - _LABEL - _LEFT - _RIGHT) * share, 1)
    return _LABEL, _ROW * number + 7, long, _ROW - 14


@dataclass(frozen=True, slots=True)
class Whisker:
    """One row of an interval chart: a dot with its interval."""

    point: Point
    y: float
    dot: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Whiskers:
    """Groups beneath each other on one axis."""

    rows: Sequence[Whisker]
    across: Sequence[Tick]
    height: int
    width: int = WIDTH
    label: int = _LABEL


def whiskers_of(
    points: Sequence[Point],
    *,
    within: tuple[float, float],
    write: Callable[[float], str] | None = None,
    unit: float = 1,
) -> Whiskers:
    """Lay out groups with their intervals on the whole scale; labels as in `line_of`."""
    bottom, top = within

    def x(value: float | None) -> float | None:
        if value is None:
            return None
        share = (min(max(value, bottom), top) - bottom) / (top - bottom)
        return round(_LABEL + share * (WIDTH - _LABEL - 24), 1)

    format_tick = write or (lambda value: f"{value:g}".replace("-", "−"))
    ticks = [
        Tick(x(value) or 0.0, format_tick(value)) for value in _round_values(bottom, top, unit)
    ]
    rows = [
        Whisker(point, _ROW * number + _ROW / 2, x(point.value), x(point.low), x(point.high))
        for number, point in enumerate(points)
    ]
    return Whiskers(rows, ticks, height=_ROW * len(points) + _BOTTOM)


@dataclass(frozen=True, slots=True)
class Mark:
    """One place on a plane, with its label and the quarter it lies in."""

    x: float
    y: float
    label: str
    quadrant: str
    performance: float
    importance: float
    label_at: tuple[float, float, str] = (0.0, 0.0, "start")


@dataclass(frozen=True, slots=True)
class Scatter:
    """How well each thing is rated (across) against how much it matters (up)."""

    marks: Sequence[Mark]
    middle_x: float
    middle_y: float
    across: Sequence[Tick]
    up: Sequence[Tick]
    width: int = WIDTH
    height: int = WIDTH // 2
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = WIDTH // 2 - _BOTTOM


def scatter_of(rows: Sequence[tuple[str, float, float, str]]) -> Scatter:
    """Lay out rows of label, performance (0 to 100), importance (a share) and quadrant."""
    height, most = WIDTH // 2, max((share for _, _, share, _ in rows), default=1.0)
    top = most * 1.15 or 1.0
    least, best = _tens_around([mean for _, mean, _, _ in rows])

    def x(value: float) -> float:
        return round(_LEFT + (value - least) / (best - least) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(height - _BOTTOM - value / top * (height - _TOP - _BOTTOM), 1)

    n = max(len(rows), 1)
    return Scatter(
        marks=_with_labels([Mark(x(mean), y(share), label, quadrant, mean, share)
                            for label, mean, share, quadrant in rows]),
        middle_x=x(sum(mean for _, mean, _, _ in rows) / n),
        middle_y=y(sum(share for _, _, share, _ in rows) / n),
        across=[Tick(x(value), f"{value:g}") for value in _round_values(least, best)],
        up=[Tick(y(value), f"{value:g}") for value in _round_values(0, top)],
    )  # fmt: skip


def _tens_around(values: Sequence[float]) -> tuple[int, int]:
    """Return the tens between 0 and 100 that hold all values, with room beside them."""
    low, high = min(values, default=0.0), max(values, default=100.0)
    return max(0, int((low - 5) // 10) * 10), min(100, int(-(-(high + 5) // 10)) * 10)


def _with_labels(marks: Sequence[Mark]) -> list[Mark]:
    """Place the label of each mark where it meets no dot and no label before it, if it can."""
    boxes = [(mark.x - 7, mark.y - 7, mark.x + 7, mark.y + 7) for mark in marks]
    placed = []
    for mark in sorted(marks, key=lambda mark: mark.y):
        width = _CHARACTER * len(mark.label)
        free = [
            (position, box)
            for position, box in _label_places(mark, width)
            if box[0] >= 0 and box[2] <= WIDTH and not any(_overlap(box, other) for other in boxes)
        ]
        position, box = free[0] if free else _label_places(mark, width)[0]
        boxes.append(box)
        placed.append(replace(mark, label_at=position))
    return placed


def _label_places(
    mark: Mark, width: float
) -> list[tuple[tuple[float, float, str], tuple[float, float, float, float]]]:
    """Return where a label may stand, with the box that it fills: right, left, above, below."""
    positions = []
    for dx, dy, anchor in ((10, 4, "start"), (-10, 4, "end"), (0, -12, "middle"),
                           (0, 24, "middle")):  # fmt: skip
        left = mark.x + dx - {"start": 0.0, "end": width, "middle": width / 2}[anchor]
        bottom = mark.y + dy
        box = (left, bottom - _LINE + 4, left + width, bottom + 4)
        positions.append(((round(mark.x + dx, 1), round(bottom, 1), anchor), box))
    return positions


def _overlap(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether two boxes (left, top, right, bottom) overlap."""
    return (
        first[0] < second[2] and second[0] < first[2]
        and first[1] < second[3] and second[1] < first[3]
    )  # fmt: skip
