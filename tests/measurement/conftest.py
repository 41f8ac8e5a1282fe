"""Invokers and samples for the measurement tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import RateLimited, ServiceUnavailable
from automl_bench.testing.loopback_server import HOLD_HEADER, Behaviour, Running, loopback_server

BODY = bytes(range(256)) * 200


class LoopbackInvoker:
    """Calls a loopback server; keeps the true hold of each answer, in the order in which answers are read."""

    def __init__(self, url: str, label: str = "cat", *, body: bytes = BODY, valid_for: float | None = None) -> None:
        self.url = url
        self.label = label
        self.body = body
        self.valid_for = valid_for
        self.prepared: list[str] = []
        self.holds_ns: list[int] = []

    def prepare(self, sample: Sample) -> HttpRequest:
        self.prepared.append(sample.sample_id)
        return HttpRequest(self.url, body=self.body, timeout_seconds=20, valid_for_seconds=self.valid_for)

    def parse(self, response: HttpResponse) -> Prediction:
        if response.status == 429:
            raise RateLimited("too many", retry_after=float(response.headers["retry-after"]))
        if response.status != 200:
            raise ServiceUnavailable(f"HTTP {response.status}")
        self.holds_ns.append(int(response.headers[HOLD_HEADER]))
        return Prediction(self.label, 0.9)


def make_samples(count: int, label: str = "cat") -> list[tuple[Sample, str]]:
    return [
        (Sample(f"{number:064x}", Path(f"/nowhere/{number}.png"), 100, "image/png", 8, 8), label)
        for number in range(count)
    ]


@pytest.fixture
def samples() -> list[tuple[Sample, str]]:
    return make_samples(400)


@pytest.fixture
def quick_server() -> Iterator[Running]:
    with loopback_server(Behaviour()) as server:
        yield server
