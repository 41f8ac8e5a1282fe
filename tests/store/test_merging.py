"""`results merge`: finished trials of another machine come in once, in one transaction, and what differs is said."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from answered_trials import answer, right

from automl_bench.cli.main import run
from automl_bench.contract import Stage
from automl_bench.errors import ExitCode
from automl_bench.store import merging, open_store
from automl_bench.store.records import (
    CallTiming,
    ExperimentRecord,
    ImportedResult,
    LedgerEntry,
    LoadCall,
    LoadRun,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Our file and another one: trial `a` in both alike, `b` in both with other answers, `c` only there."""
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    ours, theirs = tmp_path / "results" / "automl-bench.sqlite", tmp_path / "lab.sqlite"
    with open_store(ours) as store:
        answer(store, "z", right(5, 10), dataset="other")  # so that keys differ between the files
        same(store)
        answer(store, "b", right(80))
        planned = TrialRecord("c" * 12, "local", "c", "pets", "f" * 64, 20)
        store.save_trial(planned)
        store.save_experiment(ExperimentRecord("e", {"shots": [20]}, ("c" * 12,)))
        store.add_imported([ImportedResult("x.csv", "acme", "big", "pets", 20, 0.9)])
    with open_store(theirs) as store:
        answer(store, "c", right(70))
        answer(store, "b", right(60))
        same(store)
        (c,) = [one.trial_id for one in store.trials() if one.variant == "c"]
        store.begin_load_run(LoadRun("d" * 16, c, "closed", {"concurrency": 2}))
        store.add_load_calls(
            "d" * 16, [LoadCall(n, 0, "e" * 64, Outcome.OK, CallTiming(n, n + 5), True) for n in range(7)]
        )
        store.finish_load_run(LoadRun("d" * 16, c, "closed", {"concurrency": 2}, complete=True, valid=True))
        store.save_experiment(ExperimentRecord("e", {"shots": [20]}, (c,), store.record_environment({"cpu": "theirs"})))
        store.save_experiment(ExperimentRecord("f", {}, (c,)))
        store.record_environment({"cpu": "of a verb"})
        store.add_imported([ImportedResult("y.csv", "acme", "big", "pets", 20, 0.8)])
        store.add_imported([ImportedResult("y.csv", "acme", "big", "pets", 5, 0.7)])
    return ours, theirs


def same(store):
    """Store a trial at one time on both machines, as a copy has it."""
    answer(store, "a", right(90))
    (a,) = [one.trial_id for one in store.trials() if one.variant == "a"]
    moment = "2026-01-01T00:00:00+00:00"
    store.finish_stage(StageRecord(a, Stage.INVOKE, StageStatus.DONE, started_at=moment, finished_at=moment))


def merged(capsys, *arguments):
    capsys.readouterr()
    assert run(["results", "merge", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def contents(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_trials_come_in_once_and_what_differs_stands_beside_with_the_name_of_its_file(two, capsys):
    ours, theirs = two
    before = contents(theirs)
    found = merged(capsys, theirs)
    assert [len(found[name]) for name in ("added", "same", "beside")] == [1, 1, 1]
    assert (found["imported"], found["conflicts"], found["left"]) == (1, 1, {})
    assert contents(theirs) == before, "the other file stays as it is"
    with open_store(ours, read_only=True) as store, open_store(theirs, read_only=True) as other:
        (c,) = found["added"]
        assert store.invocations(c) == other.invocations(c)
        assert store.stages(c) == other.stages(c)
        assert store.load_calls("d" * 16) == other.load_calls("d" * 16)
        assert store.experiment("e").trial_ids == ("c" * 12, c)
        assert store.experiment("f").trial_ids == (c,)
        for number in (1, 2):  # stages name an environment by its key, whatever ran in it
            assert store.environment_of_key(other.environment_key(number)) == other.environment(number)
    assert run(["results", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["source"], row["accuracy"]) for row in rows if row["variant"] == "b"] == [
        ("measured", 0.8),
        ("lab.sqlite", 0.6),
    ]


def test_merging_again_adds_nothing(two, capsys):
    ours, theirs = two
    merged(capsys, theirs)
    before = contents(ours)
    found = merged(capsys, theirs)
    assert (found["added"], found["beside"], len(found["same"])) == ([], [], 3)
    assert contents(ours) == before


def test_a_trial_that_is_only_planned_here_gives_way_to_the_one_that_was_made_there(two, capsys):
    ours, theirs = two
    with open_store(theirs, read_only=True) as other:
        (c,) = [one for one in other.trials() if one.variant == "c"]
    with open_store(ours) as store:
        store.save_trial(TrialRecord(c.trial_id, "local", "c", "pets", "f" * 64, 20))
    assert merged(capsys, theirs)["added"] == [c.trial_id]
    with open_store(ours, read_only=True) as store:
        assert len(store.invocations(c.trial_id)) == 100


def test_what_is_under_way_or_owns_resources_there_is_left_out_and_named(two, capsys):
    _, theirs = two
    with open_store(theirs) as other:
        (c,) = [one.trial_id for one in other.trials() if one.variant == "c"]
        other.save_trial(TrialRecord("9" * 12, "local", "p", "pets", "f" * 64, 20))
        other.ledger_intend(LedgerEntry(c, Stage.DEPLOY, "local", "c", "server", "s"))
    assert merged(capsys, theirs)["left"] == {
        c: "it still owns resources there; tear them down first",
        "9" * 12: "it is planned there",
    }
    assert run(["results", "merge", str(theirs)]) == 0
    assert "still owns resources" in capsys.readouterr().out


def test_nothing_is_half_written(two, capsys, monkeypatch):
    ours, theirs = two
    before = contents(ours)

    def fails(self):
        assert self._ours.execute("SELECT count(*) FROM trials WHERE variant = 'c'").fetchone()[0] == 2
        raise sqlite3.IntegrityError("the disk is tired")

    monkeypatch.setattr(merging._Merge, "_imported", fails)
    assert run(["results", "merge", str(theirs)]) == ExitCode.UNEXPECTED
    assert "the disk is tired" in " ".join(capsys.readouterr().err.split())
    assert contents(ours) == before


def test_what_is_no_other_results_file_is_refused(two, tmp_path, capsys):
    ours, _ = two
    (tmp_path / "no.sqlite").write_text("hello " * 200)
    for file, words in ((ours, "own results file"), ("missing", "does not exist"), ("no.sqlite", "no results file")):
        assert run(["results", "merge", str(tmp_path / file)]) == ExitCode.USAGE
        assert words in " ".join(capsys.readouterr().err.split())
