"""What fails at either service arrives as one error of the right class, after one request, and in time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex import account, objects, plugin
from vertex_fake import GARBAGE
from vertex_routes import Refusal
from vertex_service import ANSWERS, VertexService
from vertex_trial import VertexTrial, enter

from automl_bench.contract import NAME_PREFIX
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    InvalidSetting,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RequestTimedOut,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.simulation.loopback_service import EXPECTED_ERRORS
from automl_bench.testing import Fault


@pytest.mark.parametrize("fault", list(ANSWERS))
def test_a_failure_of_vertex_ai_is_one_request(fault: Fault, trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.fail("ListDatasets", ANSWERS[fault], times=99)
    with pytest.raises(EXPECTED_ERRORS[fault]):
        plugin.check_access(trial.context)
    asked = vertex.fake.count("ListDatasets")
    if fault is Fault.UNAUTHENTICATED:  # the SDK's session asks for another token and once more with that
        assert 1 < asked <= 3
    else:
        assert asked == 1, "a hidden retry"


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind"),
    [
        (403, "forbidden", "does not have storage.buckets.get access", PermissionDenied),
        (403, "accountDisabled", "The billing account is disabled", BillingRequired),
        (404, "notFound", "The specified bucket does not exist.", ResourceMissing),
        (429, "rateLimitExceeded", "slow down", RateLimited),
        (500, "backendError", "Internal error", ServiceUnavailable),
        (503, "backendError", "try again", ServiceUnavailable),
        (504, "backendError", "timed out", RequestTimedOut),
        (401, "authError", "Invalid Credentials", Unauthenticated),
    ],
)
def test_a_failure_of_cloud_storage_is_one_request(
    status: int, reason: str, message: str, kind: type[ProviderError], trial: VertexTrial, vertex: VertexService
) -> None:
    vertex.storage.fail("GET", status, reason=reason, message=message, times=99)
    with pytest.raises(kind) as caught:
        plugin.check_access(trial.context)
    assert type(caught.value) is kind
    assert len(vertex.storage.seen) == (3 if status == 401 else 1), "a hidden retry"


@pytest.mark.parametrize("status", [429, 503])
def test_no_call_of_the_storage_sdk_is_repeated_in_secret(
    status: int, trial: VertexTrial, vertex: VertexService
) -> None:
    reached = account.account_of(trial.context)
    calls: dict[str, Any] = {
        "GET": lambda: list(objects.listed(reached, "x")),
        "POST": lambda: objects.write(reached, "x", b"y", "text/csv"),
        "DELETE": lambda: objects.delete(reached, ["x"]),
    }
    for number, (method, call) in enumerate(calls.items(), start=1):
        vertex.storage.fail(method, status, reason="backendError", times=99)
        with pytest.raises((RateLimited, ServiceUnavailable)):
            call()
        assert len(vertex.storage.seen) == number


@pytest.mark.parametrize("content", [GARBAGE, b"\xff\xfe\x00", b"", b"[1, 2]", b'"text"', b'{"datasets": 7}'])
def test_an_answer_that_cannot_be_read_never_means_that_nothing_exists(
    content: bytes, trial: VertexTrial, vertex: VertexService
) -> None:
    vertex.fake.fail("ListDatasets", content, times=99)
    with pytest.raises(ServiceUnavailable):
        plugin.list_resources(trial.context, NAME_PREFIX)


def test_a_service_that_is_silent_is_not_waited_for_for_ever(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(account.ONCE, "timeout", 0.3)
    vertex.fake.before = lambda method: time.sleep(1.0)
    begun = time.monotonic()
    with pytest.raises(RequestTimedOut):
        plugin.check_access(trial.context)
    assert time.monotonic() - begun < 1.0
    vertex.fake.heal()
    vertex.storage.latency = 1.0
    with pytest.raises(RequestTimedOut):
        plugin.check_access(trial.context)


def test_a_service_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VertexService() as service:
        enter(service, monkeypatch)
        monkeypatch.setenv("AUTOML_BENCH_VERTEX_API_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(ConnectionLost, match="connection to Google broke"):
            plugin.check_access(VertexTrial(tmp_path).context)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTOML_BENCH_VERTEX_API_ENDPOINT", "ftp://somewhere"),
        ("STORAGE_EMULATOR_HOST", "http://"),
        ("AUTOML_BENCH_VERTEX_ANONYMOUS", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, vertex: VertexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=value) as caught:
        plugin.check_access(VertexTrial(tmp_path).context)
    assert caught.value.remedy
    assert vertex.requests() == []


def test_a_refusal_says_whose_words_it_has(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.fail("ListDatasets", Refusal("INVALID_ARGUMENT", "The page is too large."))
    with pytest.raises(ProviderError) as caught:
        plugin.check_access(trial.context)
    assert caught.value.message == "Google answered INVALID_ARGUMENT: The page is too large."
    assert caught.value.resource == "projects/bench-project/locations/europe-west4"
