"""Results and predictions made elsewhere: matched, marked, corrected, removed; what we export can be taken in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from automl_bench.cli.main import run
from automl_bench.datasets.manifest import read_manifest
from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import CallTiming, LoadCall, LoadRun, Outcome

PROMPTFOO = Path(__file__).parents[1] / "fixtures" / "promptfoo_results.json"
"""What `promptfoo eval -o` wrote (version 0.121.20), with a provider written in JavaScript that needs no network."""

HEAD = "provider,variant,dataset,shots,fold,accuracy\n"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with the dataset `pets`: two classes, twelve test images each."""
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path / "w"))
    monkeypatch.setenv("COLUMNS", "250")
    for split, count in (("train", 8), ("test", 12)):
        for place, label in enumerate(("cat", "dog")):
            folder = tmp_path / "pictures" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                colour = (place * 90 + 20, 8 * number + (100 if split == "test" else 0), 60)
                Image.new("RGB", (32, 32), colour).save(folder / f"{label}{number}.png")
    assert run(["data", "import", "pets", str(tmp_path / "pictures")]) == 0
    return tmp_path / "w"


def asked_of(workspace):
    table = read_manifest(workspace / "data" / "pets").table.to_pylist()
    return [row for row in table if row["split"] == "test"]


def write(path, rows, header=("sample", "predicted", "confidence", "seconds")):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


def answered(workspace, key, wrong=0):
    rows = asked_of(workspace)
    other = {"cat": "dog", "dog": "cat"}
    return [
        (row[key], other[row["label"]] if place < wrong else row["label"], 0.9, 0.25) for place, row in enumerate(rows)
    ]


