"""The endpoint: its fuse, its readiness, its predictions; and one that was made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from automl_bench_huggingface import endpoints, plugin
from automl_bench_huggingface.naming import ENDPOINT
from hub_fake import USER, HubFake
from hub_wire import ApiError
from huggingface_trial import COLOURS, HuggingfaceTrial, squares

from automl_bench.contract import Endpoint, HttpInvoker, HttpResponse, OperationState, Stage
from automl_bench.errors import (
    PermissionDenied,
    RequestRefused,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
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


def test_the_endpoint_serves_one_commit_with_a_fuse(trial: HuggingfaceTrial) -> None:
    operation = trial.up()
    (served,) = trial.fake.endpoints.all.values()
    assert served.spec["model"]["revision"] == trial.results[Stage.TRAIN]["model_revision"]
    assert served.spec["compute"]["scaling"] == {"minReplica": 0, "maxReplica": 1, "scaleToZeroTimeout": 60}
    assert served.spec["type"] == "authenticated"
    assert operation.result["endpoint_id"] == f"{PREFIX}-live"
    assert len(f"{PREFIX}-live") <= 30
    assert trial.ledger.promised[ENDPOINT] == 0.134


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


def test_one_of_an_earlier_model_is_not_measured(trial: HuggingfaceTrial) -> None:
    trial.up()
    trial.results[Stage.TRAIN] = {**trial.results[Stage.TRAIN], "model_revision": "c" * 40}
    with pytest.raises(ResourceConflict, match="serves the commit"):
        trial.deploy()


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
    assert trial.ledger.promised[ENDPOINT] is None, "an unknown price is unknown"


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


@pytest.mark.parametrize("by", ["name", "address"])
def test_an_endpoint_made_by_hand_is_adopted_and_woken(trial: HuggingfaceTrial, by: str) -> None:
    trial.up()
    served = trial.fake.endpoints.all[USER, f"{PREFIX}-live"]
    served.state = "scaledToZero"
    trial.fake.endpoints.waking = 0.2
    given = served.name if by == "name" else f"{trial.fake.url}/serve/{served.name}/"
    adopted = Endpoint(given, adopted=True)
    begun = plugin.wake(trial.context, adopted)
    assert begun.state is OperationState.RUNNING, "one look wakes it and does not wait"
    assert trial.wait(begun).state is OperationState.SUCCEEDED
    assert served.state == "running"
    invoker = plugin.invoke(trial.context, adopted)
    assert invoker.parse(answer_of(invoker, trial.set.train[0].sample)).label  # type: ignore[union-attr]
    assert next(each for each in trial.fake.wire.seen if each.operation == "health").headers


def test_the_trial_s_own_endpoint_is_woken_before_it_is_measured(trial: HuggingfaceTrial) -> None:
    trial.up()
    endpoint = Endpoint(f"{PREFIX}-live", str(trial.results[Stage.DEPLOY]["url"]))
    assert plugin.wake(trial.context, endpoint).state is OperationState.SUCCEEDED, "awake: nothing to wait for"
    served = trial.fake.endpoints.all[USER, f"{PREFIX}-live"]
    for state in ("scaledToZero", "paused"):
        served.state = state
        trial.fake.endpoints.waking = 0.2
        begun = plugin.wake(trial.context, endpoint)
        assert begun.state is OperationState.RUNNING
        assert trial.wait(begun).state is OperationState.SUCCEEDED
        assert served.state == "running"
    served.state, served.message = "failed", "the container ended with exit code 1"
    failed = plugin.wake(trial.context, endpoint)
    assert (failed.state, failed.message) == (OperationState.FAILED, "the container ended with exit code 1")


def test_one_of_another_make_needs_no_health_route(trial: HuggingfaceTrial) -> None:
    trial.up()
    by_address = Endpoint(f"{trial.fake.url}/serve/{PREFIX}-live", adopted=True)
    for status in (400, 404, 405):
        trial.fake.fail("health", ApiError(status, "no such route"))
        assert plugin.wake(trial.context, by_address).state is OperationState.SUCCEEDED
    trial.fake.fail("health", ApiError(403, "not yours"))
    with pytest.raises(PermissionDenied):
        plugin.wake(trial.context, by_address)


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
