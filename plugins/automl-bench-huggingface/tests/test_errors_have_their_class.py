"""Every way in which the service can fail becomes the error that fits, from one request and without its secrets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from automl_bench_huggingface import door, endpoints, plugin, repositories, training_jobs
from automl_bench_huggingface.failures import REMEDIES, error_for
from automl_bench_huggingface.invoking import EndpointInvoker
from automl_bench_huggingface.naming import DATASET
from hub_fake import USER, HubFake
from hub_wire import ApiError, Hangup
from huggingface_trial import HuggingfaceTrial

from automl_bench.contract import HttpResponse
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    InvalidSetting,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)

CLASSES = {
    400: RequestRefused,
    401: Unauthenticated,
    402: BillingRequired,
    403: PermissionDenied,
    404: ResourceMissing,
    405: RequestRefused,
    408: RequestTimedOut,
    409: ResourceConflict,
    410: ResourceMissing,
    413: RequestRefused,
    415: RequestRefused,
    422: RequestRefused,
    429: RateLimited,
    500: ServiceUnavailable,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: RequestTimedOut,
    507: QuotaExceeded,
}

CALLS: dict[str, Callable[[HuggingfaceTrial], Any]] = {
    "whoami": lambda trial: plugin.check_access(trial.context),
    "repo_info": lambda trial: repositories.revision_of(trial.account, DATASET, f"{USER}/x"),
    "create_repo": lambda trial: repositories.create(trial.account, DATASET, "automl-bench-x"),
    "list_repos": lambda trial: plugin.list_resources(trial.context, "automl-bench"),
    "list_jobs": lambda trial: plugin.list_resources(trial.context, "automl-bench"),
    "list_endpoints": lambda trial: plugin.list_resources(trial.context, "automl-bench"),
    "inspect_job": lambda trial: training_jobs.inspect(trial.account, "0" * 24),
    "get_endpoint": lambda trial: endpoints.look(trial.account, "x"),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("status", CLASSES)
def test_a_status_has_its_class_after_one_request(trial: HuggingfaceTrial, operation: str, status: int) -> None:
    trial.fake.fail(operation, ApiError(status, "Words of the service."), times=99)
    with pytest.raises(ProviderError) as caught:
        CALLS[operation](trial)
    busy = operation == "create_repo" and status == 409  # a conflict with nothing there is one of the service's own
    assert type(caught.value) is (ServiceUnavailable if busy else CLASSES[status])
    assert f"answered {status} to " in caught.value.message
    assert "Words of the service" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.request_id == "Root=1-planted"
    assert trial.fake.count(operation) == 1, "the SDK repeated it"


def test_what_waits_for_money_or_rights_says_what_to_do() -> None:
    for status in (401, 402, 403, 507):
        assert REMEDIES[status], status


@pytest.mark.parametrize("operation", CALLS)
def test_an_answer_that_is_no_json_is_an_error_and_never_an_empty_one(trial: HuggingfaceTrial, operation: str) -> None:
    for content in (b"<html>", b"", b"[1]", b'{"nothing": "of use"}', b"\xff\xfe"):
        trial.fake.fail(operation, content)
        with pytest.raises(ServiceUnavailable, match="cannot be read"):
            CALLS[operation](trial)
        trial.fake.wire.heal()


@pytest.mark.parametrize("operation", CALLS)
def test_a_connection_that_breaks_is_lost_after_one_request(trial: HuggingfaceTrial, operation: str) -> None:
    trial.fake.fail(operation, Hangup, times=99)
    with pytest.raises(ConnectionLost):
        CALLS[operation](trial)
    assert trial.fake.count(operation) == 1


def test_nobody_at_the_address_is_a_lost_connection(trial: HuggingfaceTrial) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    trial.settings["hub_url"] = trial.settings["endpoints_api"] = address
    for call in (CALLS["whoami"], CALLS["get_endpoint"]):
        with pytest.raises(ConnectionLost):
            call(trial)


def test_a_service_that_says_nothing_is_given_up(trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        trial.settings["hub_url"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RequestTimedOut, match="did not answer in time to say whose token this is"):
            CALLS["whoami"](trial)


def test_an_answer_that_breaks_off_is_a_lost_connection(trial: HuggingfaceTrial) -> None:
    with pytest.raises(ConnectionLost, match="to read the log"), trial.account.asking("read the log"):
        raise httpx2.ReadError("peer closed connection")


@pytest.mark.parametrize("log", [b"data: {broken\n\n", b'data: {"nothing": 1}\n\n', b"", b"<html>"])
def test_a_log_that_cannot_be_read_is_no_failure(trial: HuggingfaceTrial, log: bytes) -> None:
    trial.upload()
    job_id = json.loads(plugin.train(trial.context).token)["job"]
    trial.fake.fail("job_logs", log)
    assert training_jobs.last_words(trial.account, job_id, ours=True) == ""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"ratelimit": '"api";r=0;t=55'}, 56.0),
        ({"ratelimit": '"resolvers" ; r = 0 ; t = 7'}, 8.0),
        ({"ratelimit": '"api";r=12;t=55'}, None),
        ({"ratelimit": "gibberish"}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "2.5", "ratelimit": '"api";r=0;t=55'}, 2.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_throttle_keeps_the_wait_that_the_service_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    error = error_for(429, b"", headers, what="ask")
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


def test_a_wait_may_be_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = error_for(429, b"", {"retry-after": moment}, what="ask")
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(90, abs=2)


def test_the_tight_limit_on_whoami_is_a_throttle_with_its_wait(trial: HuggingfaceTrial) -> None:
    trial.fake.quotas["whoami"] = 1
    assert plugin.check_access(trial.context).account == USER
    with pytest.raises(RateLimited) as caught:
        plugin.check_access(trial.context)
    assert caught.value.retry_after == 56.0


def test_a_whole_run_asks_whose_token_it_is_once(trial: HuggingfaceTrial) -> None:
    trial.settings["namespace"] = ""
    trial.fake.quotas["whoami"] = 1
    trial.up()
    assert plugin.list_resources(trial.context, "automl-bench")
    trial.tear_down()
    assert trial.fake.names() == []


@pytest.mark.parametrize("status", CLASSES)
def test_a_prediction_that_fails_has_its_class(trial: HuggingfaceTrial, status: int) -> None:
    invoker = EndpointInvoker(trial.account, "https://x.endpoints.huggingface.cloud")
    with pytest.raises(ProviderError) as caught:
        invoker.parse(HttpResponse(status, {}, b'{"error": "Words of the service."}'))
    assert type(caught.value) is CLASSES[status]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"label": "a", "score": 1.0}',
        b'[{"label": "a"}]',
        b'[{"label": "a", "score": "high"}]',
        b'[{"label": "a", "score": 1.5}]',
        b'[{"label": "a", "score": true}]',
        b'[{"label": "a", "score": NaN}]',
        b'["a"]',
        b"null",
    ],
)
def test_a_prediction_that_cannot_be_read_is_no_answer(trial: HuggingfaceTrial, body: bytes) -> None:
    invoker = EndpointInvoker(trial.account, "https://x.endpoints.huggingface.cloud")
    with pytest.raises(ProviderError, match="cannot be read"):
        invoker.parse(HttpResponse(200, {}, body))


def test_the_token_stands_in_no_error_and_no_repr(trial: HuggingfaceTrial, tmp_path: Path) -> None:
    token = trial.fake.token
    echo = ApiError(403, f"the token {token} may not\ndo this", headers={"X-Error-Message": token})
    for operation, call in CALLS.items():
        trial.fake.fail(operation, echo)
        with pytest.raises(PermissionDenied) as caught:
            call(trial)
        assert token not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
        assert caught.value.__context__ is None or token not in repr(caught.value.__context__)
        trial.fake.wire.heal()
    invoker = EndpointInvoker(trial.account, f"{trial.fake.url}/serve/x")
    sample = trial.set.train[0].sample
    shown = [invoker, invoker.prepare(sample), trial.account, trial.account.tokens, trial.context]
    assert not any(token in repr(each) for each in shown)
    with pytest.raises(PermissionDenied) as refused:
        invoker.parse(HttpResponse(403, {}, json.dumps({"error": f"no {token}"}).encode()))
    assert token not in str(refused.value)


def test_offline_mode_says_so(trial: HuggingfaceTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RequestRefused, match="Unset HF_HUB_OFFLINE"):
        CALLS["whoami"](trial)


def test_others_who_use_the_sdk_here_get_what_they_always_got(hub: HubFake) -> None:
    hub_sdk = door.sdk()
    from huggingface_hub.errors import HfHubHTTPError

    hub.fail("whoami", ApiError(503, "busy"))
    with pytest.raises(HfHubHTTPError):
        hub_sdk.HfApi(endpoint=hub.url, token=hub.token).whoami()


def test_a_plain_address_of_another_machine_is_refused(trial: HuggingfaceTrial) -> None:
    for name in ("hub_url", "endpoints_api"):
        for address in ("http://hub.example", "https://user:word@hub.example", "https://x/?a=b"):
            settings = {**trial.settings, name: address}
            other = HuggingfaceTrial(trial.fake, trial.folder, trial.set)
            other.settings = settings
            with pytest.raises(InvalidSetting, match=name):
                plugin.check_access(other.context)
    assert trial.fake.wire.operations() == []
