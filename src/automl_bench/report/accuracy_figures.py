"""Accuracy against shots, training time against shots, and paired differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from automl_bench.report.drawing import Drawing, Look, canvas, finish, legend_below, panel_grid, plain_log_axis, short
from automl_bench.report.labels import Labelled, current, in_order, observations, real_shots, shots_label
from automl_bench.report.verdicts import Comparison
from automl_bench.statistics.means import Estimate, over_datasets, over_folds, shots_order, shots_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Mapping[tuple[str, int | None], Estimate]
"""(series, shots) → estimate."""

MOST_PANELS = 12
"""Datasets with a panel of their own; more would be too small to read."""


@dataclass(frozen=True, slots=True)
class ShotsAxis:
    """Where each number of shots stands on a log axis.

    Attributes:
        places: Position of each number of shots.
        all_known: Whether "all" stands at its real size; otherwise at twice the largest number.
    """

    places: Mapping[int | None, float]
    all_known: bool

    @classmethod
    def of(cls, shots: Sequence[int | None], all_size: float | None) -> ShotsAxis:
        """Place shots; "all" at its real samples per class where they are known."""
        numbers = [k for k in shots if k is not None]
        beyond = 2.0 * max(numbers, default=1)
        places: dict[int | None, float] = {k: float(k) for k in numbers if k}
        if 0 in numbers:  # left of all others, as a log axis has no 0
            places[0] = min(places.values(), default=1.0) / 2
        if None in shots:
            places[None] = beyond if all_size is None else all_size
        return cls(places, all_size is not None or None not in shots)

    def ticks(self, counts: Mapping[int | None, str]) -> tuple[list[float], list[str]]:
        """Return tick positions and labels with n below; neighbours too close to print apart share one label."""
        positions: list[float] = []
        labels: list[str] = []
        for k, place in sorted(self.places.items(), key=lambda item: item[1]):
            n = counts.get(k, "")
            if positions and place / positions[-1] < 1.25:
                before, _, below = labels[-1].partition("\n")
                labels[-1] = f"{before}, {shots_label(k)}\n{below if below == n else f'{below}, {n}'}"
            else:
                positions.append(place)
                labels.append(f"{shots_label(k)}\n{n}")
        return positions, labels


def accuracy_figure(named: Sequence[Labelled], look: Mapping[str, Look]) -> Drawing | None:
    """Draw accuracy against shots: the mean over datasets first, then a panel for each dataset."""
    seen = observations(named)
    if not seen:
        return None
    datasets = in_order(one.dataset for one in seen)
    series = in_order(one.series for one in seen)
    sizes = real_shots(named)
    folds = over_folds(seen)
    panels: list[tuple[str | None, str, Points, float | None]] = []
    means = over_datasets(observations(current(named)))
    if len({one.dataset for one in current(named)}) > 1 and means:
        panel = {key: one.estimate for key, one in means.items()}
        known = [sizes[name] for name in datasets if name in sizes]
        counts = sorted({len(one.datasets) for one in means.values()})
        words = str(counts[-1]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        panels.append((None, f"Mean over {words} datasets", panel, fmean(known) if known else None))
    for name in datasets[:MOST_PANELS]:
        own = {(s, k): one for (s, dataset, k), one in folds.items() if dataset == name}
        panels.append((name, short(name), own, sizes.get(name)))
    rows, columns = panel_grid(len(panels))
    with canvas(max(5.2, 3.6 * columns), 3.1 * rows + 0.6) as figure:
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, (dataset, title, points, size) in zip(grid.flat, panels, strict=False):
            shots = sorted({k for _, k in points}, key=shots_order)
            axis = ShotsAxis.of(shots, size)
            _lines(axes, points, series, axis, look, handles)
            _shots_ticks(axes, axis, {k: _counts(points, k) for k in shots})
            for level, style in _baselines(named, dataset):
                axes.axhline(100 * level, color="#777777", linewidth=0.9, linestyle=style, zorder=1)
            axes.set_title(title)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("accuracy (%)")
        present = [name for name in series if name in handles]
        legend_below(figure, [handles[name] for name in present], [short(name) for name in present])
        over = "Within a dataset, bars are ± 1 SEM over folds (n below the axis)."
        if len(datasets) > 1:
            over = f"In the first panel, bars are ± 1 SEM over datasets. {over}"
        axis_words = "" if all(size is not None for *_, size in panels) else _all_words(named)
        cut = f" {len(datasets) - MOST_PANELS} more datasets are in the tables." if len(datasets) > MOST_PANELS else ""
        return finish(
            figure,
            "accuracy_by_shots",
            title="Accuracy against labelled samples per class",
            caption=f"Mean accuracy against shots (log axis). {over} A point without a bar has n=1."
            " Grey lines: dashed, always answering the most frequent label; dotted, guessing."
            f"{axis_words}{cut}",
            alt=_accuracy_alt(panels[0][2], series),
        )


def _baselines(named: Sequence[Labelled], dataset: str | None) -> list[tuple[float, str]]:
    """Return what needs no learning on the dataset of a panel, with its line style; nothing for means over datasets."""
    rows = [one.row for one in named if one.counts and one.dataset == dataset]
    found = []
    for key, style in (("majority", "--"), ("chance", ":")):
        levels = [row[key] for row in rows if row[key] is not None]
        found += [(max(levels), style)] if levels else []
    return found


def _all_words(named: Sequence[Labelled]) -> str:
    if all(one.shots is not None for one in named):
        return ""
    return ' "all" stands at its real size where that is recorded, else at twice the largest number of shots.'


def _lines(
    axes: Axes,
    points: Points,
    series: Sequence[str],
    axis: ShotsAxis,
    look: Mapping[str, Look],
    handles: dict[str, Any],
) -> None:
    """Draw one line a variant, each moved a little sideways so that bars do not cover each other."""
    for number, name in enumerate(series):
        own = sorted((k for s, k in points if s == name), key=lambda k: axis.places[k])
        if not own:
            continue
        shift = _sideways(number, len(series), axis)
        x = [axis.places[k] * shift for k in own]
        y = [100 * points[name, k].mean for k in own]
        style = look[name]
        (line,) = axes.plot(
            x, y, color=style.colour, marker=style.marker, linestyle=style.line, markersize=5, linewidth=1.6
        )
        bars = [(at, up, points[name, k].sem) for at, up, k in zip(x, y, own, strict=True)]
        known = [(at, up, 100 * sem) for at, up, sem in bars if sem is not None]
        if known:
            at, up, sem = zip(*known, strict=True)
            axes.errorbar(at, up, yerr=sem, fmt="none", ecolor=style.colour, elinewidth=1.1, capsize=2.5)
        handles[name] = line


def _sideways(number: int, of: int, axis: ShotsAxis) -> float:
    """Return the factor by which a variant's points move on the log axis, so that they do not cover each other's.

    However many variants there are, all stay nearer to their own number of shots than to the next one.
    """
    places = sorted(axis.places.values())
    gaps = [math.log(after / before) for before, after in itertools.pairwise(places) if after > before]
    widest = min([0.35 * gap for gap in gaps] + [math.log(1.2)])
    step = min(math.log(1.035), widest / max(1, of - 1))
    return math.exp(step * (number - (of - 1) / 2))


def _shots_ticks(axes: Axes, axis: ShotsAxis, counts: Mapping[int | None, str]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    positions, labels = axis.ticks(counts)
    axes.set_xticks(positions, labels)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("shots")
    if len(positions) == 1:
        axes.set_xlim(positions[0] / 2, positions[0] * 2)


def _counts(points: Points, shots: int | None) -> str:
    numbers = sorted({one.n for (_, k), one in points.items() if k == shots})
    return f"n={numbers[0]}" if len(numbers) == 1 else f"n={numbers[0]}–{numbers[-1]}"


def _accuracy_alt(points: Points, series: Sequence[str]) -> str:
    parts = []
    for name in series:
        own = sorted((k for s, k in points if s == name), key=shots_order)
        if own:
            first, last = points[name, own[0]], points[name, own[-1]]
            parts.append(
                f"{name} {100 * first.mean:.1f} % at {shots_words(own[0])},"
                f" {100 * last.mean:.1f} % at {shots_label(own[-1])}"
            )
    return f"Lines of mean accuracy against shots: {'; '.join(parts)}."


def training_figure(named: Sequence[Labelled], look: Mapping[str, Look]) -> Drawing | None:
    """Draw training time against shots: every trial as a dot, medians as lines, both axes logarithmic."""
    timed = [one for one in named if one.row["train_seconds"]]
    if not timed:
        return None
    datasets = in_order(one.dataset for one in timed)[:MOST_PANELS]
    series = in_order(one.series for one in timed)
    sizes = real_shots(named)
    rows, columns = panel_grid(len(datasets))
    with canvas(max(5.2, 3.6 * columns), 3.0 * rows + 0.6) as figure:
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, dataset in zip(grid.flat, datasets, strict=False):
            here = [one for one in timed if one.dataset == dataset]
            shots = sorted({one.shots for one in here}, key=shots_order)
            axis = ShotsAxis.of(shots, sizes.get(dataset))
            counts = {}
            for k in shots:
                numbers = sorted({sum(o.shots == k and o.series == name for o in here) for name in series} - {0})
                counts[k] = f"n={numbers[0]}" if len(numbers) == 1 else f"n={numbers[0]}–{numbers[-1]}"
            for number, name in enumerate(series):
                own = [one for one in here if one.series == name]
                if not own:
                    continue
                style = look[name]
                shift = _sideways(number, len(series), axis)
                x = [axis.places[one.shots] * shift for one in own]
                axes.plot(x, [one.row["train_seconds"] for one in own], ".", color=style.colour, alpha=0.35)
                at = sorted({one.shots for one in own}, key=lambda k: axis.places[k])
                middle = [median(one.row["train_seconds"] for one in own if one.shots == k) for k in at]
                (handles[name],) = axes.plot(
                    [axis.places[k] * shift for k in at],
                    middle,
                    color=style.colour,
                    marker=style.marker,
                    linestyle=style.line,
                    markersize=5,
                )
            plain_log_axis(axes, "y")
            _shots_ticks(axes, axis, counts)
            axes.set_title(short(dataset))
        for axes in grid.flat[len(datasets) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("training time (s)")
        present = [name for name in series if name in handles]
        legend_below(figure, [handles[name] for name in present], [short(name) for name in present])
        kinds = sorted({one.row["train_seconds_kind"] for one in timed})
        clocks = {
            "work": "the time the provider says it worked",
            "wall": "begin to end as this machine saw it, waiting included",
            "imported": "as imported",
        }
        words = "; ".join(
            f"{', '.join(in_order(o.series for o in timed if o.row['train_seconds_kind'] == kind))}: {clocks[kind]}"
            for kind in kinds
        )
        return finish(
            figure,
            "training_time",
            title="Training time",
            caption=f"Median training time (line) and single trials (dots), n below the axis. {words}.",
            alt=f"Training time against shots for {', '.join(series)}.",
        )


def difference_figure(comparisons: Sequence[Comparison]) -> Drawing | None:
    """Draw the paired differences with their intervals; those that cross zero are not separated by the data."""
    drawn = [one for one in comparisons if one.low is not None and one.high is not None]
    if not drawn:
        return None
    with canvas(8.2, 0.46 * len(drawn) + 1.1) as figure:
        axes = figure.subplots()
        for place, one in enumerate(reversed(drawn)):
            assert one.low is not None
            assert one.high is not None
            shown = "#0072B2" if one.separated else "#888888"
            axes.plot([100 * one.low, 100 * one.high], [place, place], color=shown, linewidth=2)
            axes.plot(100 * one.value, place, "o" if one.separated else "D", color=shown, markersize=5)
        axes.axvline(0, color="#333333", linewidth=1)
        names = [
            f"{short(one.a)} − {short(one.b)}\n{one.question.value}, {short(one.where)}" for one in reversed(drawn)
        ]
        axes.set_yticks(range(len(drawn)), names)
        axes.set_ylim(-0.6, len(drawn) - 0.4)
        axes.set_xlabel("difference in accuracy (points), 95 % interval")
        return finish(
            figure,
            "differences",
            title="Paired differences",
            caption="Accuracy of the first minus the second on the same test samples, with 95 % intervals; grey"
            " diamonds: the data do not separate the two.",
            alt="; ".join(one.words for one in drawn),
        )


def ranks_figure(scores: Mapping[str, Mapping[str, float]], shots: int | None) -> Drawing | None:
    """Draw mean ranks over datasets with Nemenyi's critical difference (Demšar 2006).

    Args:
        scores: Variant → dataset → mean accuracy, at one number of shots.
        shots: That number.

    Returns:
        None with fewer than three variants or two common datasets.
    """
    from automl_bench.statistics.panels import friedman

    found = friedman(scores)
    if found is None:
        return None
    best = found.mean_ranks[0]
    with canvas(8.2, 0.3 * len(found.variants) + 1.3) as figure:
        axes = figure.subplots()
        places = range(len(found.variants))
        axes.plot(found.mean_ranks, [-place for place in places], "o", color="#0072B2", markersize=6)
        reach = best + found.critical_difference
        axes.axvspan(best, reach, color="#888888", alpha=0.18, linewidth=0)
        axes.set_yticks([-place for place in places], [short(name) for name in found.variants])
        axes.set_xlim(0.8, max(len(found.variants), reach) + 0.2)
        axes.set_xlabel("mean rank over datasets (1 is best)")
        p = "< 0.001" if found.p < 0.001 else f"= {found.p:.3f}"
        differ = "differ" if found.p < 0.05 else "are not shown to differ"
        return finish(
            figure,
            "critical_difference",
            title="Mean ranks over datasets",
            caption=f"Mean ranks over {len(found.datasets)} datasets at {shots_words(shots)}. Friedman's test:"
            f" p {p}, the variants {differ}. Grey: within the critical difference ({found.critical_difference:.2f}) of"
            " the best mean rank, not told apart from it by Nemenyi's test. A picture; verdicts stand in the table.",
            alt=", ".join(f"{name} {rank:.2f}" for name, rank in zip(found.variants, found.mean_ranks, strict=True)),
        )
