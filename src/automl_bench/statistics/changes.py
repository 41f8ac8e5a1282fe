"""Did a service change between two looks at the same probes? A test whose false alarms are bounded over many looks.

A probe that was answered right in the reference look and wrong now has *worsened*, the other way round it has
*improved*. If nothing changed, both answers of a probe come from the same distribution, so either change is equally
likely, even where the service answers by chance; given how many changed, the worsened ones are Binomial(changed, 1/2).
That is the exact McNemar test (`paired.mcnemar_exact`).

All looks share their reference, so they are not independent, and a running bet on their differences would not be fair
(a lucky reference makes every later look seem worse). The bound therefore uses no independence: each look of each
watched trial is tested at `rate / (looks × trials)`. By Bonferroni's inequality any `looks` looks in a row, over all
trials together, raise a false alarm with a chance of at most `rate`, for as long as one goes on looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl_bench.statistics.paired import mcnemar_exact
from automl_bench.statistics.power import mcnemar_power

RATE = 0.05
"""Chance of any false alarm in so many looks in a row as are named."""
LOOKS = 30
"""A month of daily looks."""
PROBES = 300
DIFFERENCE = 0.05
"""The change of accuracy whose power is stated."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a look found against its reference.

    Attributes:
        compared: Probes that both looks know right or wrong.
        worsened: Right in the reference, wrong now.
        improved: Wrong in the reference, right now.
        p: Exact two-sided p of "nothing changed".
        level: The p up to which this look raises an alarm.
    """

    compared: int
    worsened: int
    improved: int
    p: float
    level: float

    @property
    def found(self) -> bool:
        """Whether right and wrong answers have changed more than chance explains."""
        return self.p <= self.level

    @property
    def difference(self) -> float:
        """Accuracy now minus that of the reference, over the probes compared, -1 to 1."""
        return (self.improved - self.worsened) / self.compared if self.compared else 0.0


def level_of(rate: float, looks: int, trials: int) -> float:
    """Return the level of one test, so that any `looks` looks at `trials` trials hold `rate` together."""
    return rate / (looks * max(1, trials))


def change(reference: Mapping[str, bool], now: Mapping[str, bool], level: float) -> Change:
    """Compare two looks.

    Args:
        reference: Whether each probe was answered right in the reference, by sample id.
        now: The same of this look; probes that one of the two does not know are left out.
        level: Of this test alone; see `level_of`.
    """
    both = reference.keys() & now.keys()
    worsened = sum(reference[one] and not now[one] for one in both)
    improved = sum(now[one] and not reference[one] for one in both)
    return Change(len(both), worsened, improved, mcnemar_exact(worsened, improved), level)


def power_of(probes: int, level: float, *, unsteady: float = 0.0, difference: float = DIFFERENCE) -> float:
    """Return the chance that one look finds a change of accuracy, 0 to 1.

    Args:
        probes: Probes compared.
        level: Of the test.
        unsteady: Share of probes that turn from right to wrong, or back, without any change, 0 to 1.
        difference: The change of accuracy that came on top.
    """
    return mcnemar_power(probes, min(1.0, unsteady + difference), difference, level=level) if probes else 0.0
