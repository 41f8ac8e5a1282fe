"""Speed as the page draws it: single calls beside answers under load, and what each step of a rising rate brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.report.blocks import Chart
from automl_bench.report.labels import Labelled, in_order
from automl_bench.report.latency import LatencyPool
from automl_bench.report.load_figures import RATE_FIGURE, knee_words, rate_curves
from automl_bench.report.summary import LOAD_PERCENTILES, load_words, response_cell
from automl_bench.report.svg import LEGEND_ROW, LogScale, Picture, axes, fitting, legend, series_look, tick_words
from automl_bench.report.tables import milliseconds
from automl_bench.statistics.quantiles import minimum_n

MOST_LOADS = 4
"""Kinds of load that are drawn below the single calls of a variant; the table has all."""
ROW = 26
"""Height of a row of boxes."""
WHISKERS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Percentiles of a box, from whisker to whisker."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A row: single calls as a box, or answers under load as percentiles with their intervals.

    Attributes:
        words: What the row shows.
        place: Place of the variant among all.
        box: p5, p25, p50, p75 and p95 of single calls in milliseconds, or None.
        cells: Name of a percentile → its value, interval and n under load.
        valid: Whether the load run is VALID; a box is.
    """

    words: str
    place: int
    box: tuple[float, ...] | None
    cells: Mapping[str, Mapping[str, Any]]
    valid: bool

    @property
    def values(self) -> list[float]:
        """All milliseconds that the row needs room for."""
        ends = [cell[end] for cell in self.cells.values() for end in ("low", "value", "high")]
        return [value for value in (*(self.box or ()), *ends) if value is not None and value > 0]


def latency_charts(pools: Sequence[LatencyPool], named: Sequence[Labelled]) -> list[Chart]:
    """Return a chart for each dataset with load runs: the box of single calls, and below it p50, p95, p99 under load.

    Args:
        pools: Single calls of each variant and dataset.
        named: The rows with their labels; the last complete load run of each kind is drawn.
    """
    series = sorted({one.series for one in named})
    loads = _latest(named)
    charts: list[Chart] = []
    for dataset in in_order(pool.dataset for pool in pools):
        own = [pool for pool in pools if pool.dataset == dataset]
        if not any(loads.get((pool.series, dataset, pool.chosen)) for pool in own):
            continue
        strips = []
        for pool in own:
            place = series.index(pool.series)
            strips.append(_single_calls(pool, place))
            runs = loads.get((pool.series, dataset, pool.chosen), {})
            strips += [_under_load(words, run, place) for words, run in list(runs.items())[:MOST_LOADS]]
        charts.append(_latency_chart(f"speed-{len(charts)}", dataset, strips))
    return charts


def _latest(named: Sequence[Labelled]) -> dict[tuple[str, str, str], dict[str, Mapping[str, Any]]]:
    """Return (variant, dataset, what was chosen) → load in words → its last complete run with percentiles."""
    found: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = {}
    for one in named:
        for run in one.row["load_runs"]:
            if run["complete"] and response_cell(run, "p50").get("value") is not None:
                found.setdefault((one.series, one.dataset, one.row["chosen"] or ""), {})[load_words(run)] = run
    return found


def _single_calls(pool: LatencyPool, place: int) -> Strip:
    import numpy as np

    n = len(pool.service_ms)
    enough = n >= minimum_n(WHISKERS[-1])
    words = f"{pool.name}: one call at a time, n={n:,}{'' if enough else ', too few'}"
    box = tuple(map(float, np.quantile(pool.service_ms, WHISKERS))) if enough else None
    return Strip(words, place, box, {}, valid=True)


def _under_load(words: str, run: Mapping[str, Any], place: int) -> Strip:
    cells = {name: response_cell(run, name) for name in LOAD_PERCENTILES}
    known = {name: cell for name, cell in cells.items() if cell.get("value") is not None}
    good = [step["rate"] for step in run["summary"].get("steps") or () if not step.get("knee")]
    where = f"{words}, at {good[-1]:.3g}/s" if run["loop"] == "sweep" else words
    mark = "" if run["valid"] else ", not VALID"
    return Strip(f"{where}, n={known['p50'].get('n', 0):,}{mark}", place, None, known, valid=bool(run["valid"]))


