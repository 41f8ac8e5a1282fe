"""The stall test: what a second of standstill does to the users, and what each loop reports of it."""

from __future__ import annotations

import numpy as np
import pytest

from automl_bench.calibration.stall import STALLING, StallResult, measure_closed, measure_open, simulate
from automl_bench.simulation.loopback_server import Behaviour, answer_moment

ATTEMPTS = 3
LATE_MS = 2.0
STARVED = 0.02
"""Share of the time in which the client waits for a processor: above, other processes set its lateness."""


def quantile(values: np.ndarray, probability: float) -> float:
    return float(np.quantile(values, probability))


def disturbed(result: StallResult) -> bool:
    """Whether other processes kept the client from its processor, as the run itself has noticed."""
    return bool(result.run.summary["client"]["starved_share"] > STARVED)


def calmest_open_loop() -> StallResult:
    result = measure_open()
    for _ in range(ATTEMPTS - 1):
        if result.run.summary["lateness_ms"]["p99"] < LATE_MS:
            break
        again = measure_open()
        result = min(result, again, key=lambda one: one.run.summary["lateness_ms"]["p99"])
    return result


@pytest.mark.slow  # the stall needs its window of ten seconds, once for each loop
def test_the_open_loop_reports_the_stall_as_the_simulation_does_and_the_closed_loop_hides_it() -> None:
    opened = calmest_open_loop()
    measured, truth = opened.response_ms, opened.simulated_ms()
    assert measured.size == truth.size >= 2900
    late = opened.run.summary["lateness_ms"]["p99"]
    assert late < LATE_MS or disturbed(opened)
    # Where the machine is busy in every attempt, the server's own timers are late, too: the truth is then less exact.
    tolerance = 0.02 if late < LATE_MS else 0.05
    for probability in (0.99, 0.999):
        assert quantile(measured, probability) == pytest.approx(quantile(truth, probability), rel=tolerance)
    assert opened.run.summary["schedule"]["dropped"] == 0
    closed = measure_closed()
    assert quantile(truth, 0.99) > 8 * quantile(closed.response_ms, 0.99)


def test_the_frozen_clock_delays_what_is_under_way_and_what_comes() -> None:
    frozen, length = 1000, 500
    assert answer_moment(100, 50, frozen, length) == 150
    assert answer_moment(980, 50, frozen, length) == 1530
    assert answer_moment(1000, 50, frozen, length) == 1550
    assert answer_moment(1499, 50, frozen, length) == 1550
    assert answer_moment(1500, 50, frozen, length) == 1550
    assert answer_moment(1600, 50, frozen, length) == 1650


def test_the_simulated_truth_is_that_of_the_published_example() -> None:
    """At 300 arrivals/s the simulation gives p50 21.5, p90 76, p99 946 and p99.9 1,033 ms on average."""
    from itertools import islice

    from automl_bench.measurement.arrivals import schedule
    from automl_bench.simulation.loopback_server import holds

    p99 = []
    for seed in range(20):
        moments = schedule(300, 10, "poisson", seed).tolist()
        drawn = [int(hold * 1e9) for hold in islice(holds(Behaviour(hold_ms=20, sigma=0.5, seed=seed)), len(moments))]
        p99.append(quantile(simulate(moments, drawn, int(4.5e9), STALLING), 0.99))
    assert np.mean(p99) == pytest.approx(946, rel=0.02)
