"""Means of scores with their standard error: over folds within a dataset, over datasets across datasets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, pstdev, stdev


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and how well it is known.

    Attributes:
        n: Number of values averaged.
        mean: Their mean.
        sem: Standard deviation (ddof 1) / √n; None with fewer than two values, never 0 by lack of data.
        low: Lower end of the 95 % Student t interval; None with fewer than two values.
        high: Upper end of it.
        sem_population: Standard deviation (ddof 0) / √n: too small by √((n - 1)/n), only for comparing with figures
            that were published that way.
    """

    n: int
    mean: float
    sem: float | None = None
    low: float | None = None
    high: float | None = None
    sem_population: float | None = None


def estimate(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Average values, with SEM (ddof 1) and Student t interval.

    Raises:
        ValueError: If there is no value.
    """
    if not values:
        raise ValueError("no values to average")
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(1, mean)
    sem = stdev(values) / math.sqrt(len(values))
    margin = t_quantile(0.5 + level / 2, len(values) - 1) * sem
    population = pstdev(values) / math.sqrt(len(values))
    return Estimate(len(values), mean, sem, mean - margin, mean + margin, population)


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


@dataclass(frozen=True, slots=True)
class Observation:
    """One number of one trial.

    Attributes:
        series: What is compared: a variant's label.
        dataset: Dataset's label.
        shots: Labelled samples per class, or None for all.
        draw: Which draw of the subset: fold, and whatever else tells draws apart.
        value: The number.
    """

    series: str
    dataset: str
    shots: int | None
    draw: Hashable
    value: float


Point = tuple[str, str, int | None]
"""(series, dataset, shots)."""


def over_folds(observations: Iterable[Observation]) -> dict[Point, Estimate]:
    """Average each (series, dataset, shots): repeats of a draw first, then draws; n counts draws."""
    return {point: estimate(list(draws.values())) for point, draws in draw_means(observations).items()}


def draw_means(observations: Iterable[Observation]) -> dict[Point, dict[Hashable, float]]:
    """Average the repeats of each draw; draws keep the order in which they came."""
    values: dict[Point, dict[Hashable, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in observations:
        values[one.series, one.dataset, one.shots][one.draw].append(one.value)
    return {point: {draw: fmean(many) for draw, many in draws.items()} for point, draws in values.items()}


@dataclass(frozen=True, slots=True)
class PanelMean:
    """A mean over datasets.

    Attributes:
        estimate: Mean and SEM over dataset means; n counts datasets.
        datasets: The datasets averaged, sorted.
    """

    estimate: Estimate
    datasets: tuple[str, ...]


def over_datasets(
    observations: Iterable[Observation], *, only: Iterable[str] | None = None
) -> dict[tuple[str, int | None], PanelMean]:
    """Average each (series, shots) over datasets: fold means first, so that no dataset weighs more by more folds.

    Args:
        observations: The numbers.
        only: Datasets to use, by default all.
    """
    wanted = None if only is None else set(only)
    means: dict[tuple[str, int | None], dict[str, float]] = defaultdict(dict)
    for (series, dataset, shots), one in over_folds(observations).items():
        if wanted is None or dataset in wanted:
            means[series, shots][dataset] = one.mean
    return {
        key: PanelMean(estimate([values[name] for name in sorted(values)]), tuple(sorted(values)))
        for key, values in means.items()
    }


def constant_panel(observations: Iterable[Observation]) -> tuple[str, ...]:
    """Return the datasets on which every series has a score at every number of shots that occurs at all.

    A mean over a panel that changes with the shots shows the change of the panel as if it were one of the shots.
    """
    points = set(over_folds(observations))
    pairs = {(series, shots) for series, _, shots in points}
    datasets = {dataset for _, dataset, _ in points}
    return tuple(sorted(name for name in datasets if all((series, name, shots) in points for series, shots in pairs)))


def panel_notes(panel: Mapping[tuple[str, int | None], PanelMean]) -> tuple[str, ...]:
    """Say in words where the datasets averaged differ between points; empty if they are the same everywhere."""
    everything = sorted({name for one in panel.values() for name in one.datasets})
    gaps: dict[tuple[str, ...], list[tuple[str, int | None]]] = defaultdict(list)
    for (series, shots), one in panel.items():
        missing = tuple(name for name in everything if name not in one.datasets)
        if missing:
            gaps[missing].append((series, shots))
    notes = []
    for missing, where in gaps.items():
        by_shots: dict[int | None, list[str]] = defaultdict(list)
        for series, shots in where:
            by_shots[shots].append(series)
        all_series: dict[int | None, set[str]] = defaultdict(set)
        for series, shots in panel:
            all_series[shots].add(series)
        for shots in sorted(by_shots, key=shots_order):
            whom = "" if set(by_shots[shots]) == all_series[shots] else f" of {', '.join(sorted(by_shots[shots]))}"
            notes.append(f"The mean{whom} at {shots_words(shots)} lacks {', '.join(missing)}.")
    return tuple(notes)


def shots_order(shots: int | None) -> float:
    """Sort key: numbers first, "all" last."""
    return math.inf if shots is None else shots


def shots_words(shots: int | None) -> str:
    """Return "5 shots", "1 shot" or "all shots"."""
    if shots is None:
        return "all shots"
    return f"{shots} shot" if shots == 1 else f"{shots} shots"


@dataclass(frozen=True, slots=True)
class Medians:
    """Medians over the folds and repeats of one point.

    Attributes:
        n: Trials with a value, by name.
        values: Median, by name; a name without any value is absent.
    """

    n: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)


def medians(records: Iterable[Mapping[str, float | None]], names: Sequence[str]) -> Medians:
    """Take the median of each name over records, leaving out what is unknown."""
    found: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name in names:
            value = record.get(name)
            if value is not None:
                found[name].append(value)
    return Medians({name: len(many) for name, many in found.items()}, {n: median(many) for n, many in found.items()})