def rows_of(capsys):
    capsys.readouterr()
    assert run(["results", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("key", ["sample_id", "path"])
def test_predictions_are_matched_scored_and_marked(workspace, capsys, key):
    file = write(workspace / "theirs.csv", answered(workspace, key, wrong=3))
    assert run(["results", "import", file, "--provider", "acme", "--dataset", "pets", "--shots", "20"]) == 0
    (row,) = rows_of(capsys)
    assert (row["provider"], row["variant"], row["shots"], row["source"]) == ("acme", "imported", 20, "theirs.csv")
    assert (row["test_samples"], row["correct"], row["classes"]) == (24, 21, 2)
    assert row["latency_ms"]["p50"] == pytest.approx(250)
    assert run(["results"]) == 0
    assert "acme:imported: answers imported from theirs.csv, not measured here." in capsys.readouterr().out


def test_predictions_without_times_have_none(workspace, capsys):
    file = write(workspace / "t.csv", [row[:2] for row in answered(workspace, "path")], ("sample", "predicted"))
    assert run(["results", "import", file, "--provider", "acme", "--dataset", "pets"]) == 0
    (row,) = rows_of(capsys)
    assert (row["latency_ms"]["p50"], row["predict_seconds"], row["accuracy"]) == (None, None, 1.0)


def test_imported_answers_enter_paired_verdicts(workspace, capsys):
    for name, wrong in (("good", 0), ("bad", 9)):
        file = write(workspace / f"{name}.csv", answered(workspace, "path", wrong))
        assert run(["results", "import", file, "--provider", "acme", "--variant", name, "--dataset", "pets"]) == 0
    capsys.readouterr()
    assert run(["compare", "acme:good", "acme:bad"]) == 0
    assert capsys.readouterr().out.startswith("acme:good is ahead of acme:bad by 37.5 points")


def test_a_correction_needs_replace_and_then_counts_alone(workspace, capsys):
    there = ["--provider", "acme", "--dataset", "pets", "--shots", "20"]
    first = write(workspace / "first.csv", answered(workspace, "path", 6))
    second = write(workspace / "second.csv", answered(workspace, "path", 1))
    assert run(["results", "import", first, *there]) == 0
    assert run(["results", "import", second, *there]) == ExitCode.USAGE
    assert "--replace" in capsys.readouterr().err
    assert run(["results", "import", second, *there, "--replace"]) == 0
    (row,) = rows_of(capsys)
    assert (row["source"], row["correct"]) == ("second.csv", 23)


def test_a_corrected_result_is_not_averaged_with_the_wrong_one(workspace, capsys):
    wrong, fixed = workspace / "wrong.csv", workspace / "fixed.csv"
    wrong.write_text(HEAD + "acme,x,pets,5,0,0.89\nacme,x,pets,20,0,0.9\n")
    fixed.write_text(HEAD + "acme,x,pets,5,0,0.846\n")
    assert run(["results", "import", str(wrong)]) == 0
    assert run(["results", "import", str(fixed)]) == ExitCode.USAGE
    words = " ".join(capsys.readouterr().err.split())
    assert (
        "acme:x on pets at 5 shots, fold 0 is there from wrong.csv with accuracy 0.89, and fixed.csv has 0.846" in words
    )
    assert run(["results", "import", str(fixed), "--replace"]) == 0
    assert {row["shots"]: row["accuracy"] for row in rows_of(capsys)} == {5: 0.846, 20: 0.9}


def test_what_was_imported_can_be_removed_and_nothing_else(workspace, capsys):
    results = workspace / "r.csv"
    results.write_text(HEAD + "acme,x,pets,5,0,0.89\n")
    assert run(["results", "import", str(results)]) == 0
    file = write(workspace / "p.csv", answered(workspace, "path"))
    assert run(["results", "import", file, "--provider", "acme", "--dataset", "pets"]) == 0
    assert run(["results", "remove", "q.csv"]) == ExitCode.USAGE
    assert "Known files: p.csv, r.csv." in capsys.readouterr().err
    assert run(["results", "remove", "p.csv"]) == 0
    assert [row["source"] for row in rows_of(capsys)] == ["r.csv"]
    assert run(["results", "remove", "r.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"source": "r.csv", "removed": 1}
    assert run(["results", "--json"]) == ExitCode.NO_RESULTS
    assert json.loads(capsys.readouterr().out) == []


def test_both_files_that_export_writes_for_the_published_benchmark_can_be_taken_in(workspace, capsys):
    file = write(workspace / "p.csv", answered(workspace, "path", 6))
    assert run(["results", "import", file, "--provider", "acme", "--dataset", "pets", "--shots", "20"]) == 0
    with open_store(workspace / "results" / "automl-bench.sqlite") as store:
        (trial,) = store.trials()
        store.begin_load_run(LoadRun("a" * 16, trial.trial_id, "closed", {"concurrency": 4}))
        calls = [
            LoadCall(n, 0, "e" * 64, Outcome.OK if n else Outcome.FAILED, CallTiming(10**8 * n, 10**8 * (n + 1)), True)
            for n in range(20)
        ]
        store.add_load_calls("a" * 16, calls)
        store.finish_load_run(
            LoadRun("a" * 16, trial.trial_id, "closed", {"concurrency": 4}, complete=True, valid=True)
        )
    out = workspace / "out"
    assert run(["export", "--format", "ancestor", "--out", str(out)]) == 0
    (answers,) = out.glob("pets-*-results-20.csv")
    assert run(["results", "import", str(answers)]) == ExitCode.USAGE
    assert "acme:imported on pets, fold 0 is there with its answers already" in " ".join(
        capsys.readouterr().err.split()
    )
    assert run(["results", "import", str(answers), "--variant", "again"]) == 0, "the name says the rest"
    throughputs = str(out / "image-classification-throughputs.csv")
    assert run(["results", "import", throughputs]) == 0
    assert run(["results", "import", throughputs]) == 0
    assert "Imported 0 throughputs" in capsys.readouterr().out.splitlines()[-1]
    first, again, load = rows_of(capsys)
    assert (again["provider"], again["variant"], again["shots"], again["test_samples"]) == ("acme", "again", 20, 24)
    assert again["accuracy"] == first["accuracy"] == 0.75
    assert again["accuracy_low"] == pytest.approx(first["accuracy_low"])
    assert (load["dataset"], load["shots"], load["accuracy"], load["status"]) == ("pets", 20, None, "imported")
    assert load["throughput"]["value"] == pytest.approx(19 / 2.0)
    assert load["load_runs"][0]["summary"]["outcomes"] == {"ok": 19, "failed": 1}
    assert run(["results"]) == 0
    text = capsys.readouterr().out
    assert text.count("closed loop, 4 in flight") == 2
    assert "Trials without a score" not in text
    assert run(["report"]) == 0
    assert run(["results", "remove", "image-classification-throughputs.csv"]) == 0
    assert len(rows_of(capsys)) == 2


def test_the_throughputs_of_2023_need_their_dataset_and_are_not_judged(workspace, capsys):
    file = workspace / "image-classification-throughputs.csv"
    file.write_text("service,seconds\nvertex,36.1\nnyckel,12.5\n")
    assert run(["results", "import", str(file)]) == ExitCode.USAGE
    assert "--dataset NAME" in capsys.readouterr().err
    assert run(["results", "import", str(file), "--dataset", "food"]) == 0
    one, other = rows_of(capsys)
    assert (one["provider"], one["throughput"]["valid"]) == ("vertex", None)
    assert other["throughput"]["value"] == pytest.approx(80)
    assert run(["results"]) == 0
    assert "not judged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("service,seconds\nvertex,soon\n", "line 2: seconds is 'soon', not a number."),
        ("service,seconds\nvertex,0\n", "line 2: seconds are 0."),
        ("service,seconds,price\nvertex,1,2\n", "line 1: is not the header of a file of throughputs."),
        ("service,seconds\n", "has a header but no throughputs."),
    ],
)
def test_a_wrong_line_of_throughputs_is_refused_and_nothing_is_imported(workspace, capsys, lines, words):
    file = workspace / "t.csv"
    file.write_text(lines)
    assert run(["results", "import", str(file), "--dataset", "food"]) == ExitCode.USAGE
    assert words in " ".join(capsys.readouterr().err.split())
    assert not list(workspace.glob("results/*.sqlite"))


def test_predictions_that_export_writes_say_whose_they_are_and_come_back_the_same(workspace, capsys, monkeypatch):
    rows = answered(workspace, "path", 5)
    rows[3] = (rows[3][0], "=cat", 0.25, "")
    rows[4] = (rows[4][0], "", "", 0.125, "it timed out")
    header = ("sample", "predicted", "confidence", "seconds", "error")
    file = write(workspace / "p.csv", [(*row, "")[:5] for row in rows], header)
    there = ["--provider", "acme", "--variant", "big", "--dataset", "pets", "--shots", "20", "--fold", "2"]
    assert run(["results", "import", file, *there]) == 0
    (before,) = rows_of(capsys)
    assert (before["failed"], before["off_list"]) == (1, 1)
    out = workspace.parent / "out"
    assert run(["export", "--format", "predictions", "--out", str(out)]) == 0
    (exported,) = out.iterdir()
    assert exported.name == "pets-acme-big-predictions-20-fold2.csv"
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(workspace.parent / "v"))
    assert run(["data", "import", "pets", str(workspace.parent / "pictures")]) == 0
    assert run(["results", "import", str(exported)]) == 0
    (after,) = rows_of(capsys)
    told = {"source", "trial_id", "created_at", "variant_settings", "latency_verdict", "stages", "cost", "unanswered"}
    assert {name: value for name, value in after.items() if name not in told} == {
        name: value for name, value in before.items() if name not in told
    }
    assert run(["export", "--format", "predictions", "--out", str(out / "again")]) == 0
    assert next((out / "again").iterdir()).read_text() == exported.read_text()


def test_a_file_of_several_or_with_other_labels_is_refused(workspace, capsys):
    path, label = asked_of(workspace)[0]["path"], asked_of(workspace)[0]["label"]
    header = ("sample", "predicted", "label", "provider", "dataset")
    for rows, words in (
        ([(path, "cat", label, "a", "pets"), ("x", "cat", "", "b", "pets")], "line 3: provider is b, and a in a line"),
        ([(path, "cat", "fox", "a", "pets")], f"line 2: the label is 'fox', and '{label}' in pets"),
    ):
        assert run(["results", "import", write(workspace / "p.csv", rows, header)]) == ExitCode.USAGE
        assert words in " ".join(capsys.readouterr().err.split())


def test_promptfoos_results_become_a_variant_for_each_of_its_providers(workspace, capsys):
    there = [str(PROMPTFOO), "--dataset", "pets", "--sample-variable", "picture"]
    assert run(["results", "import", *there]) == 0
    careful, hasty = rows_of(capsys)
    assert [(row["provider"], row["variant"]) for row in (careful, hasty)] == [
        ("promptfoo", "animals-careful"),
        ("promptfoo", "animals-hasty"),
    ]
    assert (careful["test_samples"], careful["correct"], careful["failed"]) == (4, 4, 0)
    assert (hasty["test_samples"], hasty["correct"], hasty["failed"], hasty["off_list"]) == (4, 2, 1, 1)
    assert (careful["cost"]["calls_usd"], hasty["cost"]["calls_usd"]) == (pytest.approx(0.004), 0.0)
    assert hasty["off_list_examples"] == ["'It is a cat.' × 1"]
    assert hasty["unanswered"] == [{"reason": "the service is asleep", "samples": 1}]
    assert run(["compare", "promptfoo:animals-careful", "promptfoo:animals-hasty"]) == 0
    assert "4 test samples" in capsys.readouterr().out
    assert run(["results", "import", *there]) == ExitCode.USAGE
    assert run(["results", "import", *there, "--replace", "--shots", "all"]) == 0
    assert len(rows_of(capsys)) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.pop("results"), "is no result file of promptfoo."),
        (lambda content: content["results"].update(results=[]), "holds no results."),
        (lambda content: content["results"]["results"][0]["vars"].clear(), "result 1: its test has no text in"),
        (
            lambda content: content["results"]["results"][0]["vars"].update(picture="fox9.png"),
            "result 1: 'fox9.png' is no test sample of pets.",
        ),
        (
            lambda content: content["results"]["results"].append(content["results"]["results"][0]),
            "result 9: repeats the sample of result 1.",
        ),
    ],
)
def test_a_wrong_result_file_of_promptfoo_is_refused_and_nothing_is_imported(workspace, capsys, change, words):
    content = json.loads(PROMPTFOO.read_text())
    change(content)
    file = workspace / "r.json"
    file.write_text(json.dumps(content))
    there = ["--dataset", "pets", "--sample-variable", "picture"]
    assert run(["results", "import", str(file), *there]) == ExitCode.USAGE
    assert words in " ".join(capsys.readouterr().err.split())
    assert not list(workspace.glob("results/*.sqlite"))


