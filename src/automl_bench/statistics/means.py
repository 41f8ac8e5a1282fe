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

    At each number of shots all series are averaged over the same datasets, those that they share: a mean over easy
    datasets does not stand beside one over hard ones. A series measured on few of them has no mean (`shared_datasets`).

    Args:
        observations: The numbers.
        only: Datasets to use, by default all.
    """
    wanted = None if only is None else set(only)
    means: dict[int | None, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for (series, dataset, shots), one in over_folds(observations).items():
        if wanted is None or dataset in wanted:
            means[shots][series][dataset] = one.mean
    found = {}
    for shots, by_series in means.items():
        shared = shared_datasets({series: set(values) for series, values in by_series.items()})
        for series, values in by_series.items():
            if shared and shared <= values.keys():
                names = tuple(sorted(shared))
                found[series, shots] = PanelMean(estimate([values[name] for name in names]), names)
    return found


def shared_datasets(measured: Mapping[str, set[str]]) -> set[str]:
    """Return the datasets to average over: those that all series share.

    A series that was measured on less than half as many datasets as the best covered one is left out first, and then
    the least covered ones as long as the others share fewer than two: it would take the mean away from all.

    Args:
        measured: Series → datasets it was measured on.
    """
    most = max((len(many) for many in measured.values()), default=0)
    kept = [many for many in measured.values() if 2 * len(many) >= most]
    shared = set.intersection(*kept) if kept else set()
    while len(shared) < min(2, most) and len(fewest := {len(many) for many in kept}) > 1:
        kept = [many for many in kept if len(many) > min(fewest)]
        shared = set.intersection(*kept)
    return shared


def constant_panel(observations: Iterable[Observation]) -> tuple[str, ...]:
    """Return the datasets on which every series has a score at every number of shots that occurs at all.

    A mean over a panel that changes with the shots shows the change of the panel as if it were one of the shots.
    """
    points = set(over_folds(observations))
    pairs = {(series, shots) for series, _, shots in points}
    datasets = {dataset for _, dataset, _ in points}
    return tuple(sorted(name for name in datasets if all((series, name, shots) in points for series, shots in pairs)))


def panel_notes(observations: Iterable[Observation]) -> tuple[str, ...]:
    """Say in words where means over datasets lack a dataset, or a series has none; empty if all is complete."""
    points = set(over_folds(observations := list(observations)))
    panel = over_datasets(observations)
    everything = {dataset for _, dataset, _ in points}
    notes = []
    for shots in sorted({shots for _, _, shots in points}, key=shots_order):
        used = next((set(one.datasets) for (_, k), one in panel.items() if k == shots), set())
        missing = sorted(everything - used)
        if used and missing:
            notes.append(f"The mean at {shots_words(shots)} lacks {', '.join(missing)}.")
        for series in sorted({name for name, _, k in points if k == shots and (name, k) not in panel}):
            own = sum(name == series and k == shots for name, _, k in points)
            notes.append(
                f"{series} has no mean over datasets at {shots_words(shots)}: it was measured on {own} of"
                f" {len(everything)}."
            )
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
