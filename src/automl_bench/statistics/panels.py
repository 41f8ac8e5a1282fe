"""Two or more variants over several datasets: paired tests on dataset means, and what so few datasets can show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from automl_bench.statistics.families import LEVEL
from automl_bench.statistics.paired import bounded, signed_sum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PanelDifference:
    """A minus B over datasets, on dataset means.

    Attributes:
        value: Mean difference.
        low: Lower end of the 95 % interval, not below -1; None with one dataset, or where neither the datasets differ
            nor anything is known of the spread within them.
        high: Upper end of it, not above 1.
        p: Exact two-sided p of Wilcoxon's signed-rank test, uncorrected.
        median: Median difference.
        worst: Smallest difference: what A loses where it does worst.
        datasets: Datasets that both have, sorted.
        wins: On how many of them A is ahead.
        ties: On how many they are equal.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    median: float
    worst: float
    datasets: tuple[str, ...]
    wins: int
    ties: int


def panel_difference(
    a: Mapping[str, float], b: Mapping[str, float], within: Mapping[str, float] | None = None
) -> PanelDifference | None:
    """Compare two variants over the datasets that both have; None if there is none.

    The interval is Student's t over the datasets' differences, whose variance is taken to be no smaller than what the
    test images (and draws) within the datasets make of it: three datasets on which the difference happens to be the
    same are no certainty.

    Args:
        a: Mean accuracy of A, by dataset.
        b: Mean accuracy of B, by dataset.
        within: Sampling variance of the difference, by dataset, where it is known.
    """
    from statistics import median

    names = tuple(sorted(set(a) & set(b)))
    if not names:
        return None
    differences = [a[name] - b[name] for name in names]
    known = [within[name] for name in names if name in within] if within else []
    low, high = _panel_interval(differences, fmean(known) if len(known) == len(names) else None)
    return PanelDifference(
        value=fmean(differences),
        low=low,
        high=high,
        p=wilcoxon_exact(differences),
        median=median(differences),
        worst=min(differences),
        datasets=names,
        wins=sum(d > 0 for d in differences),
        ties=sum(d == 0 for d in differences),
    )


def _panel_interval(differences: Sequence[float], within: float | None) -> tuple[float | None, float | None]:
    from automl_bench.statistics.means import t_quantile

    count = len(differences)
    if count < 2:
        return None, None
    variance = max(stdev(differences) ** 2, within or 0.0)
    if variance < 1e-18:
        return None, None
    mean, margin = fmean(differences), t_quantile(0.975, count - 1) * math.sqrt(variance / count)
    # The plain interval where it is possible; on a bounded scale where it would leave -1 to 1.
    return (mean - margin, mean + margin) if abs(mean) + margin <= 1 else bounded(mean, margin)


def wilcoxon_exact(differences: Sequence[float]) -> float:
    """Return the exact two-sided p of Wilcoxon's signed-rank test.

    Equal sizes share their mean rank, zeros are left out. Given the sizes, the signs are fair coins if the two are
    alike, so the sum of the signed ranks has an exact distribution for any ties. Source: F. Wilcoxon, Biometrics
    Bulletin 1 (1945); for several datasets J. Demšar, JMLR 7 (2006). Sizes are rounded to 1e-12, below which floating
    point makes differences of its own.
    """
    import numpy as np

    values = np.round(np.asarray(differences, dtype=np.float64), 12)
    values = values[values != 0]
    if not len(values):
        return 1.0
    ranks = np.rint(2 * mean_ranks(np.abs(values))).astype(np.int64)  # twice the rank: mean ranks are halves
    sizes, counts = np.unique(ranks, return_counts=True)
    total, chances = signed_sum(sizes, counts)
    observed = abs(int((np.sign(values) * ranks).sum()))
    sums = np.arange(-total, total + 1)
    return float(min(1.0, chances[np.abs(sums) >= observed].sum()))


def smallest_p(datasets: int) -> float:
    """Return the smallest p that Wilcoxon's exact two-sided test can give: 2 / 2^n, 0.016 with seven datasets."""
    return min(1.0, 2.0 ** (1 - datasets))


def datasets_needed(comparisons: int, *, share: float = 1.0) -> int:
    """Return the fewest datasets with which a corrected verdict over datasets is possible at all.

    Args:
        comparisons: Pairs that are compared over datasets.
        share: Part of the level that these comparisons have; the rest goes to verdicts on single datasets.
    """
    count = 1
    while smallest_p(count) > LEVEL * share / max(1, comparisons):
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Friedman:
    """Whether any of several variants differs over datasets, and by how much mean ranks must differ to be told apart.

    Attributes:
        variants: Names, best mean rank first.
        mean_ranks: Mean rank of each, 1 is best.
        datasets: Datasets on which all were measured.
        p: p of Friedman's test, chi-squared with k - 1 degrees of freedom, corrected for ties.
        critical_difference: Nemenyi's, at 5 %.
    """

    variants: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    datasets: tuple[str, ...]
    p: float
    critical_difference: float


