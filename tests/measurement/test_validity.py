"""A measurement is VALID, or it lists its reasons: one judge for load runs, sweeps and the accuracy pass."""

from __future__ import annotations

import re
from typing import Any

import pytest
from call_scripts import quiet

from automl_bench.measurement.validity import Bounds, judge_pass, judge_run, judge_sweep


def summary(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "n": 1000,
        "outcomes": {"ok": 1000, "throttled": 0, "timeout": 0, "refused": 0, "failed": 0},
        "seconds": 60.0,
        "lateness_ms": {"p50": 0.1, "p90": 0.2, "p99": 1.0, "max": 3.0},
        "schedule": {"planned": 1000, "dropped": 0, "abandoned": 0},
        "in_flight_cap": 10,
        "little": {"mean_in_flight": 9.9, "throughput_times_mean": 9.8, "concurrency": 10},
        "drift": {"first_ms": 20.0, "second_ms": 20.4, "change": 0.02, "clear": False},
        **quiet(),
    }
    return {**usual, **changes}


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_a_good_run_is_valid(loop: str) -> None:
    verdict = judge_run(loop, summary(), Bounds())
    assert verdict.valid
    assert verdict.as_json() == {"valid": True, "reasons": [], "notes": []}


@pytest.mark.parametrize(
    ("loop", "changes", "kind", "words"),
    [
        ("closed", {"n": 298, "outcomes": {"ok": 298, "throttled": 0}}, "too few", "Too few answered calls: 298"),
        ("closed", {"seconds": 0.5}, "too short", "Too short: 0.50 s"),
        ("open", {"seconds": 4.0}, "too short", "at least 5 s"),
        (
            "closed",
            {"outcomes": {"ok": 985, "throttled": 10, "failed": 5}},
            "errors",
            r"1.5% of 1,000 calls .*10 throttled, 5 failed",
        ),
        ("open", {"lateness_ms": {"p99": 7.0}}, "late", "Sends were late: p99 7.0 ms"),
        (
            "open",
            {"schedule": {"planned": 1000, "dropped": 20, "abandoned": 0}},
            "dropped",
            "20 of 1000 scheduled sends",
        ),
        ("closed", quiet(cpu_share=0.9), "busy client", "This client used 90% of a core"),
        (
            "closed",
            {"little": {"mean_in_flight": 5.0, "concurrency": 10}},
            "not kept in flight",
            "Only 5.0 of 10 requests",
        ),
        (
            "open",
            {"drift": {"first_ms": 10.0, "second_ms": 14.0, "change": 0.4, "clear": True}},
            "drifting",
            r"\+40% from the first half to the second, from 10 ms to 14 ms",
        ),
        (
            "closed",
            quiet(
                {"mean": 40.8, "p50": 20.9, "throughput": 244.0},
                {"mean": 20.9, "p50": 20.9, "throughput": 477.0},
                standstills={"count": 1, "ms": 5998.0},
            ),
            "disturbed",
            r"This process stood still once, 5998 ms in all .* 17 of 1,000 answers were read late: mean 40.8 ms "
            r"\(without it 20.9 ms\), throughput 244/s \(without it 477/s\)\.",
        ),
        (
            "closed",
            quiet({"p99": 44.0, "mean": 20.0}, {"p99": 27.0, "mean": 19.5}, throttled={"times": 71, "ms": 2400.0}),
            "disturbed",
            r"A processor quota .* held this process back 71 times, 2400 ms in all. .* p99 44 ms \(without it 27 ms\)",
        ),
        (
            "open",
            quiet({"p50": 22.0}, {"p50": 20.0}, starved_share=0.31),
            "disturbed",
            r"Other processes kept this client from a processor 31.0% of the time. .* p50 22 ms",
        ),
        ("open", quiet(suspended_seconds=7.0), "disturbed", "This machine was suspended for 7 s"),
        ("open", quiet(clock_moved_seconds=6.0), "disturbed", r"The wall clock moved by \+6 s"),
        ("open", quiet(clock_moved_seconds=-6.0), "disturbed", r"The wall clock moved by -6 s"),
        ("open", quiet({"p50": 22.0}, {"p50": 20.0}), "disturbed", "did not get to look for answers"),
    ],
)
def test_each_fault_is_a_reason_of_its_kind_with_what_it_did(
    loop: str, changes: dict[str, Any], kind: str, words: str
) -> None:
    verdict = judge_run(loop, summary(**changes), Bounds())
    [found] = verdict.against
    assert found.kind == kind
    assert re.search(words, found.words)
    assert found.words.endswith(".")
    assert verdict.reasons == (found.words,)


