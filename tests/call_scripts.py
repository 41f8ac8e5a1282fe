"""Samples and scripted invokers for the measurement tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.simulation.loopback_invoker import LoopbackInvoker

BODY = bytes(50_000)


def make_samples(count: int, label: str = "cat") -> list[tuple[Sample, str]]:
    return [
        (Sample(f"{number:064x}", Path(f"/nowhere/{number}.png"), 100, "image/png", 8, 8), label)
        for number in range(count)
    ]


def quiet(
    measured: dict[str, float] | None = None, without: dict[str, float] | None = None, **client: Any
) -> dict[str, Any]:
    """The part of a summary that says how this client was disturbed: not at all, or as told."""
    standing = {"count": 0, "ms": 0.0}
    return {
        "client": {"cpu_share": 0.1, "starved_share": 0.0, "seconds": 60.0, "standstills": standing} | client,
        "disturbance": {
            "n": 1000,
            "late": 17,
            "longest_ms": 3.0,
            "with": measured or {"mean": 20.0},
            "without": without or measured or {"mean": 20.0},
        },
    }


class ScriptedCalls:
    """A CallInvoker that answers or raises as its script says, call by call; after the script it answers `cat`."""

    def __init__(self, script: Sequence[Prediction | Exception] = (), label: str = "cat") -> None:
        self.script = list(script)
        self.answer = Prediction(label, 0.9)
        self.seen: list[str] = []

    def call(self, sample: Sample) -> Prediction:
        self.seen.append(sample.sample_id)
        step = self.script.pop(0) if self.script else self.answer
        if isinstance(step, Exception):
            raise step
        return step


class RaisingParser(LoopbackInvoker):
    """An HttpInvoker whose parse does what a test wants."""

    def __init__(self, url: str, parse: Callable[[HttpResponse], Prediction]) -> None:
        super().__init__(url, "cat", body=BODY)
        self._parse = parse

    def parse(self, response: HttpResponse) -> Prediction:
        return self._parse(response)


class FailingPreparation(LoopbackInvoker):
    """An HttpInvoker that cannot prepare."""

    def __init__(self, error: Exception) -> None:
        super().__init__("http://127.0.0.1:9/predict", "cat", body=BODY)
        self._error = error

    def prepare(self, sample: Sample) -> HttpRequest:
        raise self._error
