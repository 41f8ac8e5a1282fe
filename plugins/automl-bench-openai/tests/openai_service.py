"""The stand-in as the conformance kit wants a service: an object that can be looked into and told to fail."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from openai_fake import RESET, OpenaiFake, Refusal

from automl_bench.testing import Fault, SeenRequest, Target

ANSWERS = {
    Fault.THROTTLED: (
        429,
        {"retry-after": "0.05"},
        Refusal(429, "slow down", "rate_limit_exceeded", "requests").body(),
    ),
    Fault.SERVER_ERROR: (500, {}, Refusal(500, "server error", None, "server_error").body()),
    Fault.UNAVAILABLE: (503, {}, Refusal(503, "overloaded", "server_is_overloaded").body()),
    Fault.UNAUTHENTICATED: (401, {}, Refusal(401, "wrong key", "invalid_api_key").body()),
    Fault.FORBIDDEN: (403, {}, Refusal(403, "no", None).body()),
    Fault.NOT_FOUND: (404, {}, Refusal(404, "no such model", "model_not_found").body()),
    Fault.BILLING: (429, {}, Refusal(429, "no credit", "credit_balance_exhausted", "insufficient_quota").body()),
    Fault.BAD_ANSWER: (200, {}, b"<html>"),
    Fault.RESET: RESET,
}
WHAT = {Target.CONTROL: "control", Target.PREDICTION: "predict"}


class OpenaiService:
    """A `LoopbackService` over a running stand-in. Nothing stays there, so that there is nothing to look for."""

    def __init__(self, fake: OpenaiFake) -> None:
        self.fake = fake

    def environment(self) -> Mapping[str, str]:
        return self.fake.environment()

    def requests(self) -> Sequence[SeenRequest]:
        with self.fake.lock:
            return [SeenRequest(f"POST {one.path}", one.raw, one.headers, one.predicts) for one in self.fake.recorded]

    def predictions(self) -> int:
        return self.fake.predictions()

    def resources(self) -> Sequence[str]:
        return []

    def billing(self) -> Sequence[str]:
        return []

    def creations(self) -> Sequence[str]:
        return []

    def training_samples(self) -> Sequence[tuple[str, str]]:
        return []

    def stranger(self) -> str | None:
        return None

    def strangers(self) -> Sequence[str]:
        return []

    def faults(self, target: Target) -> Collection[Fault]:
        return set(ANSWERS)

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        self.fake.fail(WHAT[target], ANSWERS[fault], 1000 if times is None else times)

    def heal(self) -> None:
        self.fake.heal()
