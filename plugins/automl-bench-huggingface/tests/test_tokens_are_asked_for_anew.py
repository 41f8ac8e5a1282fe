"""A token that was replaced in the middle of work is taken up by the next request, and no row fails for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from automl_bench_huggingface import plugin, tokens
from automl_bench_huggingface.tokens import LOGIN_SECONDS
from hub_fake import HubFake
from huggingface_trial import HuggingfaceTrial, squares

from automl_bench.contract import Endpoint, HttpInvoker, HttpRequest, HttpResponse, OperationState, Stage
from automl_bench.errors import TransientProviderError, Unauthenticated
from automl_bench.measurement.payloads import Payloads
from automl_bench.transport import Transport, TransportOptions

SECOND = "hf_SecondPlanted88a1cd20f4e9b7"


class Replacing:
    """Replaces the token at the service and in the environment once an operation has come so often."""

    def __init__(self, trial: HuggingfaceTrial, operation: str, times: int = 1) -> None:
        self.left = times
        wire = trial.fake.wire
        for place, route in enumerate(wire.routes):
            if route.operation != operation:
                continue
            handling = route.handling

            def handle(*arguments: Any, handling: Any = handling) -> Any:
                reply = handling(*arguments)
                self.left -= 1
                if self.left == 0:
                    trial.fake.replace_token(SECOND)
                    trial.environment["HF_TOKEN"] = SECOND
                return reply

            wire.routes[place] = type(route)(route.method, route.pattern, operation, handle, route.needs_token)


@pytest.mark.parametrize("operation", ["create_repo", "preupload", "lfs_batch", "lfs_verify", "commit"])
def test_in_the_middle_of_an_upload(hub: HubFake, tmp_path: Path, operation: str) -> None:
    trial = HuggingfaceTrial(hub, tmp_path, squares(tmp_path / "images"))
    Replacing(trial, operation)
    assert trial.upload().state is OperationState.SUCCEEDED
    assert hub.tokens == {SECOND}
    assert len(hub.repositories.repo("dataset", str(trial.results[Stage.UPLOAD]["dataset"])).head) >= len(
        trial.set.train
    )


@pytest.mark.parametrize("operation", ["inspect_job", "get_endpoint", "health"])
def test_in_the_middle_of_a_wait(trial: HuggingfaceTrial, operation: str) -> None:
    trial.upload()
    if operation != "inspect_job":
        trial.train()
    Replacing(trial, operation)
    operation_ended = trial.train() if operation == "inspect_job" else trial.deploy()
    # The job has the token that it was given; whoever replaces it while a training runs must let the old one live on.
    assert operation_ended.state is (OperationState.FAILED if operation == "inspect_job" else OperationState.SUCCEEDED)
    assert trial.fake.tokens == {SECOND}


def test_in_the_middle_of_predictions(trial: HuggingfaceTrial) -> None:
    trial.up()
    result = trial.results[Stage.DEPLOY]
    invoker = plugin.invoke(trial.context, Endpoint(str(result["endpoint_id"]), str(result["url"])))
    transport = Transport(TransportOptions())

    def send(request: HttpRequest) -> HttpResponse:
        answer = transport.send(request).response
        assert answer is not None
        return answer

    samples = [item.sample for item in trial.set.validation]
    try:
        prepared = invoker.prepare(samples[0])
        assert invoker.parse(send(prepared)).label is not None
        trial.fake.replace_token(SECOND)
        # Nobody told this machine yet: the token is refused, and that ends the trial.
        with pytest.raises(Unauthenticated):
            invoker.parse(send(invoker.prepare(samples[1])))
        trial.environment["HF_TOKEN"] = SECOND
        # One that was prepared before is sent again by the host; one prepared now holds.
        with pytest.raises(TransientProviderError, match="was replaced"):
            invoker.parse(send(prepared))
        assert invoker.parse(send(invoker.prepare(samples[1]))).label is not None
    finally:
        transport.close()


def test_a_refused_token_that_was_not_replaced_is_refused_for_good(trial: HuggingfaceTrial) -> None:
    trial.fake.replace_token(SECOND)
    with pytest.raises(Unauthenticated, match="401"):
        trial.upload()
    assert trial.fake.count("repo_info") == 1


def test_without_hf_token_the_stored_login_is_used_and_followed(
    trial: HuggingfaceTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = tmp_path / "token"
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(login))
    trial.environment.clear()
    with pytest.raises(Unauthenticated, match="hf auth login"):
        plugin.check_access(trial.context)
    login.write_text(trial.fake.token)
    trial.up()
    assert any("the job has the stored login as its token" in line for line in trial.lines)
    result = trial.results[Stage.DEPLOY]
    invoker = plugin.invoke(trial.context, Endpoint(str(result["endpoint_id"]), str(result["url"])))
    sample = trial.set.train[0].sample
    first = invoker.prepare(sample)
    # The host prepares such a request anew before it is so old: a login that the SDK renews is followed in a load run.
    assert first.valid_for_seconds == LOGIN_SECONDS
    trial.fake.replace_token(SECOND)
    login.write_text(SECOND)
    second = invoker.prepare(sample)
    assert dict(first.headers)["Authorization"] != dict(second.headers)["Authorization"] == f"Bearer {SECOND}"
    trial.tear_down()
    assert trial.fake.names() == []


def test_a_load_run_follows_a_login_that_is_renewed(
    trial: HuggingfaceTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK renews a login while the old token still holds; requests that wait are made again before it ends."""
    login = tmp_path / "token"
    login.write_text(trial.fake.token)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(login))
    monkeypatch.setattr(tokens, "LOGIN_SECONDS", 0.6)
    trial.environment.clear()
    trial.up()
    result = trial.results[Stage.DEPLOY]
    invoker = plugin.invoke(trial.context, Endpoint(str(result["endpoint_id"]), str(result["url"])))
    assert isinstance(invoker, HttpInvoker)
    payloads = Payloads(invoker, [item.sample for item in trial.set.train])
    assert payloads.expiring
    payloads.keep_fresh(lambda: range(len(payloads)))
    transport = Transport(TransportOptions())
    carried = set()
    try:
        for call in range(60):
            if call == 10:
                login.write_text(SECOND)
                trial.fake.tokens.add(SECOND)
            if call == 40:
                trial.fake.replace_token(SECOND)
            request = payloads.take(call % len(payloads))
            carried.add(dict(request.headers)["Authorization"])
            answer = transport.send(request).response
            assert answer is not None
            assert invoker.parse(answer).label is not None, "no row fails"
            time.sleep(0.02)
    finally:
        payloads.close()
        transport.close()
    assert len(carried) == 2


def test_an_access_token_does_not_expire(trial: HuggingfaceTrial) -> None:
    trial.up()
    result = trial.results[Stage.DEPLOY]
    invoker = plugin.invoke(trial.context, Endpoint(str(result["endpoint_id"]), str(result["url"])))
    assert invoker.prepare(trial.set.train[0].sample).valid_for_seconds is None


def test_a_login_that_cannot_be_renewed_names_no_secret(
    trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_bench_huggingface import door

    trial.environment.clear()

    def broken() -> str:
        raise RuntimeError("refresh of hf_secret failed")

    monkeypatch.setattr(door.sdk(), "get_token", broken)
    with pytest.raises(Exception, match="cannot be used") as caught:
        plugin.check_access(trial.context)
    assert "hf_secret" not in str(caught.value)
