"""Draw docs/pictures/coordinated_omission.svg: the stall test as it was measured on this machine.

    python docs/pictures/coordinated_omission.py        # about 25 seconds; on an idle machine, please

Prints the numbers that docs/measuring.md quotes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl_bench.calibration.stall import RATE, WINDOW_SECONDS, measure_closed, measure_open

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

QUANTILES = (0.5, 0.9, 0.99, 0.999)
POINTS = 200
BLUE, ORANGE, GREY = "#1f6fb4", "#d9662b", "#555555"


def tail_curve(axes: Axes, values: NDArray[np.float64], label: str, **style: object) -> None:
    """Draw response time against "one call in N is slower"."""
    beyond = np.geomspace(1.0, 1.0 / values.size, POINTS)
    axes.plot(1 / beyond, np.quantile(values, 1 - beyond), label=label, **style)  # type: ignore[arg-type]  # a style


def draw(path: Path) -> None:
    """Measure both loops, draw and print."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    opened, closed = measure_open(), measure_closed()
    truth, measured, hidden = opened.simulated_ms(), opened.response_ms, closed.response_ms
    print("            " + "".join(f"{f'p{q * 100:g}':>10}" for q in QUANTILES) + "         n")
    for name, values in (("simulation", truth), ("open loop", measured), ("closed loop", hidden)):
        row = "".join(f"{np.quantile(values, q):>10.1f}" for q in QUANTILES)
        print(f"{name:<12}{row}{values.size:>10}")
    late = opened.run.summary["lateness_ms"]
    print(f"sends late by p50 {late['p50']:.2f} ms, p99 {late['p99']:.2f} ms (n={late['n']})")

    pyplot.rcParams.update(
        {"font.size": 10, "svg.hashsalt": "automl-bench", "svg.fonttype": "none", "axes.spines.top": False}
    )
    pyplot.rcParams["axes.spines.right"] = False
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2), layout="constrained")
    for result, color, name in ((opened, BLUE, "open loop, 300/s"), (closed, ORANGE, "closed loop, 10 in flight")):
        left.plot(result.scheduled_seconds, result.response_ms, ".", ms=2.2, color=color, label=name, rasterized=True)
    left.set(xlabel="seconds from the start", ylabel="response time, ms", xlim=(0, WINDOW_SECONDS))
    left.set_title("Each dot is one call: the open loop has users in the stall", fontsize=10, loc="left")
    left.legend(frameon=False, markerscale=4)
    tail_curve(right, truth, "simulation (the truth)", color=GREY, lw=4, alpha=0.45)
    tail_curve(right, measured, "open loop", color=BLUE, lw=1.5)
    tail_curve(right, hidden, "closed loop", color=ORANGE, lw=1.5)
    right.set(xscale="log", yscale="log", ylabel="response time, ms", xlabel="one call in … is slower")
    right.set_xticks([2, 10, 100, 1000], ["2\n(p50)", "10\n(p90)", "100\n(p99)", "1,000\n(p99.9)"])
    right.minorticks_off()
    right.set_yticks([20, 50, 100, 200, 500, 1000], ["20", "50", "100", "200", "500", "1,000"])
    right.set_title(
        f"{measured.size:,} and {hidden.size:,} calls at {RATE:.0f}/s and 10 in flight", fontsize=10, loc="left"
    )
    right.legend(frameon=False)
    figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".svg"))
    draw(parser.parse_args().out)