def test_fiftyones_dataset_has_a_classification_for_each_trial_and_files_that_are_there(workspace, capsys):
    for name, wrong in (("good", 0), ("b-2", 3)):
        file = write(workspace / f"{name}.csv", answered(workspace, "path", wrong)[: 24 - wrong])
        assert run(["results", "import", file, "--provider", "acme", "--variant", name, "--dataset", "pets"]) == 0
    out = workspace / "out"
    assert run(["export", "--format", "fiftyone", "--out", str(out)]) == 0
    content = json.loads((out / "pets.fiftyone.json").read_text())
    assert set(content["sample_fields"]) == {"ground_truth", "content_id", "acme_good_all", "acme_b_2_all"}
    assert len(content["samples"]) == 24
    truth = {row["sample_id"]: row for row in asked_of(workspace)}
    for sample in content["samples"]:
        row = truth[sample["content_id"]]
        assert Path(sample["filepath"]).read_bytes() == (workspace / "data" / "pets" / row["path"]).read_bytes()
        assert sample["ground_truth"]["label"] == row["label"]
        assert sample["acme_good_all"] == {
            "_cls": "Classification",
            "tags": [],
            "label": row["label"],
            "confidence": 0.9,
        }
    assert sum("acme_b_2_all" in sample for sample in content["samples"]) == 21
    assert content["info"]["acme_b_2_all"] == "acme:b-2 pets all fold 0"
    assert run(["data", "import", "pets", str(workspace.parent / "pictures" / "test"), "--replace"]) == 0
    assert run(["export", "--format", "fiftyone", "--out", str(out)]) == ExitCode.USAGE
    assert "another content now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("nowhere.png", "cat", "", "")], "line 2: 'nowhere.png' is no test sample of pets."),
        ([("{path}", "cat", "", ""), ("{path}", "dog", "", "")], "line 3: repeats the sample of line 2."),
        ([("{path}", "cat", "90%", "")], "line 2: confidence is '90%', a percentage."),
        ([("{path}", "cat", "", "soon")], "line 2: seconds is 'soon', not a number."),
        ([("", "cat", "", "")], "line 2: sample is empty."),
    ],
)
def test_a_wrong_line_is_refused_and_nothing_is_imported(workspace, capsys, rows, words):
    path = asked_of(workspace)[0]["path"]
    file = write(workspace / "p.csv", [[cell.format(path=path) for cell in row] for row in rows])
    assert run(["results", "import", file, "--provider", "acme", "--dataset", "pets"]) == ExitCode.USAGE
    assert words in " ".join(capsys.readouterr().err.split())
    assert not list(workspace.glob("results/*.sqlite"))
