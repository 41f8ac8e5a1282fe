"""Nyckel through the command line: an experiment, its faults and its bill, with nothing left and no secret anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nyckel_fake
import nyckel_wire
import pytest
import text_centroids
from nyckel_fake import NyckelFake
from service_bench import ServiceBench, rows
from small_workspace import command, command_environment, make_workspace, write_experiment
from texts_and_rows import rows as rows_set
from texts_and_rows import texts, write_csv

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import Outcome
from automl_bench.testing.crash import Ended

EXPERIMENT = """
datasets = ["tiny"]
providers = ["nyckel"]
shots = [2, 5]
folds = 2
[parallel]
enabled = false
"""
NAMES = ("tiny", "mails", "irises")
SECRET = "planted-secret-2f6b81"
CLIENT = "planted-client-77aa"


class Bench(ServiceBench):
    def __init__(self, root: Path, fake: NyckelFake) -> None:
        super().__init__(root, {**fake.environment(), "NYCKEL_POLL_SECONDS": "0.05"}, EXPERIMENT, ("requests",))
        self.fake = fake

    def one_trial(self, *options: str) -> Ended:
        return self.run(*options, experiment=EXPERIMENT.replace("[2, 5]", "[2]").replace("folds = 2", "folds = 1"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with NyckelFake(client_id=CLIENT, client_secret=SECRET, latency=0.01) as fake:
        yield Bench(tmp_path, fake)


def test_an_experiment_learns_measures_and_leaves_nothing(bench: Bench) -> None:
    ended = bench.run("--json")
    assert ended.returncode == ExitCode.OK, ended.stderr
    found = rows(ended)
    assert len(found) == 4
    assert all(row["accuracy"] == 1.0 and row["test_samples"] == 12 and row["failed"] == 0 for row in found)
    assert all(row["train_seconds"] is not None for row in found)
    assert bench.fake.names() == []
    assert len(bench.fake.created) == 4
    bill = bench.fake.bill()
    assert bill["samples_stored"] == 2 * 3 * (2 + 5)
    assert bill["zero_shot_invokes"] == bill["captured_samples"] == bill["functions"] == 0
    again = bench.run()
    assert again.returncode == ExitCode.OK
    assert len(bench.fake.created) == 4, "the same command again makes nothing"


def test_one_experiment_of_images_texts_and_tables(bench: Bench) -> None:
    mails, irises = (
        write_csv(texts(10, 5), bench.root / "mails.csv"),
        write_csv(rows_set(10, 5), bench.root / "irises.csv"),
    )
    imported = bench("data", "import", "mails", str(mails), "--text", "message", "--label", "kind")
    assert imported.returncode == ExitCode.OK, imported.stderr
    imported = bench("data", "import", "irises", str(irises), "--target", "species")
    assert imported.returncode == ExitCode.OK, imported.stderr
    experiment = """
