"""Quantiles that say how much they know: order-statistic intervals, smallest sample sizes, a block bootstrap.

Pure mathematics without I/O. It stands here because load runs are summed up where they are measured; the room
`statistics` offers the same names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

LATENCY_QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
"""The quantiles that reports show."""

LEVEL = 0.95
"""Confidence level of every interval here."""

MOST_BLOCKS = 200
FEWEST_BLOCKS = 10
BOOTSTRAP_ROUNDS = 1000
GRID = 400
"""Candidate values of the block bootstrap around each quantile."""

WIDER = 2.0
"""A block-bootstrap interval so many times wider than the order-statistic one speaks of autocorrelated calls."""


@dataclass(frozen=True, slots=True)
class QuantileEstimate:
    """One quantile with its distribution-free interval.

    Attributes:
        probability: 0.99 for p99.
        value: The sample quantile, interpolated linearly between order statistics (Hyndman and Fan's type 7).
        low: Lower end, the order statistic of rank `low_rank`; None if the values bound the quantile from above only
            (five values and p50).
        high: Upper end, the order statistic of rank `high_rank`.
        low_rank: Counted from 1; 0 for no lower bound.
        high_rank: Counted from 1.
        coverage: Probability, at least the level asked for, with which such an interval covers the true quantile.
        n: Number of values.
    """

    probability: float
    value: float
    low: float | None
    high: float
    low_rank: int
    high_rank: int
    coverage: float
    n: int


def name_of(probability: float) -> str:
    """Return "p50", "p99", "p99.9"."""
    return f"p{probability * 100:.6g}"


def minimum_n(probability: float, level: float = LEVEL) -> int:
    """Return the fewest independent values with which the quantile can be bounded at this level.

    For p ≥ 0.5 the largest of n values lies above the quantile with probability 1 − pⁿ, so n = ⌈ln(1−level)/ln p⌉:
    5 for p50, 29 for p90, 59 for p95, 299 for p99, 2,995 for p99.9 at 95 %. Below 0.5 by symmetry.

    Raises:
        ValueError: If the probability or the level is not between 0 and 1.
    """
    if not (0 < probability < 1 and 0 < level < 1):
        raise ValueError(f"a quantile's probability and level lie between 0 and 1, not {probability:g} and {level:g}")
    return math.ceil(math.log(1 - level) / math.log(max(probability, 1 - probability)) - 1e-12)


@lru_cache(maxsize=4096)
def interval_ranks(n: int, probability: float, level: float = LEVEL) -> tuple[int, int, float] | None:
    """Return the tightest pair of ranks whose order statistics cover the quantile with at least the level.

    The number of values below the true quantile is Binomial(n, p); X₍l₎ and X₍u₎ enclose the quantile when that
    number is at least l and below u. Of all pairs with enough coverage the one with the smallest u − l is taken, and
    among those the one that covers best (David and Nagaraja, Order Statistics, section 7.1).

    Args:
        n: Number of independent values from a continuous distribution.
        probability: 0.99 for p99.
        level: Confidence level.

    Returns:
        (low rank, high rank, coverage), ranks from 1; low rank 0 where only the upper bound reaches the level; or
        None below `minimum_n`.
    """
    import numpy as np
    from scipy.special import bdtr  # scipy.stats takes a second to import

    if n < minimum_n(probability, level):
        return None
    centre, spread = n * probability, math.sqrt(n * probability * (1 - probability))
    first = max(1, math.floor(centre - 8 * spread - 10))
    last = min(n, math.ceil(centre + 8 * spread + 10))
    below = bdtr(np.arange(first - 1, last), n, probability)
    # below[i] = P(B <= first - 1 + i); the pair (l, u) covers with P(l <= B < u) = P(B <= u-1) - P(B <= l-1).
    best: tuple[int, int, float] | None = None
    for place in range(below.size):
        partner = int(np.searchsorted(below, below[place] + level))
        if partner >= below.size:
            break
        coverage = float(below[partner] - below[place])
        low, high = first + place, first + partner
        if best is None or (high - low, -coverage) < (best[1] - best[0], -best[2]):
            best = (low, high, coverage)
    if best is None:
        return 0, n, float(bdtr(n - 1, n, probability))
    return best


def estimate(values: ArrayLike, probability: float, level: float = LEVEL) -> QuantileEstimate | None:
    """Return one quantile with its order-statistic interval.

    Args:
        values: Independent values, any order; shape (n,).
        probability: 0.99 for p99.
        level: Confidence level.

    Returns:
        The estimate, or None where n is below `minimum_n`.
    """
    import numpy as np

    return _estimate(np.sort(np.asarray(values, dtype=float)), probability, level)


def describe(
    values: ArrayLike,
    probabilities: Sequence[float] = LATENCY_QUANTILES,
    *,
    in_order: bool = False,
    level: float = LEVEL,
) -> dict[str, dict[str, float | int | bool | None]]:
    """Return several quantiles as JSON, each with its n and interval, or with the number of values it needs.

    Args:
        values: Shape (n,), any unit.
        probabilities: Which quantiles.
        in_order: Whether the values stand in the order of time: then a block-bootstrap interval stands beside each.
        level: Confidence level.

    Returns:
        `{"p50": {"value", "low", "high", "n"}, "p99": {"needs": 299, "n": 100}}`; with `in_order` also
        "block_low", "block_high" and "autocorrelated" (the block interval is much the wider one).
    """
    import numpy as np

    given = np.asarray(values, dtype=float)
    ordered = np.sort(given)
    result: dict[str, dict[str, float | int | bool | None]] = {}
    for probability in probabilities:
        found = _estimate(ordered, probability, level)
        if found is None:
            result[name_of(probability)] = {"needs": minimum_n(probability, level), "n": int(ordered.size)}
            continue
        cell: dict[str, float | int | bool | None] = {
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "n": found.n,
        }
        if in_order:
            block = block_bootstrap(given, probability, level=level)
            cell["block_low"], cell["block_high"] = block if block else (None, None)
            cell["autocorrelated"] = (
                block is not None and found.low is not None and (block[1] - block[0]) > WIDER * (found.high - found.low)
            )
        result[name_of(probability)] = cell
    return result


def block_bootstrap(
    values: ArrayLike,
    probability: float,
    *,
    blocks: int | None = None,
    rounds: int = BOOTSTRAP_ROUNDS,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return a percentile interval of a quantile that allows for dependence between neighbours in time.

    The values are cut into blocks of neighbours and whole blocks are drawn with replacement (Künsch 1989, with
    blocks that do not overlap). A drawn sample's distribution function is the mean of its blocks' ones, so each
    block is reduced to its counts below some hundred candidate values around the quantile: a million values take
    milliseconds a round.

    Args:
        values: Shape (n,), in the order of time.
        probability: 0.99 for p99.
        blocks: How many blocks; by default √n, between 10 and 200.
        rounds: How often to draw.
        level: Confidence level.
        seed: Seed of the draws.

    Returns:
        (low, high), or None where there are too few values for 10 blocks or for the quantile.
    """
    import numpy as np

    given = np.asarray(values, dtype=float)
    n = given.size
    count = blocks or min(MOST_BLOCKS, max(FEWEST_BLOCKS, math.isqrt(n)))
    if n < minimum_n(probability, level) or n < 2 * count:
        return None
    grid = _candidates(np.sort(given), probability)
    pieces = np.array_split(given, count)
    counts = np.stack([np.searchsorted(np.sort(piece), grid, side="right") for piece in pieces]).astype(float)
    sizes = np.array([piece.size for piece in pieces], dtype=float)
    chance = np.random.default_rng(seed)
    weights = chance.multinomial(count, np.full(count, 1.0 / count), size=rounds).astype(float)
    share = (weights @ counts) / (weights @ sizes)[:, None]
    reached = share >= probability
    drawn = grid[np.where(reached.any(axis=1), reached.argmax(axis=1), grid.size - 1)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def autocorrelated(described: Mapping[str, Mapping[str, float | int | bool | None]]) -> bool:
    """Whether the bulk's quantiles (p50, p90, p95) in `describe(…, in_order=True)` speak of autocorrelation.

    The far tail's intervals rest on a handful of values and are too noisy to tell.
    """
    return any(bool(described.get(name, {}).get("autocorrelated")) for name in ("p50", "p90", "p95"))


def _between(ordered: NDArray[np.float64], probability: float) -> float:
    """Return `np.quantile(ordered, probability)`, which takes ten times as long for values that are sorted already."""
    place = probability * (ordered.size - 1)
    first = int(place)
    share = place - first
    low, high = float(ordered[first]), float(ordered[min(first + 1, ordered.size - 1)])
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def _estimate(ordered: NDArray[np.float64], probability: float, level: float) -> QuantileEstimate | None:
    n = int(ordered.size)
    ranks = interval_ranks(n, probability, level)
    if ranks is None:
        return None
    low, high, coverage = ranks
    return QuantileEstimate(
        probability=probability,
        value=_between(ordered, probability),
        low=float(ordered[low - 1]) if low else None,
        high=float(ordered[high - 1]),
        low_rank=low,
        high_rank=high,
        coverage=coverage,
        n=n,
    )


def _candidates(ordered: NDArray[np.float64], probability: float) -> NDArray[np.float64]:
    """Return distinct values around the quantile: half of the grid spread over all ranks, half near the quantile."""
    import numpy as np

    n = ordered.size
    spread = math.sqrt(n * probability * (1 - probability))
    near = np.linspace(n * probability - 12 * spread, n * probability + 12 * spread, GRID)
    far = np.linspace(0, n - 1, GRID)
    places = np.unique(np.clip(np.rint(np.concatenate([near, far])), 0, n - 1).astype(int))
    return np.asarray(np.unique(ordered[places]))
