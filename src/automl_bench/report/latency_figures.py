"""Where the time of single calls goes: box plot beside throughput, distribution, phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from automl_bench.report.latency import PHASES, LatencyPool
from automl_bench.report.rows import PERCENTILES
from automl_bench.report.summary import load_words
from automl_bench.statistics.quantiles import describe, minimum_n

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 600
"""Steps of a distribution curve; more cannot be told apart."""

LOG_FROM = 15.0
"""Ratio between the slowest and the fastest from which the time axis is logarithmic."""

PHASE_COLOURS = ("#999999", "#56B4E9", "#CC79A7", "#E69F00", "#0072B2", "#009E73")
PHASE_NAMES = {
    "lookup": "name lookup",
    "connect": "connect",
    "tls": "TLS",
    "send": "send",
    "wait": "wait for first byte",
    "receive": "receive",
}


def box_figure(pools: Sequence[LatencyPool], named: Sequence[Labelled], look: Mapping[str, Look]) -> Drawing | None:
    """Draw service times as boxes (whiskers p5 to p95, no outliers) beside throughput bars with their interval."""
    if not pools:
        return None
    datasets = in_order(pool.dataset for pool in pools)
    heights = [sum(pool.dataset == name for pool in pools) for name in datasets]
    throughput = _throughputs(named)
    with canvas(9.2, sum(0.42 * count + 0.95 for count in heights) + 0.3) as figure:
        grid = figure.subplots(
            len(datasets), 2, squeeze=False, width_ratios=(3, 2), height_ratios=[count + 1.2 for count in heights]
        )
        for (left, right), dataset in zip(grid, datasets, strict=True):
            here = [pool for pool in pools if pool.dataset == dataset][::-1]
            _boxes(left, here, look)
            _bars(right, here, throughput, look)
            left.set_title(f"{short(dataset)}: one call at a time")
            right.set_title("load run")
        grid[-1][0].set_xlabel("service time (ms)")
        grid[-1][1].set_xlabel("answers per second")
        loads = sorted({load_words(run) for run in throughput.values()})
        beside = f" Right: answers per second of the last complete load run ({'; '.join(loads)})," if loads else ""
        interval = " with its 95 % interval over time slices; dashed: the run is not VALID." if loads else ""
        few = minimum_n(PERCENTILES[2])
        return finish(
            figure,
            "latency_and_throughput",
            title="Latency and throughput",
            caption="Left: service times of the accuracy pass, one call at a time; box from first to third quartile,"
            " line at the median, whiskers from p5 to p95, no outliers drawn; n calls beside the name. Below"
            f" {few} calls, dots show every call instead.{beside}{interval} The two answer different questions.",
            alt="; ".join(f"{pool.name} on {pool.dataset}: {_median_words(pool)}" for pool in pools),
        )


def _median_words(pool: LatencyPool) -> str:
    import numpy as np

    return f"median {float(np.median(pool.service_ms)):.3g} ms of {len(pool.service_ms)} calls"


def _boxes(axes: Axes, pools: Sequence[LatencyPool], look: Mapping[str, Look]) -> None:
    import numpy as np

    lowest, highest = np.inf, 0.0
    for place, pool in enumerate(pools):
        colour = look[pool.series].colour
        if len(pool.service_ms) < minimum_n(0.95):
            axes.plot(pool.service_ms, [place] * len(pool.service_ms), ".", color=colour, alpha=0.5)
            lowest, highest = min(lowest, pool.service_ms.min()), max(highest, pool.service_ms.max())
            continue
        p5, q1, middle, q3, p95 = np.quantile(pool.service_ms, (0.05, 0.25, 0.5, 0.75, 0.95))
        stats = {"med": middle, "q1": q1, "q3": q3, "whislo": p5, "whishi": p95}
        axes.bxp(
            [stats],
            positions=[place],
            widths=0.55,
            orientation="horizontal",
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.55, "edgecolor": colour},
            medianprops={"color": "#111111", "linewidth": 1.6},
            whiskerprops={"color": colour},
            capprops={"color": colour},
            manage_ticks=False,
        )
        lowest, highest = min(lowest, p5), max(highest, p95)
    axes.set_yticks(range(len(pools)), [f"{short(pool.name)}\nn={len(pool.service_ms):,}" for pool in pools])
    axes.set_ylim(-0.6, len(pools) - 0.4)
    axes.grid(visible=False, axis="y")
    if spread(lowest, highest) > LOG_FROM:
        plain_log_axis(axes)
    else:
        axes.set_xlim(left=0)


def _throughputs(named: Sequence[Labelled]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Return (series, dataset, what was chosen) → its last complete closed-loop load run."""
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for one in named:
        throughput = one.row["throughput"]
        if throughput is not None:
            runs = one.row["load_runs"]
            found[one.series, one.dataset, one.row["chosen"] or ""] = next(
                run for run in runs if run["load_run_id"] == throughput["load_run_id"]
            )
    return found


