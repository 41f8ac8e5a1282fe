"""The provider's page and README name every setting, variant, resource, limit and price as the code has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_vertex import labels, naming
from automl_bench_vertex.description import (
    DESCRIPTION,
    LEAST_PER_LABEL,
    LEAST_ROWS,
    MOST_CLASSES_OF_TABLES,
    MOST_ROWS,
    prices,
)
from automl_bench_vertex.options import BUDGETS, OBJECTIVES, TABLE_BUDGETS, VARIANT_SETTINGS, VARIANTS, TrainingOptions

from automl_bench.contract import Modality, Variant

PLUGIN = Path(__file__).resolve().parents[1]
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
PAGE = (PLUGIN.parents[1] / "docs" / "providers" / "vertex.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [README, PAGE], ids=["README", "page"])
def test_every_setting_has_its_line(text: str) -> None:
    for setting in DESCRIPTION.settings:
        assert f"| `{setting.name}` | `{setting.env}` |" in text


def test_every_variant_has_its_line() -> None:
    for name, settings in VARIANTS.items():
        assert f"| `{name}` | `{settings['model_type']}` | {settings['budget_milli_node_hours']} |" in PAGE
    for least, most in BUDGETS.values():
        assert f"{least:,} to {most:,}" in PAGE


def test_every_kind_of_resource_has_its_line_with_its_price() -> None:
    kinds = (naming.SAMPLES, naming.DATASET, naming.MODEL, naming.TRAINING, naming.ENDPOINT, naming.DEPLOYED_MODEL)
    lines = [line for line in PAGE.splitlines() if line.startswith("| `automl-bench-<trial>-")]
    assert [line.split("`")[1].removeprefix("automl-bench-<trial>-") for line in lines] == list(kinds)
    usd = {price.item: price.usd for price in prices(TrainingOptions.of(Variant("vertex", "default")))}
    assert f"${usd['train_hour']} a node hour" in lines[kinds.index(naming.TRAINING)]
    assert f"**${usd['endpoint_hour']} an hour**" in lines[kinds.index(naming.DEPLOYED_MODEL)]


def test_the_least_bill_of_a_training_is_right() -> None:
    price = next(
        price for price in prices(TrainingOptions.of(Variant("vertex", "default"))) if price.item == "train_hour"
    )
    assert price.usd is not None
    assert price.per_trial is not None
    for text in (README, PAGE):
        assert f"${price.usd * price.per_trial:.2f}" in text


def test_the_limits_are_those_of_the_code() -> None:
    assert f"At least {LEAST_PER_LABEL} images of each label" in PAGE
    assert f"at least {LEAST_PER_LABEL} images of each label" in README


def test_tables_have_their_limits_settings_and_prices() -> None:
    prose = " ".join(PAGE.split())
    options = TrainingOptions.of(Variant("vertex", "default"))
    assert f"At least {LEAST_ROWS:,} rows" in prose
    assert f"at least {LEAST_ROWS:,} rows" in " ".join(README.split())
    assert f"{MOST_ROWS:,} rows, 1,000 columns with those two, 2 to {MOST_CLASSES_OF_TABLES} classes" in prose
    least, most = TABLE_BUDGETS
    assert f"({least:,} to {most:,}; by default {options.table_budget_milli_node_hours})" in prose
    for word in (*OBJECTIVES, options.table_machine_type, *(each.name for each in VARIANT_SETTINGS)):
        assert f"`{word}`" in PAGE or f"`{word} " in PAGE
    usd = {price.item: price for price in prices(options, Modality.TABULAR)}
    train = usd["train_hour"]
    assert train.usd is not None
    assert train.per_trial is not None
    assert f"${train.usd} a node hour of training, so ${train.usd * train.per_trial:.2f} for" in prose
    assert usd["endpoint_hour"].usd is None
    both = [price.item for price in prices(options)]
    assert len(both) == len(set(both))
    assert {"train_hour", "tabular_train_hour"} <= set(both)


def test_the_spelling_of_labels_is_as_told() -> None:
    prose = " ".join(PAGE.split())
    assert f'"golden retriever" is `{labels.to_service("golden retriever")}`' in prose
    assert f'"7" is `{labels.to_service("7")}`' in prose
