"""Bets against a mean difference: a test and an interval that hold whenever one looks.

A bet against "the mean difference is m" multiplies its capital by 1 + λ (d - m) for each difference d between -1 and 1.
If m is the truth the capital is a fair game, so with probability 1 - α it never reaches 1/α, however often one looks
(Ville's inequality). The capital used here is the mean over a fixed set of λ, so it is fair too; the values of m that
it does not refute form a confidence sequence. For m = 0 samples on which both agree change nothing: with differences
of +1, 0 and -1 it is a sequential McNemar test.

Sources: H. Robbins, Annals of Mathematical Statistics 41 (1970); I. Waudby-Smith, A. Ramdas, "Estimating means of
bounded random variables by betting", JRSS B 86 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BETS = 50
"""Sizes of bets on either side of 0; denser near 0, where small differences are found."""

ENDS_TOLERANCE = 1e-5
"""How exactly the ends of a confidence sequence are found."""

Differences = Mapping[float, int]
"""How often each difference, -1 to 1, was seen."""


def log_capital(seen: Differences, mean: float) -> float:
    """Return the logarithm of the capital of the bets against one mean difference, -1 to 1."""
    import numpy as np

    if abs(mean) >= 1:
        # Only a constant row of +1 (or -1) fits; anything else refutes it for sure.
        return 0.0 if all(not count or value == mean for value, count in seen.items()) else math.inf
    bets = _bets(mean)
    logs = sum((count * np.log1p(bets * (value - mean)) for value, count in seen.items()), np.zeros(len(bets)))
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def _bets(mean: float) -> NDArray[np.float64]:
    """Return the bets; none can lose more than all."""
    import numpy as np

    sizes = ((np.arange(BETS) + 0.5) / BETS) ** 2
    return np.concatenate([-sizes / (1 - mean), sizes / (1 + mean)])


def anytime_p(seen: Differences) -> float:
    """Return the p of "no difference" that holds at whatever moment one looks."""
    return min(1.0, math.exp(-min(700.0, log_capital(seen, 0.0))))


def anytime_interval(seen: Differences, alpha: float) -> tuple[float, float]:
    """Return the interval of the mean difference that holds at all looks together, with error `alpha`."""
    total = sum(seen.values())
    if not total:
        return -1.0, 1.0
    middle = sum(value * count for value, count in seen.items()) / total
    limit = -math.log(alpha)

    def refuted(mean: float) -> bool:
        return log_capital(seen, mean) >= limit

    return _end(refuted, middle, -1.0), _end(refuted, middle, 1.0)


def _end(refuted: Callable[[float], bool], inside: float, outside: float) -> float:
    """Find, by bisection, where a mean begins to be refuted between what was seen and the end of what is possible."""
    if not refuted(outside):
        return outside
    while abs(outside - inside) > ENDS_TOLERANCE:
        middle = (inside + outside) / 2
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside
