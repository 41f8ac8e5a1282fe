"""What a variant may ask for, and what its machines cost."""

from __future__ import annotations

from typing import Any

import pytest
from automl_bench_azure.description import DESCRIPTION
from automl_bench_azure.options import Options
from automl_bench_azure.prices import prices, serving_usd, vm_hour_usd

from automl_bench.contract import Variant
from automl_bench.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model_name": "alexnet"}, "model_name is 'alexnet'"),
        ({"model_name": 3}, "model_name is 3"),
        ({"max_trials": 0}, "max_trials is 0"),
        ({"max_trials": 1001}, "max_trials is 1001"),
        ({"timeout_minutes": True}, "timeout_minutes is True"),
        ({"timeout_minutes": 1.5}, "timeout_minutes is 1.5"),
        ({"instance_type": "t2.micro"}, "instance_type is 't2.micro'"),
        ({"compute_size": ""}, "compute_size is ''"),
        ({"low_priority": "yes"}, "low_priority is 'yes'"),
        ({"instances": 21}, "instances is 21"),
        ({"probe_delay_seconds": 0}, "probe_delay_seconds is 0"),
        ({"colour": 3}, "'colour' is not a setting"),
        ({"model_name": ""}, "neither a model_name nor more than one trial"),
    ],
)
def test_what_cannot_be_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        Options.of(Variant("azure", "mine", settings))
    assert "azure:mine" in caught.value.message
    assert caught.value.remedy


def test_the_variants_that_come_along_are_good() -> None:
    for name, settings in DESCRIPTION.variants.items():
        assert Options.of(Variant("azure", name, settings))


def options(**settings: Any) -> Options:
    return Options.of(Variant("azure", "mine", settings))


def test_the_prices_are_those_of_the_variant_s_machines() -> None:
    table = {price.item: price for price in prices(options(instances=3, timeout_minutes=60))}
    assert (table["train_hour"].usd, table["train_hour"].per_trial) == (0.526, 1.25)
    assert table["endpoint_hour"].usd == pytest.approx(0.879)
    assert table["call"].usd == 0.0
    assert table["sample_month"].usd is None


@pytest.mark.parametrize(
    "asked",
    [options(low_priority=True), options(compute_size="Standard_ND96asr_v4", instance_type="Standard_E4s_v3")],
)
def test_what_is_not_in_the_table_is_unknown_and_never_free(asked: Options) -> None:
    table = {price.item: price for price in prices(asked)}
    assert table["train_hour"].usd is None
    assert table["train_hour"].source == "not in the table"


def test_sizes_are_found_in_any_spelling() -> None:
    assert vm_hour_usd("STANDARD_NC4AS_T4_V3") == vm_hour_usd("Standard_NC4as_T4_v3") == 0.526
    assert serving_usd("Standard_Unheard", 2) is None
