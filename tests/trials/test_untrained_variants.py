"""0 shots, variants that learn from no sample, and what single answers cost by their tokens."""

from __future__ import annotations

import pytest

from automl_bench.contract import Capability, Counted, Price, ProviderDescription, Setting, SettingKind, Usage, Variant
from automl_bench.trials.experiment import Experiment, Learning, expand, learning_of
from automl_bench.trials.price_records import usd_of_usage

PROMPTED = ProviderDescription(
    "asked",
    "Asked",
    frozenset({Capability.INVOKE}),
    variant_settings=(Setting("examples", "How many.", kind=SettingKind.INTEGER, default="0"),),
    needs_training=False,
    untrained_where={"examples": 0},
)
TRAINED = ProviderDescription("taught", "Taught", frozenset({Capability.INVOKE}))
VARIANTS = {
    "taught": Variant("taught", "default"),
    "zero": Variant("asked", "zero"),
    "few": Variant("asked", "few", {"examples": 4}),
}


def learning(variant: Variant) -> Learning:
    return learning_of(TRAINED if variant.provider == "taught" else PROMPTED, variant)


def points(shots: tuple[int | None, ...], folds: int = 2) -> dict[str, list[tuple[int | None, int]]]:
    experiment = Experiment("e", ("pets",), (), shots, folds=folds)
    found: dict[str, list[tuple[int | None, int]]] = {name: [] for name in VARIANTS}
    for trial in expand(experiment, list(VARIANTS.values()), {"pets": "f" * 64}, {}, learning):
        name = next(
            name for name, one in VARIANTS.items() if (one.provider, one.name) == (trial.provider, trial.variant)
        )
        found[name].append((trial.shots, trial.fold))
    return found


def test_each_variant_has_the_trials_that_can_differ() -> None:
    assert points((0, 5, None)) == {
        "taught": [(5, 0), (5, 1), (None, 0), (None, 1)],
        "zero": [(0, 0)],
        "few": [(0, 0), (5, 0), (5, 1), (None, 0), (None, 1)],
    }
    assert points((5,))["zero"] == [(0, 0)], "one trial whichever shots are asked for"


def test_an_untrained_variant_has_the_same_trial_in_every_experiment() -> None:
    ids = {
        next(
            trial.trial_id
            for trial in expand(Experiment("e", ("pets",), (), shots), [VARIANTS["zero"]], {"pets": "f"}, {}, learning)
        )
        for shots in ((0,), (5, 20), (None,))
    }
    assert len(ids) == 1


def price(counted: Counted, usd: float | None, each: float = 1.0) -> Price:
    return Price(counted.value, usd, "unit", "2026-11-30", "somewhere", counted=counted, units_each=each)


def test_an_answer_costs_what_its_tokens_cost_with_cached_ones_told_apart() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=400, output_tokens=10)
    whole = [price(Counted.INPUT_TOKENS, 1.0), price(Counted.OUTPUT_TOKENS, 5.0)]
    assert usd_of_usage(whole, usage) == pytest.approx(1050e-6)
    apart = [*whole, price(Counted.CACHED_TOKENS, 0.1)]
    assert usd_of_usage(apart, usage) == pytest.approx(600e-6 + 40e-6 + 50e-6)
    assert usd_of_usage([*apart, price(Counted.CALLS, 0.01)], usage) == pytest.approx(0.01 + 690e-6)
    assert usd_of_usage([*whole, price(Counted.IMAGES, 0.001)], Usage(1, None, 0, images=2)) == pytest.approx(0.002001)


def test_what_is_not_told_is_unknown_and_not_free() -> None:
    table = [price(Counted.INPUT_TOKENS, 1.0), price(Counted.OUTPUT_TOKENS, None)]
    assert usd_of_usage(table, Usage(input_tokens=10, output_tokens=3)) is None
    assert usd_of_usage(table, Usage(output_tokens=0)) is None
    assert usd_of_usage([price(Counted.CALLS, 0.01)], Usage(input_tokens=10)) is None, "calls are counted by the host"
    assert usd_of_usage([], Usage()) is None