def _bars(
    axes: Axes,
    pools: Sequence[LatencyPool],
    throughput: Mapping[tuple[str, str, str], Mapping[str, Any]],
    look: Mapping[str, Look],
) -> None:
    top = 0.0
    for place, pool in enumerate(pools):
        run = throughput.get((pool.series, pool.dataset, pool.chosen))
        if run is None:
            axes.text(0.02, place, "no load run", va="center", color="#666666", transform=axes.get_yaxis_transform())
            continue
        rate = run["summary"]["throughput"]
        colour = look[pool.series].colour
        if run["valid"]:
            axes.barh(place, rate["value"], height=0.55, color=colour, alpha=0.55, edgecolor=colour)
        else:
            axes.barh(place, rate["value"], height=0.55, color="white", edgecolor=colour, linestyle="--", linewidth=1.3)
        end = rate["value"]
        if rate.get("low") is not None and rate.get("high") is not None:
            axes.plot([rate["low"], rate["high"]], [place, place], color="#111111", linewidth=1.4)
            end = max(end, rate["high"])
        mark = "" if run["valid"] else " not VALID"
        axes.text(end, place, f"  {rate['value']:,.4g}{mark}", va="center", fontsize=8.5)
        top = max(top, end)
    axes.set_yticks(range(len(pools)), [""] * len(pools))
    axes.set_ylim(-0.6, len(pools) - 0.4)
    axes.set_xlim(0, top * 1.45 or 1)
    axes.grid(visible=False, axis="y")
    if not top:
        axes.set_xticks([])


