"""Projects, datasets, models: made once, looked at once, deleted in order, and never left running."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from automl_bench_rekognition import account, description, plugin
from automl_bench_rekognition.description import DESCRIPTION, prices, unit_hour_usd
from automl_bench_rekognition.policy import POLICY
from aws_service import AwsService
from botocore.utils import parse_timestamp
from rekognition_fake import ServiceError
from trial_of_squares import Trial, sample

from automl_bench.contract import (
    NAME_PREFIX,
    Capability,
    Deletion,
    LabelledSample,
    ManifestEntry,
    Operation,
    OperationState,
    Resource,
    Stage,
    TrainingSet,
    Variant,
)
from automl_bench.errors import (
    ConnectionLost,
    Infeasible,
    PermissionDenied,
    QuotaExceeded,
    RequestRefused,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    SettingsError,
    Unauthenticated,
)

NAMES = {
    "samples": "automl-bench-0123456789ab-samples",
    "project": "automl-bench-0123456789ab-project",
    "train-dataset": "automl-bench-0123456789ab-train-dataset",
    "test-dataset": "automl-bench-0123456789ab-test-dataset",
    "model": "automl-bench-0123456789ab-model",
    "running-model": "automl-bench-0123456789ab-running-model",
}


def test_a_whole_life_and_its_bill(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    trained = trial.train()
    assert trained.billable_seconds == 1.0, "as the service reports it"
    assert trained.work_seconds is not None
    assert trained.work_seconds > 0
    trial.deploy()
    assert {each.kind: each.name for each in trial.ledger.made} == NAMES
    assert [each.hourly_usd for each in trial.ledger.made] == [0.0, 0.0, 0.0, 0.0, 0.0, 4.0]
    assert len(aws.billing()) == 1
    trial.tear_down()
    assert aws.resources() == []
    assert aws.object_keys() == [], "with what the training wrote"
    assert aws.fake.bill.training_seconds == 1.0
    assert 0 < aws.fake.bill.unit_seconds < 60
    stopped = aws.fake.operations().index("StopProjectVersion")
    deleted = [each for each in aws.fake.operations() if each.startswith("Delete")]
    assert deleted == ["DeleteProjectVersion", "DeleteDataset", "DeleteDataset", "DeleteProject"]
    assert stopped < aws.fake.operations().index("DeleteProjectVersion")


def test_a_hook_called_twice_makes_nothing_twice(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    made = list(aws.fake.created)
    trial.up()
    assert aws.fake.created == made
    assert len(made) == len(set(made)) == 5


@pytest.mark.parametrize("operation", ["CreateProject", "CreateDataset", "CreateProjectVersion", "StartProjectVersion"])
def test_a_creation_whose_answer_is_lost_is_found_again(aws: AwsService, tmp_path: Path, operation: str) -> None:
    trial = Trial(tmp_path)
    aws.fake.lose_answer(operation)
    with pytest.raises(ConnectionLost):
        trial.up()
    trial.up()
    assert len(aws.fake.created) == len(set(aws.fake.created)) == 5
    trial.tear_down()
    assert aws.resources() == []


def test_another_process_goes_on_from_the_token(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    begun = plugin.upload(trial.context, trial.set)
    other = Trial(tmp_path)
    looked = plugin.poll(other.context, Operation(OperationState.RUNNING, token=begun.token))
    while looked.state is OperationState.RUNNING:
        looked = plugin.poll(other.context, looked)
    assert looked.state is OperationState.SUCCEEDED
    assert looked.result["images"] == 15


@pytest.mark.parametrize("token", ["", "{}", "nonsense", '{"what": "else"}', '["training"]'])
def test_a_token_that_names_nothing_is_missing(aws: AwsService, tmp_path: Path, token: str) -> None:
    with pytest.raises(ResourceMissing):
        plugin.poll(Trial(tmp_path).context, Operation(OperationState.RUNNING, token=token))


def test_images_that_the_service_refuses_fail_the_upload_with_their_code(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    tiny = sample(tmp_path, "brick", 1, (32, 32))
    trial.set = TrainingSet("squares", trial.set.labels, (*trial.set.train, tiny), trial.set.validation)
    done = trial.upload()
    assert done.state is OperationState.FAILED
    assert done.message == "the service refused 1 image of the train-dataset (ERROR_INVALID_IMAGE)"


def test_a_manifest_that_the_service_refuses_fails_the_upload(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_bench_rekognition import manifests

    monkeypatch.setattr(manifests, "CREATED", "")
    done = Trial(tmp_path).upload()
    assert done.state is OperationState.FAILED
    assert "The manifest file is invalid" in done.message


def test_without_the_bucket_policy_the_service_cannot_read(aws: AwsService, tmp_path: Path) -> None:
    with pytest.raises(RequestRefused, match="InvalidS3ObjectException"):
        Trial(tmp_path, manage_bucket_policy="false").upload()


def test_a_failed_training_says_why_and_can_be_deleted(aws: AwsService, tmp_path: Path) -> None:
    aws.fake.training_fails = True
    trial = Trial(tmp_path)
    trial.upload()
    done = trial.train()
    assert done.state is OperationState.FAILED
    assert done.message == "The stand-in was told to fail"
    trial.tear_down()
    assert aws.resources() == []
    assert aws.fake.bill.training_seconds == 0


def test_a_failed_start_says_why_and_costs_nothing(aws: AwsService, tmp_path: Path) -> None:
    aws.fake.start_fails = True
    trial = Trial(tmp_path)
    done = trial.up()
    assert done.state is OperationState.FAILED
    assert aws.billing() == []
    trial.tear_down()
    assert aws.resources() == []


def test_a_training_under_way_is_awaited_by_teardown(aws: AwsService, tmp_path: Path) -> None:
    aws.fake.pace.training = 0.5
    trial = Trial(tmp_path)
    trial.upload()
    plugin.train(trial.context)
    model = trial.ledger.made[-1]
    assert plugin.delete_resource(trial.context, model) is Deletion.PENDING
    assert "cannot cancel a training" in trial.lines[-1]
    trial.tear_down()
    assert aws.resources() == []


def test_a_starting_model_is_stopped_as_soon_as_it_can_be(aws: AwsService, tmp_path: Path) -> None:
    aws.fake.pace.starting = 0.4
    trial = Trial(tmp_path)
    trial.upload()
    trial.train()
    plugin.deploy(trial.context)
    assert plugin.delete_resource(trial.context, trial.ledger.made[-1]) is Deletion.PENDING
    trial.tear_down()
    assert aws.resources() == []


def test_a_model_that_was_stopped_is_started_again_by_deploy(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    trial.delete(trial.ledger.made[-1])
    assert aws.billing() == []
    assert trial.deploy().state is OperationState.SUCCEEDED
    assert len(aws.billing()) == 1


def test_deploying_what_is_just_being_stopped_waits(aws: AwsService, tmp_path: Path) -> None:
    aws.fake.pace.stopping = 30.0
    trial = Trial(tmp_path)
    trial.up()
    plugin.delete_resource(trial.context, trial.ledger.made[-1])
    with pytest.raises(ServiceUnavailable, match="still being stopped"):
        plugin.deploy(trial.context)
    aws.fake.pace.stopping = 0.0
    trial.tear_down()


def test_a_third_training_is_a_quota_error(aws: AwsService, tmp_path: Path) -> None:
    aws.fake.pace.training = 30.0
    trials = [Trial(tmp_path, f"{number:012x}") for number in range(3)]
    for trial in trials:
        trial.upload()
    for trial in trials[:2]:
        plugin.train(trial.context)
    with pytest.raises(QuotaExceeded, match="2 models are in training"):
        plugin.train(trials[2].context)
    assert DESCRIPTION.limits.concurrent_trials == 2, "so the host never begins a third"


def test_a_model_started_by_hand_is_stopped_before_it_is_deleted(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    trial.ledger.made = [each for each in trial.ledger.made if each.kind != "running-model"]
    trial.tear_down()
    assert aws.billing() == []
    assert aws.resources() == []


def test_everything_is_listed_with_its_price_in_order_of_creation(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    aws.stranger()
    listed = plugin.list_resources(trial.context, "automl-bench")
    assert [(each.kind, each.name) for each in listed] == list(NAMES.items())
    assert [each.hourly_usd for each in listed] == [0.0, 0.0, 0.0, 0.0, 0.0, 4.0]
    assert all(each.delete_by_hand.startswith("aws ") for each in listed)
    for kind, name in NAMES.items():
        assert (kind, name) in [(each.kind, each.name) for each in plugin.list_resources(trial.context, name)]
    assert plugin.list_resources(trial.context, "automl-bench-ffffffffffff") == []
    for resource in reversed(listed):
        trial.delete(resource)
    assert aws.resources() == []
    assert aws.strangers() == ["holiday-pictures"]


def test_many_projects_come_in_pages(aws: AwsService, tmp_path: Path) -> None:
    for number in range(120):
        aws.fake._CreateProject(ProjectName=f"automl-bench-{number:012x}-project")
    listed = plugin.list_resources(Trial(tmp_path).context, "automl-bench")
    assert len([each for each in listed if each.kind == "project"]) == 120


@pytest.mark.parametrize("kind", NAMES)
def test_deleting_what_never_was_is_already_gone(aws: AwsService, tmp_path: Path, kind: str) -> None:
    assert plugin.delete_resource(Trial(tmp_path).context, Resource(kind, NAMES[kind])) is Deletion.ALREADY_GONE


def test_only_name_and_kind_are_enough_to_delete(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    for kind in reversed(NAMES):
        trial.delete(Resource(kind, NAMES[kind]))
    assert aws.resources() == []


def test_a_project_waits_for_what_is_being_deleted_and_for_nothing_else(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    project = Resource("project", NAMES["project"])
    with pytest.raises(ResourceConflict, match="has datasets or models"):
        plugin.delete_resource(trial.context, project)
    aws.fake.pace = replace(aws.fake.pace, deleting=0.3)
    trial.delete(Resource("running-model", NAMES["running-model"]))
    for kind in ("model", "test-dataset", "train-dataset"):
        assert plugin.delete_resource(trial.context, Resource(kind, NAMES[kind])) is Deletion.PENDING
    assert plugin.delete_resource(trial.context, project) is Deletion.PENDING
    trial.delete(project)
    trial.delete(Resource("samples", NAMES["samples"]))
    assert aws.resources() == []


def test_access_needs_credentials_bucket_and_region(aws: AwsService, tmp_path: Path) -> None:
    context = Trial(tmp_path).context
    report = plugin.check_access(context)
    assert report.ok
    assert report.account == f"region eu-west-1, bucket {aws.bucket}"
    assert "$4.00 an hour" in report.notes[0]
    assert aws.creations() == []
    assert not [each for each in aws.s3_server.seen if each.method != "HEAD"]
    missing = replace(context, settings={**context.settings, "bucket": "no-such-bucket-here"})
    with pytest.raises(ResourceMissing, match=r"aws s3 mb s3://no-such-bucket-here --region eu-west-1"):
        plugin.check_access(missing)
    aws.fake.fail("DescribeProjects", ServiceError("UnrecognizedClientException"))
    with pytest.raises(Unauthenticated, match="AWS_ACCESS_KEY_ID"):
        plugin.check_access(context)


def test_a_bucket_in_another_region_is_refused(aws: AwsService, tmp_path: Path) -> None:
    there = boto3.session.Session("owner", "owner-secret", region_name="ap-southeast-2").client(
        "s3", endpoint_url=aws.s3_server.url
    )
    elsewhere = {"LocationConstraint": "ap-southeast-2"}
    there.create_bucket(Bucket=f"{aws.bucket}-2", CreateBucketConfiguration=elsewhere)
    context = Trial(tmp_path).context
    with pytest.raises(RequestRefused, match="is in ap-southeast-2 and the region set is eu-west-1"):
        plugin.check_access(replace(context, settings={**context.settings, "bucket": f"{aws.bucket}-2"}))


def test_without_credentials_the_variables_are_named(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(Unauthenticated, match="export AWS_ACCESS_KEY_ID"):
        plugin.check_access(Trial(tmp_path).context)


def test_without_a_region_the_variable_is_named(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(RequestRefused, match="export AWS_DEFAULT_REGION"):
        plugin.check_access(Trial(tmp_path).context)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"inference_units": 0}, "is 0"), ({"inference_units": 6}, "is 6"), ({"units": 1}, "'units' is not a setting")],
)
def test_a_variant_is_checked_before_any_request(
    aws: AwsService, tmp_path: Path, settings: dict[str, int], words: str
) -> None:
    context = replace(Trial(tmp_path).context, variant=Variant("rekognition", "mine", settings))
    with pytest.raises(SettingsError, match=words):
        plugin.check_access(context)
    assert aws.requests() == []


def test_two_inference_units_cost_twice_as_much(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.variant = Variant("rekognition", "two", {"inference_units": 2})
    assert trial.up().result["inference_units"] == 2
    assert trial.ledger.made[-1].hourly_usd == 8.0
    running = [each for each in plugin.list_resources(trial.context, "automl-bench") if each.kind == "running-model"]
    assert running[0].hourly_usd == 8.0
    trial.tear_down()


def test_the_manifest_of_a_dataset_on_disk_has_the_upload_s_addresses(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    entries = [ManifestEntry(item.sample, "train") for item in trial.set.train]
    described = plugin.export_manifest(trial.context, "squares", entries)
    assert described.label_at == ("class-metadata", "class-name")
    assert described.file_format == "jsonl"
    assert {row["class-metadata"]["class-name"] for row in described.rows} == {""}
    assert aws.requests() == []
    trial.upload()
    assert {row["source-ref"] for row in described.rows} <= {f"s3://{aws.bucket}/{key}" for key in aws.object_keys()}


def test_the_policy_grants_every_operation_that_was_used_and_no_other(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    plugin.check_access(trial.context)
    trial.up()
    plugin.list_resources(trial.context, NAME_PREFIX)
    invoker = plugin.invoke(trial.context, _endpoint(trial))
    assert invoker is not None
    trial.tear_down()
    aws.fake.seen.append(type(aws.fake.seen[0])("DetectCustomLabels", b"", {}))
    aws.fake.seen.append(type(aws.fake.seen[0])("ListDatasetEntries", b"", {}))
    granted = {
        action.removeprefix("rekognition:")
        for statement in json.loads(POLICY)["Statement"]
        for action in statement["Action"]
        if action.startswith("rekognition:")
    }
    # A project that is created with tags needs the permission to tag; no request of ours has that name.
    assert granted == {*aws.fake.operations(), "TagResource"}
    assert all(statement["Resource"] != "*" or statement["Sid"] == "FindProjects"
               for statement in json.loads(POLICY)["Statement"])  # fmt: skip


def test_a_training_shows_its_price_while_it_goes_on_and_a_command_that_waits_for_its_end(
    aws: AwsService, tmp_path: Path
) -> None:
    aws.fake.pace.training = 600.0
    trial = Trial(tmp_path)
    trial.upload()
    begun = plugin.train(trial.context)
    running = trial.ledger.made[-1]
    assert (running.kind, running.hourly_usd) == ("model", 1.0)
    arn, project = running.resource_id, running.details["project_arn"]
    assert running.delete_by_hand == (
        f"aws rekognition wait project-version-training-completed --project-arn {project} "
        f"--version-names {running.name}; aws rekognition delete-project-version --project-version-arn {arn}"
    )
    (listed,) = [each for each in plugin.list_resources(trial.context, NAME_PREFIX) if each.kind == "model"]
    assert (listed.hourly_usd, listed.delete_by_hand) == (1.0, running.delete_by_hand)
    aws.fake.pace.training = 0.0
    plugin.poll(trial.context, Operation(OperationState.RUNNING, token=begun.token))
    ended = trial.ledger.made[-1]
    assert (ended.kind, ended.hourly_usd) == ("model", 0.0)
    assert ended.delete_by_hand == f"aws rekognition delete-project-version --project-version-arn {arn}"


def test_a_model_that_was_just_started_is_not_taken_for_stopped(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.upload()
    trial.train()
    aws.fake.pace.showing = 0.5
    plugin.deploy(trial.context)
    running = replace(trial.ledger.made[-1], since=datetime.now(UTC).isoformat())
    assert plugin.delete_resource(trial.context, running) is Deletion.PENDING, "a stale look shows it as it was before"
    trial.delete(running)
    assert aws.billing() == []
    assert plugin.delete_resource(trial.context, running) is Deletion.ALREADY_GONE, "this process has stopped it"


def test_what_this_process_has_deleted_is_not_taken_for_new(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    for resource in reversed(trial.ledger.made):
        young = replace(resource, since=datetime.now(UTC).isoformat())
        trial.delete(young)
        young = replace(resource, since=datetime.now(UTC).isoformat())
        assert plugin.delete_resource(trial.context, young) is Deletion.ALREADY_GONE, resource.kind
    assert aws.resources() == []


def test_a_dataset_may_have_fewer_images_in_some_regions(
    aws: AwsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setattr(description, "FEWER_IMAGES", 5)
    trial = Trial(tmp_path)
    with pytest.raises(Infeasible, match="5 images in eu-west-2"):
        trial.upload()
    assert aws.requests() == []


def test_stopping_without_permission_is_an_error_that_stays(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.up()
    aws.fake.stop_fails = True
    with pytest.raises(PermissionDenied):
        plugin.delete_resource(trial.context, trial.ledger.made[-1])
    assert len(aws.billing()) == 1
    aws.fake.stop_fails = False
    trial.tear_down()


def test_prices_are_dated_and_the_unknown_stays_unknown() -> None:
    table = {price.item: price for price in prices()}
    assert (table["train_hour"].usd, table["endpoint_hour"].usd, unit_hour_usd()) == (1.0, 4.0, 4.0)
    assert table["sample_month"].usd is None
    assert {price.as_of for price in prices()} == {"2026-11-21"}
    assert Capability.PRICE in DESCRIPTION.capabilities


def _endpoint(trial: Trial) -> object:
    from automl_bench.contract import Endpoint

    return Endpoint(str(trial.results[Stage.DEPLOY]["endpoint_id"]))


def test_labels_with_spaces_and_other_alphabets_arrive_unchanged(aws: AwsService, tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    words = {"ash grey": "asch, grau", "brick": "ziegel/лес", "ocean": "海"}
    renamed = tuple(LabelledSample(item.sample, words[item.label]) for item in trial.set.train)
    trial.set = TrainingSet("squares", tuple(sorted(words.values())), renamed, ())
    trial.upload()
    assert {label for _, label in aws.training_samples()} == set(words.values())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"])
def test_an_answer_that_is_no_json_never_means_that_nothing_exists(
    aws: AwsService, tmp_path: Path, body: bytes
) -> None:
    trial = Trial(tmp_path)
    trial.up()
    aws.fake.fail(lambda name: name.startswith("Describe"), body, times=99)
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        plugin.list_resources(trial.context, "automl-bench")
    for resource in trial.ledger.made[1:]:
        with pytest.raises(ServiceUnavailable):
            plugin.delete_resource(trial.context, resource)
    aws.fake.heal()
    trial.tear_down()


@pytest.mark.parametrize(
    "told",
    [
        "2026-11-25T23:41:42.123Z",
        "2026-11-25T23:41:42Z",
        "2026-11-25T23:41:42+02:00",
        "20261125T234142Z",
        "2026-11-25",
        "Wed, 25 Nov 2026 23:41:42 GMT",
        "1795649000",
        1795649000,
        1795649000.5,
    ],
)
def test_times_are_read_as_botocore_reads_them(told: str | float) -> None:
    assert account._moment(told) == parse_timestamp(told)
