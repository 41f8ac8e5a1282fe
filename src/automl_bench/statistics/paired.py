"""Two variants on the same test images: what the data say about their difference, and what they do not."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BOOTSTRAP_ROUNDS = 10_000
"""Resamples of a paired bootstrap."""

SMALLEST_N = 2
"""Fewest images, draws or datasets that give an interval."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The accuracy of A minus the accuracy of B on the same test images.

    Attributes:
        value: Mean difference, -1 to 1.
        low: Lower end of the 95 % interval; None if there are too few data for one.
        high: Upper end of it.
        p: Two-sided p of "no difference": exact McNemar for one draw, a sign-flip test over images for several.
        method: How the interval was made, in words.
        images: Test images that both answered for.
        draws: Draws of the training subset that both were trained on.
        only_a: Images that only A got right (mean over draws).
        only_b: Images that only B got right (mean over draws).
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    method: str
    images: int
    draws: int
    only_a: float
    only_b: float


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the exact two-sided McNemar p: a binomial test on the discordant pairs.

    At least six discordant images, all on one side, are needed for p < 0.05.
    Source: Q. McNemar, Psychometrika 12 (1947); use for single runs: T. Dietterich, Neural Computation 10 (1998).
    """
    from scipy.special import bdtr

    discordant = only_a + only_b
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), discordant, 0.5))) if discordant else 1.0


Answers = Mapping[Hashable, Mapping[str, float]]
"""Draw → sample id → share of right answers over the repeats of that draw (0 or 1 with one repeat)."""


def paired_difference(a: Answers, b: Answers, strata: Mapping[str, str], *, seed: int = 0) -> Difference | None:
    """Compare two variants over the draws and images that both have.

    One draw: paired bootstrap over images, within classes, percentile interval. Several draws: every image is
    answered in every draw, so the difference varies by image and by draw; the variance of the grand mean of that
    two-way table is (MS_images + MS_draws - MS_rest) / (images × draws), with Satterthwaite's degrees of freedom
    (S. Searle, G. Casella, C. McCulloch, "Variance Components", 1992, chapter 5). With three draws the interval is
    wide; that is what three draws are worth.

    Args:
        a: Answers of A.
        b: Answers of B.
        strata: Class of each sample id.
        seed: Seed of the resampling.

    Returns:
        The difference, or None if no draw and image is common to both.
    """
    import numpy as np

    draws = [draw for draw in a if draw in b]
    if not draws:
        return None
    images = sorted(set.intersection(*(set(a[draw]) & set(b[draw]) for draw in draws)))
    if not images:
        return None
    of_a = np.array([[a[draw][image] for image in images] for draw in draws])
    of_b = np.array([[b[draw][image] for image in images] for draw in draws])
    table = of_a - of_b
    mean = float(table.mean())
    generator = np.random.default_rng(seed)
    by_image = table.mean(axis=0)
    single = len(draws) == 1 and bool(np.isin(table, (-1, 0, 1)).all())
    only_a = float(np.maximum(table, 0).sum(axis=1).mean())
    only_b = float(np.maximum(-table, 0).sum(axis=1).mean())
    low: float | None = None
    high: float | None = None
    method = "too few images for an interval"
    if len(images) >= SMALLEST_N and len(draws) == 1:
        classes = np.unique([strata[image] for image in images], return_inverse=True)[1]
        low, high = _stratified_bootstrap(by_image, classes, generator)
        method = f"paired bootstrap over images within classes, {BOOTSTRAP_ROUNDS:,} rounds"
    elif len(images) >= SMALLEST_N:
        low, high = _two_way_interval(table)
        method = "crossed random effects (images × draws), Satterthwaite t"
    p = mcnemar_exact(round(only_a), round(only_b)) if single else _sign_flip(by_image, generator)
    return Difference(mean, low, high, p, method, len(images), len(draws), only_a, only_b)


def _stratified_bootstrap(
    differences: NDArray[np.float64], classes: NDArray[np.intp], generator: np.random.Generator
) -> tuple[float, float]:
    """Resample images within their class. Few distinct values occur, so counts are drawn instead of images."""
    import numpy as np

    totals = np.zeros(BOOTSTRAP_ROUNDS)
    for one in range(int(classes.max()) + 1):
        values, counts = np.unique(differences[classes == one], return_counts=True)
        size = int(counts.sum())
        totals += generator.multinomial(size, counts / size, size=BOOTSTRAP_ROUNDS) @ values
    low, high = np.quantile(totals / len(differences), (0.025, 0.975))
    return float(low), float(high)


def _two_way_interval(table: NDArray[np.float64], *, level: float = 0.95) -> tuple[float, float]:
    """Interval of the grand mean of a (draws, images) table without replication."""
    from automl_bench.statistics.means import t_quantile

    rows, columns = table.shape
    mean = float(table.mean())
    by_row = table.mean(axis=1, keepdims=True)
    by_column = table.mean(axis=0, keepdims=True)
    ms_rows = columns * float(((by_row - mean) ** 2).sum()) / (rows - 1)
    ms_columns = rows * float(((by_column - mean) ** 2).sum()) / (columns - 1)
    ms_rest = float(((table - by_row - by_column + mean) ** 2).sum()) / ((rows - 1) * (columns - 1))
    cells = rows * columns
    # The estimate may not fall below what either source alone shows; it can come out negative by chance.
    variance = max(ms_rows + ms_columns - ms_rest, ms_columns, ms_rows) / cells
    if variance == 0:
        return mean, mean
    parts = (ms_rows**2 / (rows - 1), ms_columns**2 / (columns - 1), ms_rest**2 / ((rows - 1) * (columns - 1)))
    degrees = max(float(rows - 1), (variance * cells) ** 2 / sum(parts))
    margin = t_quantile(0.5 + level / 2, degrees) * math.sqrt(variance)
    return mean - margin, mean + margin


def _sign_flip(by_image: NDArray[np.float64], generator: np.random.Generator) -> float:
    """Two-sided sign-flip test of a mean of 0 over images; with one draw it would be McNemar's exact test."""
    import numpy as np

    moving = by_image[by_image != 0]
    if not len(moving):
        return 1.0
    observed = abs(float(moving.sum())) - 1e-9
    values, counts = np.unique(np.abs(moving), return_counts=True)
    signs = 2 * generator.binomial(counts, 0.5, size=(BOOTSTRAP_ROUNDS, len(counts))) - counts
    beyond = int((np.abs(signs @ values) >= observed).sum())
    return (beyond + 1) / (BOOTSTRAP_ROUNDS + 1)


