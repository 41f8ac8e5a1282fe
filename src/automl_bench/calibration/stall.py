"""The stall test: a server whose clock stands still once, measured by both loops and simulated exactly.

A closed loop stops asking while the server stands still, so almost no call sees the stall ("coordinated omission",
Gil Tene); an open loop counts from the moments at which its users would have come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automl_bench.contract import Sample
from automl_bench.measurement.load import LoadSettings, run_load
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import NS_PER_SECOND, Behaviour, answer_moment, loopback_server
from automl_bench.store.records import LoadCall, LoadRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE = 300.0
WINDOW_SECONDS = 10.0
STALLING = Behaviour(hold_ms=20.0, sigma=0.5, seed=1, stall_at_seconds=4.5, stall_seconds=1.0)
"""Lognormal holds with median 20 ms and σ 0.5; one second of standstill."""

BODY = bytes(50_000)


@dataclass(frozen=True, slots=True)
class StallResult:
    """One loop against the stalling server.

    Attributes:
        run: The load run.
        calls: Its measured calls, in the order of the schedule.
        drawn_ns: The hold that the server drew for each.
        frozen_ns: When the server's clock froze.
    """

    run: LoadRun
    calls: Sequence[LoadCall]
    drawn_ns: Sequence[int]
    frozen_ns: int

    @property
    def scheduled_seconds(self) -> NDArray[np.float64]:
        """When each call was to be sent, from the first one on."""
        moments = np.array([_scheduled(call) for call in self.calls], dtype=float) / NS_PER_SECOND
        return np.asarray(moments - moments.min())

    @property
    def response_ms(self) -> NDArray[np.float64]:
        """Response times."""
        return np.array([call.timing.response_ns for call in self.calls], dtype=float) / 1e6

    def simulated_ms(self, behaviour: Behaviour = STALLING) -> NDArray[np.float64]:
        """Return the true response times of the very same arrivals and holds, at a client that takes no time."""
        return simulate([_scheduled(call) for call in self.calls], self.drawn_ns, self.frozen_ns, behaviour)


def simulate(
    scheduled_ns: Sequence[int], holds_ns: Sequence[int], frozen_ns: int, behaviour: Behaviour = STALLING
) -> NDArray[np.float64]:
    """Return the response times, in ms, of requests that reach the stalling server exactly at these moments."""
    length = int(behaviour.stall_seconds * NS_PER_SECOND)
    return np.array(
        [
            (answer_moment(moment, hold, frozen_ns, length) - moment) / 1e6
            for moment, hold in zip(scheduled_ns, holds_ns, strict=True)
        ]
    )


def measure_open(
    behaviour: Behaviour = STALLING, *, rate: float = RATE, seconds: float = WINDOW_SECONDS
) -> StallResult:
    """Measure with Poisson arrivals."""
    settings = LoadSettings(loop="open", rate=rate, duration_seconds=seconds, warm_up_calls=0, seed=7)
    return _measure(behaviour, settings)


def measure_closed(
    behaviour: Behaviour = STALLING, *, concurrency: int = 10, seconds: float = WINDOW_SECONDS
) -> StallResult:
    """Measure with a fixed number of requests under way."""
    settings = LoadSettings(loop="closed", concurrency=concurrency, duration_seconds=seconds, warm_up_calls=0)
    return _measure(behaviour, settings)


def _measure(behaviour: Behaviour, settings: LoadSettings) -> StallResult:
    from pathlib import Path

    samples = [(Sample(f"{number:064x}", Path(f"{number}.png"), len(BODY), "image/png"), "") for number in range(100)]
    rows: list[LoadCall] = []
    with loopback_server(behaviour) as server:
        invoker = LoopbackInvoker(server.url, "", body=BODY, keep_holds=True)
        run = run_load(
            invoker,
            samples,
            settings,
            trial_id="stall",
            load_run_id="stall",
            record=rows.extend,
        )
        first_ns = int(server.facts()["first_ns"])
    # Rows come in the order in which the answers were read, as the holds do.
    pairs = sorted(zip(rows, invoker.drawn_ns, strict=True), key=lambda pair: pair[0].number)
    frozen_ns = first_ns + int((behaviour.stall_at_seconds or 0.0) * NS_PER_SECOND)
    return StallResult(run, [call for call, _ in pairs], [drawn for _, drawn in pairs], frozen_ns)


def _scheduled(call: LoadCall) -> int:
    return call.timing.sent_ns if call.timing.scheduled_ns is None else call.timing.scheduled_ns
