"""Environments are stored once, imported results are not doubled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl_bench.errors import RecordsError
from automl_bench.store import Store
from automl_bench.store.records import ImportedResult

RESULT = ImportedResult("figures.csv", "AWS", "imported", "food", 5, 0.5434, classes=101)


def test_the_same_environment_has_one_number_whatever_the_order_of_its_keys(store: Store) -> None:
    first = store.record_environment({"cpu": "EPYC", "packages": {"numpy": "2", "pandas": "3"}, "pair": (1, 2)})
    again = store.record_environment({"pair": [1, 2], "packages": {"pandas": "3", "numpy": "2"}, "cpu": "EPYC"})
    other = store.record_environment({"cpu": "Xeon"})
    assert first == again != other
    assert store.environment(other) == {"cpu": "Xeon"}
    assert store.environment(999) is None


def test_importing_the_same_rows_again_adds_nothing_even_from_a_copy_of_the_file(store: Store) -> None:
    rows = [RESULT, replace(RESULT, provider="Google"), replace(RESULT, shots=None)]
    assert store.add_imported(rows) == 3
    assert store.add_imported(rows) == 0
    assert store.add_imported([replace(row, source="copy.csv") for row in rows]) == 0
    assert store.imported() == rows


def test_a_corrected_file_can_replace_the_first(store: Store) -> None:
    store.add_imported([RESULT, replace(RESULT, source="other.csv", provider="Google")])
    assert store.remove_imported("figures.csv") == 1
    assert store.add_imported([replace(RESULT, accuracy=0.55)]) == 1
    assert [row.accuracy for row in store.imported()] == [0.5434, 0.55]


def test_an_imported_row_that_cannot_be_stored_stops_the_whole_file(store: Store) -> None:
    with pytest.raises(RecordsError):
        store.add_imported([RESULT, replace(RESULT, provider=None)])  # type: ignore[arg-type]  # on purpose
    assert store.imported() == []


def test_an_experiment_may_not_name_an_environment_that_is_not_there(store: Store) -> None:
    from automl_bench.store.records import ExperimentRecord

    with pytest.raises(RecordsError, match="does not fit the others"):
        store.save_experiment(ExperimentRecord("x", {}, environment_id=7))
    assert store.experiments() == []
