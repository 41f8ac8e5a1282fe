"""Error against labels: a power law, how sure it is, and where it may not be used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from automl_bench.statistics.means import t_quantile

FEWEST_SIZES = 3
"""Training sizes below which no curve is fitted."""
POOREST_FIT = 0.9
"""Share of the variance of the log error that the law must explain to be used beyond what was measured."""
FARTHEST = 2.0
"""How many times the largest size measured a curve is followed at the most."""
SMALLEST_ERROR = 1e-4
"""Errors below this are taken for it: the logarithm of none is not a number."""


@dataclass(frozen=True, slots=True)
class Curve:
    """error = exp(intercept) · k^slope, fitted to logarithms; k counts labels per class.

    Attributes:
        intercept: At ln k = 0.
        slope: Negative where more labels help.
        spread: Standard deviation of the residuals of ln error.
        points: Values fitted.
        centre: Mean of ln k.
        scatter: Sum of squares of ln k about it.
        smallest: Smallest k measured.
        largest: Largest k measured.
        explained: Share of the variance of ln error that the law explains.
    """

    intercept: float
    slope: float
    spread: float
    points: int
    centre: float
    scatter: float
    smallest: float
    largest: float
    explained: float

    @property
    def usable(self) -> bool:
        """Whether the curve falls, and fits well enough to be followed beyond what was measured."""
        return self.slope < 0 and self.explained >= POOREST_FIT

    def band(self, labels: float, *, level: float = 0.95) -> tuple[float, float, float]:
        """Return the accuracy at so many labels with its confidence band: (value, low, high)."""
        at = math.log(labels)
        middle = self.intercept + self.slope * at
        margin = self._t(level) * self.spread * math.sqrt(1 / self.points + (at - self.centre) ** 2 / self.scatter)
        low, value, high = (1 - min(1.0, math.exp(middle + sign * margin)) for sign in (1, 0, -1))
        return value, low, high

    def doubling(self, *, level: float = 0.95) -> tuple[float, float] | None:
        """Return between which gains in accuracy doubling the largest size should bring; None if not `usable`."""
        if not self.usable:
            return None
        margin = self._t(level) * self.spread / math.sqrt(self.scatter)
        error = math.exp(self.intercept + self.slope * math.log(self.largest))
        low, high = (error * (1 - 2**slope) for slope in (self.slope + margin, self.slope - margin))
        return low, high

    def labels_for(self, accuracy: float, *, level: float = 0.95) -> tuple[float, float, float] | None:
        """Return how many labels per class reach an accuracy: (value, low, high), by inverting the band.

        Returns:
            None if not `usable`, or if the value lies outside of what was measured by more than `FARTHEST` times.
        """
        if not self.usable:
            return None
        wanted = math.log(max(SMALLEST_ERROR, 1 - accuracy))
        at = (wanted - self.intercept) / self.slope
        if not self.smallest / FARTHEST <= math.exp(at) <= self.largest * FARTHEST:
            return None
        # Fieller: all k whose band holds the accuracy; the slope is known well enough, or the ends would be infinite.
        t = self._t(level) * self.spread
        g = t * t / (self.slope**2 * self.scatter)
        if g >= 1:
            return None
        offset = at - self.centre
        half = t / abs(self.slope) * math.sqrt((1 - g) / self.points + offset**2 / self.scatter) / (1 - g)
        middle = self.centre + offset / (1 - g)
        return math.exp(at), math.exp(middle - half), math.exp(middle + half)

    def _t(self, level: float) -> float:
        return t_quantile(0.5 + level / 2, self.points - 2)


def fit(labels: Sequence[float], accuracies: Sequence[float]) -> Curve | None:
    """Fit a power law of the error to draws at several sizes, by least squares of the logarithms.

    Source: J. Hestness et al., "Deep Learning Scaling is Predictable, Empirically" (2017), for the law; small ranges of
    sizes do not show where it levels off, so it is followed only to twice the largest size.

    Args:
        labels: Labels per class, one for each draw.
        accuracies: Accuracy of each draw, 0 to 1.

    Returns:
        None below `FEWEST_SIZES` sizes.
    """
    if len(set(labels)) < FEWEST_SIZES:
        return None
    x = [math.log(one) for one in labels]
    y = [math.log(max(SMALLEST_ERROR, 1 - one)) for one in accuracies]
    count, mean_x, mean_y = len(x), sum(x) / len(x), sum(y) / len(y)
    scatter = sum((one - mean_x) ** 2 for one in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / scatter
    intercept = mean_y - slope * mean_x
    left = sum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    total = sum((one - mean_y) ** 2 for one in y)
    explained = 1 - left / total if total > 0 else 0.0
    # No spread is no certainty: a law that fits to the last digit is given a hundredth of the error.
    spread = max(math.sqrt(left / (count - 2)), 0.01)
    return Curve(intercept, slope, spread, count, mean_x, scatter, min(labels), max(labels), explained)
