"""When the requests of an open loop are to be sent, and which sample each one carries."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from automl_bench.errors import UsageError
from automl_bench.measurement.clock import NS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRIVALS = ("poisson", "constant")

REPEAT_EVERY = 10
"""Every tenth request repeats a sample that was sent shortly before, for the repeated-answer check."""


def schedule(rate: float, duration_seconds: float, arrivals: str, seed: int) -> NDArray[np.int64]:
    """Return the moments of all sends, in nanoseconds from the start, rising.

    Args:
        rate: Requests per second, above 0.
        duration_seconds: Length of the schedule, above 0.
        arrivals: "poisson" (independent arrivals, as of many users) or "constant" (even spacing).
        seed: Seed of the Poisson arrivals; the same seed gives the same schedule everywhere.

    Raises:
        UsageError: If a value is out of its range.
    """
    if rate <= 0 or duration_seconds <= 0:
        raise UsageError(
            f"an open loop needs a rate and a duration above 0, not {rate:g}/s for {duration_seconds:g} s.",
            remedy="Give for example --rate 20 --duration 60s.",
        )
    if arrivals == "constant":
        count = max(1, int(rate * duration_seconds))
        return np.asarray(np.rint(np.arange(count) * (NS_PER_SECOND / rate)), dtype=np.int64)
    if arrivals != "poisson":
        raise UsageError(f"there are no {arrivals!r} arrivals.", remedy=f"Choose one of: {', '.join(ARRIVALS)}.")
    chance = np.random.default_rng(seed)
    moments = np.empty(0)
    while not moments.size or moments[-1] < duration_seconds:
        gaps = chance.exponential(1.0 / rate, int(rate * duration_seconds * 1.1) + 100)
        moments = np.concatenate([moments, np.cumsum(gaps) + (moments[-1] if moments.size else 0.0)])
    kept = moments[moments < duration_seconds]
    return np.asarray(np.rint((kept if kept.size else moments[:1]) * NS_PER_SECOND), dtype=np.int64)


class SampleOrder:
    """Which sample each request carries: all of them in seeded random order, over and over, with repeats in between.

    Args:
        count: Number of distinct samples, above 0.
        seed: Seed of the order.
        lag: Smallest distance between a sample and its deliberate repeat, in requests; it should be so large that
            the first one has been answered.
    """

    def __init__(self, count: int, seed: int, lag: int) -> None:
        self._order = list(range(count))
        random.Random(f"load run order {seed}").shuffle(self._order)
        # A distance that ends in 5 makes place 9 of each ten repeat place 4 of an earlier ten, which is never
        # itself a deliberate repeat.
        self._lag = -(-max(lag, 1) // REPEAT_EVERY) * REPEAT_EVERY + REPEAT_EVERY // 2
        self._sent: list[int] = []
        self._fresh = 0

    @property
    def warm_up(self) -> list[int]:
        """The samples for warm-up calls: those that the run itself reaches last."""
        return self._order[::-1]

    def next(self) -> int:
        """Return the place of the next request's sample."""
        number = len(self._sent)
        if number % REPEAT_EVERY == REPEAT_EVERY - 1 and number >= self._lag:
            place = self._sent[number - self._lag]
        else:
            place = self._order[self._fresh % len(self._order)]
            self._fresh += 1
        self._sent.append(place)
        return place

    def upcoming(self, look_ahead: int) -> list[int]:
        """Return the places that the next requests may take; safe to call from another thread."""
        number, fresh, size = len(self._sent), self._fresh, len(self._order)
        repeats = self._sent[max(0, number - self._lag) : max(0, number - self._lag) + look_ahead]
        return [*(self._order[(fresh + step) % size] for step in range(min(look_ahead, size))), *repeats]
