"""Servers and samples for the measurement tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from call_scripts import BODY, make_samples

from automl_bench.contract import Sample
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import Behaviour, Running, loopback_server


@pytest.fixture
def samples() -> list[tuple[Sample, str]]:
    return make_samples(400)


@pytest.fixture(scope="session")
def quick_server() -> Iterator[Running]:
    with loopback_server(Behaviour()) as server:
        yield server


@pytest.fixture(scope="session")
def holding_server() -> Iterator[Running]:
    """Holds each request for 5 ms."""
    with loopback_server(Behaviour(hold_ms=5)) as server:
        yield server


@pytest.fixture
def quick_invoker(quick_server: Running) -> LoopbackInvoker:
    return LoopbackInvoker(quick_server.url, "cat", body=BODY)


@pytest.fixture
def holding_invoker(holding_server: Running) -> LoopbackInvoker:
    return LoopbackInvoker(holding_server.url, "cat", body=BODY, keep_holds=True)
