"""Every error that Azure can answer with becomes ours, wherever it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from automl_bench_azure import plugin
from automl_bench_azure.failures import (
    azure_errors,
    failure_for,
    from_arm_answer,
    from_blob_answer,
    from_scoring_answer,
    known_codes,
)
from azure.core import exceptions as azure_core
from azure_fake import error
from azure_http import Answer, Hangup
from azure_service import AzureService
from azure_trial import AzureTrial

from automl_bench.contract import HttpResponse
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    TransientProviderError,
    Unauthenticated,
)

CLASSES = {
    "TooManyRequests": RateLimited,
    "SubscriptionRequestsThrottled": RateLimited,
    "ServerBusy": RateLimited,
    "QuotaExceeded": QuotaExceeded,
    "OutOfQuota": QuotaExceeded,
    "ClusterCoreQuotaReached": QuotaExceeded,
    "SubscriptionDisabled": BillingRequired,
    "ReadOnlyDisabledSubscription": BillingRequired,
    "AccountIsDisabled": BillingRequired,
    "AuthorizationFailed": PermissionDenied,
    "LinkedAuthorizationFailed": PermissionDenied,
    "AuthorizationPermissionMismatch": PermissionDenied,
    "RequestDisallowedByPolicy": PermissionDenied,
    "InvalidAuthenticationToken": Unauthenticated,
    "ExpiredAuthenticationToken": Unauthenticated,
    "AuthenticationFailed": Unauthenticated,
    "ResourceNotFound": ResourceMissing,
    "ResourceGroupNotFound": ResourceMissing,
    "SubscriptionNotFound": ResourceMissing,
    "ContainerNotFound": ResourceMissing,
    "AnotherOperationInProgress": ResourceConflict,
    "Conflict": ResourceConflict,
    "OperationTimedOut": RequestTimedOut,
    "InternalServerError": ServiceUnavailable,
}
STATUSES = {
    400: RequestRefused,
    401: Unauthenticated,
    402: BillingRequired,
    403: PermissionDenied,
    404: ResourceMissing,
    405: RequestRefused,
    408: RequestTimedOut,
    409: ResourceConflict,
    412: ResourceConflict,
    415: RequestRefused,
    429: RateLimited,
    500: ServiceUnavailable,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: RequestTimedOut,
}


def body(code: str, message: str = "Words of Azure.", details: Any = ()) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "details": list(details)}}).encode()


@pytest.mark.parametrize(("code", "kind"), CLASSES.items())
def test_a_code_has_its_class(code: str, kind: type[ProviderError]) -> None:
    found = from_arm_answer(400, {"x-ms-request-id": "r-1"}, body(code), "thing")
    assert type(found) is kind
    assert f"Azure answered {code}: Words of Azure." in found.message
    assert (found.request_id, found.resource) == ("r-1", "thing")


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_an_unknown_code_is_judged_by_its_status(status: int, kind: type[ProviderError]) -> None:
    assert type(from_arm_answer(status, {}, body("NeverHeardOf"))) is kind
    assert type(from_blob_answer(status, {}, b"<Error><Code>NeverHeardOf</Code></Error>")) is kind
    for unreadable in (b"", b"<html>", b"[]", b"\xff\xfe", b'{"error": "x"}'):
        assert type(from_arm_answer(status, {}, unreadable)) is kind


def test_exactly_what_passes_is_tried_again() -> None:
    passing = {code for code, kind in known_codes().items() if issubclass(kind, (RateLimited, TransientProviderError))}
    assert {"TooManyRequests", "ServerBusy", "InternalServerError"} <= passing
    assert not passing & {"QuotaExceeded", "AuthorizationFailed", "Conflict", "SubscriptionDisabled"}


def test_an_inner_code_decides_where_the_outer_one_is_general() -> None:
    inner = {"code": "ClusterCoreQuotaReached", "message": "no cores"}
    assert type(from_arm_answer(400, {}, body("UserError", details=[inner]))) is QuotaExceeded
    assert type(from_arm_answer(409, {}, body("UserError", details=[{"code": "Unheard"}]))) is ResourceConflict
    nested = json.dumps({"error": {"code": "X", "message": "m", "innererror": {"code": "OutOfQuota"}}}).encode()
    assert type(from_arm_answer(400, {}, nested)) is QuotaExceeded


@pytest.mark.parametrize(("header", "wait"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
def test_the_wait_that_a_throttle_names_is_kept(header: str, wait: float | None) -> None:
    for found in (
        from_arm_answer(429, {"retry-after": header}, body("TooManyRequests")),
        from_blob_answer(503, {"retry-after": header}, b"<Error><Code>ServerBusy</Code></Error>"),
        from_scoring_answer(HttpResponse(429, {"retry-after": header}, b"queue is full")),
    ):
        assert isinstance(found, RateLimited)
        assert found.retry_after == wait


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (400, {}, RequestRefused),
        (401, {}, Unauthenticated),
        (403, {}, PermissionDenied),
        (404, {}, ResourceMissing),
        (408, {}, RequestTimedOut),
        (424, {"ms-azureml-model-error-statuscode": "400"}, RequestRefused),
        (424, {"ms-azureml-model-error-statuscode": "500"}, ServiceUnavailable),
        (424, {}, ServiceUnavailable),
        (429, {}, RateLimited),
        (500, {}, ServiceUnavailable),
        (502, {}, ServiceUnavailable),
        (503, {}, ServiceUnavailable),
        (504, {}, RequestTimedOut),
    ],
)
def test_a_scoring_error_has_its_class(status: int, headers: dict[str, str], kind: type[ProviderError]) -> None:
    found = from_scoring_answer(HttpResponse(status, headers, b"words\nof the container"), "url")
    assert type(found) is kind
    assert "words of the container" in found.message


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (azure_core.ServiceRequestError("refused"), ConnectionLost),
        (azure_core.ServiceResponseError("reset"), ConnectionLost),
        (azure_core.ServiceRequestTimeoutError("slow"), RequestTimedOut),
        (azure_core.ServiceResponseTimeoutError("slow"), RequestTimedOut),
        (azure_core.DecodeError("no JSON"), ServiceUnavailable),
        (azure_core.ClientAuthenticationError("AADSTS7000215: words"), Unauthenticated),
        (azure_core.AzureError("odd"), RequestRefused),
    ],
)
def test_what_the_sdks_raise_has_its_class(raised: Exception, kind: type[ProviderError]) -> None:
    with pytest.raises(kind) as caught, azure_errors("thing"):
        raise raised
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None, "the original may hold a secret"
    assert caught.value.__suppress_context__


def test_what_is_not_an_sdk_s_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), azure_errors():
        _ = 1 / 0


def test_long_words_are_cut_and_stand_in_one_line() -> None:
    found = failure_for("X", "a\n" * 2000, status=400)
    assert "\n" not in found.message
    assert len(found.message) < 600


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(429, "TooManyRequests", headers={"Retry-After": "3"}), RateLimited),
        (error(403, "SubscriptionDisabled"), BillingRequired),
        (error(409, "Conflict"), ResourceConflict),
        (error(503, "ServiceUnavailable"), ServiceUnavailable),
        (Answer(200, b"<html>", {"Content-Type": "text/html"}), ServiceUnavailable),
        (Answer(200, b"[]", {"Content-Type": "application/json"}), ServiceUnavailable),
        (Answer(302, b"", {"Location": "https://elsewhere.example.com"}), RequestRefused),
        (Hangup, ConnectionLost),
    ],
)
def test_over_the_wire_each_failure_is_one_request(
    azure: AzureService, tmp_path: Path, answer: Any, kind: type[ProviderError]
) -> None:
    trial = AzureTrial(tmp_path)
    azure.fake.fail("GET workspace", answer)
    with pytest.raises(ProviderError) as caught:
        plugin.check_access(trial.context)
    assert type(caught.value) is kind
    assert azure.fake.operations() == ["GET workspace"], "a hidden retry"


def test_a_list_that_goes_on_elsewhere_gets_no_token(azure: AzureService, tmp_path: Path) -> None:
    elsewhere = json.dumps({"value": [], "nextLink": "https://elsewhere.example.com/more"}).encode()
    azure.fake.fail("GET data", Answer(200, elsewhere, {"Content-Type": "application/json"}))
    with pytest.raises(ServiceUnavailable, match="another address"):
        plugin.list_resources(AzureTrial(tmp_path).context, "automl-bench")
