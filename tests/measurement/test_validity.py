"""A load run is VALID, or it lists its reasons."""

from __future__ import annotations

from typing import Any

import pytest

from automl_bench.measurement.validity import Bounds, reasons_against


def summary(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "n": 1000,
        "outcomes": {"ok": 1000, "throttled": 0, "timeout": 0, "refused": 0, "failed": 0},
        "seconds": 60.0,
        "service_ms": {"p50": {"value": 20.0}},
        "client": {"cpu_share": 0.1, "starved_share": 0.01, "wait_ms": 0.1, "added_ms": 0.001},
        "lateness_ms": {"p50": 0.1, "p90": 0.2, "p99": 1.0, "max": 3.0},
        "schedule": {"planned": 1000, "dropped": 0, "abandoned": 0},
        "in_flight_cap": 10,
        "little": {"mean_in_flight": 9.9, "throughput_times_mean": 9.8, "concurrency": 10},
        "drift": {"change": 0.02, "clear": False},
    }
    return {**usual, **changes}


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_a_good_run_is_valid(loop: str) -> None:
    assert reasons_against(loop, summary(), Bounds()) == ()


@pytest.mark.parametrize(
    ("loop", "changes", "words"),
    [
        ("closed", {"n": 298, "outcomes": {"ok": 298, "throttled": 0}}, "Too few answered calls: 298"),
        ("closed", {"seconds": 0.5}, "Too short: 0.50 s"),
        ("open", {"seconds": 4.0}, "at least 5 s"),
        (
            "closed",
            {"outcomes": {"ok": 985, "throttled": 10, "failed": 5}},
            r"1.5% of 1000 calls .*10 throttled, 5 failed",
        ),
        ("open", {"lateness_ms": {"p99": 7.0}}, "Sends were late: p99 7.0 ms"),
        ("open", {"schedule": {"planned": 1000, "dropped": 20, "abandoned": 0}}, "20 of 1000 scheduled sends"),
        ("closed", {"client": {"cpu_share": 0.9, "starved_share": 0.0}}, "This client used 90% of a core"),
        (
            "closed",
            {"client": {"cpu_share": 0.3, "starved_share": 0.5, "wait_ms": 4.0, "added_ms": 2.0}},
            "processor 50% of the time, 4 ms each time: about 10%",
        ),
        ("closed", {"little": {"mean_in_flight": 5.0, "concurrency": 10}}, "Only 5.0 of 10 requests"),
        ("open", {"drift": {"change": 0.4, "clear": True}}, r"\+40% from the first half"),
    ],
)
def test_each_fault_is_a_reason_of_one_sentence(loop: str, changes: dict[str, Any], words: str) -> None:
    import re

    reasons = reasons_against(loop, summary(**changes), Bounds())
    assert len(reasons) == 1
    assert re.search(words, reasons[0])
    assert reasons[0].endswith(".")


@pytest.mark.parametrize(
    ("loop", "changes", "bounds"),
    [
        ("closed", {"lateness_ms": {"p99": 70.0}}, Bounds()),
        ("open", {"lateness_ms": {"p99": 7.0}}, Bounds(late_ms=10)),
        ("closed", {"little": {"mean_in_flight": 5.0, "concurrency": 10}}, Bounds(paced=True)),
        ("closed", {"client": {"cpu_share": 0.5, "starved_share": 0.5, "wait_ms": 1.0, "added_ms": 0.5}}, Bounds()),
        ("closed", {"drift": {"change": 0.4, "clear": False}}, Bounds()),
        ("closed", {"drift": {"change": None, "clear": None}}, Bounds()),
        ("closed", {"outcomes": {"ok": 990, "throttled": 10}}, Bounds()),
    ],
)
def test_what_is_no_reason(loop: str, changes: dict[str, Any], bounds: Bounds) -> None:
    assert reasons_against(loop, summary(**changes), bounds) == ()


def test_a_service_inside_this_process_is_named_beside_the_client() -> None:
    [reason] = reasons_against(
        "closed", summary(client={"cpu_share": 1.0, "starved_share": 0.0}), Bounds(over_http=False)
    )
    assert "in which the service also runs" in reason
