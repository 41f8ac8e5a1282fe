"""`reproduce` holds answers against a record one by one, changes nothing of it, and says what differs.

The provider `null` stands for any that computes on this machine; tests/integrations has real models.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest
from small_workspace import make_workspace, write_experiment

from automl_bench.cli.main import run
from automl_bench.cli.reproducing import _place_apart
from automl_bench.cli.session import Session
from automl_bench.datasets.importing import import_dataset
from automl_bench.errors import ExitCode, WorkspaceError
from automl_bench.store import open_store
from automl_bench.store.records import ExperimentRecord, TrialRecord, TrialStatus

SMALL = """
    datasets = ["tiny"]
    providers = ["null"]
    shots = [4, 8]
    [parallel]
    enabled = false
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    found = make_workspace(tmp_path)
    write_experiment(tmp_path, SMALL)
    assert run(["run", str(tmp_path / "small.toml")]) == 0
    capsys.readouterr()
    return found


def contents(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def changed(workspace, *statements):
    """Return a copy of the results file, changed."""
    copy = workspace.root / "other.sqlite"
    with closing(sqlite3.connect(workspace.store_path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        for statement in statements:
            assert target.execute(statement).rowcount == 1
        target.commit()
    return copy


def test_the_same_again_is_identical_and_the_record_stays_as_it_is(workspace, capsys):
    before = contents(workspace.store_path)
    assert run(["reproduce", "small", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["result"], one["samples"], one["other_labels"]) for one in found["trials"]] == [
        ("identical", 12, 0)
    ] * 2
    assert found["environment"] == {"recorded": True, "differences": []}
    assert contents(workspace.store_path) == before
    assert [path.suffix for path in (workspace.cache / "reproduce").iterdir()] in ([], [".lock"])
    one = found["trials"][0]["trial_id"]
    assert run(["reproduce", one]) == 0
    assert f"{one}: 1 identical, of 1 trial; in the recorded environment" in capsys.readouterr().out


def test_another_label_is_found_and_the_package_that_differs_is_named(workspace, capsys):
    other = changed(
        workspace,
        "UPDATE invocations SET predicted = 'red' WHERE (trial_key, phase, sample_key, attempt) ="
        " (SELECT trial_key, phase, sample_key, attempt FROM invocations WHERE phase = 2 LIMIT 1)",
        "UPDATE environments SET content = json_set(content, '$.packages.numpy', '1.0')",
    )
    assert run(["reproduce", "small", "--from", str(other)]) == ExitCode.NOT_REPRODUCED
    told = capsys.readouterr()
    assert "1 of 2 repeated trials gives other answers than recorded" in told.err
    assert "(1 other label among 12)" in told.err
    assert "Packages that differ: numpy 1.0 →" in told.err
    assert "1 identical, 1 differs, of 2 trials; in an environment that differs by numpy 1.0 →" in told.out


@pytest.mark.parametrize(("tolerance", "code"), [("1e-6", ExitCode.OK), ("1e-12", ExitCode.NOT_REPRODUCED)])
def test_a_confidence_that_moved_is_within_the_tolerance_or_not(workspace, capsys, tolerance, code):
    other = changed(
        workspace,
        "UPDATE invocations SET confidence = confidence - 1e-9 WHERE (trial_key, phase, sample_key, attempt) ="
        " (SELECT trial_key, phase, sample_key, attempt FROM invocations WHERE phase = 2 LIMIT 1)",
    )
    assert run(["reproduce", "small", "--from", str(other), "--tolerance", tolerance, "--json"]) == code
    found = sorted(json.loads(capsys.readouterr().out)["trials"], key=lambda one: one["result"])
    expected = ["differs", "identical"] if code else ["identical", "within tolerance"]
    assert [one["result"] for one in found] == expected
    moved = next(one for one in found if one["moved"])
    assert moved["largest"] == pytest.approx(1e-9)
    assert len(moved["examples"]) == (1 if code else 0)


def test_other_data_and_another_subset_are_told_before_and_after(workspace, capsys):
    other = changed(
        workspace,
        "UPDATE stages SET result = json_set(result, '$.subset', 'else') WHERE stage = 'upload' AND trial_key = 1",
    )
    assert run(["reproduce", "small", "--from", str(other)]) == ExitCode.NOT_REPRODUCED
    assert "(another training subset)" in capsys.readouterr().err
    shutil.rmtree(workspace.dataset("tiny"))
    assert run(["reproduce", "small"]) == ExitCode.DATASET
    shutil.rmtree(workspace.root / "source" / "train" / "red")
    shutil.rmtree(workspace.root / "source" / "test" / "red")
    import_dataset("tiny", workspace.root / "source", workspace.data)
    capsys.readouterr()
    assert run(["reproduce", "small"]) == ExitCode.DATASET
    assert "tiny has the fingerprint" in capsys.readouterr().err


def test_only_what_costs_nothing_is_repeated_and_a_provider_that_is_gone_is_left_out(workspace, capsys):
    with open_store(workspace.store_path) as store:
        paid = TrialRecord("a" * 12, "simulated", "quick", "tiny", "f" * 64, 4, status=TrialStatus.DONE)
        gone = TrialRecord("b" * 12, "nosuch", "x", "tiny", "f" * 64, 4, status=TrialStatus.DONE)
        for trial in (paid, gone):
            store.save_trial(trial)
        store.save_experiment(ExperimentRecord("paid", {}, (paid.trial_id, gone.trial_id)))
        small = store.experiment("small")
        store.save_experiment(ExperimentRecord("mixed", {}, (*small.trial_ids, paid.trial_id)))
    assert run(["reproduce", "paid"]) == ExitCode.NO_RESULTS
    assert "simulated does not compute on this machine" in capsys.readouterr().err
    assert run(["reproduce", "mixed", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["trials"]) == 2
    assert [one["trial"] for one in found["not_repeated"]] == [paid.label]
    assert run(["reproduce", "smal"]) == ExitCode.USAGE
    assert "Did you mean 'small'?" in capsys.readouterr().err


def test_what_was_stopped_goes_on_and_nobody_else_is_at_it_meanwhile(workspace):
    session = Session(workspace)
    with suppress(KeyboardInterrupt), _place_apart(session, "x") as apart:
        (apart.workspace.root / "done").touch()
        with pytest.raises(WorkspaceError, match="another process"):
            _place_apart(session, "x").__enter__()
        raise KeyboardInterrupt
    with _place_apart(session, "y") as other:
        assert not (other.workspace.root / "done").exists()
    with _place_apart(session, "x") as again:
        assert (again.workspace.root / "done").exists()
        assert (again.workspace.data / "tiny" / "manifest.csv").is_file()
    assert not again.workspace.root.exists()
    assert (workspace.data / "tiny" / "manifest.csv").is_file()
