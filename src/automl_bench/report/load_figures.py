"""Load runs: latency against rate, and what happened over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.report.drawing import (
    Drawing,
    Look,
    canvas,
    finish,
    legend_below,
    panel_grid,
    plain_log_axis,
    short,
    spread,
)
from automl_bench.report.labels import Labelled, in_order
from automl_bench.report.summary import load_words, run_verdict

MOST_TIMELINES = 9
"""Load runs that get a timeline; the latest of each variant, dataset and kind of load."""

RATE_FIGURE = "latency_against_rate"
"""Name of the figure that the page draws in its own way."""

CURVES = (("p50", "-"), ("p95", "--"), ("p99", ":"))
"""Percentiles of the latency-against-rate curve."""


def rate_figure(named: Sequence[Labelled], look: Mapping[str, Look]) -> Drawing | None:
    """Draw response time against the offered rate, from sweeps and open loops; the knee is marked."""
    curves = rate_curves(named)
    if not curves:
        return None
    datasets = in_order(dataset for _, dataset in curves)
    rows, columns = panel_grid(len(datasets), widest=2)
    with canvas(max(6.2, 4.6 * columns), 3.4 * rows + 0.7) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, dataset in zip(grid.flat, datasets, strict=False):
            rates: list[float] = []
            times: list[float] = []
            for (series, own), steps in curves.items():
                if own != dataset:
                    continue
                style = look[series]
                for name, line in CURVES:
                    points = [(step["rate"], step["response_ms"][name]) for step in steps]
                    known = [(rate, cell) for rate, cell in points if cell.get("value") is not None]
                    if not known:
                        continue
                    x = [rate for rate, _ in known]
                    y = [cell["value"] for _, cell in known]
                    (drawn,) = axes.plot(x, y, line, color=style.colour, marker=style.marker, markersize=4)
                    lows = [cell["value"] if cell["low"] is None else cell["low"] for _, cell in known]
                    axes.fill_between(x, lows, [cell["high"] for _, cell in known], color=style.colour, alpha=0.15)
                    handles[f"{short(series)}, {name}"] = drawn
                    rates += x
                    times += y
                for step in steps:
                    if step.get("knee"):
                        axes.axvline(step["rate"], color=style.colour, linewidth=1, alpha=0.6)
            axes.set_title(short(dataset))
            axes.set_xlabel("offered rate (requests/s)")
            axes.set_ylabel("response time (ms)")
            if len(rates) > 1 and spread(min(rates), max(rates)) > 5:
                plain_log_axis(axes)
            if times and spread(min(times), max(times)) > 5:
                plain_log_axis(axes, "y")
        for axes in grid.flat[len(datasets) :]:
            axes.set_visible(False)
        legend_below(figure, list(handles.values()), list(handles))
        return finish(
            figure,
            RATE_FIGURE,
            title="Latency against rate",
            caption="Response time, counted from the scheduled moment, against the offered rate of open loops and"
            " sweeps; bands are 95 % order-statistic intervals; percentiles without enough calls are left out."
            f" A vertical line marks the rate at which a sweep stopped. {' '.join(knee_words(named).values())}",
            alt=f"Response time against offered rate for {', '.join(handles)}.",
        )


def _runs(named: Sequence[Labelled]) -> list[tuple[Labelled, Mapping[str, Any]]]:
    """Return the complete runs, in the order begun."""
    return [(one, run) for one in named for run in one.row["load_runs"] if run["complete"]]


def rate_curves(named: Sequence[Labelled]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """Return (series, dataset) → steps by rising rate: the steps of the last sweep, else the single open loops."""
    sweeps: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    singles: dict[tuple[str, str], dict[float, Mapping[str, Any]]] = {}
    for one, run in _runs(named):
        summary = run["summary"]
        key = (one.series, one.dataset)
        if summary.get("steps"):
            sweeps[key] = list(summary["steps"])
        elif run["loop"] == "open" and summary.get("response_ms"):
            rate = float(summary.get("offered_rate") or run["settings"]["rate"])
            singles.setdefault(key, {})[rate] = {"rate": rate, **summary}
    found = {key: [steps[rate] for rate in sorted(steps)] for key, steps in singles.items() if len(steps) > 1}
    return found | sweeps


def knee_words(named: Sequence[Labelled]) -> dict[tuple[str, str], str]:
    """Return (series, dataset) → why its last sweep stopped."""
    words = {}
    for one, run in _runs(named):
        knee = run["summary"].get("knee")
        if run["summary"].get("steps") and isinstance(knee, Mapping):
            words[one.series, one.dataset] = f"{one.series} on {one.dataset}: {knee['cause']}. {knee['evidence']}"
    return words


def timeline_figure(named: Sequence[Labelled], look: Mapping[str, Look]) -> Drawing | None:
    """Draw the last load run of each kind over time: median and slowest call, errors below."""
    latest: dict[tuple[str, str, str], tuple[Labelled, Mapping[str, Any]]] = {}
    for one, run in _runs(named):
        if run["summary"].get("timeline"):
            latest[one.series, one.dataset, load_words(run)] = (one, run)
    if not latest:
        return None
    shown = list(latest.values())[:MOST_TIMELINES]
    rows, columns = panel_grid(len(shown))
    with canvas(max(5.6, 3.9 * columns), 2.7 * rows + 0.6) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, (one, run) in zip(grid.flat, shown, strict=False):
            slices = run["summary"]["timeline"]
            colour = look[one.series].colour
            second = [part["second"] for part in slices]
            good = [part for part in slices if part["median_ms"] is not None]
            (handles["slowest call of the slice"],) = axes.plot(
                [part["second"] for part in good], [part["slowest_ms"] for part in good], color="#999999", linewidth=0.9
            )
            (middle,) = axes.plot(
                [part["second"] for part in good], [part["median_ms"] for part in good], color=colour, linewidth=1.6
            )
            handles.setdefault("median of the slice", middle)
            bad = [(at, part["errors"]) for at, part in zip(second, slices, strict=True) if part["errors"]]
            if bad:
                (handles["calls without an answer"],) = axes.plot(
                    [at for at, _ in bad], [0.0] * len(bad), "x", color="#D55E00", markersize=5, clip_on=False
                )
            slowest = max((part["slowest_ms"] for part in good), default=1.0)
            axes.set_ylim(0, slowest * 1.08 or 1)
            verdict = "VALID" if run["valid"] else "not VALID"
            axes.set_title(f"{short(one.series)}, {short(one.dataset)}\n{load_words(run)}: {verdict}", fontsize=9)
            axes.set_xlabel("seconds since the start")
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("response time (ms)")
        legend_below(figure, list(handles.values()), list(handles))
        more = f" {len(latest) - len(shown)} more runs are in the table." if len(latest) > len(shown) else ""
        return finish(
            figure,
            "load_timeline",
            title="Load runs over time",
            caption="The last complete load run of each variant, dataset and kind of load, cut into slices of equal"
            f" time; the median line has the variant's colour.{more}",
            alt="; ".join(
                f"{one.series} on {one.dataset}: {load_words(run)}, {run_verdict(run)}" for one, run in shown
            ),
        )
