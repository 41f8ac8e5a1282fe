"""Panels of charts as SVG that takes its colours from the page: scales, ticks, points with error bars, lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

ZERO_SLOT = 34.0
"""Width that the value 0 takes before a logarithmic axis."""
LEGEND_ROW = 22
"""Height of a row of the legend."""
COLOURS = 8
"""Classes s0, s1, … of the style sheet; more variants take them again with another marker."""
MARKERS = ("circle", "square", "diamond", "triangle")


def series_look(place: int) -> tuple[str, str]:
    """Return (class of its colour, marker) of the variant at a place in the legend."""
    return f"s{place % COLOURS}", MARKERS[place // COLOURS % len(MARKERS)]


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic axis from left to right or from bottom to top, with a place of its own for 0.

    Attributes:
        values: Values to be shown, at least one; 0 or above.
        start: Pixel of the left end, or of the lower one.
        end: Pixel of the right end, or of the upper one.
    """

    values: tuple[float, ...]
    start: float
    end: float

    @property
    def bottom(self) -> float:
        """Pixel of the lower end of a vertical axis."""
        return self.start

    @property
    def top(self) -> float:
        """Pixel of the upper end of a vertical axis."""
        return self.end

    @property
    def has_zero(self) -> bool:
        """Whether 0 is among the values."""
        return any(value <= 0 for value in self.values)

    def _ends(self) -> tuple[float, float]:
        positive = [value for value in self.values if value > 0] or [1.0]
        low, high = min(positive), max(positive)
        if high < 3 * low:  # never so narrow that there is no tick
            middle = math.sqrt(low * high)
            low, high = middle / 2, middle * 2
        return low / 1.15, high * 1.15

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        if value <= 0:
            return self.start + 10
        low, high = self._ends()
        begin = self.start + (ZERO_SLOT if self.has_zero else 0)
        return begin + (self.end - begin) * math.log(value / low) / math.log(high / low)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values inside the axis, 0 first where it is among them."""
        low, high = self._ends()
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [step * 10.0**power for power in decades for step in steps if low <= step * 10.0**power <= high]
            if len(found) <= most:
                break
        return [*([0.0] if self.has_zero else []), *found[:: max(1, -(-len(found) // most))]]


@dataclass(frozen=True, slots=True)
class LinearScale:
    """A linear axis from bottom to top.

    Attributes:
        low: Lowest value.
        high: Highest value.
        bottom: Pixel of the lowest value.
        top: Pixel of the highest value.
    """

    low: float
    high: float
    bottom: float
    top: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.bottom - (self.bottom - self.top) * (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values inside the axis."""
        raw = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
        first = math.ceil(self.low / step - 1e-9)
        return [step * place for place in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(slots=True)
class Picture:
    """An SVG picture in the making.

    Attributes:
        width: Of the view box.
        height: Of the view box.
        parts: Elements so far.
    """

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", size: float = 12, kind: str = "") -> None:
        """Write words; y is their base line."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}"'
            f"{_class(kind)}>{escape(words)}</text>"
        )

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none"{_class(kind)}/>')

    def area(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """Fill the polygon with these corners."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{path}"{_class(kind)}/>')

    def marker(self, x: float, y: float, shape: str, kind: str, *, radius: float = 5, title: str = "") -> None:
        """Draw a point; its title is shown when it is pointed at."""
        inner = f"<title>{escape(title)}</title>" if title else ""
        r = radius
        if shape == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"{_class(kind)}>{inner}</circle>')
            return
        corners = {
            "square": ((-r, -r), (r, -r), (r, r), (-r, r)),
            "diamond": ((0, -1.3 * r), (1.3 * r, 0), (0, 1.3 * r), (-1.3 * r, 0)),
            "triangle": ((0, -1.2 * r), (1.2 * r, r), (-1.2 * r, r)),
        }[shape]
        path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
        self.parts.append(f'<polygon points="{path}"{_class(kind)}>{inner}</polygon>')

    def done(self, kind: str, label: str) -> str:
        """Return the element; the label says what it shows to those who cannot see it."""
        return (
            f'<svg class="{kind}" viewBox="0 0 {self.width:g} {self.height:g}" role="img"'
            f' aria-label="{escape(label)}">{"".join(self.parts)}</svg>'
        )


def axes(
    picture: Picture,
    x: LogScale,
    y: LinearScale | LogScale,
    *,
    title: str,
    x_words: Sequence[tuple[float, str]],
    y_words: bool,
) -> None:
    """Draw a panel's grid, axes and ticks.

    Args:
        picture: Where to draw.
        x: Its horizontal scale.
        y: Its vertical scale.
        title: Stands above it.
        x_words: (value, words) of each tick.
        y_words: Whether the numbers of the vertical scale stand beside it.
    """
    for value in y.ticks():
        at = y.at(value)
        picture.line([(x.start, at), (x.end, at)], "grid")
        if y_words:
            picture.text(x.start - 6, at + 4, tick_words(value), anchor="end", kind="faint")
    for value, words in x_words:
        picture.line([(x.at(value), y.bottom), (x.at(value), y.bottom + 4)], "axis")
        picture.text(x.at(value), y.bottom + 17, words, anchor="middle", kind="faint")
    picture.line([(x.start, y.top), (x.start, y.bottom), (x.end, y.bottom)], "axis")
    picture.text(x.start, y.top - 9, title, size=12.5, kind="title")


def tick_words(value: float) -> str:
    """Return the number at a tick."""
    return f"{value:,.6g}"


def legend(
    picture: Picture,
    entries: Sequence[tuple[str, int, bool]],
    *,
    x: float,
    y: float,
    columns: int,
    step: float,
) -> None:
    """Draw the marker and the name of each variant, row by row.

    Args:
        picture: Where to draw.
        entries: (name, place among all variants, whether its marker is filled).
        x: Left end.
        y: Base line of the first row.
        columns: Entries in a row.
        step: Width of an entry; a longer name is cut.
    """
    for number, (name, place, filled) in enumerate(entries):
        left, base = x + step * (number % columns), y + LEGEND_ROW * (number // columns)
        colour, shape = series_look(place)
        picture.marker(left + 6, base - 4, shape, f"dot{'' if filled else ' hollow'} {colour}", radius=5)
        picture.text(left + 18, base, fitting(name, step - 21))


def fitting(words: str, width: float, *, size: float = 12) -> str:
    """Return words cut to a width in pixels, at the mean width of a character."""
    longest = int(width * 12 / size / 7)
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