@pytest.mark.parametrize(
    ("loop", "changes", "bounds"),
    [
        ("closed", {"lateness_ms": {"p99": 70.0}}, Bounds()),
        ("open", {"lateness_ms": {"p99": 7.0}}, Bounds(late_ms=10)),
        ("closed", {"little": {"mean_in_flight": 5.0, "concurrency": 10}}, Bounds(paced=True)),
        ("closed", quiet(starved_share=0.5), Bounds()),
        ("closed", quiet({"p50": 0.25, "p99": 1.4}, {"p50": 0.2, "p99": 0.5}), Bounds()),
        ("closed", {"drift": {"change": 0.4, "clear": False}}, Bounds()),
        ("closed", {"drift": {"change": None, "clear": None}}, Bounds()),
        ("closed", {"outcomes": {"ok": 990, "throttled": 10}}, Bounds()),
        ("closed", quiet(clock_moved_seconds=1.9, seconds=1000.0), Bounds()),
    ],
)
def test_what_is_no_reason(loop: str, changes: dict[str, Any], bounds: Bounds) -> None:
    assert judge_run(loop, summary(**changes), bounds).valid


@pytest.mark.parametrize("client", [{"standstills": {"count": 2, "ms": 90.0}}, {"throttled": {"times": 3, "ms": 90.0}}])
def test_what_hardly_shows_in_the_numbers_is_a_note_and_not_silence(client: dict[str, Any]) -> None:
    verdict = judge_run("closed", summary(**quiet(**client)), Bounds())
    assert verdict.valid
    [note] = verdict.notes
    assert note.kind == "disturbed"
    assert "90 ms in all" in note.words
    assert note.words.endswith("The numbers hardly show it.")


def test_a_service_inside_this_process_is_named_beside_the_client() -> None:
    [reason] = judge_run("closed", summary(**quiet(cpu_share=1.0)), Bounds(over_http=False)).reasons
    assert "in which the service also runs" in reason


def step(n: int, rate: float, **changes: Any) -> dict[str, Any]:
    return {"n": n, "rate": rate, **quiet(), **changes}


def test_a_sweep_with_steps_of_few_calls_is_not_valid() -> None:
    [found] = judge_sweep([step(2, 0.1), step(8, 0.4), step(60, 3.0)], "").against
    assert found.kind == "too few"
    assert "2 at 0.1/s, 8 at 0.4/s; a p90 needs 29" in found.words
    assert judge_sweep([step(29, 1.0), step(60, 3.0)], "").valid


def test_a_knee_of_the_client_is_a_reason_and_so_is_a_disturbed_step() -> None:
    [found] = judge_sweep([step(60, 3.0)], "This process used 95% of a core at 3/s.").against
    assert found.kind == "client-bound"
    verdict = judge_sweep([step(60, 3.0), step(60, 9.0, **quiet(suspended_seconds=4.0))], "")
    assert "At 9/s: This machine was suspended for 4 s" in verdict.reasons[0]


def sitting(p50: float | None, n: int = 100) -> dict[str, Any]:
    interval = (None, None) if p50 is None else (p50 * 0.95, p50 * 1.05)
    return {"began_at": "", "n": n, "p50": p50, "low": interval[0], "high": interval[1]}


def passed(**changes: Any) -> dict[str, Any]:
    return {"n": 200, "sittings": [sitting(20.0)], "drift": {"change": 0.0, "clear": False}, **quiet(), **changes}


def test_a_quiet_pass_is_valid() -> None:
    assert judge_pass(passed()).as_json() == {"valid": True, "reasons": [], "notes": []}


def test_a_pass_in_two_sittings_says_so_and_is_not_valid_where_they_differ() -> None:
    drifts = {"first_ms": 20.0, "second_ms": 60.0, "change": 2.0, "clear": True}
    [found] = judge_pass(passed(sittings=[sitting(20.0), sitting(60.0)], drift=drifts)).against
    assert found.kind == "several sittings"
    assert "in 2 sittings, the slowest 3.0 times as slow as the quickest: medians 20 ms (n=100), 60 ms (n=100)" in (
        found.words
    )
    agreeing = judge_pass(passed(sittings=[sitting(20.0), sitting(21.0), sitting(None, 3)]))
    assert agreeing.valid
    assert "Measured in 3 sittings; their medians do not differ clearly." in agreeing.notes[0].words


def test_a_pass_of_very_few_calls_and_one_that_drifts_are_not_valid() -> None:
    assert judge_pass(passed(n=4)).against[0].kind == "too few"
    assert judge_pass(passed(drift={"first_ms": 1.0, "second_ms": 2.0, "change": 1.0, "clear": True})).against[
        0
    ].kind == ("drifting")
