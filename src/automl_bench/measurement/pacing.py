"""Keeping to a service's published request rate, and waiting as long as a throttling service asks."""

from __future__ import annotations

import random
import threading
import time

from automl_bench.measurement.clock import NS_PER_SECOND

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 60.0

MARGIN = 0.96
"""Share of a published rate that is used: a service counts in windows of its own, and requests sent at exactly the
limit bunch up on the way and pass it now and then."""


class Pacer:
    """Spaces requests evenly, a little below a published rate.

    Args:
        requests_per_second: The rate, or None for no limit.
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._gap_ns = 0 if not requests_per_second else int(NS_PER_SECOND / (requests_per_second * MARGIN))
        self._next_ns = 0

    def delay_ns(self, now_ns: int) -> int:
        """Return how long to wait before the next request may go out; 0 for "now"."""
        return max(0, self._next_ns - now_ns)

    def sent(self, now_ns: int) -> None:
        """Take note that a request goes out."""
        if self._gap_ns:
            self._next_ns = max(self._next_ns, now_ns) + self._gap_ns

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: the service says that its allowance of this minute is used up."""
        if seconds > 0:
            self._next_ns = max(self._next_ns, time.monotonic_ns() + int(seconds * NS_PER_SECOND))

    def wait(self, stop: threading.Event) -> bool:
        """Wait for the next request's turn; return False if the stop was asked for meanwhile."""
        delay = self.delay_ns(time.monotonic_ns())
        if delay and stop.wait(delay / NS_PER_SECOND):
            return False
        self.sent(time.monotonic_ns())
        return not stop.is_set()


def back_off_seconds(attempt: int, retry_after: float | None, chance: random.Random) -> float:
    """Return how long to wait after a failed attempt.

    The service's own word wins; else the wait doubles with each attempt, with full jitter in its upper half so that
    several clients do not come back together.

    Args:
        attempt: The attempt that failed, from 1.
        retry_after: Seconds the service asked for, or None.
        chance: Source of the jitter.
    """
    if retry_after is not None:
        return max(0.0, retry_after)
    ceiling = min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0 ** (attempt - 1))
    return ceiling * (0.5 + chance.random() / 2)
