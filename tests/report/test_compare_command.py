"""`compare`: the first line is the answer; what is named must be known and have something in common."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from answered_trials import answer, right

from automl_bench.cli.main import run
from automl_bench.errors import ExitCode
from automl_bench.report.comparing import BESIDE_FIELDS, COMPARE_FIELDS
from automl_bench.report.fields import COMPARISON_FIELDS
from automl_bench.store import open_store
from automl_bench.store.records import ExperimentRecord

DOCS = Path(__file__).parents[2] / "docs" / "results-format.md"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A is ahead on pets in three draws; on beans the two are alike."""
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        for fold in range(3):
            answer(store, "a", right(280, 300), fold=fold)
            answer(store, "b", right(240 + fold, 300), fold=fold)
            answer(store, "a", right(85 + fold), dataset="beans", fold=fold)
            answer(store, "b", right(85), dataset="beans", fold=fold)
        ids = {(t.variant, t.dataset): [] for t in store.trials()}
        for trial in store.trials():
            ids[trial.variant, trial.dataset].append(trial.trial_id)
        for name, variant in (("before", "a"), ("after", "b")):
            store.save_experiment(ExperimentRecord(name, {}, tuple(ids[variant, "pets"])))
        store.save_experiment(ExperimentRecord("both", {}, tuple(ids["a", "pets"] + ids["b", "pets"])))
    return tmp_path


def first_line(capsys, *arguments):
    assert run(["compare", *arguments]) == 0
    return capsys.readouterr().out.splitlines()[0]


def test_the_first_line_is_the_answer(workspace, capsys):
    line = first_line(capsys, "local:a", "local:b", "--dataset", "pets")
    assert re.fullmatch(
        r"local:a is ahead of local:b by 13\.0 points \[9\.\d, 1\d\.\d\] on pets at 20 shots"
        r" \(300 test samples × 3 draws, p < 0\.001\)",
        line,
    )
    assert first_line(capsys, "local:b", "local:a", "--dataset", "pets") == line


def test_what_is_not_settled_says_how_far_and_what_would_settle_it(workspace, capsys):
    line = first_line(capsys, "local:a", "local:b", "--dataset", "beans")
    assert line.startswith("not settled: +1.0 [")
    assert "equal within 1 point" in line
    assert "test samples would settle 1 point" in line
    assert first_line(capsys, "local:b", "local:a", "--dataset", "beans").startswith("not settled: −1.0 [")
    assert "equal within 3 points" in first_line(capsys, "local:a", "local:b", "--dataset", "beans", "--rope", "3")


def test_several_datasets_are_counted(workspace, capsys):
    line = first_line(capsys, "local:a", "local:b")
    assert line.startswith("local:a is ahead of local:b on 1 of 2 datasets and behind on 0; 1 not settled.")


def test_two_experiments_are_compared(workspace, capsys):
    assert first_line(capsys, "before", "after").startswith("local:a is ahead of local:b by 13.0 points")


def test_another_score_is_compared_in_pairs_too(workspace, capsys):
    line = first_line(capsys, "local:a", "local:b", "--dataset", "pets", "--metric", "macro_f1")
    assert re.fullmatch(
        r"local:a is ahead of local:b by 13\.\d points of macro F1 \[9\.\d, 1\d\.\d\] on pets at 20 shots"
        r" \(300 test samples × 3 draws, p < 0\.001\)",
        line,
    )
    assert run(["compare", "local:a", "local:b", "--metric", "balanced_accuracy", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["metric"] == "balanced_accuracy"
    assert [one["dataset"] for one in document["comparisons"]][-1] == "all datasets"
    assert "random signs" in document["comparisons"][0]["method"]


def test_markdown_begins_with_the_answer(workspace, capsys):
    line = first_line(capsys, "local:a", "local:b", "--dataset", "pets", "--md")
    assert line.startswith("**local:a is ahead of local:b by 13.0 points")


def test_the_json_has_every_documented_field(workspace, capsys):
    assert run(["compare", "local:a", "local:b", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == list(COMPARE_FIELDS)
    assert all(list(one) == list(COMPARISON_FIELDS) for one in document["comparisons"])
    assert all(list(one) == list(BESIDE_FIELDS) for one in document["beside"])
    assert {one["question"] for one in document["comparisons"] if one["dataset"] == "pets"} == {
        "these trained models",
        "the method on another draw",
    }
    assert {(one["dataset"], one["variant"]) for one in document["beside"]} == {
        (dataset, variant) for dataset in ("pets", "beans") for variant in ("local:a", "local:b")
    }
    assert all(one["majority"] == 0.5 == one["chance"] for one in document["beside"])


def test_the_page_describes_the_fields():
    text = DOCS.read_text(encoding="utf-8")
    for heading, fields in (("`compare --json`", COMPARE_FIELDS), ("`beside`", BESIDE_FIELDS)):
        part = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
        assert re.findall(r"^\| `(\w+)` \| (.+) \|$", part, flags=re.MULTILINE) == list(fields.items())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("local:a", "vertex"), "There are no results of 'vertex'. Known are: local:a, local:b."),
        (("local", "local:a"), "'local' means several variants. Name one of: local:a, local:b."),
        (("both", "before"), "The experiment 'both' means several variants."),
        (("local:a", "local:a"), "cannot be compared with itself"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_can(workspace, capsys, names, words):
    assert run(["compare", *names]) == ExitCode.USAGE
    assert words in " ".join(capsys.readouterr().err.split())


def test_nothing_in_common_is_said(workspace, capsys):
    assert run(["compare", "local:a", "local:b", "--shots", "80"]) == ExitCode.USAGE
    assert "have no results in common" in capsys.readouterr().err


def test_another_experiment_of_the_same_name_takes_nothing_away(tmp_path):
    with open_store(tmp_path / "x.sqlite") as store:
        answer(store, "a", right(9, 10))
        (trial,) = store.trials()
        store.save_experiment(ExperimentRecord("mine", {}, (trial.trial_id,), created_at="2026-01-02T03:04:05+00:00"))
        assert store.set_aside_experiment("mine", [trial.trial_id, "other"]) is None, "it goes on"
        assert store.set_aside_experiment("new", ["other"]) is None
        assert store.set_aside_experiment("mine", ["other"]) == "mine@2026-01-02T030405"
        assert store.experiment("mine") is None
        assert store.experiment("mine@2026-01-02T030405").trial_ids == (trial.trial_id,)
