"""Samples and scripted invokers for the measurement tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.testing.loopback_invoker import LoopbackInvoker

BODY = bytes(50_000)


def make_samples(count: int, label: str = "cat") -> list[tuple[Sample, str]]:
    return [
        (Sample(f"{number:064x}", Path(f"/nowhere/{number}.png"), 100, "image/png", 8, 8), label)
        for number in range(count)
    ]


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
