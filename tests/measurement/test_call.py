"""One classification: what is timed, and which outcome each failure has."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from call_scripts import FailingPreparation, RaisingParser, ScriptedCalls, make_samples

from automl_bench.contract import HttpResponse, Prediction, Sample
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
    WorkspaceError,
)
from automl_bench.measurement.call import Caller
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import Running
from automl_bench.store.records import Outcome

SAMPLE = make_samples(1)[0][0]

FAILURES = [
    (RateLimited("slow down", retry_after=3.0), Outcome.THROTTLED, True, False),
    (RequestTimedOut("too slow"), Outcome.TIMEOUT, True, False),
    (RequestRefused("bad image"), Outcome.REFUSED, False, False),
    (ResourceMissing("no endpoint"), Outcome.REFUSED, False, False),
    (Unauthenticated("no key"), Outcome.REFUSED, False, True),
    (QuotaExceeded("used up"), Outcome.REFUSED, False, True),
    (BillingRequired("pay first"), Outcome.REFUSED, False, True),
    (ServiceUnavailable("busy"), Outcome.FAILED, True, False),
    (ConnectionLost("gone"), Outcome.FAILED, True, False),
    (ProviderError("odd"), Outcome.FAILED, False, False),
    (KeyError("label"), Outcome.FAILED, False, False),
]


@pytest.mark.parametrize(("error", "outcome", "passing", "terminal"), FAILURES, ids=lambda value: type(value).__name__)
def test_each_error_of_a_plugin_has_its_outcome(
    error: Exception, outcome: Outcome, passing: bool, terminal: bool, quick_server: Running
) -> None:
    def parse(response: HttpResponse) -> Prediction:
        raise error

    for invoker in (ScriptedCalls([error]), RaisingParser(quick_server.url, parse)):
        with Caller(invoker) as caller:
            result = caller.call(SAMPLE)
        assert result.outcome is outcome
        assert result.passing is passing
        assert (result.terminal is not None) is terminal
        assert result.prediction is None
        assert result.error


def test_the_wait_that_a_service_asks_for_is_kept() -> None:
    with Caller(ScriptedCalls([RateLimited("slow down", retry_after=3.0)])) as caller:
        assert caller.call(SAMPLE).retry_after == 3.0


def test_the_retry_after_header_counts_where_the_plugin_does_not_read_it(quick_server: Running) -> None:
    def parse(response: HttpResponse) -> Prediction:
        raise RateLimited("too many")

    from automl_bench.measurement.call import read_answer

    answer = HttpResponse(429, {"retry-after": "7"}, b"")
    assert read_answer(RaisingParser(quick_server.url, parse), answer).retry_after == 7.0


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, Outcome.THROTTLED),
        (404, Outcome.REFUSED),
        (302, Outcome.REFUSED),
        (503, Outcome.FAILED),
        (504, Outcome.TIMEOUT),
    ],
)
def test_an_error_status_stays_one_even_if_the_plugin_reads_a_label_or_breaks(status: int, outcome: Outcome) -> None:
    from automl_bench.measurement.call import read_answer

    def careless(response: HttpResponse) -> Prediction:
        return Prediction("cat", 1.0)

    def broken(response: HttpResponse) -> Prediction:
        raise ValueError("no JSON")

    for parse in (careless, broken):
        reading = read_answer(RaisingParser("http://127.0.0.1:9/", parse), HttpResponse(status))
        assert reading.outcome is outcome
        assert reading.prediction is None


def test_preparing_and_reading_stand_outside_the_clock(quick_server: Running) -> None:
    class Slow(LoopbackInvoker):
        def prepare(self, sample: Sample):  # type: ignore[no-untyped-def]  # as the parent's
            time.sleep(0.05)
            return super().prepare(sample)

        def parse(self, response: HttpResponse) -> Prediction:
            time.sleep(0.05)
            return super().parse(response)

    with Caller(Slow(quick_server.url, "cat", body=b"x")) as caller:
        caller.call(SAMPLE)
        assert caller.call(SAMPLE).timing.service_ns < 40_000_000


def test_a_call_in_process_is_timed_and_its_phases_are_unknown() -> None:
    class Sleeper:
        def call(self, sample: Sample) -> Prediction:
            time.sleep(0.02)
            return Prediction("cat", 1.0)

    with Caller(Sleeper()) as caller:
        result = caller.call(SAMPLE)
        assert not caller.over_http
    assert result.timing.service_ns >= 20_000_000
    assert result.timing.wait_ns is None
    assert result.timing.new_connection is None


def test_reported_time_is_the_true_hold_plus_little(holding_invoker: LoopbackInvoker) -> None:
    with Caller(holding_invoker) as caller:
        times = [caller.call(SAMPLE).timing.service_ns for _ in range(60)]
    assert holding_invoker.holds_ns is not None
    extra = sorted((time - hold) / 1e6 for time, hold in zip(times, holding_invoker.holds_ns, strict=True))
    assert extra[0] >= 0
    assert extra[30] < 2.0


def test_the_phases_of_a_request_add_up(holding_invoker: LoopbackInvoker) -> None:
    with Caller(holding_invoker) as caller:
        first, second = caller.call(SAMPLE).timing, caller.call(SAMPLE).timing
    for timing in (first, second):
        phases = [getattr(timing, f"{name}_ns") for name in ("lookup", "connect", "tls", "send", "wait", "receive")]
        assert sum(phases) == pytest.approx(timing.service_ns, abs=20_000)
    assert first.new_connection
    assert second.new_connection is False


def test_nobody_listening_is_a_failed_call_and_passes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with Caller(LoopbackInvoker(url, "cat", body=b"x")) as caller:
            result = caller.call(SAMPLE)
    assert result.outcome is Outcome.FAILED
    assert result.passing
    assert result.status is None


def test_an_error_while_preparing_is_one_failed_call_without_a_request() -> None:
    with Caller(FailingPreparation(RequestRefused("the image is too small"))) as caller:
        result = caller.call(SAMPLE)
    assert result.outcome is Outcome.REFUSED
    assert "too small" in result.error
    assert result.timing.service_ns == 0


def test_a_sample_that_cannot_be_read_names_its_file(quick_server: Running) -> None:
    missing = Sample("0" * 64, Path("/nowhere/cat.png"), 1, "image/png")
    with Caller(LoopbackInvoker(quick_server.url, "cat")) as caller, pytest.raises(WorkspaceError, match=r"cat\.png"):
        caller.call(missing)
