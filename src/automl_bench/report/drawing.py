"""How every figure looks, and how it becomes PNG and SVG bytes."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's palette, safe for colour-blind readers; the yellow is replaced, as it vanishes on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
LINES = ("-", "--", "-.", ":")

STYLE: Any = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "automl-bench",
    # Names of datasets and variants are data: a dollar sign in one of them is no formula.
    "text.parse_math": False,
    "text.usetex": False,
}

LONGEST_NAME = 28
"""Characters of a name that a figure shows; tables show it whole."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: Stem of its files.
        title: Heading.
        caption: What is drawn and how, with every n that the picture itself does not show.
        alt: What it shows, for those who cannot see it.
        png: The picture as PNG.
        svg: The picture as SVG, text as outlines.
    """

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    svg: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """How one variant is drawn, the same in every figure of a report."""

    colour: str
    marker: str
    line: str


def looks(series: Sequence[str]) -> dict[str, Look]:
    """Give each variant colour, marker and line by its place in the alphabet, so that one more moves few others."""
    return {
        name: Look(
            COLOURS[place % len(COLOURS)],
            MARKERS[place % len(MARKERS)],
            LINES[place // len(COLOURS) % len(LINES)],
        )
        for place, name in enumerate(sorted(set(series)))
    }


@contextmanager
def canvas(width: float, height: float) -> Iterator[Figure]:
    """Open a figure in the common style; matplotlib's global state is left alone.

    Args:
        width: Inches.
        height: Inches.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A name may hold characters that no installed font has; a box in the figure is all that can be done.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def finish(figure: Figure, name: str, *, title: str, caption: str, alt: str) -> Drawing:
    """Render a figure; call it inside `canvas`."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return Drawing(name, title, caption, alt, png.getvalue(), svg.getvalue())


def short(name: str) -> str:
    """Return a name cut to what a figure can hold, still unlike any other: head, tail, and a mark of the whole.

    Names often begin alike, or end alike, or both. One that begins with "_" would be hidden by the legend.
    """
    cut = name
    if len(name) > LONGEST_NAME:
        cut = f"{name[:12]}…{name[-10:]} {hashlib.sha256(name.encode()).hexdigest()[:4]}"
    return f" {cut}" if cut.startswith("_") else cut


def legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Put one legend under all panels, its labels bound to the handles they belong to; pass names through `short`."""
    columns = max(1, min(len(names), int(figure.get_figwidth() / 2.1)))
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def plain_log_axis(axes: Axes, which: str = "x") -> None:
    """Make an axis logarithmic with plain numbers at 1, 2 and 5 times a power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    parts = (1.0, 2.0, 5.0) if high / max(low, 1e-12) < 200 else (1.0,)
    axis.set_major_locator(LogLocator(subs=parts, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())


def spread(low: float, high: float) -> float:
    """Return how many times larger one positive value is than another."""
    return high / low if low > 0 else float("inf")


def panel_grid(count: int, *, widest: int = 3) -> tuple[int, int]:
    """Return (rows, columns) for a number of panels."""
    columns = min(count, widest)
    return -(-count // columns), columns
