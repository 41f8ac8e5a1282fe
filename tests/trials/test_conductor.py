"""A run does what is missing, tears down whatever happens, and never lets one trial hurt another."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import LedgerState, Outcome, TrialStatus

EXPERIMENT = """
datasets = ["tiny"]
providers = ["toy", "toy:other"]
shots = [2, 5]
folds = 2
[parallel]
enabled = false
"""
TRIALS = 8
TEST_SAMPLES = 12


class Bench:
    """A workspace with the toy cloud, driven through the command line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = make_workspace(root)
        self.environment = command_environment(root, install_toy(root))
        self.cloud = root / "cloud"
        self.cloud.mkdir()

    def faults(self, **faults: object) -> None:
        (self.cloud / "faults.json").write_text(json.dumps(faults))

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command(*arguments, environment=self.environment, cwd=self.root)

    def run(self, *options: str, experiment: str = EXPERIMENT) -> subprocess.CompletedProcess[str]:
        return self("run", str(write_experiment(self.root, experiment)), *options)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.cloud.glob("*=*.json"))

    def created(self) -> list[str]:
        log = self.cloud / "created.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_run_measures_every_trial_and_leaves_nothing(bench: Bench) -> None:
    ended = bench.run("--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["tally"]["done"] == TRIALS
    assert [row["accuracy"] for row in answer["results"]] == pytest.approx([1 / 3] * TRIALS)
    assert all(row["test_samples"] == TEST_SAMPLES and row["train_seconds"] == 2.0 for row in answer["results"])
    assert bench.left() == []
    assert len(bench.created()) == 3 * TRIALS


def test_the_same_command_again_does_nothing(bench: Bench) -> None:
    bench.run()
    created = bench.created()
    again = bench.run("--json")
    assert again.returncode == ExitCode.OK
    assert json.loads(again.stdout)["tally"] == {
        "done": 0, "skipped": TRIALS, "failed": [], "infeasible": [], "interrupted": 0, "unfinished": 0, "busy": 0,
        "over_budget": [], "left": [],
    }  # fmt: skip
    assert bench.created() == created


def test_more_shots_run_only_what_is_new(bench: Bench) -> None:
    bench.run()
    created = len(bench.created())
    more = bench.run("--json", experiment=EXPERIMENT.replace("[2, 5]", "[2, 5, 10]"))
    assert json.loads(more.stdout)["tally"]["done"] == 4
    assert len(bench.created()) == created + 4 * 3


@pytest.mark.parametrize(("stage", "words"), [("train", "train of toy"), ("deploy", "deploy of toy")])
def test_a_failing_operation_is_a_row_with_its_reason_and_is_torn_down(bench: Bench, stage: str, words: str) -> None:
    bench.faults(**{stage: "fails"})
    ended = bench.run()
    assert ended.returncode == ExitCode.PROVIDER
    assert words in ended.stderr
    assert "the toy is out of order" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert bench.left() == []
    with open_store(bench.workspace.store_path, read_only=True) as store:
        assert {trial.status for trial in store.trials()} == {TrialStatus.FAILED}


def test_an_endpoint_that_never_comes_up_is_not_left_running(bench: Bench) -> None:
    bench.faults(deploy="hangs")
    ended = bench.run("--json", experiment=EXPERIMENT + "[deadlines]\ndeploy_hours = 0.0001\n")
    assert ended.returncode == ExitCode.RESOURCES_LEFT, "what stays has a price"
    assert json.loads(ended.stdout)["tally"]["unfinished"] == TRIALS
    assert [name for name in bench.left() if name.startswith("endpoint=")] == []
    assert len(bench.left()) == 2 * TRIALS, "the trained models are kept for the next run"
    assert "$1.50 an hour" in ended.stderr
    assert "unfinished: run the same command again" in ended.stderr
    bench.faults()
    again = bench.run("--json")
    assert again.returncode == ExitCode.OK, again.stderr
    assert json.loads(again.stdout)["tally"]["done"] == TRIALS
    assert len(bench.created()) == 4 * TRIALS, "only the endpoints were made again"
    assert bench.left() == []


def test_a_training_that_outlasts_its_deadline_is_named_with_its_price_and_goes_on(bench: Bench) -> None:
    bench.faults(train="hangs")
    ended = bench.run(experiment=EXPERIMENT + "[deadlines]\ntrain_hours = 0.0001\n")
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    assert len(bench.left()) == 2 * TRIALS
    bench.faults()
    assert bench.run().returncode == ExitCode.OK
    assert len(bench.created()) == 3 * TRIALS, "what was in training was not begun anew"
    assert bench.left() == []


def test_failed_trials_are_tried_again_only_when_asked(bench: Bench) -> None:
    bench.faults(train="fails")
    bench.run()
    bench.faults()
    created = len(bench.created())
    assert bench.run().returncode == ExitCode.PROVIDER, "still failed"
    assert len(bench.created()) == created
    assert bench.run("--retry-failed").returncode == ExitCode.OK
    assert bench.left() == []


def test_an_endpoint_that_refuses_ends_its_trial_only(bench: Bench) -> None:
    bench.faults(invoke="denied")
    ended = bench.run("--json")
    rows = json.loads(ended.stdout)["results"]
    assert all(row["failed"] == row["test_samples"] for row in rows if row["test_samples"]), rows
    assert bench.left() == []


def test_an_infeasible_trial_is_refused_before_any_request(bench: Bench) -> None:
    ended = bench.run(experiment=EXPERIMENT.replace("[2, 5]", "[1, 2]"))
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "needs at least 2 samples per class" in ended.stderr
    assert "ask for at least 2 shots" in ended.stderr
    assert len(bench.created()) == 4 * 3, "the feasible four ran"


def test_a_deletion_that_fails_outranks_everything(bench: Bench) -> None:
    bench.faults(delete="fails")
    ended = bench.run()
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    assert "$1.50 an hour" in ended.stderr
    assert "delete it by hand: rm endpoint=" in ended.stderr
    assert len(bench.left()) == 3 * TRIALS
    shown = bench("resources")
    assert "together $36.00 an hour" in shown.stdout
    bench.faults()
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.left() == []


def test_a_throttled_control_call_is_made_again(bench: Bench) -> None:
    bench.faults(throttle_train=True)
    assert bench.run("--jobs", "1").returncode == ExitCode.OK
    assert len(bench.created()) == 3 * TRIALS


@pytest.mark.parametrize("kind", ["samples", "model", "endpoint"])
def test_a_create_whose_answer_is_lost_is_found_again(bench: Bench, kind: str) -> None:
    bench.faults(lose_answer=kind)
    ended = bench.run("--jobs", "1")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(bench.created()) == len(set(bench.created())) == 3 * TRIALS
    assert bench.left() == []


def test_ctrl_c_tears_down_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.faults(interrupt_after_calls=5)
    ended = bench.run("--jobs", "1")
    assert ended.returncode == ExitCode.INTERRUPTED
    assert bench.left() == []
    with open_store(bench.workspace.store_path, read_only=True) as store:
        before = sum(len(store.invocations(trial.trial_id)) for trial in store.trials())
    assert before >= 4
    bench.faults()
    assert bench.run().returncode == ExitCode.OK
    _assert_complete(bench)


def test_a_kill_in_the_middle_of_a_pass_loses_and_doubles_nothing(bench: Bench) -> None:
    bench.faults(die_after_calls=8)
    ended = bench.run("--jobs", "1")
    assert ended.returncode == -9
    assert bench.left(), "a killed process cannot tear down"
    bench.faults()
    created = len(bench.created())
    assert bench.run("--jobs", "1").returncode == ExitCode.OK
    _assert_complete(bench)
    assert len(bench.created()) == 3 * TRIALS, f"{created} stood before the kill and none was made twice"
    assert bench.left() == []


def test_teardown_all_finishes_what_a_killed_run_left(bench: Bench) -> None:
    bench.faults(die_after_calls=8)
    bench.run("--jobs", "1")
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.left() == []


def test_orphans_are_found_without_any_local_file(bench: Bench) -> None:
    bench.faults(die_after_calls=8)
    bench.run("--jobs", "1")
    for path in bench.workspace.results.glob("automl-bench.sqlite*"):
        path.unlink()
    asked = bench("teardown", "--orphans", "toy")
    assert asked.returncode == ExitCode.USAGE, "nobody is there to confirm"
    assert "Add --yes" in asked.stderr
    assert len(bench.left()) == 3
    ended = bench("teardown", "--orphans", "--yes")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert bench.left() == [], "a provider that cannot be asked does not stop the others"


def test_orphans_that_do_not_show_yet_are_found_by_a_second_look(bench: Bench) -> None:
    bench.environment["TOY_SETTLE_SECONDS"] = "0.5"
    bench.faults(die_after_calls=8)
    bench.run("--jobs", "1")
    for path in bench.workspace.results.glob("automl-bench.sqlite*"):
        path.unlink()
    bench.faults(lists_lag=1)
    ended = bench("teardown", "--orphans", "--yes", "toy")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "looking again" in ended.stderr
    assert "deleted 3 of 3 resources" in ended.stdout
    assert bench.left() == []


def test_an_orphan_that_cannot_be_deleted_is_tried_and_named_once(bench: Bench) -> None:
    bench.environment["TOY_SETTLE_SECONDS"] = "0.1"
    bench.faults(die_after_calls=8)
    bench.run("--jobs", "1")
    for path in bench.workspace.results.glob("automl-bench.sqlite*"):
        path.unlink()
    bench.faults(delete="fails")
    ended = bench("teardown", "--orphans", "--yes", "toy", "--json")
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    assert json.loads(ended.stdout)["found"] == 3
    assert len(json.loads(ended.stdout)["left"]) == 3


def test_keep_leaves_everything_and_says_so_in_the_ledger(bench: Bench) -> None:
    bench.run("--keep")
    assert len(bench.left()) == 3 * TRIALS
    with open_store(bench.workspace.store_path, read_only=True) as store:
        entries = store.ledger(open_only=True)
        assert all(entry.keep and entry.state is LedgerState.CREATED for entry in entries)
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.left() == []


def test_no_trial_begins_that_could_pass_the_budget(bench: Bench) -> None:
    none = bench.run("--max-cost", "0")
    assert none.returncode == ExitCode.BUDGET
    assert "may cost $3.2" in none.stderr, none.stderr
    assert bench.created() == []
    # A trial reserves 3 s of training, 0.1 h of an endpoint and the calls, and costs 2 s and its calls in the end.
    some = bench.run("--max-cost", "8", "--jobs", "1", "--json")
    assert some.returncode == ExitCode.BUDGET
    tally = json.loads(some.stdout)["tally"]
    assert (tally["done"], len(tally["over_budget"])) == (3, 5)
    assert bench.left() == []
    again = bench.run("--max-cost", "8", "--jobs", "1", "--json")
    assert json.loads(again.stdout)["tally"]["done"] == 0, "what earlier runs cost is counted"
    assert bench.run().returncode == ExitCode.OK


def test_an_unknown_price_is_never_taken_for_nothing(bench: Bench) -> None:
    bench.faults(price="unknown")
    ended = bench.run("--max-cost", "1000")
    assert ended.returncode == ExitCode.BUDGET
    assert "unknown amount (train_hour)" in ended.stderr
    assert bench.created() == []


def test_interleaved_trials_answer_the_same_image_in_turn(bench: Bench) -> None:
    ended = bench.run(experiment=EXPERIMENT + "[invoke]\ninterleave = true\n")
    assert ended.returncode == ExitCode.OK, ended.stderr
    with sqlite3.connect(bench.workspace.store_path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with open_store(bench.workspace.store_path, read_only=True) as store:
        first, second = [t for t in store.trials(shots=2) if t.fold == 0]
        rows = sorted(
            (row.timing.sent_ns, row.sample_id, row.trial_id)
            for trial in (first, second)
            for row in store.invocations(trial.trial_id)
            if row.phase.value == "measured"
        )
    pairs = [rows[index : index + 2] for index in range(0, len(rows), 2)]
    assert all(pair[0][1] == pair[1][1] and pair[0][2] != pair[1][2] for pair in pairs)
    orders = {pair[0][2] for pair in pairs}
    assert len(orders) == 2, "the order within a pair is random"


def test_two_processes_never_work_on_one_trial(bench: Bench) -> None:
    bench.faults(train="hangs")
    path = write_experiment(bench.root, EXPERIMENT)
    first = subprocess.Popen(
        [sys.executable, "-m", "automl_bench.cli.main", "run", str(path)],
        env=bench.environment, cwd=bench.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while len(bench.created()) < 2 * TRIALS and time.monotonic() < deadline:
            time.sleep(0.05)
        second = bench.run("--json")
        assert second.returncode == ExitCode.UNFINISHED
        assert json.loads(second.stdout)["tally"]["busy"] == TRIALS
        refused = bench("teardown", "--all")
        assert refused.returncode == ExitCode.RESOURCES_LEFT
        assert refused.stderr.count(f"in use: process {first.pid} on ") == len(bench.left())
    finally:
        first.terminate()
        assert first.wait(timeout=30) == ExitCode.INTERRUPTED
    assert bench.left() == [], "SIGTERM tears down as Ctrl-C does"


def _assert_complete(bench: Bench) -> None:
    with open_store(bench.workspace.store_path, read_only=True) as store:
        for trial in store.trials():
            assert trial.status is TrialStatus.DONE
            rows = [row for row in store.invocations(trial.trial_id) if row.phase.value == "measured"]
            assert len(rows) == len({row.sample_id for row in rows}) == TEST_SAMPLES
            assert {row.outcome for row in rows} == {Outcome.OK}


def test_a_pass_ends_when_its_comparison_is_decided_and_says_what_that_saved(bench: Bench) -> None:
    experiment = EXPERIMENT + '[invoke]\ninterleave = true\nstop = "separated"\n'
    ended = bench.run("--json", experiment=experiment)
    assert ended.returncode == ExitCode.OK, ended.stderr
    rows = json.loads(ended.stdout)["results"]
    for row in rows:
        stopping = row["stopping"]
        assert stopping["answered"] == row["test_samples"] < stopping["of"] == TEST_SAMPLES
        assert stopping["calls_saved"] == TEST_SAMPLES - stopping["answered"]
        assert stopping["usd_saved"] == pytest.approx(0.001 * stopping["calls_saved"])
        assert [one["decision"] for one in stopping["comparisons"]] == ["futile"]
    shown = bench.run(experiment=experiment).stdout
    assert "cannot be separated by this test set" in " ".join(shown.split())
    assert f"Saved {2 * rows[0]['stopping']['calls_saved']} calls ($0.0" in " ".join(shown.split())


def test_training_samples_are_scored_apart_and_under_names_that_say_nothing(bench: Bench) -> None:
    ended = bench.run("--json", experiment=EXPERIMENT + '[invoke]\nalso = ["train"]\n')
    assert ended.returncode == ExitCode.OK, ended.stderr
    rows = json.loads(ended.stdout)["results"]
    assert {row["test_samples"] for row in rows} == {TEST_SAMPLES}
    assert all(row["training_asked"] and row["training_accuracy"] is not None for row in rows)
    assert all(row["cost"]["calls"] >= TEST_SAMPLES + row["training_asked"] for row in rows)
    _assert_complete(bench)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('stop = "separated"', "needs invoke.interleave = true"),
        ('interleave = true\nstop = "separated"\nstop_against = "toy:third"', "toy:third is not among the providers"),
        ('interleave = true\nstop_against = "toy"', 'needs invoke.stop = "separated"'),
        ('interleave = true\nstop = "soon"', "invoke.stop"),
    ],
)
def test_an_early_end_without_anything_to_compare_is_refused(bench: Bench, settings: str, words: str) -> None:
    ended = bench.run(experiment=EXPERIMENT + f"[invoke]\n{settings}\n")
    assert ended.returncode == ExitCode.SETTINGS
    assert words in " ".join(ended.stderr.split())
    assert bench.created() == []
