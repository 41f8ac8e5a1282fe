"""Whatever is set for a load run, it is taken or refused with a remedy; nothing runs for ever."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl_bench.cli.load_options import load_settings
from automl_bench.errors import UsageError
from automl_bench.measurement.arrivals import ARRIVALS, schedule
from automl_bench.measurement.load_settings import LOOPS, MOST_SENDS, LoadSettings, check_settings

OPEN = {
    "loop": "open", "calls": 10, "concurrency": 1, "rate": 10.0, "duration_seconds": 10.0, "arrivals": "poisson",
    "sweep_from": None, "sweep_to": None, "max_late_ms": 5.0,
}  # fmt: skip
NUMBER = st.one_of(st.none(), st.floats(), st.integers(-5, 10**12))


@settings(deadline=None)
@given(
    loop=st.one_of(st.sampled_from(LOOPS), st.text(max_size=5)),
    calls=st.integers(-5, 10**12),
    concurrency=st.integers(-5, 100),
    rate=NUMBER,
    duration_seconds=NUMBER,
    arrivals=st.one_of(st.sampled_from(ARRIVALS), st.text(max_size=5)),
    sweep_from=NUMBER,
    sweep_to=NUMBER,
    max_late_ms=st.floats(),
)
@example(**OPEN | {"rate": float("nan")})
@example(**OPEN | {"duration_seconds": float("inf")})
@example(**OPEN | {"rate": 1e300, "duration_seconds": 1e300})
@example(**OPEN | {"loop": "sweep", "duration_seconds": None, "sweep_from": 1.0, "sweep_to": float("inf")})
def test_any_settings_are_checked_before_anything_is_made(**values: object) -> None:
    asked = LoadSettings(**values)  # type: ignore[arg-type]
    try:
        check_settings(asked)
    except UsageError:
        return
    assert asked.calls >= 1
    if asked.loop == "open":
        assert asked.rate is not None
        seconds = asked.duration_seconds or asked.calls / asked.rate
        assert asked.rate * seconds <= MOST_SENDS * 1.01


TEXT = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.sampled_from(
        ["60s", "5m", "nan", "infs", "1e999s", "-5s", "²s", "1..100", "100..1", "nan..5", "1..inf", "0..0"]
    ),
)


@settings(deadline=None)
@given(duration=TEXT, sweep=TEXT, rate=st.one_of(st.none(), st.floats()), arrivals=st.sampled_from(["poisson", "x"]))
def test_any_options_of_the_command_line_are_taken_or_refused(
    duration: str | None, sweep: str | None, rate: float | None, arrivals: str
) -> None:
    try:
        check_settings(load_settings(1000, 10, rate, duration, arrivals, sweep, 0, False))
    except UsageError:
        return


@pytest.mark.parametrize("arrivals", ARRIVALS)
@settings(deadline=None)
@given(rate=st.floats(0.01, 1000), seconds=st.floats(0.001, 5), seed=st.integers(0, 2**31))
def test_every_schedule_rises_within_its_length(arrivals: str, rate: float, seconds: float, seed: int) -> None:
    moments = schedule(rate, seconds, arrivals, seed)
    assert moments.size >= 1
    assert (moments[1:] >= moments[:-1]).all()
    assert moments[0] >= 0
