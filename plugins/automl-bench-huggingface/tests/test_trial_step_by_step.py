"""From the job's specification to the last deletion: what is asked for, what it costs, what is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from automl_bench_huggingface import endpoints, plugin, training_jobs
from automl_bench_huggingface.naming import ENDPOINT, JOB, MODEL
from hub_fake import ORGANIZATION, USER, HubFake, Pace
from hub_jobs import TRAINING_SECONDS
from hub_wire import ApiError
from huggingface_trial import COLOURS, HuggingfaceTrial, delete, squares

from automl_bench.contract import Deletion, Endpoint, HttpInvoker, HttpResponse, OperationState, Resource, Stage
from automl_bench.errors import (
    PermissionDenied,
    ProviderError,
    RequestRefused,
    ResourceMissing,
    ServiceUnavailable,
    TransientProviderError,
)
from automl_bench.transport import Transport, TransportOptions

PREFIX = "automl-bench-0123456789ab"


def answer_of(invoker: object, sample: object) -> HttpResponse:
    assert isinstance(invoker, HttpInvoker)
    transport = Transport(TransportOptions())
    try:
        answer = transport.send(invoker.prepare(sample)).response  # type: ignore[arg-type]  # a Sample
    finally:
        transport.close()
    assert answer is not None
    return answer


# --- training ----------------------------------------------------------------------------------------------------


def test_the_job_says_what_to_train_and_hides_the_token(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    (job,) = trial.fake.jobs.all
    assert job.spec["timeoutSeconds"] == 7200, "without it the service ends a job after half an hour"
    assert job.spec["secrets"] == {"HF_TOKEN": trial.fake.token}
    assert trial.fake.token not in json.dumps([job.spec["command"], job.spec["environment"], job.labels])
    assert job.labels == {
        "automl-bench": "trial",
        "name": f"{PREFIX}-train",
        "dataset-revision": trial.results[Stage.UPLOAD]["dataset_revision"],
    }
    told = json.loads(job.spec["environment"]["AUTOML_BENCH_RECIPE"])
    assert (told["seed"], told["gpu"], told["base_model"]) == (7, True, "google/vit-base-patch16-224-in21k")
    assert job.spec["environment"]["HF_ENDPOINT"] == trial.fake.url


def test_on_the_service_itself_the_job_needs_no_address() -> None:
    from automl_bench_huggingface.options import HUB_URL
    from automl_bench_huggingface.recipes import Recipe

    assignment = training_jobs.Assignment("u/d", "c" * 40, "u/m", 0, Recipe())
    assert "HF_ENDPOINT" not in assignment.environment(HUB_URL)


def test_a_variant_is_what_the_job_is_told(hub: HubFake, tmp_path: Path) -> None:
    variant = {"flavor": "cpu-upgrade", "timeout_minutes": 90, "epochs": 3, "seed": 42, "patience": 5, "batch_size": 8}
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant=variant)
    trial.upload()
    trial.train()
    (job,) = hub.jobs.all
    told = json.loads(job.spec["environment"]["AUTOML_BENCH_RECIPE"])
    assert (job.spec["flavor"], job.spec["timeoutSeconds"]) == ("cpu-upgrade", 5400)
    assert (told["epochs"], told["seed"], told["patience"], told["batch_size"]) == (3, 42, 5, 8)
    assert told["gpu"] is False


def test_training_time_is_the_scripts_own_and_the_bill_is_the_jobs(trial: HuggingfaceTrial) -> None:
    trial.upload()
    operation = trial.train()
    assert operation.state is OperationState.SUCCEEDED
    assert operation.work_seconds == 1234.5
    assert operation.billable_seconds == TRAINING_SECONDS == trial.fake.jobs.billed_seconds
    assert operation.queue_seconds == 25.0
    assert (
        operation.result["model_revision"]
        == trial.fake.repositories.repo("model", f"{USER}/{PREFIX}-model").commits[-1][0]
    )
    assert trial.ledger.hourly == {"dataset-repo": 0.0, "model-repo": 0.0, "training-job": 0.40}


def test_progress_is_the_scripts_own_words(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 0.3
    hub.jobs.queueing = 0.1
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    trial.train()
    assert trial.messages[0] == "waiting for hardware"
    assert "epoch 1/10, training loss 0.5" in trial.messages


def test_a_time_out_ends_a_training_and_says_so(hub: HubFake, tmp_path: Path) -> None:
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant={"timeout_minutes": 30})
    trial.upload()
    operation = trial.train()
    assert (operation.state, operation.message) == (OperationState.FAILED, "the job ended as ERROR: Job timeout")
    assert operation.billable_seconds == 1800


def test_a_failed_training_gives_the_scripts_last_words_and_may_be_begun_anew(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.fake.jobs.failing = True
    operation = trial.train()
    assert operation.state is OperationState.FAILED
    assert operation.message.startswith("the job ended as ERROR: RuntimeError: the loss became nan")
    trial.fake.jobs.failing = False
    assert trial.train().state is OperationState.SUCCEEDED
    assert len(trial.fake.jobs.all) == 2


def test_a_job_that_pushed_nothing_is_a_failure(trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.fake.jobs, "_contain", lambda job: None)
    trial.upload()
    operation = trial.train()
    assert (operation.state, operation.message) == (OperationState.FAILED, "the job ended without a model")


def test_a_report_without_a_time_is_no_report(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    repo_id = str(trial.results[Stage.TRAIN]["model"])
    for content in (b"[]", b"{}", b'{"training_seconds": "long"}', b'{"training_seconds": -1}', b"\x00"):
        trial.fake.repositories.put("model", repo_id, {"training.json": content})
        with pytest.raises(ProviderError):
            trial.poll(plugin.train(trial.context))


def test_a_training_goes_on_while_its_log_cannot_be_read(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 0.3
    hub.fail("job_logs", ApiError(500, "no log"), times=99)
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    assert trial.train().state is OperationState.SUCCEEDED
    assert "starting" in trial.messages


def test_a_job_is_found_again_by_name_and_commit(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    trial.train()
    assert len(trial.fake.jobs.all) == 1
    trial.tear_down()
    # The same trial again: the ended job stays in the service's history and belongs to a commit that is gone.
    trial.upload()
    assert trial.train().state is OperationState.SUCCEEDED
    assert len(trial.fake.jobs.all) == 2


def test_no_money_no_job(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.fake.jobs.broke = True
    with pytest.raises(ProviderError, match="balance is not positive. Add a payment method"):
        trial.train()


# --- endpoint ----------------------------------------------------------------------------------------------------


def test_the_endpoint_serves_one_commit_with_a_fuse(trial: HuggingfaceTrial) -> None:
    operation = trial.up()
    (served,) = trial.fake.endpoints.all.values()
    assert served.spec["model"]["revision"] == trial.results[Stage.TRAIN]["model_revision"]
    assert served.spec["compute"]["scaling"] == {"minReplica": 0, "maxReplica": 1, "scaleToZeroTimeout": 60}
    assert served.spec["type"] == "authenticated"
    assert operation.result["endpoint_id"] == f"{PREFIX}-live"
    assert len(f"{PREFIX}-live") <= 30
    assert trial.ledger.hourly[ENDPOINT] == 0.134


def test_without_a_fuse_a_replica_always_runs(hub: HubFake, tmp_path: Path) -> None:
    variant = {"scale_to_zero_minutes": 0}
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant=variant)
    trial.up()
    (served,) = hub.endpoints.all.values()
    assert served.spec["compute"]["scaling"] == {"minReplica": 1, "maxReplica": 1, "scaleToZeroTimeout": None}


def test_it_is_ready_only_when_it_answers(hub: HubFake, tmp_path: Path) -> None:
    hub.endpoints.starting = 0.3
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    trial.train()
    hub.fail("health", ApiError(503, "not yet"), times=2)
    trial.messages.clear()
    trial.deploy()
    assert trial.messages[0] == "initializing"
    assert "running, not answering yet" in trial.messages


def test_one_that_fell_asleep_is_woken_before_it_is_measured(trial: HuggingfaceTrial) -> None:
    trial.up()
    hub = trial.fake
    hub.stop_the_clock_at(59 * 60.0)
    hub.names()
    (served,) = hub.endpoints.all.values()
    assert served.state == "running"
    hub.stop_the_clock_at(2 * 60.0)
    assert hub.costing() == [], "the fuse has blown: nothing is billed any more"
    assert served.state == "scaledToZero"
    invoker = plugin.invoke(trial.context, Endpoint(f"{PREFIX}-live", str(trial.results[Stage.DEPLOY]["url"])))
    sample = trial.set.train[0].sample
    with pytest.raises(ServiceUnavailable):
        invoker.parse(answer_of(invoker, sample))  # type: ignore[union-attr]
    hub.endpoints.waking = 0.0
    operation = trial.deploy()
    assert operation.state is OperationState.SUCCEEDED
    assert len(hub.endpoints.created) == len(set(hub.endpoints.created))
    assert invoker.parse(answer_of(invoker, sample)).label == trial.set.train[0].label  # type: ignore[union-attr]


def test_one_that_was_paused_is_resumed(trial: HuggingfaceTrial) -> None:
    trial.up()
    trial.fake.endpoints.all[USER, f"{PREFIX}-live"].state = "paused"
    assert trial.deploy().state is OperationState.SUCCEEDED


def test_one_that_fails_says_why(trial: HuggingfaceTrial) -> None:
    trial.upload()
    trial.train()
    trial.fake.endpoints.failing = True
    operation = trial.deploy()
    assert (operation.state, operation.message) == (OperationState.FAILED, "the container ended with exit code 1")


def test_hardware_that_is_not_offered_is_refused(hub: HubFake, tmp_path: Path) -> None:
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), variant={"instance_type": "c6i"})
    trial.upload()
    trial.train()
    with pytest.raises(RequestRefused, match="c6i.* not found"):
        trial.deploy()
    assert trial.ledger.hourly[ENDPOINT] is None, "an unknown price is unknown"


def test_predictions_are_the_images_bytes(trial: HuggingfaceTrial) -> None:
    trial.up()
    result = trial.results[Stage.DEPLOY]
    invoker = plugin.invoke(trial.context, Endpoint(str(result["endpoint_id"]), str(result["url"])))
    for item in trial.set.validation:
        prediction = invoker.parse(answer_of(invoker, item.sample))  # type: ignore[union-attr]
        assert prediction.label == item.label
        assert set(prediction.scores) == set(COLOURS)
        assert prediction.confidence == max(prediction.scores.values())
        seen = trial.fake.wire.seen[-1]
        assert (seen.operation, seen.body) == ("predict", item.sample.path.read_bytes())
        assert seen.headers["content-type"] == "image/png"


# --- adoption ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["name", "address"])
def test_an_endpoint_made_by_hand_is_adopted_and_woken(trial: HuggingfaceTrial, by: str) -> None:
    trial.up()
    served = trial.fake.endpoints.all[USER, f"{PREFIX}-live"]
    served.state = "scaledToZero"
    trial.fake.endpoints.waking = 0.2
    given = served.name if by == "name" else f"{trial.fake.url}/serve/{served.name}/"
    invoker = plugin.invoke(trial.context, Endpoint(given, adopted=True))
    assert served.state == "running", "the service held the request until it was awake"
    assert invoker.parse(answer_of(invoker, trial.set.train[0].sample)).label  # type: ignore[union-attr]
    assert next(each for each in trial.fake.wire.seen if each.operation == "health").headers


def test_one_that_does_not_wake_is_waited_for_by_the_host(trial: HuggingfaceTrial) -> None:
    trial.up()
    trial.fake.fail("health", ApiError(503, "still asleep"))
    with pytest.raises(TransientProviderError, match="not awake yet"):
        plugin.invoke(trial.context, Endpoint(f"{PREFIX}-live", adopted=True))


def test_one_of_another_make_needs_no_health_route(trial: HuggingfaceTrial) -> None:
    trial.up()
    for status in (400, 404, 405):
        trial.fake.fail("health", ApiError(status, "no such route"))
        plugin.invoke(trial.context, Endpoint(f"{PREFIX}-live", adopted=True))
    trial.fake.fail("health", ApiError(403, "not yours"))
    with pytest.raises(PermissionDenied):
        plugin.invoke(trial.context, Endpoint(f"{PREFIX}-live", adopted=True))


def test_what_cannot_be_adopted_is_refused(trial: HuggingfaceTrial) -> None:
    for address in ("http://elsewhere.example/x", "ftp://x", "https://me:secret@x.endpoints.huggingface.cloud", "://"):
        with pytest.raises(RequestRefused) as caught:
            plugin.invoke(trial.context, Endpoint(address, adopted=True))
        assert "secret" not in str(caught.value)
    with pytest.raises(ResourceMissing):
        plugin.invoke(trial.context, Endpoint("no-such-endpoint", adopted=True))
    trial.up()
    trial.fake.endpoints.all[USER, f"{PREFIX}-live"].state = "paused"
    with pytest.raises(RequestRefused, match=f"hf endpoints resume {PREFIX}-live"):
        plugin.invoke(trial.context, Endpoint(f"{PREFIX}-live", adopted=True))


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://abc.us-east-1.aws.endpoints.huggingface.cloud", True),
        ("https://abc.endpoints.huggingface.cloud/path", True),
        ("http://127.0.0.1:9", True),
        ("http://abc.endpoints.huggingface.cloud", False),
        ("https://huggingface.cloud.evil.example", False),
        ("https://evilhuggingface.co", False),
        ("https://models.example", False),
    ],
)
def test_the_token_goes_to_the_service_only(trial: HuggingfaceTrial, url: str, sent: bool) -> None:
    assert bool(endpoints.bearer(trial.account, url, "hf_x")) is sent


# --- what is left ------------------------------------------------------------------------------------------------


def test_everything_is_found_by_name_and_goes(trial: HuggingfaceTrial) -> None:
    trial.up()
    found = plugin.list_resources(trial.context, "automl-bench")
    assert [(each.kind, each.name) for each in found] == [(each.kind, each.name) for each in trial.ledger.made]
    assert all(each.delete_by_hand.startswith("hf ") for each in found)
    assert [each.hourly_usd for each in found] == [0.0, 0.0, 0.0, 0.134], "the job has ended"
    assert plugin.list_resources(trial.context, f"{PREFIX}-model") == [each for each in found if each.kind == MODEL]
    assert plugin.list_resources(trial.context, "automl-bench-ffffffffffff") == []
    for resource in reversed(found):
        assert delete(trial.context, resource) in (Deletion.DELETED, Deletion.ALREADY_GONE)
        assert delete(trial.context, resource) is Deletion.ALREADY_GONE
    assert trial.fake.names() == []
    assert plugin.list_resources(trial.context, "automl-bench") == [], "nor does the job's history count"


def test_a_running_job_is_found_without_its_repositories_and_called_off(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training = 60.0
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    plugin.train(trial.context)
    for resource in trial.ledger.made:
        if resource.kind != JOB:
            delete(trial.context, resource)
    (job,) = plugin.list_resources(trial.context, "automl-bench")
    assert (job.kind, job.name, job.hourly_usd) == (JOB, f"{PREFIX}-train", 0.40)
    assert hub.costing()
    assert delete(trial.context, replace(job, resource_id="", details={})) is Deletion.DELETED, "by its name alone"
    assert hub.costing() == []


def test_a_job_that_lists_do_not_show_yet_is_called_off_by_its_id(hub: HubFake, tmp_path: Path) -> None:
    hub.jobs.training, hub.jobs.listing = 60.0, 60.0
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.upload()
    plugin.train(trial.context)
    job = next(each for each in trial.ledger.made if each.kind == JOB)
    assert delete(trial.context, job) is Deletion.DELETED
    assert hub.costing() == []


def test_an_endpoint_that_may_not_be_deleted_is_paused(trial: HuggingfaceTrial) -> None:
    trial.up()
    trial.fake.fail("delete_endpoint", ApiError(403, "protected"))
    endpoint = trial.ledger.made[-1]
    with pytest.raises(PermissionDenied, match="It is paused, so it is not billed"):
        delete(trial.context, endpoint)
    assert trial.fake.costing() == []
    trial.fake.fail("delete_endpoint", ApiError(403, "protected"))
    trial.fake.fail("pause_endpoint", ApiError(403, "protected"))
    with pytest.raises(PermissionDenied) as caught:
        delete(trial.context, endpoint)
    assert "paused" not in str(caught.value)


def test_a_deletion_that_takes_a_while_is_pending(hub: HubFake, tmp_path: Path) -> None:
    hub.endpoints.deleting = 0.3
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    trial.up()
    endpoint = trial.ledger.made[-1]
    assert plugin.delete_resource(trial.context, endpoint) is Deletion.PENDING
    assert plugin.delete_resource(trial.context, endpoint) is Deletion.PENDING
    assert delete(trial.context, endpoint) in (Deletion.DELETED, Deletion.ALREADY_GONE)


def test_a_kind_of_another_provider_is_refused(trial: HuggingfaceTrial) -> None:
    with pytest.raises(RequestRefused, match="'bucket' is no kind"):
        plugin.delete_resource(trial.context, Resource("bucket", f"{PREFIX}-x"))
    with pytest.raises(RequestRefused, match="not one of the provider"):
        trial.poll(replace(plugin.upload(trial.context, trial.set), token='{"kind": "import"}'))


def test_an_organization_owns_what_is_made_for_it(hub: HubFake, tmp_path: Path) -> None:
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"), namespace=ORGANIZATION)
    trial.up()
    assert {repo_id.split("/")[0] for _, repo_id in hub.repositories.all} == {ORGANIZATION}
    assert hub.count("whoami") == 0
    trial.tear_down()
    assert hub.names() == []


def test_the_bill_is_the_time_that_things_ran(tmp_path: Path) -> None:
    with HubFake(Pace(listing=0.0, deleting=0.0)) as hub:
        trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
        trial.up()
        hub.stop_the_clock_at(1800.0)
        trial.tear_down()
        assert hub.endpoints.usd == pytest.approx(0.134 / 2, rel=0.01)
        assert hub.jobs.billed_seconds == TRAINING_SECONDS
        hub.stop_the_clock_at(3600.0)
        hub.names()
        assert hub.endpoints.usd == pytest.approx(0.134 / 2, rel=0.01), "nothing runs on"
