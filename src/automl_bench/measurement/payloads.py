"""Requests made ready before their moment, so that no encoding or signing stands on the timed path."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from automl_bench.contract import HttpInvoker, HttpRequest, Sample
from automl_bench.errors import AutomlBenchError
from automl_bench.measurement.call import prepare
from automl_bench.measurement.clock import NS_PER_SECOND

MOST_BYTES = 512 * 1024 * 1024
"""Bytes of prepared bodies that are kept; a load run sends as many distinct samples as fit."""

FRESHNESS = 0.5
"""A signed request is used only in this first part of its validity."""

REFRESH_SECONDS = 0.05
"""How often the requests of the near future are looked through for ones that expire."""


class Payloads:
    """The prepared requests of one load run, by place in its list of samples.

    All are made before the run. Where signatures expire, a thread makes those again that will be needed soon; one
    that it could not make in time is made at its moment, which delays the send (and is counted) but stays outside
    the service time.

    Args:
        invoker: The provider's invoker.
        samples: The distinct samples of the run.

    Raises:
        AutomlBenchError: If not even the first sample could be prepared.
    """

    def __init__(self, invoker: HttpInvoker, samples: Sequence[Sample]) -> None:
        self._invoker = invoker
        self._samples: list[Sample] = []
        self._requests: list[HttpRequest] = []
        self._expires: list[int] | None = None
        self._lock = threading.Lock()
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.made_late = 0
        """Requests that had to be made at their moment."""
        self._prepare_all(samples)

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def url(self) -> str:
        """Address of the endpoint."""
        return self._requests[0].url

    @property
    def timeout_seconds(self) -> float:
        """The longest time limit of a request."""
        return max(request.timeout_seconds for request in self._requests)

    @property
    def expiring(self) -> bool:
        """Whether signatures expire."""
        return self._expires is not None

    def take(self, place: int) -> HttpRequest:
        """Return the request for the sample at a place."""
        if self._expires is not None and self._expires[place] <= time.monotonic_ns():
            self.made_late += 1
            self._renew(place)
        return self._requests[place]

    def keep_fresh(self, upcoming: Callable[[], Sequence[int]]) -> None:
        """Begin to make expiring requests again shortly before their moment.

        Args:
            upcoming: Returns the places that will be taken soon.
        """
        if self._expires is None:
            return
        self._thread = threading.Thread(target=self._refresh, args=(upcoming,), name="payloads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and raise what it met, if anything."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _prepare_all(self, samples: Sequence[Sample]) -> None:
        total = 0
        expires: list[int] = []
        limited = False
        for sample in samples:
            request = prepare(self._invoker, sample)
            total += len(request.body)
            if self._requests and total > MOST_BYTES:
                break
            self._samples.append(sample)
            self._requests.append(request)
            expires.append(_expiry(request))
            limited = limited or request.valid_for_seconds is not None
        self._expires = expires if limited else None

    def _renew(self, place: int) -> None:
        request = prepare(self._invoker, self._samples[place])
        with self._lock:
            assert self._expires is not None
            self._requests[place] = request
            self._expires[place] = _expiry(request)

    def _refresh(self, upcoming: Callable[[], Sequence[int]]) -> None:
        assert self._expires is not None
        try:
            while not self._halt.wait(REFRESH_SECONDS):
                soon = time.monotonic_ns() + NS_PER_SECOND
                for place in upcoming():
                    valid_for = self._requests[place].valid_for_seconds
                    # A signature shorter than the look-ahead can only be renewed in the second half of its life.
                    margin = (
                        soon
                        if valid_for is None or valid_for > 4
                        else time.monotonic_ns() + int(valid_for * FRESHNESS / 2 * NS_PER_SECOND)
                    )
                    if self._expires[place] <= margin:
                        self._renew(place)
                    if self._halt.is_set():
                        return
        except AutomlBenchError as error:
            self._error = error


def _expiry(request: HttpRequest) -> int:
    """Return the moment after which a request is not used any more; far away for one that does not expire."""
    if request.valid_for_seconds is None:
        return 1 << 62
    return time.monotonic_ns() + int(request.valid_for_seconds * FRESHNESS * NS_PER_SECOND)
