"""Label suspects: marked samples are left out of a second verdict, and the results file stays as it is."""

import json

import pytest

from automl_bench.contract import Stage
from automl_bench.errors import UsageError
from automl_bench.report.build import build_report
from automl_bench.report.suspects import read_suspects
from automl_bench.store.records import (
    CallTiming,
    ExperimentRecord,
    Invocation,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)

TESTS = 100


def sample(number):
    return f"{number:064x}"


@pytest.fixture
def two_variants(store):
    """A is right on all; B is wrong on the first 15 samples, whose labels may be at fault."""
    ids = []
    for name, wrong in (("a", 0), ("b", 15)):
        trial_id = name * 12
        store.save_trial(TrialRecord(trial_id, "local", name, "pets", "f" * 64, 5))
        store.add_invocations(
            [
                Invocation(
                    trial_id,
                    sample(n),
                    "cat",
                    "dog" if n < wrong else "cat",
                    0.9,
                    Outcome.OK,
                    CallTiming(n * 10, n * 10 + 5),
                )
                for n in range(TESTS)
            ]
        )
        store.finish_stage(StageRecord(trial_id, Stage.INVOKE, StageStatus.DONE))
        store.set_trial_status(trial_id, TrialStatus.DONE, "")
        ids.append(trial_id)
    store.save_experiment(ExperimentRecord("doubts", {}, tuple(ids)))
    return store


def write(path, *numbers, header="dataset,sample,label"):
    path.write_text("\n".join([header, *(f"pets,{sample(n)},cat" for n in numbers)]) + "\n", encoding="utf-8")
    return path


def test_the_verdict_is_given_with_and_without_the_suspects(two_variants, tmp_path):
    suspects = read_suspects(write(tmp_path / "suspects.csv", *range(15)), two_variants)
    path = build_report(two_variants, experiment="doubts", out_dir=tmp_path / "report", suspects=suspects)
    text = path.read_text(encoding="utf-8")
    assert "Label suspects left out: 15 of pets (30 answers). The tiers change." in text
    assert "With them: local:a: most accurate." in text
    assert "Without them: local:a or local:b: not separated" in text
    found = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    (pair,) = found["without"]["comparisons"]
    assert pair["with"] == "local:a is ahead of local:b, as trained here."
    assert pair["changed"]
    assert [one["accuracy"] for one in found["without"]["decision"]["candidates"]] == [1.0, 1.0]
    assert [row["test_samples"] for row in found["results"]] == [TESTS, TESTS]
    assert len(two_variants.invocations("a" * 12)) == TESTS


def test_suspects_that_change_nothing_are_said_to(two_variants, tmp_path):
    suspects = read_suspects(write(tmp_path / "suspects.csv", 50), two_variants)
    path = build_report(two_variants, experiment="doubts", out_dir=tmp_path / "report", suspects=suspects)
    assert "1 of pets (2 answers). The tiers stay the same." in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dataset,sample\nbirds,00\n", "line 2: there are no answers on a dataset 'birds'"),
        ("dataset,sample\npets,00\n", "line 2: nobody was asked for the sample '00' of pets"),
        ("name\nx\n", "line 1: the columns are name"),
        ("dataset,sample\n", "names no samples"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_sentence(two_variants, tmp_path, text, words):
    path = tmp_path / "suspects.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        read_suspects(path, two_variants)
