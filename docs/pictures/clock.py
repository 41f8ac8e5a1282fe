"""Draw docs/pictures/clock.svg: where the clock of one call starts and stops, for each kind of provider.

python docs/pictures/clock.py
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

UNTIMED, NETWORK, SERVICE, LATE = "#d5d9de", "#7fb2dd", "#1f6fb4", "#e8b28f"


@dataclass(frozen=True)
class Part:
    """One bar: its words, its width, its colour."""

    words: str
    width: float
    color: str
    dark: bool = False


@dataclass(frozen=True)
class Row:
    """One kind of call; `clock` and `response` are the first and last timed part, counted from 0."""

    title: str
    parts: tuple[Part, ...]
    clock: tuple[int, int]
    response: tuple[int, int] | None = None


PREPARE = Part("prepare:\nencode, sign", 1.5, UNTIMED)
PARSE = Part("parse,\njudge, store", 1.5, UNTIMED)
SEND, WAIT, RECEIVE = (
    Part("send", 0.9, NETWORK),
    Part("wait for the first byte", 3.0, SERVICE, True),
    Part("receive", 0.9, NETWORK),
)
OPEN = (Part("lookup", 0.8, NETWORK), Part("connect", 0.8, NETWORK), Part("TLS", 0.8, NETWORK))

ROWS = (
    Row("HTTP, connection reused\n(the usual call)", (PREPARE, SEND, WAIT, RECEIVE, PARSE), (1, 3)),
    Row("HTTP, new connection\n(cold call; counted)", (PREPARE, *OPEN, SEND, WAIT, RECEIVE, PARSE), (1, 6)),
    Row(
        "HTTP, open loop\n(scheduled moment first)",
        (PREPARE, Part("late", 0.7, LATE), SEND, WAIT, RECEIVE, PARSE),
        (2, 4),
        (1, 4),
    ),
    Row(
        "SDK only (CallInvoker)\n(marked; phases unknown)",
        (Part("", 1.5, UNTIMED), Part("call(sample): encoding, signing, network, service, parsing", 5.4, SERVICE, True),
         Part("judge, store", 1.5, UNTIMED)),
        (1, 1),
    ),
    Row(
        "In process (null, in-process)",
        (Part("", 1.5, UNTIMED), Part("call(sample)", 1.2, SERVICE, True), Part("judge, store", 1.5, UNTIMED)),
        (1, 1),
    ),
)  # fmt: skip


def draw(path: Path) -> None:
    """Draw the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    pyplot.rcParams.update({"font.size": 9, "svg.hashsalt": "automl-bench", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(figsize=(10, 5.4), layout="constrained")
    for place, row in enumerate(ROWS):
        y = -place * 1.6
        edges = [0.0]
        for part in row.parts:
            axes.barh(y, part.width, left=edges[-1], height=0.62, color=part.color, edgecolor="white")
            axes.text(
                edges[-1] + part.width / 2, y, part.words, ha="center", va="center", fontsize=7.5,
                color="white" if part.dark else "#222222",
            )  # fmt: skip
            edges.append(edges[-1] + part.width)
        span(axes, edges[row.clock[0]], edges[row.clock[1] + 1], y + 0.42, "service time: sent → received")
        if row.response is not None:
            span(
                axes,
                edges[row.response[0]],
                edges[row.response[1] + 1],
                y - 0.62,
                "response time: scheduled → received",
            )
        axes.text(-0.2, y, row.title, ha="right", va="center")
    legend = (
        Patch(color=UNTIMED, label="outside every timing"),
        Patch(color=NETWORK, label="network and libcurl, timed in C"),
        Patch(color=SERVICE, label="network one way, service, network back"),
        Patch(color=LATE, label="this client's lateness, reported"),
    )
    axes.legend(handles=legend, loc="lower right", frameon=False, fontsize=8)
    axes.set(xlim=(-3.4, 10.6), ylim=(-7.3, 1.0))
    axes.axis("off")
    figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)


def span(axes, left: float, right: float, y: float, words: str) -> None:  # type: ignore[no-untyped-def]  # matplotlib's
    """Draw a double arrow with words."""
    axes.annotate(
        "", (left, y), (right, y), arrowprops={"arrowstyle": "<->", "color": "#222222", "shrinkA": 0, "shrinkB": 0}
    )
    axes.text((left + right) / 2, y + 0.04, words, ha="center", va="bottom", fontsize=7.5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".svg"))
    draw(parser.parse_args().out)
