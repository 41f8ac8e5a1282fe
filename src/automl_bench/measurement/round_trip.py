"""Round trips to the endpoint's host before, during and after a measurement, to tell network and service apart."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from automl_bench.contract import Json
from automl_bench.transport import probe_round_trip

PROBES = 5
"""TCP connects per reading; their smallest is the round trip."""

MOMENTS = ("before", "during", "after")


class RoundTrips:
    """The three readings of one measurement."""

    def __init__(self) -> None:
        self._readings: dict[str, list[float]] = {}
        self._thread: threading.Thread | None = None

    def probe(self, moment: str, url: str | None) -> None:
        """Take one reading; an address that cannot be probed leaves it empty.

        Args:
            moment: "before", "during" or "after".
            url: Address of the endpoint; None if it is not called over HTTP.
        """
        if url is not None:
            self._readings[moment] = [float(nanoseconds) / 1e6 for nanoseconds in probe_round_trip(url, PROBES)]

    def probe_beside(self, moment: str, url: str | None) -> None:
        """Take one reading in a thread of its own, while requests are under way."""
        if url is not None and self._thread is None:
            self._thread = threading.Thread(target=self.probe, args=(moment, url), name="round-trip-probe", daemon=True)
            self._thread.start()

    def finish(self, seconds: float = 5.0) -> None:
        """Wait for a reading that is under way."""
        if self._thread is not None:
            self._thread.join(seconds)

    def summary(self) -> Mapping[str, Json]:
        """Return {"before": {"ms", "n"}, "during": …, "after": …}; ms is the fastest TCP connect, null if unknown."""
        return {
            moment: {"ms": min(readings) if readings else None, "n": len(readings)}
            for moment in MOMENTS
            for readings in [self._readings.get(moment, [])]
        }
