"""What a design can show before it is run: the smallest difference a paired comparison detects, interval widths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from automl_bench.statistics.families import LEVEL, pairs_among
from automl_bench.statistics.paired import FEWEST_DRAWS
from automl_bench.statistics.panels import datasets_needed
from automl_bench.statistics.scores import wilson_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POWER = 0.8
"""Chance to separate two variants whose true difference is the one named."""
DISAGREEMENTS = (0.05, 0.1, 0.2, 0.4)
"""Assumed shares of test samples that only one of two variants gets right: from near-twins to unlike ones."""
SPREADS_OF_DRAWS = (0.005, 0.01, 0.02)
"""Assumed standard deviations of a difference from one draw of the training subset to the next."""
MOST_DRAWS = 100
"""Draws beyond which no design is proposed."""
STEP = 1e-4
"""Differences are found to a hundredth of a point."""
SPREADS = 8.0
"""Standard deviations of the number of discordant samples that are added up; the rest weighs under 1e-14."""


def mcnemar_power(samples: int, disagreement: float, difference: float, *, level: float = LEVEL) -> float:
    """Return the chance that the exact McNemar test finds a true difference in accuracy.

    The number of discordant samples is Binomial(samples, disagreement); of those the better variant wins each with
    chance (disagreement + difference) / (2 disagreement). Given their number, the test is a two-sided binomial one, as
    in `paired.mcnemar_exact`; its power is averaged over that number. S. Duffy, "Asymptotic and exact power for the
    McNemar test and its analogue with R controls per case", Biometrics 40 (1984), for the exact unconditional power;
    R. Connor, Biometrics 43 (1987), for the approximation that it tends to (`connor_samples`).

    Args:
        samples: Test samples that both variants answer.
        disagreement: Share of them that only one gets right, 0 to 1.
        difference: True difference in accuracy, at most `disagreement`.
        level: Two-sided error of the first kind.
    """
    import numpy as np
    from scipy.special import bdtr

    weights, discordant, critical = _tests(samples, disagreement, level)
    better = min(1.0, (disagreement + difference) / (2 * disagreement))
    found = critical >= 0
    place, total = critical[found], discordant[found]
    # The winner's losses are few (the right sign), or its wins are (the wrong one, which the test counts as well).
    either = bdtr(place, total, 1 - better) + bdtr(place, total, better)
    return float(min(1.0, np.dot(weights[found], np.minimum(1.0, either))))


@lru_cache(maxsize=64)
def _tests(
    samples: int, disagreement: float, level: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return chance, number of discordant samples, and the most losses with which the test still rejects (or -1)."""
    import numpy as np
    from scipy.special import bdtr, bdtrik, gammaln

    centre, spread = samples * disagreement, math.sqrt(samples * disagreement * (1 - disagreement))
    first, last = max(1, math.floor(centre - SPREADS * spread)), min(samples, math.ceil(centre + SPREADS * spread))
    discordant = np.arange(first, last + 1)
    chance = (
        gammaln(samples + 1)
        - gammaln(discordant + 1)
        - gammaln(samples - discordant + 1)
        + discordant * math.log(disagreement)
        + (samples - discordant) * math.log1p(-disagreement)
    )
    guess = np.nan_to_num(np.floor(bdtrik(level / 2, discordant, 0.5)), nan=-1.0).astype(np.int64)
    # bdtrik interpolates between whole numbers: settle on the largest with 2 P(at most so many) below the level.
    critical = np.full_like(discordant, -1)
    for candidate in (guess - 1, guess, guess + 1):
        usable = (candidate >= 0) & (2 * bdtr(np.maximum(candidate, 0), discordant, 0.5) < level)
        critical = np.where(usable, candidate, critical)
    return np.exp(chance), discordant, critical


def detectable_difference(
    samples: int, disagreement: float, *, level: float = LEVEL, power: float = POWER
) -> float | None:
    """Return the smallest true difference in accuracy that the exact McNemar test finds with this power.

    Args:
        samples: Test samples that both variants answer.
        disagreement: Share of them that only one gets right, above 0 and below 1.
        level: Two-sided error of the first kind, after any correction for the number of comparisons.
        power: Chance to find it.

    Returns:
        The difference, 0 to 1; None if not even a variant that wins every sample they disagree on would be found.
    """
    if samples < 1 or mcnemar_power(samples, disagreement, disagreement, level=level) < power:
        return None
    low, high = 0.0, disagreement
    while high - low > STEP:
        middle = (low + high) / 2
        if mcnemar_power(samples, disagreement, middle, level=level) < power:
            low = middle
        else:
            high = middle
    return high


def connor_samples(disagreement: float, difference: float, *, level: float = LEVEL, power: float = POWER) -> float:
    """Return the test samples that a difference needs in the normal approximation.

    n = (z_{1-level/2} √ψ + z_{power} √(ψ - d²))² / d². Source: R. Connor, "Sample size for testing differences in
    proportions for the paired-sample design", Biometrics 43 (1987). The exact test needs somewhat more.
    """
    from scipy.special import ndtri

    wide, narrow = float(ndtri(1 - level / 2)), float(ndtri(power))
    root = math.sqrt(max(0.0, disagreement - difference**2))
    return (wide * math.sqrt(disagreement) + narrow * root) ** 2 / difference**2


