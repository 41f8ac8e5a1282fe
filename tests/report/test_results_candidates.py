"""`results --candidates`: everything that a training tried, the best first, and whatever a plugin tells is checked."""

from __future__ import annotations

import json

import pytest
from answered_trials import answer, right

from automl_bench.cli.main import run
from automl_bench.contract import Stage
from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import StageRecord, StageStatus

TOLD = [
    {"candidate": "words", "measure": "accuracy", "score": 0.75, "sd": 0.05, "folds": 5, "chosen": False},
    {"candidate": "characters", "measure": "accuracy", "score": 0.875, "sd": None, "folds": 5, "chosen": True},
    {"candidate": "broken", "measure": "accuracy", "score": "much"},
    {"candidate": "without an end", "measure": "accuracy", "score": float("inf")},
    "no candidate",
]
LOSSES = [
    {"candidate": "trees", "measure": "log_loss", "score": 0.61, "sd": 0.1, "folds": 5, "chosen": False},
    {"candidate": "boosting", "measure": "log_loss", "score": 0.52, "sd": 0.1, "folds": 5, "chosen": True},
]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        for variant, told in (("text", TOLD), ("table", LOSSES), ("plain", None)):
            answer(store, variant, right(8, 10))
            trial = next(one.trial_id for one in store.trials() if one.variant == variant)
            result = {} if told is None else {"candidates": told}
            store.finish_stage(StageRecord(trial, Stage.TRAIN, StageStatus.DONE, result=result))
    return tmp_path


def test_candidates_are_listed_best_first_with_their_scores(workspace, capsys):
    assert run(["results", "--candidates"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "local:" in line]
    names = [next(word for word in ("words", "characters", "trees", "boosting") if word in line) for line in lines]
    assert names == ["characters", "words", "boosting", "trees"]
    assert "87.5 %" in lines[0]
    assert "chosen" in lines[0]
    assert "0.520" in lines[2]


def test_the_same_as_json_with_the_trial_of_each(workspace, capsys):
    assert run(["results", "--candidates", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [one["score"] for one in records] == [0.875, 0.75, 0.52, 0.61]
    assert {one["variant"] for one in records} == {"text", "table"}
    assert all(len(one["trial_id"]) == 12 for one in records)


def test_without_any_the_remedy_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        answer(store, "plain", right(8, 10))
    assert run(["results", "--candidates"]) == ExitCode.NO_RESULTS
    assert "No training of these trials told what it tried." in " ".join(capsys.readouterr().err.split())