def distribution_figure(pools: Sequence[LatencyPool], look: Mapping[str, Look]) -> Drawing | None:
    """Draw the empirical distribution of service times with order-statistic intervals at p50, p90, p95 and p99."""
    import numpy as np

    if not pools:
        return None
    datasets = in_order(pool.dataset for pool in pools)
    rows, columns = panel_grid(len(datasets))
    with canvas(max(5.6, 3.9 * columns), 3.1 * rows + 0.6) as figure:
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, dataset in zip(grid.flat, datasets, strict=False):
            here = [pool for pool in pools if pool.dataset == dataset]
            for pool in here:
                style = look[pool.series]
                ordered = np.sort(pool.service_ms)
                share = np.arange(1, len(ordered) + 1) / len(ordered)
                shown = np.unique(np.linspace(0, len(ordered) - 1, MOST_POINTS).astype(int))
                (line,) = axes.step(
                    ordered[shown], share[shown], where="post", color=style.colour, linestyle=style.line, linewidth=1.4
                )
                handles.setdefault(short(pool.name), line)
                _quantile_bars(axes, pool, style)
            values = np.concatenate([pool.service_ms for pool in here])
            axes.set_title(short(dataset))
            axes.set_xlabel("service time (ms)")
            if spread(float(values.min()), float(values.max())) > LOG_FROM:
                plain_log_axis(axes)
        for axes in grid.flat[len(datasets) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("share of calls at most as slow")
            row[0].set_ylim(0, 1.02)
        legend_below(figure, list(handles.values()), list(handles))
        counts = in_order(f"{pool.name} on {pool.dataset} n={len(pool.service_ms):,}" for pool in pools)
        return finish(
            figure,
            "latency_distribution",
            title="Distribution of service times",
            caption="Empirical distribution of the service times; bars at p50, p90, p95 and p99 are 95 %"
            f" order-statistic intervals, left out below their smallest n. {'; '.join(counts)}.",
            alt="; ".join(f"{pool.name} on {pool.dataset}: {_median_words(pool)}" for pool in pools),
        )


def _quantile_bars(axes: Axes, pool: LatencyPool, style: Look) -> None:
    for p, cell in zip(PERCENTILES, describe(pool.service_ms, PERCENTILES).values(), strict=True):
        low, value, high = cell.get("low"), cell.get("value"), cell.get("high")
        if value is not None and high is not None:
            axes.plot([value if low is None else low, high], [p, p], color=style.colour, linewidth=3.2, alpha=0.45)
            axes.plot(value, p, style.marker, color=style.colour, markersize=4)


def phases_figure(pools: Sequence[LatencyPool]) -> Drawing | None:
    """Draw a strip for each variant: where the mean milliseconds of a call go."""
    known = [pool for pool in pools if pool.phases_ms is not None]
    if not known:
        return None
    strips = pools[::-1]
    longest = max(sum(pool.phases_ms.values()) for pool in known if pool.phases_ms is not None)
    with canvas(8.6, 0.46 * len(strips) + 1.5) as figure:
        axes = figure.subplots()
        handles: dict[str, Any] = {}
        for place, pool in enumerate(strips):
            if pool.phases_ms is None:
                words = "phases unknown: called through the provider's own client"
                axes.text(0.01 * longest, place, words, va="center", color="#666666")
                continue
            begin = 0.0
            for name, colour in zip(PHASES, PHASE_COLOURS, strict=True):
                width = pool.phases_ms[name]
                (bar,) = axes.barh(place, width, left=begin, height=0.6, color=colour)
                handles[PHASE_NAMES[name]] = bar
                if width > 0.09 * longest:
                    light = colour in {"#0072B2", "#009E73"}
                    axes.text(
                        begin + width / 2,
                        place,
                        f"{width:.3g}",
                        ha="center",
                        va="center",
                        fontsize=8.5,
                        color="white" if light else "#111111",
                    )
                begin += width
            axes.text(begin, place, f"  {begin:.3g} ms", va="center", fontsize=8.5)
        several = len({pool.dataset for pool in pools}) > 1
        names = [f"{short(p.name)}{', ' + short(p.dataset) if several else ''}\nn={p.phases_n:,}" for p in strips]
        axes.set_yticks(range(len(strips)), names)
        axes.set_ylim(-0.6, len(strips) - 0.4)
        axes.set_xlim(0, longest * 1.12)
        axes.set_xlabel("mean of a call (ms)")
        axes.grid(visible=False, axis="y")
        legend_below(figure, list(handles.values()), list(handles))
        reused = [p for p in known if p.new_connections is not None]
        fresh = sum(p.new_connections or 0 for p in reused)
        total = sum(len(p.service_ms) for p in reused)
        return finish(
            figure,
            "where_the_time_goes",
            title="Where the milliseconds go",
            caption="Mean of each phase of an answered call of the accuracy pass; n calls beside the name."
            f" {fresh:,} of {total:,} calls opened a new connection; for the others name lookup, connect and"
            " TLS are 0.",
            alt="; ".join(
                f"{p.name} on {p.dataset}: "
                + ", ".join(f"{PHASE_NAMES[name]} {value:.2g} ms" for name, value in p.phases_ms.items())
                for p in known
                if p.phases_ms is not None
            ),
        )
