"""The script that compares trained, prompted and embedded, on a few answers, and its experiment."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from answered_trials import answer, right

from automl_bench.settings.experiment_files import read_experiment
from automl_bench.store import open_store

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "tools" / "prompted_page.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prompted_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_tells_stand_ins_from_what_is_real_and_compares_with_the_trained_one(
    script: ModuleType, tmp_path: Path
) -> None:
    with open_store(tmp_path / "results.sqlite") as store:
        for fold in (0, 1):
            answer(store, "auto", right(90), dataset="digits", fold=fold)
            answer(store, "few", right(50 + fold), dataset="digits", fold=fold, provider="openai")
        text = script.page(store, 0.25)
    assert "**a stand-in, no language model.**" in text
    assert "| digits | local:auto |" in text
    assert "openai:few − local:auto" in text or "local:auto − openai:few" in text
    assert "The stand-in billed $0.2500" in text


def test_the_experiment_is_a_valid_one(script: ModuleType) -> None:
    experiment = read_experiment(script.EXPERIMENT)
    assert set(experiment.datasets) == set(script.DATASETS)
    assert script.BASELINE.partition(":")[0] in experiment.providers
