"""Patience: what a service asks for is honoured within deadlines, Ctrl-C ends every wait, a long one is told."""

from __future__ import annotations

import inspect
import math
import threading
import time

import pytest

from automl_bench import errors
from automl_bench.contract import Operation, OperationState
from automl_bench.errors import (
    Interrupted,
    OperationUnfinished,
    PermissionDenied,
    RateLimited,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    TrainingFailed,
    Unauthenticated,
    WorkLeft,
    WorkspaceError,
)
from automl_bench.toolkit.beginnings import beginning
from automl_bench.trials.error_meaning import TABLE, Meaning, Moment, meaning_of
from automl_bench.trials.waiting import Insistence, Patience, undisturbed, wait_for


def patience(moment: Moment, seconds: float, **more: object) -> Patience:
    return Patience("the work", moment, time.monotonic() + seconds, **more)  # type: ignore[arg-type]


class Flaky:
    """Raises an error some times, then answers."""

    def __init__(self, error: Exception, times: float) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "answer"


@pytest.mark.parametrize("asked", [math.inf, math.nan, -1.0, 1e300, 3600.0, 0.0])
def test_no_retry_after_passes_the_deadline_or_breaks(asked: float) -> None:
    begun = time.monotonic()
    with pytest.raises(OperationUnfinished, match="could not be asked until the deadline"):
        patience(Moment.WATCH, 0.3).call(Flaky(RateLimited("slow down.", retry_after=asked), math.inf))
    assert 0.25 < time.monotonic() - begun < 5.0


def test_after_a_wait_that_was_cut_at_the_deadline_it_is_asked_once_more() -> None:
    flaky = Flaky(RateLimited("slow down.", retry_after=3600.0), 1)
    assert patience(Moment.WATCH, 0.2).call(flaky) == "answer"


@pytest.mark.parametrize("moment", [Moment.ACCESS, Moment.BEGIN, Moment.WATCH, Moment.SERVE])
def test_ctrl_c_ends_any_wait_within_two_seconds(moment: Moment) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        patience(moment, 3600.0, stop=stop).call(Flaky(RateLimited("slow down.", retry_after=3600.0), math.inf))
    assert time.monotonic() - begun < 2.0


def test_ctrl_c_ends_the_wait_of_a_deletion_and_not_the_deletion() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    flaky = Flaky(RateLimited("slow down.", retry_after=3600.0), 1)
    assert Insistence(stop).patience("deleting it").call(flaky) == "answer"
    assert time.monotonic() - begun < 2.0


@pytest.mark.parametrize("asked", [math.inf, math.nan, -1.0, 1e300])
def test_a_plugin_cannot_make_the_host_sleep_past_a_deadline(asked: float) -> None:
    running = Operation(OperationState.RUNNING, token="t", poll_after=asked)
    begun = time.monotonic()
    with pytest.raises(OperationUnfinished):
        wait_for(running, lambda now: now, patience=patience(Moment.WATCH, 0.3), on_look=lambda now: None)
    assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize(
    ("error", "moment", "becomes"),
    [
        (Unauthenticated("no."), Moment.ACCESS, Unauthenticated),
        (Unauthenticated("expired."), Moment.WATCH, OperationUnfinished),
        (Unauthenticated("expired."), Moment.BEGIN, WorkLeft),
        (Unauthenticated("expired."), Moment.DELETE, Unauthenticated),
        (PermissionDenied("no."), Moment.BEGIN, PermissionDenied),
        (PermissionDenied("no."), Moment.WATCH, OperationUnfinished),
        (PermissionDenied("no."), Moment.NEXT, PermissionDenied),
        (ResourceConflict("busy."), Moment.NEXT, OperationUnfinished),
        (ServiceUnavailable("busy."), Moment.DELETE, ServiceUnavailable),
        (TrainingFailed("bad data."), Moment.WATCH, TrainingFailed),
        (WorkspaceError("the disk is full."), Moment.WATCH, WorkLeft),
        (ValueError("a bug"), Moment.WATCH, WorkLeft),
        (ResourceMissing("gone."), Moment.WATCH, ResourceMissing),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_an_error_comes_to(error: Exception, moment: Moment, becomes: type[Exception]) -> None:
    with pytest.raises(becomes) as caught:
        patience(moment, 0.1).call(Flaky(error, math.inf))
    assert type(caught.value) is becomes


def test_a_refusal_to_begin_the_next_step_is_final_and_a_refused_look_is_not() -> None:
    def look() -> None:
        raise PermissionDenied("no.")

    def go_on() -> None:
        with beginning():
            look()

    with pytest.raises(OperationUnfinished):
        patience(Moment.WATCH, 0.1).call(look)
    begun = time.monotonic()
    with pytest.raises(PermissionDenied):
        patience(Moment.WATCH, 60.0).call(go_on)
    assert time.monotonic() - begun < 10.0


def test_not_there_is_not_believed_while_lists_may_lag() -> None:
    assert patience(Moment.WATCH, 30.0, lag=20.0).call(Flaky(ResourceMissing("not shown yet."), 2)) == "answer"


def test_a_long_wait_is_told_once_with_what_to_do_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_bench.trials.waiting.TELL_SECONDS", 0.3)
    said: list[str] = []
    error = RateLimited("slow down.", retry_after=0.1)
    patience(Moment.WATCH, 60.0, say=said.append).call(Flaky(error, 8))
    assert [line.split()[2] for line in said] == ["slow", "goes"], said
    assert "Trying again for up to" in said[0]


def test_a_login_that_expired_is_told_at_once() -> None:
    said: list[str] = []
    patience(Moment.WATCH, 60.0, say=said.append).call(Flaky(Unauthenticated("expired.", remedy="Log in again."), 1))
    assert "Log in again." in said[0]


def test_the_table_speaks_of_every_error_and_no_line_hides_another() -> None:
    classes = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    for kind in classes:
        if kind.__name__ == "AutomlBenchError":
            continue
        line = next(one for one, _ in TABLE if issubclass(kind, one))
        assert line is not Exception, kind
    seen: list[type[Exception]] = []
    for kind, meanings in TABLE:
        assert not any(issubclass(kind, earlier) for earlier in seen), f"{kind.__name__} is never reached"
        assert len(meanings) == len(Moment)
        seen.append(kind)


@pytest.mark.parametrize("kind", [ServiceUnavailable, errors.ConnectionLost, errors.RequestTimedOut, RateLimited])
def test_a_passing_fault_is_final_nowhere(kind: type[errors.ProviderError]) -> None:
    assert {meaning_of(kind("x."), moment) for moment in Moment} == {Meaning.UNKNOWN}


@pytest.mark.parametrize("error", [BrokenPipeError(), SystemExit(1), ValueError("closed file")])
def test_a_terminal_that_is_gone_disturbs_nobody(error: BaseException) -> None:
    def tell(text: str) -> None:
        raise error

    undisturbed(tell)("anybody there?")
