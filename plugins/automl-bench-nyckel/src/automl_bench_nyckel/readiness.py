"""Whether a function is trained: there is no call that trains, and an untrained function answers all the same.

The test is the vendor SDK's, of an undocumented API: `GET /v0.9/functions/{id}/metrics` says isTraining = false and
sampleCount = predictionCount, and `GET /v0.9/functions/{id}` says state Browsing or Tuning. It must hold, unchanged, in
two looks some seconds apart, and count every sample that was sent: training starts again as annotations arrive.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from automl_bench.contract import Operation, OperationState
from automl_bench.errors import ResourceMissing
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.description import DESCRIPTION
from automl_bench_nyckel.functions import FAILED_STATES, path_of

READY_STATES = ("Browsing", "Tuning")
LONGEST_GAP = 60.0
"""Seconds without a look beyond which the moment at which training ended is not known well enough to report."""
NOTED_EVERY = 20.0
"""Seconds after which a look is noted in the token: a token that changes is a write to the store."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a training between two looks; this is the operation's token.

    Attributes:
        function_id: The function.
        expected: Samples it must have taken in.
        uploaded_at: Unix time at which the last sample had been sent.
        unready_at: Unix time of the latest noted look that found it untrained.
        ready_at: Unix time of the first of the looks that found it trained and unchanged since; 0.0 if there is none.
        seen: What that look saw, as JSON.
    """

    function_id: str
    expected: int
    uploaded_at: float
    unready_at: float
    ready_at: float = 0.0
    seen: str = ""

    def to_token(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_token(cls, token: str) -> Watch:
        """Read it from text.

        Raises:
            ResourceMissing: If the text is no token of this plugin.
        """
        try:
            return cls(**json.loads(token))
        except (ValueError, TypeError):
            raise ResourceMissing(f"{token[:60]!r} names no training of the provider nyckel.") from None


def begin(function_id: str, expected: int, uploaded_at: float) -> Watch:
    """Return the watch over a function whose samples have been sent."""
    return Watch(function_id, expected, uploaded_at, unready_at=uploaded_at)


def look(control: Control, watch: Watch, poll_seconds: float) -> Operation:
    """Look once.

    Raises:
        ResourceMissing: If the function is gone.
        ProviderError: If the service refuses or fails.
    """
    now = time.time()
    try:
        metrics, state = _ask(control, watch.function_id)
    except ResourceMissing:
        if now - watch.uploaded_at > DESCRIPTION.settle_seconds:
            raise
        metrics, state = {}, ""  # a new function does not show at once
    message = _progress(metrics, state)
    if state in FAILED_STATES:
        words = f"the service gave the training up (state {state}); tear the trial down and run it again"
        return Operation(OperationState.FAILED, watch.to_token(), message=words)
    if not _is_ready(metrics, state, watch.expected):
        noted = now if now - watch.unready_at >= NOTED_EVERY else watch.unready_at
        waiting = replace(watch, unready_at=noted, ready_at=0.0, seen="")
        return Operation(OperationState.RUNNING, waiting.to_token(), message=message, poll_after=poll_seconds)
    seen = json.dumps([metrics, state], sort_keys=True)
    if seen != watch.seen:
        first = replace(watch, ready_at=now, seen=seen)
        return Operation(OperationState.RUNNING, first.to_token(), message=message, poll_after=poll_seconds)
    if now - watch.ready_at < 0.9 * poll_seconds:  # asked earlier than asked for: not yet two looks apart
        return Operation(OperationState.RUNNING, watch.to_token(), message=message, poll_after=poll_seconds)
    return Operation(
        OperationState.SUCCEEDED,
        watch.to_token(),
        result={
            "endpoint_id": watch.function_id,
            "function_id": watch.function_id,
            "training_time": (
                f"observed from the end of the upload, with a look every {poll_seconds:g} s"
                if _end_is_known(watch)
                else "unknown: nobody looked when training ended"
            ),
        },
        message=message,
        work_seconds=watch.ready_at - watch.uploaded_at if _end_is_known(watch) else None,
    )


def _ask(control: Control, function_id: str) -> tuple[dict[str, Any], str]:
    path = path_of(function_id, "v0.9")
    metrics = control.ask("GET", f"{path}/metrics", what="show the training's progress")
    function = control.ask("GET", path, what="show the function's state")
    return (
        metrics if isinstance(metrics, dict) else {},
        str(function.get("state", "")) if isinstance(function, dict) else "",
    )


def _is_ready(metrics: dict[str, Any], state: str, expected: int) -> bool:
    samples, predicted = metrics.get("sampleCount"), metrics.get("predictionCount")
    return (
        metrics.get("isTraining") is False
        and isinstance(samples, int)
        and samples >= expected
        and samples == predicted
        and state in READY_STATES
    )


def _progress(metrics: dict[str, Any], state: str) -> str:
    if not metrics:
        return "not visible yet"
    samples, predicted = metrics.get("sampleCount"), metrics.get("predictionCount")
    return f"{state or 'state unknown'}, {predicted} of {samples} samples predicted"


def _end_is_known(watch: Watch) -> bool:
    return watch.ready_at - watch.unready_at <= LONGEST_GAP