def _latency_chart(name: str, dataset: str, strips: Sequence[Strip]) -> Chart:
    values = tuple(value for one in strips for value in one.values)
    label = f"Latency on {dataset}: {'; '.join(map(_strip_words, strips))}."
    wide = Picture(1160, 60 + ROW * len(strips))
    _strips(wide, strips, LogScale(values, 370, 1150), 30, step=ROW, names_above=False)
    narrow = Picture(360, 60 + 2 * ROW * len(strips))
    _strips(narrow, strips, LogScale(values, 8, 352), 30, step=2 * ROW, names_above=True)
    return Chart(
        name,
        f"Alone and under load: {dataset}",
        "Boxes: service times of the accuracy pass, one call at a time, from first to third quartile with the median,"
        " whiskers from p5 to p95. Below them the last complete load run of each kind: p50 (circle), p95 (square), p99"
        " (diamond) of the response times with their 95 % intervals, of a sweep at its last good rate; hollow where the"
        " run is not VALID. What has too few calls is left out.",
        wide.done("wide", label),
        narrow.done("narrow", label),
    )


def _strip_words(one: Strip) -> str:
    known = {"p5": one.box[0], "p50": one.box[2], "p95": one.box[-1]} if one.box else {}
    known |= {name: cell["value"] for name, cell in one.cells.items()}
    told = ", ".join(f"{name} {milliseconds(value)} ms" for name, value in known.items())
    return f"{one.words}: {told}" if told else one.words


def _strips(
    picture: Picture, strips: Sequence[Strip], x: LogScale, top: float, *, step: float, names_above: bool
) -> None:
    """Draw the rows on one time axis, each name beside its row or above it."""
    bottom = top + step * len(strips)
    for value in x.ticks():
        picture.line([(x.at(value), top), (x.at(value), bottom)], "grid")
        picture.text(x.at(value), bottom + 17, tick_words(value), anchor="middle", kind="faint")
    picture.line([(x.start, bottom), (x.end, bottom)], "axis")
    picture.text(x.start, top - 12, "milliseconds", size=12.5, kind="title")
    for number, one in enumerate(strips):
        middle = top + step * (number + 1) - ROW / 2
        name_at = (x.start, middle - 16) if names_above else (8.0, middle + 4)
        width = x.end - x.start if names_above else x.start - 16
        picture.text(*name_at, fitting(one.words, width), kind="faint" if one.cells else "")
        colour, _ = series_look(one.place)
        if one.box is not None:
            _box(picture, one, x, middle, colour)
        for (name, cell), shape in zip(one.cells.items(), ("circle", "square", "diamond"), strict=False):
            _percentile(picture, name, cell, x, middle, shape, colour, filled=one.valid)


def _box(picture: Picture, one: Strip, x: LogScale, middle: float, colour: str) -> None:
    assert one.box is not None
    low, first, half, third, high = (x.at(value) for value in one.box)
    picture.line([(low, middle), (high, middle)], f"bar {colour}")
    picture.area([(first, middle - 8), (third, middle - 8), (third, middle + 8), (first, middle + 8)], f"box {colour}")
    for end in (low, high):
        picture.line([(end, middle - 5), (end, middle + 5)], f"bar {colour}")
    picture.line([(half, middle - 8), (half, middle + 8)], "median")


def _percentile(
    picture: Picture,
    name: str,
    cell: Mapping[str, Any],
    x: LogScale,
    middle: float,
    shape: str,
    colour: str,
    *,
    filled: bool,
) -> None:
    value, low, high = (cell.get(end) for end in ("value", "low", "high"))
    assert value is not None
    if high is not None:
        picture.line([(x.at(value if low is None else low), middle), (x.at(high), middle)], f"bar {colour}")
    kind = f"dot {colour}" if filled else f"dot hollow {colour}"
    title = f"{name} {milliseconds(value)} ms [{milliseconds(low)}, {milliseconds(high)}], n={cell.get('n', 0):,}"
    picture.marker(x.at(value), middle, shape, kind, radius=5, title=title)


def sweep_charts(named: Sequence[Labelled]) -> list[Chart]:
    """Return a chart for each dataset with sweeps or several open loops: p50, p95 and p99 at each step of the rate.

    Args:
        named: The rows with their labels.
    """
    series = sorted({one.series for one in named})
    curves, knees = rate_curves(named), knee_words(named)
    charts: list[Chart] = []
    for dataset in in_order(dataset for _, dataset in curves):
        own = {name: steps for (name, where), steps in curves.items() if where == dataset}
        said = [words for (_, where), words in knees.items() if where == dataset]
        charts.append(_sweep_chart(f"sweep-{len(charts)}", dataset, own, series, said))
    return charts


