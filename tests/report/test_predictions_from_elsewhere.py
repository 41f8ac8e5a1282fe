"""Results and predictions made elsewhere: matched, marked, corrected, removed; what we export can be taken in."""

from __future__ import annotations

import csv
import json

import pytest
from PIL import Image

from automl_bench.cli.main import run
from automl_bench.datasets.manifest import read_manifest
from automl_bench.errors import ExitCode

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
    assert rows_of(capsys) == []


def test_the_answers_that_export_writes_can_be_taken_in_and_throughputs_are_refused_by_name(workspace, capsys):
    file = write(workspace / "p.csv", answered(workspace, "path", 6))
    assert run(["results", "import", file, "--provider", "acme", "--dataset", "pets", "--shots", "20"]) == 0
    assert run(["export", "--format", "ancestor", "--out", str(workspace / "out")]) == 0
    (answers,) = (workspace / "out").glob("pets-*-results-20.csv")
    assert run(["results", "import", str(answers)]) == ExitCode.USAGE
    assert "--provider NAME --dataset NAME" in capsys.readouterr().err
    assert run(["results", "import", str(answers), "--provider", "again", "--dataset", "pets", "--shots", "20"]) == 0
    by_provider = {row["provider"]: row for row in rows_of(capsys)}
    assert by_provider["again"]["accuracy"] == by_provider["acme"]["accuracy"] == 0.75
    assert by_provider["again"]["test_samples"] == 24
    assert by_provider["again"]["accuracy_low"] == pytest.approx(by_provider["acme"]["accuracy_low"])
    throughputs = workspace / "out" / "image-classification-throughputs.csv"
    assert run(["results", "import", str(throughputs)]) == ExitCode.USAGE
    assert "holds throughputs" in capsys.readouterr().err


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
