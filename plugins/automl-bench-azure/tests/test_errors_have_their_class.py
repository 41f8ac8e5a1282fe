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
    "ParentResourceNotFound": ProviderError,
    "ResourceGroupNotFound": ProviderError,
    "SubscriptionNotFound": ProviderError,
    "ContainerNotFound": RequestRefused,
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
    not_azure_s = ServiceUnavailable if status == 404 else kind  # a proxy's page says nothing of the resource
    for unreadable in (b"", b"<html>", b"[]", b"\xff\xfe", b'{"error": "x"}'):
        assert type(from_arm_answer(status, {}, unreadable)) is not_azure_s


@pytest.mark.parametrize(
    "words",
    [
        "Not enough quota available for Standard_DS3_v2 in SubscriptionId x. Current usage/limit: 8/8.",
        "Quota reached for family standardDSv2Family.",
        "The cores quota was exceeded.",
    ],
)
@pytest.mark.parametrize("where", ["details", "innererror"])
def test_a_quota_inside_a_request_that_is_invalid_is_a_quota(words: str, where: str) -> None:
    inner: Any = {"code": "InferencingClient", "message": words}
    content = {"error": {"code": "BadRequest", "message": "The request is invalid.", where: inner}}
    if where == "details":
        content["error"][where] = [inner]
    found = from_arm_answer(400, {}, json.dumps(content).encode())
    assert type(found) is QuotaExceeded
    assert found.message.startswith("Azure answered QuotaExceeded: The request is invalid. " + words[:20])
    assert found.remedy


def test_the_reason_inside_is_told_and_not_only_the_outer_words() -> None:
    details = [{"code": "InvalidProperty", "message": "The field instanceType is wrong."}]
    found = from_arm_answer(400, {}, body("BadRequest", "The request is invalid.", details))
    assert type(found) is RequestRefused
    assert "The request is invalid. The field instanceType is wrong." in found.message


def test_a_missing_workspace_says_nothing_of_what_is_in_it() -> None:
    words = "The Resource 'Microsoft.MachineLearningServices/workspaces/w' under resource group 'g' was not found."
    path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    assert type(from_arm_answer(404, {}, body("ResourceNotFound", words), path)) is ResourceMissing
    inside = from_arm_answer(404, {}, body("ResourceNotFound", words), f"{path}/onlineEndpoints/e")
    assert type(inside) is ProviderError
    assert "AZUREML_WORKSPACE_NAME" in inside.remedy


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
        (Answer(302, b"", {"Location": "https://elsewhere.example.com"}), ServiceUnavailable),
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
