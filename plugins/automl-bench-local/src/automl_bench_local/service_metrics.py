"""What a service counts, for Prometheus. Several worker processes of one service share their counts through files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from automl_bench_local.service_process import SHARED_COUNTS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counts:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "automl_bench_requests", "Requests answered.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "automl_bench_request_seconds",
            "Seconds from a request's head to its last byte.",
            ["path"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._predictions = Counter(
            "automl_bench_predictions", "Samples classified, by predicted label.", ["label"], registry=self._registry
        )
        self.under_way = Gauge(
            "automl_bench_requests_under_way",
            "Requests that are being answered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

        # looked up once: finding a label's own counter takes longer than counting
        self._answered: dict[tuple[str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}
        self._predicted: dict[str, Counter] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count and time a request."""
        if (path, status) not in self._answered:
            self._answered[path, status] = self._requests.labels(path, str(status))
            self._timed[path] = self._seconds.labels(path)
        self._answered[path, status].inc()
        self._timed[path].observe(seconds)

    def predicted(self, label: str) -> None:
        """Count a sample that was classified."""
        if label not in self._predicted:
            self._predicted[label] = self._predictions.labels(label)
        self._predicted[label].inc()

    def text(self) -> bytes:
        """Return all counts in Prometheus' text format, those of all worker processes together."""
        if not os.environ.get(SHARED_COUNTS):
            return generate_latest(self._registry)
        everything = CollectorRegistry()
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]  # prometheus-client types it in part
        return generate_latest(everything)


class Counted:
    """Counts and times every request."""

    def __init__(self, app: ASGIApp, counts: Counts, paths: frozenset[str]) -> None:
        self._app = app
        self._counts = counts
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        status, begun = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._counts.under_way.inc()
        try:
            await self._app(scope, receive, noting)
        finally:
            self._counts.under_way.dec()
            self._counts.answered(path, status, time.perf_counter() - begun)