datasets = ["tiny", "mails", "irises"]
providers = ["nyckel"]
shots = [5]
[parallel]
enabled = false
"""
    planned = json.loads(bench("plan", str(write_experiment(bench.root, experiment)), "--json").stdout)
    assert {trial["dataset"]: trial["feasible"] for trial in planned["trials"]} == dict.fromkeys(NAMES, True)
    told = {trial["dataset"]: "image datasets" in str(trial["likely"]["sources"]) for trial in planned["trials"]}
    assert told == {"tiny": True, "mails": False, "irises": False}, "times of images say nothing of texts"
    assert bench.fake.recorded == []
    found = {row["dataset"]: row for row in rows(bench.run("--json", experiment=experiment))}
    assert {name: row["failed"] for name, row in found.items()} == dict.fromkeys(NAMES, 0)
    assert min(row["accuracy"] for row in found.values()) > 0.7, "chance is a third"
    made = [one for one in bench.fake.recorded if one.operation == "create_function" and one.status < 300]
    inputs = [json.loads(one.raw)["input"] for one in made]
    assert sorted(inputs) == ["Image", "Tabular", "Text"]
    assert bench.fake.bill()["samples_stored"] == 3 * 3 * 5
    assert bench.fake.names() == []


def test_throttles_and_short_tokens_cost_no_row(bench: Bench) -> None:
    bench.fake.expires_in = 1.0
    bench.fake.fail("invoke", 429, times=3, after=4, headers={"Retry-After": "0.1"})
    bench.fake.fail("create_sample", 429, times=2)
    bench.fake.fail("create_function", 429, headers={"Retry-After": "0.1"})
    bench.fake.fail("metrics", 503)
    ended = bench.one_trial("--json")
    (row,) = rows(ended)
    assert (row["failed"], row["accuracy"]) == (0, 1.0)
    assert bench.fake.count("token") >= 2
    with open_store(bench.workspace.store_path, read_only=True) as store:
        outcomes = [call.outcome for call in store.invocations(row["trial_id"])]
    assert outcomes.count(Outcome.THROTTLED) >= 3, "every throttled request is a row of its own"
    assert outcomes.count(Outcome.REFUSED) == 0


@pytest.mark.parametrize(
    ("operation", "what", "words"),
    [
        ("create_function", 402, "plan"),
        ("create_sample", 402, "plan"),
        ("invoke", 402, "plan"),
        ("token", 400, "NYCKEL_CLIENT_SECRET"),
    ],
)
def test_a_trial_that_is_refused_ends_with_one_sentence_and_no_bill(
    bench: Bench, operation: str, what: int, words: str
) -> None:
    bench.fake.fail(operation, what, times=10**6)
    if operation == "token":
        bench.fake.fail("token", what, times=10**6, body={"message": f"{CLIENT}:{SECRET}"})
    ended = bench.one_trial()
    assert ended.returncode == ExitCode.PROVIDER
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    if operation == "token":
        bench.fake.heal()
    assert bench.fake.names() == []
    assert bench.fake.count(operation) <= 3, "what is refused is not asked again and again"


@pytest.mark.parametrize(
    ("operation", "what", "words"), [("metrics", 403, "another account"), ("invoke", 401, "NYCKEL_CLIENT_SECRET")]
)
def test_a_refusal_that_says_nothing_of_the_work_is_waited_out_and_named(
    bench: Bench, operation: str, what: int, words: str
) -> None:
    bench.fake.fail(operation, what, times=10**6)
    brief = "[deadlines]\ntrain_hours = 0.001\ndeploy_hours = 0.001\nmeasure_hours = 0.001\n"
    experiment = EXPERIMENT.replace("[2, 5]", "[2]").replace("folds = 2", "folds = 1") + brief
    ended = bench.run(experiment=experiment)
    assert ended.returncode in {ExitCode.UNFINISHED, ExitCode.RESOURCES_LEFT, ExitCode.PROVIDER}, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    bench.fake.heal()
    assert bench.run("--retry-failed", experiment=experiment).returncode == ExitCode.OK
    assert bench.fake.names() == []
    assert len(bench.fake.created) == 1, "what was paid for is used again"


def test_a_creation_whose_answer_is_lost_leaks_nothing(bench: Bench) -> None:
    bench.fake.fail("create_function", nyckel_wire.LOSE)
    ended = bench.one_trial()
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(bench.fake.created) == 1
    assert bench.fake.names() == []


def test_a_list_that_lags_two_seconds_leads_to_no_second_function(bench: Bench) -> None:
    bench.fake.lag = 2.0
    bench.fake.fail("create_label", 503, times=5)  # the upload begins anew while the function does not show
    ended = bench.one_trial()
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(bench.fake.created) == 1
    assert bench.fake.names() == []


def test_a_deletion_that_fails_is_told_with_the_command_that_mends_it(bench: Bench) -> None:
    bench.fake.fail("delete_function", 403, times=10**6)
    ended = bench.one_trial()
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    assert "curl -X DELETE" in ended.stderr
    bench.fake.heal()
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.fake.names() == []


def test_orphans_are_found_with_no_local_file(bench: Bench) -> None:
    bench.one_trial("--keep")
    assert len(bench.fake.names()) == 1
    bench.fake.create_function({"input": "Image", "output": "Classification", "name": "somebody-elses"}, {})
    bench.workspace.store_path.unlink()
    ended = bench("teardown", "--orphans", "--yes", "nyckel")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert bench.fake.names() == ["somebody-elses"]


def test_the_verbs_go_stage_by_stage_and_an_adopted_function_stays(bench: Bench) -> None:
    for verb in ("upload", "train", "invoke"):
        ended = bench(verb, "nyckel", "tiny", "2")
        assert ended.returncode == ExitCode.OK, ended.stderr
    function_id = f"function_{bench.fake.only().function_id}"
    adopted = bench("invoke", "nyckel", "tiny", "2", "--endpoint", function_id)
    assert adopted.returncode == ExitCode.OK, adopted.stderr
    assert "accuracy 100.00%" in adopted.stdout
    loaded = bench("parallel", "nyckel", "tiny", "2", "--calls", "20", "--concurrency", "4", "--json")
    assert json.loads(loaded.stdout)["loop"] == "closed", loaded.stderr
    assert bench("teardown", "nyckel", "tiny", "2").returncode == ExitCode.OK
    assert bench.fake.names() == []


def test_an_infeasible_trial_asks_nothing(bench: Bench) -> None:
    ended = bench.run(experiment=EXPERIMENT.replace("[2, 5]", "[1]"))
    assert "needs at least 2 samples per class" in ended.stderr
    assert bench.fake.recorded == []


def test_policy_manifest_and_prices_are_shown(bench: Bench) -> None:
    policy = bench("providers", "show", "nyckel", "--policy")
    assert policy.stdout.startswith("Nyckel has no permissions to choose from")
    shown = json.loads(bench("providers", "show", "nyckel", "--json").stdout)
    assert {"item": "plan_month_enterprise", "usd": "unknown"}.items() <= shown["prices"][-1].items()
    ablated = bench("ablate", "tiny", "--shots", "5")
    assert ablated.returncode == ExitCode.OK, ablated.stderr
    (manifest,) = bench.root.rglob("*train*_nyckel.csv")
    assert manifest.read_text().splitlines()[0] == "file,label"
    assert bench.fake.recorded == []


def test_no_secret_is_anywhere_also_after_a_refused_token_call(bench: Bench) -> None:
    bench.one_trial()
    bench.fake.client_secret = "another-secret-now"  # ours is refused from here on, and the fake repeats it
    bench("--debug", "providers", "check", "nyckel")
    refused = bench.run("--retry-failed")
    assert refused.returncode == ExitCode.PROVIDER
    bench("report", "small")
    tokens = list(bench.fake.tokens)
    assert tokens
    for needle in (SECRET, CLIENT, *tokens):
        assert not any(needle in text for text in bench.outputs)
        holders = [path for path in bench.root.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()]
        assert holders == []


def test_without_credentials_the_variable_is_named(bench: Bench) -> None:
    del bench.environment["NYCKEL_CLIENT_SECRET"]
    ended = bench("providers", "check", "nyckel")
    assert ended.returncode == ExitCode.SETTINGS
    assert "NYCKEL_CLIENT_SECRET" in ended.stderr
    assert bench.fake.recorded == []


def test_the_fake_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, nyckel_fake.__file__, "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(Path(text_centroids.__file__).parent)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        make_workspace(tmp_path)
        environment = {
            **command_environment(tmp_path),
            "NYCKEL_SERVER_URL": url,
            "NYCKEL_CLIENT_ID": "fake-client-id",
            "NYCKEL_CLIENT_SECRET": "fake-client-secret",
        }
        checked = command("providers", "check", "nyckel", environment=environment, cwd=tmp_path)
        process.terminate()
    assert checked.returncode == ExitCode.OK, checked.stderr
