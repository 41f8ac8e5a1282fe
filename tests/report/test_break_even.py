"""Which variant costs least at which volume: the exact points where that changes, and nothing from unknown prices."""

import pytest

from automl_bench.contract import Price
from automl_bench.report.break_even import cheapest_by_volume, rounded
from automl_bench.report.running_costs import DAYS_A_MONTH, Use, running_costs


def costs(*lines):
    return running_costs([Price(item, usd, item, "2026-01-02", "a page", **more) for item, usd, more in lines])


HOURLY = costs(("endpoint_hour", 3.0, {}), ("call", 0.0, {}))
BY_CALL = costs(("call", 0.005, {}))
PLANS = costs(
    ("call", 0.005, {"plan": "small", "included": 10_000.0}),
    ("plan_month", 50.0, {"plan": "small", "monthly": True}),
    ("call_large", 0.001, {"plan": "large", "included": 500_000.0}),
    ("plan_month_large", 500.0, {"plan": "large", "monthly": True}),
)


def test_calls_cross_hours_where_both_come_to_the_same():
    steps = cheapest_by_volume({"hourly": HOURLY, "by call": BY_CALL}, Use(hours_per_day=24.0))
    assert [names for _, names in steps] == [("by call",), ("hourly",)]
    assert steps[1][0] == pytest.approx(3 * 24 * DAYS_A_MONTH / 0.005)


def test_fewer_hours_move_the_point():
    steps = cheapest_by_volume({"hourly": HOURLY, "by call": BY_CALL}, Use(hours_per_day=8.0))
    assert steps[1][0] == pytest.approx(8 * 3 * DAYS_A_MONTH / 0.005)


def test_the_plan_of_the_volume_counts():
    steps = cheapest_by_volume({"plans": PLANS, "hourly": HOURLY}, Use(hours_per_day=24.0))
    hours = 3 * 24 * DAYS_A_MONTH
    # 50 + 0.005 (n - 10,000) up to 500, then 500 + 0.001 (n - 500,000) until that comes to the hours.
    assert [names for _, names in steps] == [("plans",), ("hourly",)]
    assert steps[1][0] == pytest.approx(500_000 + (hours - 500) / 0.001)


def test_each_point_holds_when_every_volume_is_tried():
    known = {"hourly": HOURLY, "by call": BY_CALL, "plans": PLANS, "free of fees": costs(("call", 0.0012, {}))}
    steps = cheapest_by_volume(known, Use())
    assert len(steps) > 2
    for calls in [int(100 * 1.07**power) for power in range(200)]:
        if not steps[0][0] < calls < 1e9:
            continue
        (_, names), *_ = [step for step in reversed(steps) if step[0] <= calls]
        months = {name: one.month(Use(calls)).usd for name, one in known.items()}
        assert months[names[0]] == pytest.approx(min(months.values()), abs=0.01)


def test_an_unknown_price_takes_no_part():
    assert cheapest_by_volume({"a": costs(("call", None, {}))}, Use()) == []
    steps = cheapest_by_volume({"a": costs(("call", None, {})), "b": BY_CALL}, Use())
    assert [names for _, names in steps] == [("b",)]


def test_three_figures_are_shown():
    assert rounded(438_219.4) == "438,000"
