"""The fake as the conformance kit wants a service: an object that can be looked into and told to fail."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

import nyckel_wire
from nyckel_fake import NyckelFake
from nyckel_wire import Function
from service_troubles import Trouble, Troubled

from automl_bench.contract import NAME_PREFIX, Stage
from automl_bench.testing import Fault, SeenRequest, Target

STATUS = {
    Fault.THROTTLED: 429,
    Fault.SERVER_ERROR: 500,
    Fault.UNAVAILABLE: 503,
    Fault.UNAUTHENTICATED: 401,
    Fault.FORBIDDEN: 403,
    Fault.NOT_FOUND: 404,
    Fault.BILLING: 402,
    Fault.BAD_ANSWER: nyckel_wire.GARBAGE,
    Fault.RESET: nyckel_wire.RESET,
}
"""Nyckel has no answer of its own for a used-up quota (402 stands for it)."""


class NyckelService(Troubled):
    """A `LoopbackService` over a running fake."""

    paid = ("function",)
    fails_at = ()  # a function that failed cannot be trained again: it is made anew with the next upload
    limited_at = (Stage.UPLOAD,)

    def __init__(self, fake: NyckelFake) -> None:
        self.fake = fake
        self._lag = fake.lag

    def environment(self) -> Mapping[str, str]:
        return self.fake.environment()

    def requests(self) -> Sequence[SeenRequest]:
        with self.fake.lock:
            return [
                SeenRequest(f"{entry.method} {entry.target}", entry.raw, entry.headers, entry.operation == "invoke")
                for entry in self.fake.recorded
            ]

    def predictions(self) -> int:
        return self.fake.count("invoke")

    def resources(self) -> Sequence[str]:
        return [f"function {name}" for name in self.fake.names() if name.startswith(NAME_PREFIX)]

    def billing(self) -> Sequence[str]:
        return self.resources()

    def creations(self) -> Sequence[str]:
        with self.fake.lock:
            return [f"function {name}" for name in self.fake.created]

    def training_samples(self) -> Sequence[tuple[str, str]]:
        with self.fake.lock:
            return [
                (sample.digest, function.labels[sample.label_id][0] if sample.label_id else "")
                for function in self.fake.functions.values()
                for sample in function.samples.values()
            ]

    def stranger(self) -> str | None:
        with self.fake.lock:
            self.fake.functions["strange"] = Function("strange", "somebody-elses", 0.0, time.monotonic())
        return "somebody-elses"

    def strangers(self) -> Sequence[str]:
        return [name for name in self.fake.names() if not name.startswith(NAME_PREFIX)]

    def faults(self, target: Target) -> Collection[Fault]:
        return set(STATUS) | (
            {Fault.TRAINING_FAILS, Fault.DELETION_FAILS, Fault.LOST_ANSWER} if target is Target.CONTROL else set()
        )

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        often = 10**9 if times is None else times
        if fault is Fault.TRAINING_FAILS:
            self.fake.training_fails = True
        elif fault is Fault.DELETION_FAILS:
            self.fake.fail("delete_function", 403, times=often)
        elif fault is Fault.LOST_ANSWER:
            self.fake.fail("create_function", nyckel_wire.LOSE, times=often)
        else:
            self.fake.fail("control" if target is Target.CONTROL else "invoke", STATUS[fault], times=often)

    @classmethod
    def can(cls, trouble: Trouble, stage: Stage) -> bool:
        return stage is not Stage.DEPLOY and super().can(trouble, stage)

    def train_for(self, seconds: float) -> None:
        self.fake.train_seconds = seconds

    def training_has_begun(self) -> bool:
        return len(self.training_samples()) == 3 * 10

    def throttle_for(self, seconds: float) -> None:
        for operation in ("control", "invoke"):
            self.fake.fail(operation, 429, times=10**9, headers={"Retry-After": f"{seconds:.0f}"})

    def refuse_for_quota(self, stage: Stage) -> None:
        self.fake.fail("create_function", 402, times=10**9)

    def show_late(self, seconds: float) -> None:
        self.fake.lag = seconds

    def destroyed(self) -> Sequence[str]:
        with self.fake.lock:
            return [each.operation for each in self.fake.recorded if each.operation == "delete_function"]

    def heal(self) -> None:
        self.fake.lag = self._lag
        self.fake.heal()