@dataclass(frozen=True, slots=True)
class PanelDifference:
    """A minus B over datasets, on dataset means.

    Attributes:
        value: Mean difference.
        low: Lower end of the 95 % Student t interval; None with one dataset.
        high: Upper end of it.
        datasets: Datasets that both have, sorted.
        wins: On how many of them A is ahead.
        ties: On how many they are equal.
    """

    value: float
    low: float | None
    high: float | None
    datasets: tuple[str, ...]
    wins: int
    ties: int


def panel_difference(a: Mapping[str, float], b: Mapping[str, float]) -> PanelDifference | None:
    """Compare two variants over the datasets that both have; None if there is none.

    Args:
        a: Mean accuracy of A, by dataset.
        b: Mean accuracy of B, by dataset.
    """
    from automl_bench.statistics.means import estimate

    names = tuple(sorted(set(a) & set(b)))
    if not names:
        return None
    differences = [a[name] - b[name] for name in names]
    one = estimate(differences)
    wins, ties = sum(d > 0 for d in differences), sum(d == 0 for d in differences)
    return PanelDifference(one.mean, one.low, one.high, names, wins, ties)


def verdict(a: str, b: str, low: float | None, high: float | None, p: float | None, *, comparisons: int = 1) -> str:
    """Say in words what an interval and a p value allow to say.

    A difference counts as shown only if the interval excludes 0 and p is below 0.05; with several comparisons on the
    page, p is also held against 0.05 / comparisons (Bonferroni).

    Args:
        a: Name of A.
        b: Name of B.
        low: Lower end of the interval of A minus B.
        high: Upper end.
        p: The p value, or None where only the interval speaks.
        comparisons: Number of comparisons made together.
    """
    if low is None or high is None:
        return f"Too few data to compare {a} and {b}."
    if low <= 0 <= high or (p is not None and p >= 0.05):
        return f"The data do not separate {a} and {b}."
    ahead, behind = (a, b) if low > 0 else (b, a)
    if p is not None and comparisons > 1 and p >= 0.05 / comparisons:
        return f"{ahead} is ahead of {behind}, but not if one allows for {comparisons} comparisons."
    return f"{ahead} is ahead of {behind}."


def ordered_pairs(names: Sequence[str], scores: Mapping[str, Any], *, most: int = 5) -> list[tuple[str, str]]:
    """Return the pairs to compare, better one first.

    Up to `most` names: every pair. More: everyone against the leader, as all pairs would drown the reader.
    """
    ranked = sorted((name for name in names if name in scores), key=lambda name: (-scores[name], name))
    if len(ranked) > most:
        return [(ranked[0], other) for other in ranked[1:]]
    return [(first, second) for place, first in enumerate(ranked) for second in ranked[place + 1 :]]