def friedman(scores: Mapping[str, Mapping[str, float]]) -> Friedman | None:
    """Rank variants on each dataset and test whether their mean ranks differ (M. Friedman 1937; J. Demšar 2006).

    Args:
        scores: Variant → dataset → accuracy; datasets that a variant lacks are left out for all.

    Returns:
        None with fewer than three variants or two common datasets, where the test does not apply.
    """
    import numpy as np
    from scipy.special import chdtrc

    names = sorted(scores)
    common = sorted(set.intersection(*(set(scores[name]) for name in names))) if names else []
    variants, datasets = len(names), len(common)
    if variants < 3 or datasets < 2:
        return None
    table = np.round([[scores[name][dataset] for name in names] for dataset in common], 12)
    ranks = np.stack([mean_ranks(-row) for row in table])
    means = ranks.mean(axis=0)
    spread = float((ranks**2).sum()) - datasets * variants * (variants + 1) ** 2 / 4
    statistic = 0.0
    if spread > 0:
        statistic = (variants - 1) * datasets**2 * float(((means - (variants + 1) / 2) ** 2).sum()) / spread
    order = sorted(range(variants), key=lambda place: (means[place], names[place]))
    return Friedman(
        tuple(names[place] for place in order),
        tuple(float(means[place]) for place in order),
        tuple(common),
        float(chdtrc(variants - 1, statistic)),
        critical_difference(variants, datasets),
    )


def critical_difference(variants: int, datasets: int, *, level: float = LEVEL) -> float:
    """Return Nemenyi's critical difference of mean ranks, q √(k (k + 1) / 6 N): 1.77 with k = 4 variants, N = 7."""
    quantile = studentized_range_quantile(1 - level, variants) / math.sqrt(2)
    return quantile * math.sqrt(variants * (variants + 1) / (6 * datasets))


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1; equal values share their mean rank.

    `scipy.stats.rankdata` does the same; importing scipy.stats takes half a second, which `results` would spend on it.
    """
    smaller = (values[:, None] > values[None, :]).sum(axis=1)
    equal = (values[:, None] == values[None, :]).sum(axis=1)
    ranks: NDArray[np.float64] = smaller + (equal + 1) / 2
    return ranks


def studentized_range_quantile(probability: float, number: int) -> float:
    """Return the quantile of the range of so many standard normal values, to 1e-9; for why it is here see `mean_ranks`.

    P(range <= q) = n ∫ φ(z) (Φ(z + q) - Φ(z))^(n - 1) dz, by the trapezoidal rule, which is exact to rounding for a
    smooth integrand that vanishes at both ends; the quantile by bisection.

    Args:
        probability: Between 0 and 1.
        number: How many values, at least 2.
    """
    import numpy as np
    from scipy.special import ndtr

    places, step = np.linspace(-9.0, 9.0, 1_801, retstep=True)
    density = np.exp(-(places**2) / 2) / math.sqrt(2 * math.pi)

    def chance(width: float) -> float:
        return float(number * step * (density * (ndtr(places + width) - ndtr(places)) ** (number - 1)).sum())

    low, high = 0.0, 40.0
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < probability else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Equivalence:
    """How likely each of three answers is, given the datasets seen (Bayesian signed-rank test).

    Attributes:
        worse: A is behind by more than the region of practical equivalence.
        equal: The two are equal within it.
        better: A is ahead by more than it.
        rope: Half the width of the region, as a share of 1.
        datasets: Datasets behind it.
    """

    worse: float
    equal: float
    better: float
    rope: float
    datasets: int


def equivalence(
    differences: Sequence[float], *, rope: float = 0.01, rounds: int = 20_000, seed: int = 0
) -> Equivalence:
    """Return the posterior of "worse / equal within the region / better" over datasets.

    A Dirichlet process over the observed differences with half a prior observation of 0: each round weighs the
    differences anew and asks where the weighted means of pairs lie (A. Benavoli, G. Corani, J. Demšar, M. Zaffalon,
    "Time for a Change", JMLR 18 (2017); as baycomp's SignedRankTest).

    Args:
        differences: A minus B, one a dataset.
        rope: Half the width of the region, as a share of 1.
        rounds: Draws from the posterior.
        seed: Seed of the draws.
    """
    import numpy as np

    values = np.array([0.0, *differences])
    sums = values[:, None] + values[None, :]
    # A pair on the very edge of the region counts half on either side.
    worse, better = np.heaviside(-sums - 2 * rope, 0.5), np.heaviside(sums - 2 * rope, 0.5)
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet([0.5, *[1.0] * len(differences)], size=rounds)
    behind, ahead = (((weights @ edge) * weights).sum(axis=1) for edge in (worse, better))
    within = 1 - behind - ahead
    largest = np.argmax(np.stack([behind, within, ahead]), axis=0)
    shares = np.bincount(largest, minlength=3) / rounds
    return Equivalence(float(shares[0]), float(shares[1]), float(shares[2]), rope, len(differences))


def equivalence_of_interval(low: float, high: float, *, rope: float = 0.01) -> Equivalence:
    """Return the same three chances on one dataset, from the 95 % interval of the difference taken as normal.

    Args:
        low: Lower end.
        high: Upper end.
        rope: Half the width of the region, as a share of 1.
    """
    from scipy.special import ndtr, ndtri

    centre, spread = (low + high) / 2, (high - low) / (2 * float(ndtri(0.975)))
    worse = float(ndtr((-rope - centre) / spread))
    better = float(ndtr((centre - rope) / spread))
    return Equivalence(worse, max(0.0, 1 - worse - better), better, rope, 1)