def _sweep_chart(
    name: str,
    dataset: str,
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    series: Sequence[str],
    knees: Sequence[str],
) -> Chart:
    rates = tuple(step["rate"] for steps in curves.values() for step in steps)
    times = tuple(value for steps in curves.values() for step in steps for value in _milliseconds_of(step)) or (1.0,)
    entries = [(one, series.index(one), True) for one in curves]

    def drawn(picture: Picture, percentile: str, left: float, right: float, top: float, *, words: bool) -> None:
        x, y = LogScale(rates, left, right), LogScale(times, top + 250, top)
        ticks = [(value, tick_words(value)) for value in x.ticks()]
        title = f"{percentile} in ms by requests/s"
        axes(picture, x, y, title=title, x_words=ticks, y_words=words)
        for one, steps in curves.items():
            _steps(picture, percentile, steps, x, y, series_look(series.index(one)), one)

    label = f"Response times on {dataset} by offered rate: {'; '.join(_curve_words(*one) for one in curves.items())}."
    wide = Picture(1160, 330 + LEGEND_ROW * (-(-len(curves) // 4)))
    narrow = Picture(360, len(LOAD_PERCENTILES) * 300 + 20 + LEGEND_ROW * len(curves))
    for place, percentile in enumerate(LOAD_PERCENTILES):
        left = 52 + place * 374
        drawn(wide, percentile, left, left + 340, 30, words=place == 0)
        drawn(narrow, percentile, 52, 352, 30 + 300 * place, words=True)
    legend(wide, entries, x=44, y=326, columns=4, step=284)
    legend(narrow, entries, x=8, y=920, columns=1, step=340)
    return Chart(
        name,
        f"Each step of a rising rate: {dataset}",
        "Response times, counted from the scheduled moment, at each rate of sweeps and open loops, with 95 %"
        " order-statistic intervals. A hollow marker is the step at which a sweep stopped; percentiles without enough"
        f" calls are left out. {' '.join(knees)}".rstrip(),
        wide.done("wide", label),
        narrow.done("narrow", label),
        instead_of=RATE_FIGURE,
    )


def _milliseconds_of(step: Mapping[str, Any]) -> list[float]:
    cells = [step["response_ms"][name] for name in LOAD_PERCENTILES]
    return [cell[end] for cell in cells for end in ("low", "value", "high") if cell.get(end)]


def _steps(
    picture: Picture,
    percentile: str,
    steps: Sequence[Mapping[str, Any]],
    x: LogScale,
    y: LogScale,
    look: tuple[str, str],
    name: str,
) -> None:
    """Draw one variant's steps at one percentile."""
    colour, shape = look
    known = [(step, step["response_ms"][percentile]) for step in steps]
    known = [(step, cell) for step, cell in known if cell.get("value")]
    picture.line([(x.at(step["rate"]), y.at(cell["value"])) for step, cell in known], f"thin {colour}")
    for step, cell in known:
        at = x.at(step["rate"])
        low, high = cell.get("low"), cell.get("high")
        if high is not None:
            picture.line([(at, y.at(low or cell["value"])), (at, y.at(high))], f"bar {colour}")
        kind = f"dot hollow {colour}" if step.get("knee") else f"dot {colour}"
        title = (
            f"{name}, {step['rate']:.3g}/s: {percentile} {milliseconds(cell['value'])} ms [{milliseconds(low)},"
            f" {milliseconds(high)}], n={cell.get('n', 0):,}{'; ' + str(step['knee']) if step.get('knee') else ''}"
        )
        picture.marker(at, y.at(cell["value"]), shape, kind, radius=4.5, title=title)


def _curve_words(name: str, steps: Sequence[Mapping[str, Any]]) -> str:
    """Say what the first and the last step of a variant brought."""
    parts = []
    for step in (steps[0], steps[-1]):
        known = {one: step["response_ms"][one].get("value") for one in LOAD_PERCENTILES}
        told = ", ".join(f"{one} {milliseconds(value)} ms" for one, value in known.items() if value is not None)
        parts.append(f"{told or 'too few calls'} at {step['rate']:.3g}/s")
    return f"{name} {', '.join(parts)}"
