"""Fixtures of the store's tests: an open store in a temporary folder, and rows to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automl_bench.store import Store, open_store
from automl_bench.store.records import CallTiming, Invocation, LoadCall, Outcome, TrialRecord


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "automl-bench.sqlite"


@pytest.fixture
def store(store_path: Path) -> Iterator[Store]:
    with open_store(store_path) as opened:
        opened.save_trial(TrialRecord("t1", "local", "auto", "pets", "f" * 64, 5))
        yield opened


@pytest.fixture
def invocation() -> Callable[..., Invocation]:
    def make(sample_id: str, outcome: Outcome = Outcome.OK, *, trial_id: str = "t1", attempt: int = 1) -> Invocation:
        predicted = "cat" if outcome is Outcome.OK else None
        return Invocation(
            trial_id, sample_id, "cat", predicted, 0.9, outcome, CallTiming(1_000, 21_000_000), attempt=attempt
        )

    return make


@pytest.fixture
def load_call() -> Callable[..., LoadCall]:
    def make(number: int, outcome: Outcome = Outcome.OK) -> LoadCall:
        sent = 10**14 + number * 1_000_000
        timing = CallTiming(sent, sent + 20_000_000, sent - 500, 0, 0, 0, 40_000, 19_900_000, 60_000, False)
        return LoadCall(number, number % 10, f"s{number % 50}", outcome, timing, True, status=200)

    return make
