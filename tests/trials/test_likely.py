"""What a trial will probably take and cost rests on trials here, else on reported times, else on a named assumption."""

from __future__ import annotations

import pytest

from automl_bench.contract import Counted, Modality, Price, ReportedTimes, Stage
from automl_bench.trials.extent import Extent
from automl_bench.trials.likely import ASSUMED_CALLS, ASSUMED_DEPLOYMENT, Likely, Range, expect
from automl_bench.trials.pricing import reservation

EXTENT = Extent(
    samples=100, tests=60, load_calls=40, most_calls=700, training_hours=72, serving_hours=26, total_hours=100
)
STAGES = (Stage.TRAIN, Stage.DEPLOY, Stage.INVOKE, Stage.PARALLEL)


def price(item: str, usd: float | None, **more: object) -> Price:
    return Price(item, usd, "unit", "2026-01-02", "a page", **more)  # type: ignore[arg-type]


TABLE = [
    price("train_hour", 3.0, per_trial=8.0),
    price("endpoint_hour", 2.0, counted=Counted.SERVING_HOURS),
    price("call", 0.01),
    price("sample_month", None),
    price("plan_month", 50.0, per_trial=0.0, monthly=True),
]
REPORTED = (
    ReportedTimes(Stage.TRAIN, ((10, 60.0), (80, 3600.0), (300, 7200.0), (9000, 90_000.0)), "2023-05", "a test"),
)


def likely(here: dict[Stage, list[float]] | None = None, reported: tuple[ReportedTimes, ...] = REPORTED) -> Likely:
    return expect(TABLE, EXTENT, reservation(TABLE, EXTENT), STAGES, here=here or {}, reported=reported)


def units(found: Likely) -> dict[str, Range | None]:
    return {line.item: line.units for line in found.bill}


def test_reported_times_of_about_as_many_samples_give_the_range() -> None:
    found = likely()
    assert units(found)["train_hour"] == Range(1.0, 2.0)
    assert "a test (2023-05)" in found.sources
    assert {ASSUMED_DEPLOYMENT, ASSUMED_CALLS} <= set(found.sources)


def test_the_nearest_time_stands_where_none_is_alike() -> None:
    far = (ReportedTimes(Stage.TRAIN, ((5, 10.0), (9000, 20.0)), "2023-05", "a test"),)
    assert units(likely(reported=far))["train_hour"] == Range(10 / 3600, 10 / 3600)


def test_times_of_one_variant_or_modality_stand_for_no_other() -> None:
    of_images = ReportedTimes(Stage.TRAIN, ((5, 10.0),), "2023-05", "a test", "large", Modality.IMAGE)
    assert of_images.stands_for("large", Modality.IMAGE)
    assert not of_images.stands_for("large", Modality.TEXT)
    assert not of_images.stands_for("small", Modality.IMAGE)
    assert REPORTED[0].stands_for("small", Modality.TABULAR), "what names none stands for all"


def test_what_was_measured_here_goes_before_what_was_reported() -> None:
    here = {Stage.TRAIN: [360.0, 720.0], Stage.DEPLOY: [36.0], Stage.INVOKE: [36.0], Stage.PARALLEL: [72.0]}
    found = likely(here)
    assert units(found)["train_hour"] == Range(0.1, 0.2)
    assert units(found)["endpoint_hour"] == Range(pytest.approx(0.04), pytest.approx(0.04))
    assert found.usd.low == pytest.approx(0.3 + 0.08 + 1.0)
    assert found.usd.high == pytest.approx(0.6 + 0.08 + 1.0)
    assert found.sources == ("measured here (n=2)", "measured here (n=1)")


def test_each_call_is_counted_once_and_monthly_fees_are_no_part_of_a_trial() -> None:
    found = likely()
    assert units(found)["call"] == Range(100, 100)
    assert "plan_month" not in units(found)
    assert found.unknown == ("sample_month",)


def test_no_expectation_goes_beyond_the_worst_case() -> None:
    slow = (ReportedTimes(Stage.TRAIN, ((100, 90 * 3600.0),), "2023-05", "a test"),)
    assert units(likely(reported=slow))["train_hour"] == Range(8.0, 8.0)


def test_hours_are_unknown_where_nothing_tells_how_long_a_training_takes() -> None:
    found = likely(reported=())
    assert found.hours is None
    assert found.without == (Stage.TRAIN,)
    assert "train_hour" in found.unknown
