"""`automl-bench run` over HTTP: digits, from upload to teardown, with real accuracies, short tokens and a bill."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google_tokens import private_key
from service_bench import ServiceBench, rows
from small_workspace import write_experiment
from vertex_fake import TOKEN
from vertex_passengers import passenger
from vertex_project import Pace
from vertex_routes import Refusal
from vertex_service import ANSWERS, VertexService

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import Outcome, StageStatus
from automl_bench.testing import Fault

PRELOAD = ("google.cloud.aiplatform_v1", "google.cloud.storage", "google.auth.transport.requests")

TINY = """
datasets = ["tiny"]
providers = ["vertex"]
shots = [10]
test_limit = 6
[parallel]
enabled = false
"""


class Bench(ServiceBench):
    def __init__(self, root: Path, service: VertexService) -> None:
        super().__init__(root, service.environment(), TINY, PRELOAD)
        for name in ("GOOGLE_CLOUD_QUOTA_PROJECT", "AUTOML_BENCH_VERTEX_ANONYMOUS"):
            self.environment.pop(name, None)
        self.service = service


@pytest.fixture
def service() -> Iterator[VertexService]:
    with VertexService(Pace(undeploying=0.0, deleting=0.0, cancelling=0.0)) as service:
        yield service


@pytest.fixture
def bench(tmp_path: Path, service: VertexService) -> Bench:
    return Bench(tmp_path, service)


def test_five_shots_are_refused_before_any_request_and_ten_go_on(bench: Bench) -> None:
    assert bench("data", "fetch", "digits").returncode == ExitCode.OK
    experiment = TINY.replace('"tiny"', '"digits"').replace("[10]", "[5, 10]").replace("= 6", "= 60")
    ended = bench.run("--json", experiment=experiment)
    answer = json.loads(ended.stdout)
    assert "it needs at least 10 samples per class and '0' has 5: ask for at least 10 shots" in ended.stderr
    (row,) = [row for row in answer["results"] if row["shots"] == 10]
    assert answer["tally"]["done"] == 1
    assert (row["shots"], row["test_samples"], row["failed"]) == (10, 60, 0)
    assert row["accuracy"] > 0.6, "the stand-in really learns"
    assert bench.service.fake.count("CreateDataset") == bench.service.fake.count("CreateTrainingPipeline") == 1
    assert bench.service.resources() == []
    assert bench.service.object_names() == []
    assert 4.8 * 3.465 < bench.service.usd() < 4.8 * 3.465 + 0.1, "a training and some seconds of a node"


def test_a_table_is_planned_by_its_own_limits_and_prices_and_a_text_is_refused(bench: Bench) -> None:
    for name, count, options in (("passengers", 1_200, ("--target", "fate")), ("mails", 40, ("--text", "remark"))):
        file = bench.root / f"{name}.csv"
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            for number in range(count):
                row, fate = passenger(number)
                told = {key: value for key, value in row.items() if key not in ("Age", "label")} | {"fate": fate}
                if name == "mails":
                    told = {"remark": f"{row['remark']} no. {number}", "label": fate}
                if number == 0:
                    writer.writerow(told)
                writer.writerow(told.values())
        ended = bench("data", "import", name, str(file), *options)
        assert ended.returncode == ExitCode.OK, ended.stderr
    experiment = TINY.replace('"tiny"', '"passengers", "mails"').replace("[10]", "[10, 500]")
    ended = bench("plan", str(write_experiment(bench.root, experiment)), "--json")
    trials = {(one["dataset"], one["shots"]): one for one in json.loads(ended.stdout)["trials"]}
    assert "it needs at least 1,000 samples in all and there are 20" in trials["passengers", 10]["reason"]
    assert "Google switched AutoML Text off" in trials["mails", 10]["reason"]
    feasible = trials["passengers", 500]
    assert feasible["reason"] == ""
    assert feasible["cost"]["train"]["usd"] == pytest.approx(21.252)
    assert "endpoint_hour" in feasible["cost"]["serve"]["unknown"]
    assert bench.service.requests() == []


@pytest.mark.slow  # four trials of a real dataset, each with its import, training, deployment and deletion
def test_more_shots_are_better(bench: Bench) -> None:
    assert bench("data", "fetch", "digits").returncode == ExitCode.OK
    experiment = TINY.replace('["tiny"]', '["digits"]').replace("[10]", "[10, 20]\nfolds = 2")
    found = rows(bench.run("--json", experiment=experiment.replace("= 6", "= 50")))
    assert len(found) == 4
    assert all(row["test_samples"] == 50 and row["failed"] == 0 for row in found)
    few, many = (sum(row["accuracy"] for row in found if row["shots"] == shots) / 2 for shots in (10, 20))
    assert many > few > 0.4
    assert bench.service.resources() == []
    assert bench.service.object_names() == []
    assert bench.service.usd() == pytest.approx(4 * 4.8 * 3.465, rel=0.01), "four trainings, and seconds of nodes"


def test_five_shots_alone_ask_nothing(bench: Bench) -> None:
    ended = bench.run(experiment=TINY.replace("[10]", "[5]"))
    assert "at least 10 samples per class" in ended.stderr
    assert bench.service.requests() == []


def test_the_results_keep_what_the_service_says(bench: Bench) -> None:
    (row,) = rows(bench.run("--json"))
    assert row["accuracy"] == 1.0
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        stages = {record.stage.value: record for record in store.stages(trial.trial_id)}
    assert stages["train"].billable_seconds == 4.8 * 3600
    assert stages["train"].work_seconds is not None
    assert stages["upload"].result["images"] == stages["upload"].result["data_items"] == 30
    assert stages["upload"].result["reencoded"] is False


def test_tokens_of_two_seconds_are_renewed_through_a_whole_run_with_its_load(tmp_path: Path) -> None:
    pace = Pace(training=2.5, deploying=1.0, undeploying=0.0, deleting=0.0)
    with VertexService(pace, token_lifetime=2) as service:
        bench = Bench(tmp_path, service)
        experiment = TINY.replace("enabled = false", "rate = 20.0\nduration_seconds = 5.0")
        (row,) = rows(bench.run("--json", experiment=experiment))
        assert (row["accuracy"], row["failed"]) == (1.0, 0)
        assert service.fake.count(TOKEN) >= 5
        seen = [*service.fake.seen, *service.storage.seen]
        assert [each for each in seen if each.status == 401] == []
        with open_store(bench.workspace.store_path, read_only=True) as store:
            (trial,) = store.trials()
            calls = store.invocations(trial.trial_id)
            (load,) = store.load_runs(trial_id=trial.trial_id)
            loaded = store.load_calls(load.load_run_id)
        assert {call.outcome for call in (*calls, *loaded)} == {Outcome.OK}
        assert len(loaded) >= 80
        assert service.resources() == []


def test_throttles_are_waited_out(bench: Bench) -> None:
    bench.service.fake.fail("Predict", ANSWERS[Fault.THROTTLED], times=2)
    bench.service.fake.fail("CreateDataset", ANSWERS[Fault.THROTTLED])
    bench.service.fake.fail("GetTrainingPipeline", ANSWERS[Fault.UNAVAILABLE], times=2)
    (row,) = rows(bench.run("--json"))
    assert row["failed"] == 0
    assert bench.service.fake.count("Predict") >= 6 + 2
    made = list(bench.service.creations())
    assert len(made) == len(set(made)) == 4


@pytest.mark.parametrize(
    ("method", "fault", "words"),
    [
        ("CreateDataset", Fault.QUOTA, "ask Google for a higher quota"),
        ("CreateTrainingPipeline", Fault.BILLING, "billing account that is open"),
        ("DeployModel", Fault.FORBIDDEN, "providers show vertex --policy"),
    ],
)
def test_a_trial_that_is_refused_ends_with_one_sentence_and_no_bill(
    bench: Bench, method: str, fault: Fault, words: str
) -> None:
    bench.service.fake.fail(method, ANSWERS[fault], times=10**6)
    ended = bench.run()
    assert ended.returncode == ExitCode.PROVIDER
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert bench.service.fake.count(method) == 1, "what is refused is not asked again"
    assert bench("teardown", "--all").returncode == ExitCode.OK, "what was paid for once stayed for its retention"
    assert bench.service.resources() == []


def test_a_model_that_cannot_be_taken_off_is_shouted_with_its_price(bench: Bench) -> None:
    bench.service.fake.fail("UndeployModel", Refusal("PERMISSION_DENIED", "told to"), times=10**6)
    ended = bench.run()
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    said = next(line for line in ended.stderr.splitlines() if "deployed-model" in line and "an hour" in line)
    assert "$1.38 an hour" in said
    assert "gcloud ai endpoints undeploy-model automl-bench-" in said
    shown = bench("resources")
    assert "together $1.38 an hour" in shown.stdout
    assert len(bench.service.billing()) == 1
    bench.service.heal()
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.service.resources() == []


def test_the_verbs_go_stage_by_stage_and_an_adopted_endpoint_stays(bench: Bench) -> None:
    for verb in ("upload", "train", "deploy", "invoke"):
        ended = bench(verb, "vertex", "tiny", "10", "--test-limit", "6")
        assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(bench.service.billing()) == 1
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        assert {record.status for record in store.stages(trial.trial_id)} == {StageStatus.DONE}
    endpoint = next(iter(bench.service.fake.project.serving.all))
    before = sorted(bench.service.resources())
    adopted = bench("invoke", "vertex", "tiny", "10", "--test-limit", "6", "--endpoint", endpoint)
    assert adopted.returncode == ExitCode.OK, adopted.stderr
    assert "accuracy 100.00%" in adopted.stdout
    assert sorted(bench.service.resources()) == before
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.service.resources() == []


@pytest.mark.parametrize("method", ["CreateDataset", "CreateTrainingPipeline"])
def test_an_answer_that_is_lost_while_lists_lag_makes_nothing_twice(bench: Bench, method: str) -> None:
    left = [1]

    def once(asked: str) -> bool:
        left[0] -= asked == method
        return asked == method and left[0] >= 0

    bench.service.fake.project.pace.listing = 1.5
    bench.service.fake.lose_when = once
    (row,) = rows(bench.run("--json"))
    assert row["failed"] == 0
    made = list(bench.service.creations())
    assert len(made) == len(set(made)) == 4
    assert bench.service.fake.count(method) == 1
    assert bench.service.resources() == []


def test_orphans_are_found_with_no_local_file(bench: Bench) -> None:
    assert bench.run("--keep").returncode == ExitCode.OK
    assert len(bench.service.resources()) == 6
    stranger = bench.service.stranger()
    bench.workspace.store_path.unlink()
    ended = bench("teardown", "--orphans", "--yes", "vertex")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert bench.service.resources() == []
    assert bench.service.strangers() == [stranger]


def test_secrets_are_nowhere(bench: Bench) -> None:
    for arguments in (
        ["--debug", "run", str(write_experiment(bench.root, TINY)), "--keep"],
        ["--debug", "providers", "check", "vertex"],
        ["report"],
        ["export"],
        ["resources", "--json"],
        ["teardown", "--all"],
    ):
        bench(*arguments)
    bench.service.fake.fail(TOKEN, Refusal("INVALID_ARGUMENT", "invalid_grant"), times=99)  # and repeats the request
    refused = bench("--debug", "providers", "check", "vertex")
    assert "gave no token (invalid_grant)" in refused.stderr
    assert bench.service.tokens is not None
    assertions = [
        each.body.split(b"assertion=")[1][:60].decode() for each in bench.service.fake.seen if each.method == TOKEN
    ]
    key_lines = private_key().splitlines()[1:-1]
    needles = [*bench.service.tokens.issued, *assertions, *key_lines]
    assert len(needles) > 25
    files = [path for path in bench.root.rglob("*") if path.is_file()]
    assert len(files) > 20
    for needle in needles:
        assert not [text for text in bench.outputs if needle in text]
        assert not [path for path in files if needle.encode() in path.read_bytes()]
    for seen in bench.service.requests():
        if not seen.operation.startswith(f"{TOKEN} "):
            assert b"ya29." not in seen.body
            assert "ya29." not in seen.operation


def test_manifests_are_written_in_the_service_s_format(bench: Bench) -> None:
    ended = bench("ablate", "tiny", "--shots", "10")
    assert ended.returncode == ExitCode.OK, ended.stderr
    written = sorted(bench.root.rglob("*_vertex.csv"))
    assert len(written) == 3, "test, training and validation"
    lines = [row for path in written for row in csv.reader(path.read_text(encoding="utf-8").splitlines())]
    assert {row[0] for row in lines} == {"test", "training", "validation"}
    assert all(row[1].startswith(f"gs://{bench.service.bucket}/tiny/") and row[1].endswith(".png") for row in lines)
    assert {row[2] for row in lines} == {"blue", "green", "red"}
    assert bench.service.requests() == []


def test_labels_of_a_manifest_are_spelled_as_the_service_takes_them(bench: Bench) -> None:
    assert bench("data", "fetch", "digits").returncode == ExitCode.OK
    assert bench("ablate", "digits", "--shots", "10").returncode == ExitCode.OK
    (train,) = bench.root.rglob("*digits*train*_vertex.csv")
    lines = train.read_text(encoding="utf-8").splitlines()
    assert {row[2] for row in csv.reader(lines)} == {f"x_{digit}" for digit in range(10)}


def test_show_prints_limits_prices_and_the_policy(bench: Bench) -> None:
    shown = bench("providers", "show", "vertex")
    for words in ("min_samples_per_class", "AUTOML_BENCH_VERTEX_BUCKET", "3.465", "1.375", "unknown"):
        assert words in shown.stdout
    policy = bench("providers", "show", "vertex", "--policy")
    assert policy.returncode == ExitCode.OK, policy.stderr
    assert "- aiplatform.endpoints.predict" in policy.stdout
    checked = bench("providers", "check", "vertex")
    assert checked.returncode == ExitCode.OK, checked.stderr
    assert "$1.375 an hour" in checked.stdout


def test_what_is_not_set_is_named(bench: Bench) -> None:
    del bench.environment["AUTOML_BENCH_VERTEX_BUCKET"]
    ended = bench("providers", "check", "vertex")
    assert ended.returncode == ExitCode.SETTINGS
    assert "AUTOML_BENCH_VERTEX_BUCKET" in ended.stderr
    assert bench.service.requests() == []
