"""Where the uncertainty of a difference comes from: a bootstrap over datasets, draws and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS = 4000
"""Resamples of a bootstrap."""

LEVELS = ("datasets", "draws", "images")


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Shares of the variance of a mean difference.

    Attributes:
        shares: Level ("datasets", "draws", "images") → share of the variance, together 1; a level of which there is
            only one member (one dataset, one draw) is absent, as nothing can be said about it.
        helps_most: The level of which more would help most; None if nothing varies.
        low: 2.5 % quantile of the bootstrap over all levels.
        high: 97.5 % quantile of it. With few datasets or draws it is too narrow to be an interval for verdicts.
    """

    shares: dict[str, float]
    helps_most: str | None
    low: float
    high: float

    @property
    def words(self) -> str:
        """Return "uncertainty of the difference: 70 % from datasets, …; more datasets would help most. …"."""
        if self.helps_most is None:
            return ""
        named = {"datasets": "datasets", "draws": "draws of the training subset", "images": "test samples"}
        parts = ", ".join(f"{100 * share:.0f} % from {named[level]}" for level, share in self.shares.items())
        more = {"datasets": "more datasets", "draws": "more draws", "images": "more test samples"}[self.helps_most]
        ends = f"[{100 * self.low:+.1f}, {100 * self.high:+.1f}]"
        return f"uncertainty of the difference: {parts}; {more} would help most. A bootstrap over them gives {ends}."


def breakdown(tables: Sequence[NDArray[np.float64]], *, rounds: int = ROUNDS, seed: int = 0) -> Breakdown | None:
    """Resample datasets, in them draws, in them images, and see how much each level alone moves the mean.

    The variance at each level is corrected by m / (m - 1), as m resampled members vary less than m new ones.

    Args:
        tables: For each dataset the differences in right answers of A and B, (draws, images).
        rounds: Resamples.
        seed: Seed of the resampling.

    Returns:
        None without any table.
    """
    import numpy as np

    if not tables:
        return None
    generator = np.random.default_rng(seed)
    packed = [_pack(table) for table in tables]
    plain = np.array([float(table.mean()) for table in tables])
    variances: dict[str, float] = {}
    images = np.mean([one.resampled(generator, rounds, draws=False, images=True) for one in packed], axis=0)
    variances["images"] = float(images.var()) * _small(min(table.shape[1] for table in tables))
    fewest_draws = min(len(table) for table in tables)
    if fewest_draws > 1:
        draws = np.mean([one.resampled(generator, rounds, draws=True, images=False) for one in packed], axis=0)
        # What single answers vary by counts at both levels: more draws lessen it, and so do more images.
        variances["draws"] = float(draws.var()) * _small(fewest_draws)
    if len(tables) > 1:
        chosen = generator.multinomial(len(tables), np.full(len(tables), 1 / len(tables)), size=rounds)
        between = float((chosen @ plain / len(tables)).var()) * _small(len(tables))
        # Means of datasets differ by chance within them, too.
        variances["datasets"] = max(0.0, between - variances["images"] - variances.get("draws", 0.0))
    total = sum(variances.values())
    both = np.stack([one.resampled(generator, rounds, draws=True, images=True) for one in packed], axis=1)
    if len(tables) > 1:
        both = both[np.arange(rounds)[:, None], generator.integers(0, len(tables), size=both.shape)]
    low, high = np.quantile(both.mean(axis=1), (0.025, 0.975))
    shares = {level: variances[level] / total for level in LEVELS if level in variances} if total > 0 else {}
    most = max(shares, key=lambda level: shares[level]) if shares else None
    return Breakdown(shares, most, float(low), float(high))


def _small(members: int) -> float:
    return members / (members - 1) if members > 1 else 1.0


@dataclass(frozen=True, slots=True)
class _Packed:
    """A table of differences as its distinct columns and how often each occurs: few, however many images there are."""

    patterns: Any
    counts: Any

    def resampled(
        self, generator: np.random.Generator, rounds: int, *, draws: bool, images: bool
    ) -> NDArray[np.float64]:
        """Return the means of resampled tables, (rounds,)."""
        import numpy as np

        total, width = int(self.counts.sum()), self.patterns.shape[1]
        of_images = np.broadcast_to(self.counts / total, (rounds, len(self.counts)))
        of_draws = np.full((rounds, width), 1 / width)
        if images:
            of_images = generator.multinomial(total, self.counts / total, size=rounds) / total
        if draws:
            of_draws = generator.multinomial(width, of_draws[0], size=rounds) / width
        return np.asarray(((of_images @ self.patterns) * of_draws).sum(axis=1))


def _pack(table: NDArray[np.float64]) -> _Packed:
    import numpy as np

    patterns, counts = np.unique(table.T, axis=0, return_counts=True)
    return _Packed(patterns, counts)
