"""One reader of Retry-After: what a service sends decides how long this program does nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl_bench.toolkit.retry_after import LONGEST_SECONDS, bounded_wait, read_retry_after, retry_after

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("Sun, 29 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 29 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 29 Nov 2026 13:00:30 +0100", 30.0),
        ("Sunday, 29-Nov-26 12:00:30 GMT", 30.0),
        ("Sun Nov 29 12:00:30 2026", 30.0),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 29 Nov 9999 12:00:00 GMT", LONGEST_SECONDS),
        ("86400", LONGEST_SECONDS),
        ("9" * 400, LONGEST_SECONDS),
    ],
)
def test_seconds_decimals_and_dates_are_read_and_huge_ones_end_at_an_hour(value: str, seconds: float) -> None:
    assert read_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "-5", "+5", "nan", "inf", "-inf", "infinity", "1e3", "²", "٣", "5 seconds", "0x10", "1_0", "1,5", "soon",
     "Sun, 32 Nov 2026 12:00:30 GMT", "Sun, 29 Nov 99999 12:00:30 GMT", "5, 6", "٣" * 100, "x" * 100_000],
)  # fmt: skip
def test_everything_else_is_no_value(value: str) -> None:
    assert read_retry_after(value, NOW) is None


def test_an_answer_without_the_header_asks_for_nothing() -> None:
    assert retry_after({}) is None
    assert retry_after(None) is None
    assert retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)}) == (
        pytest.approx(120, abs=5)
    )


@settings(deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="0123456789.+-eE ²nainf:,GMT"), st.datetimes().map(format_datetime)))
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("\x00")
def test_no_value_raises_and_every_wait_is_bounded(value: str) -> None:
    seconds = read_retry_after(value)
    assert seconds is None or 0 <= seconds <= LONGEST_SECONDS


@settings(deadline=None)
@given(st.one_of(st.none(), st.floats()))
def test_a_wait_that_a_plugin_asks_for_is_bounded_too(seconds: float | None) -> None:
    bounded = bounded_wait(seconds)
    assert bounded is None or 0 <= bounded <= LONGEST_SECONDS
