"""When an interleaved accuracy pass may end early: an anytime-valid paired test, looked at after every sample.

Two trials that answer the same samples in the same random order give a difference of +1, 0 or -1 for each sample; the
bets on them are those of `betting`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from automl_bench.measurement.betting import anytime_interval, anytime_p, log_capital

LEVEL = 0.95
"""Confidence level over all comparisons of a pass and all looks together."""

FUTILITY_Z = 2.576
"""How far, in standard errors, the remaining samples may depart from those seen before a comparison is given up."""


@dataclass(frozen=True, slots=True)
class StopSettings:
    """What the user wants decided before a pass ends early.

    Attributes:
        against: `provider` or `provider:variant` that all others are compared with; None for all pairs.
        rope: Differences up to this size, 0 to 1, count as equal; 0 for none.
    """

    against: str | None = None
    rope: float = 0.01


class Decision(StrEnum):
    """What a comparison has come to."""

    OPEN = "open"
    AHEAD = "ahead"
    """The first is ahead of the second."""
    BEHIND = "behind"
    """The first is behind the second."""
    EQUAL = "equal"
    """The whole interval lies within the region of practical equivalence."""
    FUTILE = "futile"
    """The samples that are left cannot be expected to decide it."""


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Which comparisons a pass is made for.

    Attributes:
        pairs: Trial ids to compare, two by two.
        level: Confidence level of all comparisons together; each gets an equal part of the error (Bonferroni).
        rope: Differences up to this size, 0 to 1, count as equal.
    """

    pairs: tuple[tuple[str, str], ...]
    level: float = LEVEL
    rope: float = 0.01

    @property
    def alpha(self) -> float:
        """The error that each comparison may make."""
        return (1 - self.level) / max(1, len(self.pairs))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a comparison stands.

    Attributes:
        first: Trial id.
        second: Trial id.
        samples: Samples that both have a final answer for.
        only_first: Samples that only the first got right.
        only_second: Samples that only the second got right.
        low: Lower end of the confidence sequence of the difference in accuracy, -1 to 1.
        high: Upper end of it.
        p: Anytime-valid p of "no difference", for this comparison alone.
        decision: What it has come to.
    """

    first: str
    second: str
    samples: int
    only_first: int
    only_second: int
    low: float
    high: float
    p: float
    decision: Decision

    @property
    def difference(self) -> float:
        """Accuracy of the first minus that of the second; 0 without samples."""
        return (self.only_first - self.only_second) / self.samples if self.samples else 0.0


def capital(only_first: int, only_second: int, same: int, mean: float) -> float:
    """Return the logarithm of the capital of the bets against one mean difference.

    Args:
        only_first: Number of differences of +1.
        only_second: Number of differences of -1.
        same: Number of differences of 0.
        mean: The mean difference bet against, -1 to 1.
    """
    return log_capital({1.0: only_first, -1.0: only_second, 0.0: same}, mean)


def p_value(only_first: int, only_second: int) -> float:
    """Return the p of "no difference" that holds at whatever moment one looks."""
    return anytime_p({1.0: only_first, -1.0: only_second})


def confidence_sequence(only_first: int, only_second: int, same: int, alpha: float) -> tuple[float, float]:
    """Return the interval of the mean difference that holds at all looks together, with error `alpha`."""
    return anytime_interval({1.0: only_first, -1.0: only_second, 0.0: same}, alpha)


@dataclass(slots=True)
class _Counts:
    only_first: int = 0
    only_second: int = 0
    same: int = 0


@dataclass(slots=True)
class StoppingMonitor:
    """Follows the comparisons of one pass.

    Attributes:
        rule: The comparisons.
        total: Samples of the test set.
    """

    rule: StoppingRule
    total: int
    _counts: dict[tuple[str, str], _Counts] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._counts = {pair: _Counts() for pair in self.rule.pairs}

    def add(self, right: Mapping[str, bool]) -> None:
        """Count one sample.

        Args:
            right: By trial id, whether its final answer was right; a sample without an answer is wrong. Trials that
                have no final answer are left out.
        """
        for (first, second), counts in self._counts.items():
            if first in right and second in right:
                counts.only_first += right[first] and not right[second]
                counts.only_second += right[second] and not right[first]
                counts.same += right[first] is right[second]

    def decided(self) -> bool:
        """Whether no comparison is open any longer."""
        return bool(self._counts) and all(self._decision(pair) is not Decision.OPEN for pair in self._counts)

    def standings(self) -> list[Standing]:
        """Return how each comparison stands."""
        return [self._standing(pair) for pair in self._counts]

    def _standing(self, pair: tuple[str, str]) -> Standing:
        counts = self._counts[pair]
        plus, minus, same = counts.only_first, counts.only_second, counts.same
        low, high = confidence_sequence(plus, minus, same, self.rule.alpha)
        return Standing(
            *pair, plus + minus + same, plus, minus, low, high, p_value(plus, minus), self._decision(pair, (low, high))
        )

    def _decision(self, pair: tuple[str, str], ends: tuple[float, float] | None = None) -> Decision:
        counts = self._counts[pair]
        plus, minus, same = counts.only_first, counts.only_second, counts.same
        if _separated(plus, minus, self.rule.alpha):
            return Decision.AHEAD if plus > minus else Decision.BEHIND
        if plus + minus + same == 0:
            return Decision.OPEN
        if self.rule.rope > 0 and self._may_be_equal(counts):
            low, high = ends or confidence_sequence(plus, minus, same, self.rule.alpha)
            if -self.rule.rope <= low and high <= self.rule.rope:
                return Decision.EQUAL
        return Decision.FUTILE if self._is_futile(counts) else Decision.OPEN

    def _may_be_equal(self, counts: _Counts) -> bool:
        """Rule out cheaply what cannot be within the region yet: its two ends must both be refuted."""
        limit, rope = -math.log(self.rule.alpha), self.rule.rope
        return all(capital(counts.only_first, counts.only_second, counts.same, end) >= limit for end in (-rope, rope))

    def _is_futile(self, counts: _Counts) -> bool:
        """Whether even remaining samples that favour one side cannot be expected to separate the two.

        A pass that ends for this reason claims nothing, so the rule costs no error of the first kind.
        """
        plus, minus = counts.only_first, counts.only_second
        seen = plus + minus + counts.same
        left = self.total - seen
        differing = left * _upper(plus + minus, seen)
        for more, fewer in ((plus, minus), (minus, plus)):
            share = _upper(more, plus + minus) if plus + minus else 1.0
            if _separated(
                math.ceil(more + differing * share), math.floor(fewer + differing * (1 - share)), self.rule.alpha
            ):
                return False
        return True


def _separated(only_first: int, only_second: int, alpha: float) -> bool:
    return capital(only_first, only_second, 0, 0.0) >= -math.log(alpha)


def _upper(count: int, total: int) -> float:
    """Return an upper Wilson bound of a share."""
    if not total:
        return 1.0
    z, share = FUTILITY_Z, count / total
    centre = share + z * z / (2 * total)
    return min(
        1.0, (centre + z * math.sqrt(share * (1 - share) / total + z * z / (4 * total**2))) / (1 + z * z / total)
    )


def pairs_of(trial_ids: Sequence[str], against: str | None = None) -> tuple[tuple[str, str], ...]:
    """Return the comparisons of a pass: all pairs, or each against one.

    Args:
        trial_ids: The trials of the pass.
        against: The trial that all others are compared with, or None.
    """
    if against is not None:
        return tuple((one, against) for one in trial_ids if one != against)
    return tuple((one, other) for place, one in enumerate(trial_ids) for other in trial_ids[place + 1 :])
