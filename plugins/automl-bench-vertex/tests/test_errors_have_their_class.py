"""Every error that Google can answer with becomes ours, wherever it comes from."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from automl_bench_vertex.failures import BY_CODE, failure_for, from_answer, google_errors
from google.api_core import exceptions as core
from google.auth import exceptions as auth
from google.protobuf.json_format import ParseError
from google.rpc import code_pb2
from vertex_fake import STATUS

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

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"

CLASSES = {
    "INVALID_ARGUMENT": RequestRefused,
    "OUT_OF_RANGE": RequestRefused,
    "UNIMPLEMENTED": RequestRefused,
    "FAILED_PRECONDITION": ResourceConflict,
    "ALREADY_EXISTS": ResourceConflict,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "NOT_FOUND": ResourceMissing,
    "RESOURCE_EXHAUSTED": RateLimited,
    "DEADLINE_EXCEEDED": RequestTimedOut,
    "ABORTED": ServiceUnavailable,
    "CANCELLED": ServiceUnavailable,
    "UNKNOWN": ServiceUnavailable,
    "INTERNAL": ServiceUnavailable,
    "UNAVAILABLE": ServiceUnavailable,
    "DATA_LOSS": ServiceUnavailable,
}


def body(code: str, message: str = "Words of Google.", **more: Any) -> bytes:
    return json.dumps({"error": {"code": STATUS[code], "message": message, "status": code, **more}}).encode()


def storage_body(status: int, reason: str, message: str = "words") -> bytes:
    return json.dumps({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}).encode()


@pytest.mark.parametrize(("code", "kind"), CLASSES.items())
def test_a_code_has_its_class(code: str, kind: type[ProviderError]) -> None:
    error = failure_for(STATUS[code], body(code), resource="thing")
    assert type(error) is kind
    assert error.message == f"Google answered {code}: Words of Google."
    assert error.resource == "thing"


def test_every_code_that_google_has_is_known() -> None:
    assert set(code_pb2.Code.keys()) - {"OK"} == BY_CODE.keys() == CLASSES.keys()


def test_exactly_what_passes_is_tried_again() -> None:
    passing = {code for code, kind in BY_CODE.items() if issubclass(kind, (RateLimited, TransientProviderError))}
    assert passing == {
        "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "UNKNOWN", "INTERNAL", "UNAVAILABLE",
        "DATA_LOSS",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (401, Unauthenticated),
        (402, BillingRequired),
        (403, PermissionDenied),
        (404, ServiceUnavailable),
        (408, RequestTimedOut),
        (409, ResourceConflict),
        (412, ResourceConflict),
        (413, RequestRefused),
        (429, RateLimited),
        (499, ServiceUnavailable),
        (500, ServiceUnavailable),
        (502, ServiceUnavailable),
        (503, ServiceUnavailable),
        (504, RequestTimedOut),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"\xff\xfe", b'{"error": "text"}', b'{"error": null}'])
def test_an_answer_without_a_code_is_judged_by_its_status(
    status: int, kind: type[ProviderError], content: bytes
) -> None:
    assert type(failure_for(status, content)) is kind


@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        (
            body("PERMISSION_DENIED", details=[{"@type": ERROR_INFO, "reason": "BILLING_DISABLED"}]),
            BillingRequired,
            "billing account",
        ),
        (body("PERMISSION_DENIED", "This API method requires billing to be enabled."), BillingRequired, "billing"),
        (
            body("PERMISSION_DENIED", details=[{"@type": ERROR_INFO, "reason": "SERVICE_DISABLED"}]),
            PermissionDenied,
            "gcloud services enable aiplatform.googleapis.com",
        ),
        (body("PERMISSION_DENIED"), PermissionDenied, "--policy"),
        (storage_body(403, "accountDisabled"), BillingRequired, "billing account"),
        (storage_body(403, "forbidden"), PermissionDenied, "--policy"),
        (storage_body(403, "rateLimitExceeded"), RateLimited, ""),
        (storage_body(429, "rateLimitExceeded"), RateLimited, ""),
        (storage_body(401, "authError"), Unauthenticated, "gcloud auth application-default login"),
        (
            body("RESOURCE_EXHAUSTED", "The following quotas are exceeded: CustomModelServingCPUs"),
            QuotaExceeded,
            "ask Google for a higher quota",
        ),
        (
            body("RESOURCE_EXHAUSTED", details=[{"@type": ERROR_INFO, "reason": "RESOURCE_QUOTA_EXCEEDED"}]),
            QuotaExceeded,
            "higher quota",
        ),
        (
            body("RESOURCE_EXHAUSTED", details=[{"@type": ERROR_INFO, "reason": "RATE_LIMIT_EXCEEDED"}]),
            RateLimited,
            "",
        ),
        (body("RESOURCE_EXHAUSTED", "Quota exceeded for online_prediction_requests."), RateLimited, ""),
    ],
)
def test_a_reason_refines_the_class(content: bytes, kind: type[ProviderError], remedy: str) -> None:
    error = failure_for(json.loads(content)["error"]["code"], content)
    assert type(error) is kind
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("headers", "details", "wait"),
    [
        ({"retry-after": "7"}, [], 7.0),
        ({}, [{"@type": RETRY_INFO, "retryDelay": "3.5s"}], 3.5),
        ({}, [{"@type": RETRY_INFO, "retryDelay": "soon"}], None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, [], 0.0),
        ({}, [], None),
    ],
)
def test_a_throttle_keeps_the_wait_that_the_service_asks_for(
    headers: dict[str, str], details: list[dict[str, str]], wait: float | None
) -> None:
    error = from_answer(HttpResponse(429, headers, body("RESOURCE_EXHAUSTED", details=details)))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_a_token_that_the_service_repeats_is_cut_out() -> None:
    error = failure_for(401, body("UNAUTHENTICATED", "Bad token ya29.a0Ab-secret_99 in 'Bearer abc.def-ghi'."))
    assert "secret" not in error.message
    assert "abc.def" not in error.message


def answered(status: int, content: bytes) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer._content = content
    answer.headers["Retry-After"] = "4"
    answer.request = requests.Request("GET", "https://example.invalid/v1/x").prepare()
    return answer


def test_an_error_of_the_sdk_keeps_words_and_wait() -> None:
    with pytest.raises(RateLimited) as caught, google_errors("thing"):
        raise core.from_http_response(answered(429, body("RESOURCE_EXHAUSTED", "Slow down.")))
    assert caught.value.message == "Google answered RESOURCE_EXHAUSTED: Slow down."
    assert (caught.value.retry_after, caught.value.resource) == (4.0, "thing")


def test_the_sdk_s_own_error_does_not_travel_along() -> None:
    with pytest.raises(ServiceUnavailable) as caught, google_errors():
        raise core.from_http_response(answered(500, b"Bearer planted-token"))
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (core.NotFound("gone"), ResourceMissing),
        (core.GoogleAPIError("the SDK's own"), RequestRefused),
        (ParseError("no JSON"), ServiceUnavailable),
        (requests.exceptions.JSONDecodeError("no JSON", "", 0), ServiceUnavailable),
        (requests.ReadTimeout(), RequestTimedOut),
        (requests.ConnectTimeout(), RequestTimedOut),
        (requests.ConnectionError(), ConnectionLost),
        (requests.exceptions.ChunkedEncodingError(), ConnectionLost),
        (requests.exceptions.ContentDecodingError(), ConnectionLost),
        (requests.exceptions.SSLError(), ConnectionLost),
        (requests.exceptions.ProxyError(), ConnectionLost),
        (requests.exceptions.InvalidURL(), RequestRefused),
        (requests.exceptions.TooManyRedirects(), RequestRefused),
        (auth.DefaultCredentialsError("none"), Unauthenticated),  # type: ignore[no-untyped-call]
        (auth.RefreshError("invalid_grant: no", {"error": "invalid_grant"}), Unauthenticated),  # type: ignore[no-untyped-call]
        (auth.TransportError(requests.ConnectionError()), ConnectionLost),  # type: ignore[no-untyped-call]
        (auth.TransportError(requests.ReadTimeout()), RequestTimedOut),  # type: ignore[no-untyped-call]
        (auth.TransportError("text"), ConnectionLost),  # type: ignore[no-untyped-call]
        (auth.MalformedError("no key"), Unauthenticated),  # type: ignore[no-untyped-call]
    ],
)
def test_what_the_sdk_raises_has_its_class(raised: Exception, kind: type[ProviderError]) -> None:
    with pytest.raises(kind) as caught, google_errors("thing"):
        raise raised
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message


def test_what_is_not_the_sdk_s_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), google_errors():
        raise ZeroDivisionError
    with pytest.raises(QuotaExceeded), google_errors():
        raise QuotaExceeded("ours")


def test_an_oauth_error_is_named_by_its_code_and_its_text_is_not_quoted() -> None:
    content = {"error": "invalid_grant", "error_description": "planted-assertion-eyJ"}
    with pytest.raises(Unauthenticated) as caught, google_errors():
        raise auth.RefreshError("invalid_grant: planted-assertion-eyJ", content)  # type: ignore[no-untyped-call]
    assert caught.value.message == "Google's token service gave no token (invalid_grant)."
    with pytest.raises(Unauthenticated) as caught, google_errors():
        raise auth.RefreshError("planted", {"error": "planted-code"})  # type: ignore[no-untyped-call]
    assert "planted" not in str(caught.value)


def not_found(words: str) -> bytes:
    return json.dumps({"error": {"code": 404, "message": words, "status": "NOT_FOUND"}}).encode()


def test_missing_is_said_of_the_very_resource_only() -> None:
    place = "projects/1/locations/europe-west4"
    asked = "projects/bench/locations/europe-west4/endpoints/mine"
    own = failure_for(404, not_found(f"The Endpoint {place}/endpoints/mine does not exist."), resource=asked)
    assert type(own) is ResourceMissing
    assert type(failure_for(404, not_found("The resource does not exist."), resource=asked)) is ResourceMissing
    other = failure_for(404, not_found(f"The Model {place}/models/another does not exist."), resource=asked)
    assert type(other) is ProviderError
    assert type(failure_for(404, b"<html>not found</html>", resource=asked)) is ServiceUnavailable


@pytest.mark.parametrize(
    "words", ["The following quotas are exceeded: x", "The following quota metrics exceed quota limits: x"]
)
def test_a_total_allowance_is_told_in_either_wording(words: str) -> None:
    body = {"error": {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED"}}
    error = failure_for(429, json.dumps(body).encode())
    assert type(error) is QuotaExceeded
    assert error.remedy
