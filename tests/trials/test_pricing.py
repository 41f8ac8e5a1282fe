"""What a trial may cost at most, and what it has cost: unknown is never 0, and every bound has its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_bench.contract import Counted, Limits, Price, Resource, Stage
from automl_bench.measurement.load import LoadSettings
from automl_bench.store import open_store
from automl_bench.store.records import LedgerEntry, StageRecord, StageStatus, TrialRecord
from automl_bench.trials.budget import unknown_remedy
from automl_bench.trials.experiment import Experiment, ParallelPlan
from automl_bench.trials.extent import MOST_IN_VAIN, PROOF_CALLS, Extent, extent_of
from automl_bench.trials.price_records import PRICES, table_as_json, table_of
from automl_bench.trials.pricing import Cost, Part, dollars, reservation, together
from automl_bench.trials.spending import spent

EXTENT = Extent(
    samples=50, tests=100, load_calls=0, most_calls=505, training_hours=72.5, serving_hours=26.5, total_hours=122.0
)
TRIAL = TrialRecord("a" * 12, "acme", "default", "pets", "f" * 64, 5)


def price(item: str, usd: float | None, **more: object) -> Price:
    return Price(item, usd, "unit", "2026-01-02", "somewhere", **more)  # type: ignore[arg-type]


def experiment(**more: object) -> Experiment:
    return Experiment("e", ("pets",), ("acme",), (5,), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "usd", "part"),
    [
        (price("train_hour", 3.0, per_trial=2.0), 6.0, Part.TRAIN),
        (price("train_hour", 3.0, counted=Counted.TRAINING_HOURS), 217.5, Part.TRAIN),
        (price("endpoint_hour", 4.0, counted=Counted.SERVING_HOURS, units_each=2.0), 212.0, Part.SERVE),
        (price("call", 0.01), 5.05, Part.CALLS),
        (price("per_thousand", 1.0, counted=Counted.CALLS, units_each=0.001), 0.505, Part.CALLS),
        (price("input_tokens", 1.0, counted=Counted.INPUT_TOKENS, units_each=2000.0), 1.01, Part.CALLS),
        (price("cached_tokens", 1e-7, counted=Counted.CACHED_TOKENS, units_each=2000.0), 0.0, Part.CALLS),
        (price("output_tokens", None, counted=Counted.OUTPUT_TOKENS, units_each=9.0), None, Part.CALLS),
        (price("sample_month", 0.1, counted=Counted.SAMPLES), 5.0, Part.STORAGE),
        (price("plan_month", 50.0, per_trial=0.0), 0.0, Part.OTHER),
        (price("enterprise_month", None, per_trial=0.0), 0.0, Part.OTHER),
        (price("endpoint_hour", 0.0), 0.0, Part.SERVE),
        (price("endpoint_hour", 4.0), None, Part.SERVE),
        (price("call", None), None, Part.CALLS),
        (price("sample_month", None), None, Part.STORAGE),
    ],
)
def test_each_line_is_counted_its_own_way(line: Price, usd: float | None, part: Part) -> None:
    (found,) = reservation([line], EXTENT).lines
    assert found.usd == (None if usd is None else pytest.approx(usd))
    assert found.part is part


def test_the_users_own_bound_goes_before_the_table() -> None:
    table = [price("train_hour", 1.0), price("sample_month", None), price("call", 0.01)]
    found = reservation(table, EXTENT, {"train_hour": 6.0, "sample_month": 0.1})
    assert found.total == Cost(pytest.approx(6.0 + 0.1 + 5.05))
    assert [line.basis for line in found.lines[:2]] == ["your own bound"] * 2


def test_without_a_table_everything_is_unknown_until_the_user_bounds_it() -> None:
    assert reservation([], EXTENT).total == Cost(0.0, ("everything",))
    assert reservation([], EXTENT, {"everything": 5.0}).total == Cost(5.0)


def test_an_unknown_amount_never_looks_like_nothing() -> None:
    assert str(Cost(0.0, ("call",))) == "unknown"
    assert str(Cost(3.2, ("call",))) == "at least $3.20 + unknown"
    assert str(Cost(1234.5)) == "$1,234.50"
    assert dollars(0.002) == "< $0.01"
    assert dollars(0.0) == "$0.00"
    assert Cost(0.0, ("call",)).as_json() == {"usd": None, "unknown": ["call"]}
    assert Cost(0.0).as_json() == {"usd": 0.0, "unknown": []}
    assert together([Cost(1.0), Cost(2.0, ("x",)), Cost(0.5, ("x", "y"))]) == Cost(3.5, ("x", "y"))


def test_the_remedy_names_the_very_lines_to_write() -> None:
    words = unknown_remedy("acme", Cost(0.0, ("train_hour", "sample_month")))
    assert "[budget] train_hour = DOLLARS, sample_month = DOLLARS in configs/providers/acme.toml" in words


def test_hours_come_from_the_deadlines_and_the_longest_deletion() -> None:
    deadlines = {Stage.UPLOAD: 3600.0, Stage.TRAIN: 7200.0, Stage.DEPLOY: 3600.0, Stage.INVOKE: 1800.0}
    found = extent_of(experiment(deadline_seconds=deadlines), TRIAL, samples=50, tests=100, limits=Limits())
    assert (found.training_hours, found.serving_hours, found.total_hours) == (2.5, 2.0, 4.5)
    # Under interleave an endpoint may wait for the slowest of its group to be uploaded and trained.
    turns = experiment(deadline_seconds=deadlines, interleave=True)
    assert extent_of(turns, TRIAL, samples=50, tests=100, limits=Limits()).serving_hours == 5.0


@pytest.mark.parametrize(
    ("settings", "planned", "most"),
    [
        (LoadSettings(calls=1000), 1000, 1010),
        (LoadSettings(calls=1000, warm_up_calls=0), 1000, 1000),
        (LoadSettings(loop="open", rate=20.0, duration_seconds=60.0), 1200, 1210),
        (LoadSettings(calls=10, duration_seconds=10.0), None, 260),  # at the published 25 requests a second
        (LoadSettings(loop="sweep", sweep_from=1.0, sweep_to=5.0, duration_seconds=10.0), None, 1010),
    ],
)
def test_load_calls_are_planned_and_bounded(settings: LoadSettings, planned: int | None, most: int) -> None:
    one = experiment(parallel=ParallelPlan(settings=settings))
    none = experiment(parallel=ParallelPlan(enabled=False))
    limits = Limits(requests_per_second=25.0)
    with_load = extent_of(one, TRIAL, samples=50, tests=100, limits=limits)
    without = extent_of(none, TRIAL, samples=50, tests=100, limits=limits)
    assert with_load.load_calls == planned
    assert with_load.most_calls - without.most_calls == most
    assert without.load_calls == 0
    assert without.most_calls == (100 + MOST_IN_VAIN) * 5 + 2 * 3 + 2 + PROOF_CALLS


def test_what_was_spent_is_the_sum_of_what_is_known(tmp_path: Path) -> None:
    table = [price("train_hour", 2.0), price("endpoint_hour", 4.0), price("call", 0.5), price("storage", None)]
    with open_store(tmp_path / "s.sqlite") as store:
        store.save_trial(TRIAL)
        assert spent(store, TRIAL, []).total == Cost(0.0), "a trial that never began has cost nothing"
        kept = {PRICES: table_as_json(table)}
        store.finish_stage(StageRecord(TRIAL.trial_id, Stage.UPLOAD, StageStatus.DONE, result=kept))
        store.finish_stage(StageRecord(TRIAL.trial_id, Stage.TRAIN, StageStatus.DONE, billable_seconds=1800.0))
        line = store.ledger_intend(
            LedgerEntry(TRIAL.trial_id, Stage.DEPLOY, "acme", "default", "endpoint", "n", hourly_usd=4.0)
        )
        store.ledger_created(line.entry_id, Resource("endpoint", "n", hourly_usd=4.0))
        store.ledger_deleted(line.entry_id)
        stages = store.stages(TRIAL.trial_id)
        assert [(one.item, one.usd, one.as_of) for one in table_of(stages)] == [
            (one.item, one.usd, one.as_of) for one in table
        ]
        found = spent(store, TRIAL, table_of(stages))
        assert found.train == Cost(1.0)
        assert found.train_hours == 0.5
        assert 0 < found.serve_hours < 0.01
        assert found.serve.usd == pytest.approx(4.0 * found.serve_hours)
        assert found.as_of == "2026-01-02"
        assert spent(store, TRIAL, []).total.unknown == ("everything",)


def test_a_training_whose_time_nobody_says_is_unknown_and_not_free(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.sqlite") as store:
        store.save_trial(TRIAL)
        store.finish_stage(StageRecord(TRIAL.trial_id, Stage.TRAIN, StageStatus.FAILED, wall_seconds=60.0))
        assert spent(store, TRIAL, [price("train_hour", 2.0)]).total == Cost(0.0, ("train_hour",))
        assert spent(store, TRIAL, [price("train_hour", 0.0)]).total == Cost(0.0)