@dataclass(frozen=True, slots=True)
class Family:
    """How the report shares its 5 % among the verdicts that it can make; fixed by the design, before any answer.

    Verdicts on single datasets share one part equally; verdicts over datasets the other part. Where so few datasets can
    never give a corrected verdict, none is attempted and the single datasets have all.

    Attributes:
        single: Pairs on single datasets, all datasets together.
        over: Pairs over datasets.
        datasets: Datasets that verdicts over datasets rest on.
    """

    single: int
    over: int
    datasets: int

    @property
    def over_possible(self) -> bool:
        """Whether a verdict over datasets can be reached at all."""
        return self.over > 0 and self.datasets >= self.needed

    @property
    def needed(self) -> int:
        """Datasets that make a verdict over datasets possible."""
        return datasets_needed(self.over, share=0.5 if self.single else 1.0)

    @property
    def single_share(self) -> float:
        """Part of the level that verdicts on single datasets have together."""
        return 0.5 if self.over_possible else 1.0

    @property
    def over_share(self) -> float:
        """Part of the level that verdicts over datasets have together."""
        return 0.5 if self.single else 1.0

    @property
    def level(self) -> float:
        """What the smallest p on a single dataset is held against."""
        return LEVEL * self.single_share / max(1, self.single)


def family(variants_of: Mapping[str, int], *, baseline: bool = False, panel: tuple[int, int] | None = None) -> Family:
    """Return the family of a page.

    Args:
        variants_of: Dataset → variants compared on it image by image.
        baseline: Whether everyone is compared with one baseline only.
        panel: (variants, datasets) of the verdicts over datasets, by default the most variants and all datasets.
    """
    single = sum(pairs_among(count, baseline=baseline) for count in variants_of.values())
    variants, datasets = (max(variants_of.values(), default=0), len(variants_of)) if panel is None else panel
    over = pairs_among(variants, baseline=baseline) if datasets > 1 else 0
    return Family(single, over, datasets)


@dataclass(frozen=True, slots=True)
class Detectable:
    """What can be found about these trained models at one assumed disagreement.

    Attributes:
        disagreement: Share of test samples that only one of the two gets right.
        one_draw: Smallest difference with one draw of the training subsets; None if none can be found.
        best: The same if the answers of all draws were independent of each other: no more can be had from the draws,
            and as the test samples are the same in each, less will.
    """

    disagreement: float
    one_draw: float | None
    best: float | None


def detectable(samples: int, draws: int, level: float) -> list[Detectable]:
    """Return the smallest differences that a design detects with 80 % power, at several assumed disagreements.

    Args:
        samples: Test samples.
        draws: Draws of the training subsets.
        level: What p is held against, after correction: `Family.level`.
    """
    return [
        Detectable(
            one,
            detectable_difference(samples, one, level=level),
            detectable_difference(samples * draws, one, level=level),
        )
        for one in DISAGREEMENTS
    ]


def another_draw_power(draws: int, spread: float, difference: float, *, level: float = LEVEL) -> float:
    """Return the chance to show a difference for another draw, with so many test images that only the draws matter.

    Student's t over draws has a non-central t distribution (O. Johnson, B. Welch, Biometrika 31, 1940).

    Args:
        draws: Draws, at least two.
        spread: Standard deviation of the difference from draw to draw.
        difference: True difference.
        level: Two-sided error of the first kind.
    """
    from scipy.special import nctdtr, stdtrit

    critical, shift = float(stdtrit(draws - 1, 1 - level / 2)), difference * math.sqrt(draws) / spread
    return float(1 - nctdtr(draws - 1, shift, critical) + nctdtr(draws - 1, shift, -critical))


def draws_needed(spread: float, difference: float, *, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return the draws that show such a difference for another draw with this power; None above `MOST_DRAWS`."""
    for draws in range(FEWEST_DRAWS, MOST_DRAWS + 1):
        if another_draw_power(draws, spread, difference, level=level) >= power:
            return draws
    return None


@dataclass(frozen=True, slots=True)
class DrawPower:
    """What can be found about another draw.

    Attributes:
        spread: Assumed standard deviation of the difference from draw to draw.
        difference: Smallest difference found at best, with any number of test samples; None below three draws or
            where it would be above 100 points.
        draws_for_difference: Draws that would find a difference as large as the spread; None above `MOST_DRAWS`.
    """

    spread: float
    difference: float | None
    draws_for_difference: int | None


def detectable_for_another_draw(draws: int, level: float) -> list[DrawPower]:
    """Return the smallest differences that can be shown for another draw, at several assumed spreads of the draws."""
    return [
        DrawPower(
            spread,
            _smallest_for_another_draw(draws, spread, level) if draws >= FEWEST_DRAWS else None,
            draws_needed(spread, spread, level=level),
        )
        for spread in SPREADS_OF_DRAWS
    ]


def _smallest_for_another_draw(draws: int, spread: float, level: float) -> float | None:
    low, high = 0.0, 1.0
    if another_draw_power(draws, spread, high, level=level) < POWER:
        return None
    while high - low > STEP:
        middle = (low + high) / 2
        low, high = (middle, high) if another_draw_power(draws, spread, middle, level=level) < POWER else (low, middle)
    return high


def interval_around(accuracy: float, samples: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval that an accuracy on so many test samples will have."""
    return wilson_interval(round(accuracy * samples), samples)
