"""`automl-bench run` over HTTP: digits, from upload to teardown, with real accuracies and a bill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws_service import AwsService
from rekognition_fake import ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, ServiceError
from service_bench import ServiceBench, rows
from small_workspace import write_experiment

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import StageStatus

TINY = """
datasets = ["tiny"]
providers = ["rekognition"]
shots = [5]
test_limit = 6
[images]
min_side = 64
[parallel]
enabled = false
"""


class Bench(ServiceBench):
    def __init__(self, root: Path, aws: AwsService) -> None:
        super().__init__(root, aws.environment(), TINY, ("boto3",))
        self.aws = aws


@pytest.fixture
def bench(tmp_path: Path, aws: AwsService) -> Bench:
    return Bench(tmp_path, aws)


@pytest.mark.slow  # four trials of a real dataset, each with its import, training, start, stop and deletion
def test_digits_end_to_end(bench: Bench) -> None:
    assert bench("data", "fetch", "digits").returncode == ExitCode.OK
    experiment = TINY.replace('["tiny"]', '["digits"]').replace("[5]", "[5, 20]\nfolds = 2")
    found = rows(bench.run("--json", experiment=experiment.replace("= 6", "= 50")))
    assert len(found) == 4
    assert all(row["test_samples"] == 50 and row["failed"] == 0 for row in found)
    mean = {shots: sum(row["accuracy"] for row in found if row["shots"] == shots) / 2 for shots in (5, 20)}
    assert mean[20] > mean[5] > 0.3, mean
    assert mean[20] > 0.8, mean
    assert bench.aws.resources() == []
    assert bench.aws.object_keys() == []
    assert bench.aws.fake.bill.training_seconds == 4
    assert 0 < bench.aws.fake.bill.usd < 1


def test_a_run_leaves_nothing_and_reports_what_the_service_says(bench: Bench) -> None:
    (row,) = rows(bench.run("--json"))
    assert row["accuracy"] == 1.0
    assert bench.aws.resources() == []
    assert bench.aws.object_keys() == []
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        stages = {record.stage.value: record for record in store.stages(trial.trial_id)}
    assert stages["train"].billable_seconds == 1.0
    assert stages["train"].work_seconds is not None
    assert stages["upload"].result["test_dataset"] == "validation half"


def test_small_images_are_refused_before_the_first_request(bench: Bench) -> None:
    ended = bench.run(experiment=TINY.replace("[images]\nmin_side = 64\n", ""))
    assert "refuses images with a side under 64 px and a training image has 8 px" in ended.stderr
    assert "set images.min_side = 64 in the experiment, for all providers alike" in ended.stderr
    assert bench.aws.requests() == []


def test_the_same_upload_again_sends_nothing_and_the_larger_one_only_what_is_new(bench: Bench) -> None:
    def upload(shots: str) -> int:
        before = len(bench.aws.s3_server.puts("automl-bench/images/"))
        ended = bench("upload", "rekognition", "tiny", shots, "--min-side", "64")
        assert ended.returncode == ExitCode.OK, ended.stderr
        return len(bench.aws.s3_server.puts("automl-bench/images/")) - before

    assert [upload("5"), upload("5"), upload("10")] == [15, 0, 15]
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.aws.object_keys() == []


def test_a_model_that_cannot_be_stopped_is_shouted_with_its_price(bench: Bench) -> None:
    bench.aws.fake.stop_fails = True
    ended = bench.run()
    assert ended.returncode == ExitCode.RESOURCES_LEFT
    said = next(line for line in ended.stderr.splitlines() if "running-model" in line and "an hour" in line)
    assert "$4.00 an hour" in said
    assert "aws rekognition stop-project-version --project-version-arn arn:aws:rekognition:" in said
    shown = bench("resources")
    assert "together $4.00 an hour" in shown.stdout
    bench.aws.fake.stop_fails = False
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.aws.resources() == []


def test_a_quota_ends_the_trial_with_one_sentence(bench: Bench) -> None:
    bench.aws.fake.fail("CreateProject", ServiceError("LimitExceededException", "100 projects"), times=99)
    ended = bench.run()
    assert ended.returncode == ExitCode.PROVIDER
    assert "AWS answered LimitExceededException: 100 projects." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert bench.aws.fake.operations().count("CreateProject") == 1, "a quota is not asked for again"
    assert bench.aws.resources() == []


def test_throttles_are_waited_out(bench: Bench) -> None:
    bench.aws.fake.fail("CreateProject", ServiceError("ThrottlingException"), times=2)
    bench.aws.fake.fail("DetectCustomLabels", ServiceError("ProvisionedThroughputExceededException"), times=2)
    (row,) = rows(bench.run("--json"))
    assert row["failed"] == 0
    assert bench.aws.fake.operations().count("DetectCustomLabels") >= 6 + 2


def test_credentials_that_expire_during_the_pass_end_it_and_nothing_billed_by_the_hour_stays(bench: Bench) -> None:
    def expire() -> None:
        bench.aws.fake.fail("DetectCustomLabels", ServiceError("ExpiredTokenException", "expired"), times=99)

    bench.aws.fake.detect_hook = expire
    ended = bench.run(experiment=TINY + "[deadlines]\nmeasure_hours = 0.002\n")
    assert ended.returncode in {ExitCode.UNFINISHED, ExitCode.PROVIDER}, ended.stderr
    assert "ExpiredTokenException" in ended.stderr
    assert not any("running-model" in line for line in bench.aws.resources())
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert bench.aws.resources() == []


def test_secrets_are_nowhere(bench: Bench) -> None:
    outputs = []
    for arguments in (
        ["run", str(write_experiment(bench.root, TINY)), "--keep"],
        ["--debug", "providers", "check", "rekognition"],
        ["report"],
        ["export"],
        ["resources", "--json"],
        ["teardown", "--all"],
    ):
        ended = bench(*arguments)
        outputs += [ended.stdout, ended.stderr]
    bench.aws.fake.fail("DescribeProjects", ServiceError("InvalidSignatureException", "wrong"), times=99)
    refused = bench("--debug", "providers", "check", "rekognition")
    assert "InvalidSignatureException" in refused.stderr
    outputs += [refused.stdout, refused.stderr]
    files = [path for path in bench.root.rglob("*") if path.is_file()]
    assert len(files) > 20
    for secret in (SECRET_KEY, SESSION_TOKEN):
        assert not [text for text in outputs if secret in text]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert not [path for path in files if f"Credential={ACCESS_KEY}".encode() in path.read_bytes()], "no signature"
    for seen in bench.aws.requests():
        assert SECRET_KEY.encode() not in seen.body
        assert SECRET_KEY not in "".join(seen.headers.values())


def test_manifests_are_written_in_the_ancestor_s_format(bench: Bench) -> None:
    ended = bench("ablate", "tiny", "--shots", "5")
    assert ended.returncode == ExitCode.OK, ended.stderr
    written = sorted(bench.root.rglob("*_rekognition.jsonl"))
    assert len(written) == 3, "test, training and validation"
    first = json.loads(written[0].read_text(encoding="utf-8").splitlines()[0])
    assert first["source-ref"].startswith(f"s3://{bench.aws.bucket}/automl-bench/images/tiny/")
    assert first["class-metadata"]["class-name"] in ("blue", "green", "red")
    assert bench.aws.requests() == []


def test_show_prints_limits_prices_and_the_policy(bench: Bench) -> None:
    shown = bench("providers", "show", "rekognition")
    assert "min_side_px" in shown.stdout
    assert "AWS_STORAGE_BUCKET_NAME" in shown.stdout
    assert "4.0" in shown.stdout
    policy = bench("providers", "show", "rekognition", "--policy")
    assert policy.returncode == ExitCode.OK, policy.stderr
    assert json.loads(policy.stdout)["Statement"][0]["Sid"] == "FindProjects"


def test_the_deploy_verb_says_what_it_costs_until_teardown(bench: Bench) -> None:
    for verb in ("upload", "train", "deploy", "invoke"):
        ended = bench(verb, "rekognition", "tiny", "5", "--min-side", "64", "--test-limit", "6")
        assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(bench.aws.billing()) == 1
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        assert {record.status for record in store.stages(trial.trial_id)} == {StageStatus.DONE}
    down = bench("teardown", "rekognition", "tiny", "5", "--min-side", "64", "--test-limit", "6")
    assert down.returncode == ExitCode.OK, down.stderr
    assert bench.aws.resources() == []
