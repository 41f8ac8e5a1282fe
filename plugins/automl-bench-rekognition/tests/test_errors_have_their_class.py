"""Every error that AWS can answer with becomes ours, wherever it comes from."""

from __future__ import annotations

import json
from typing import Any

import pytest
import service_model
from automl_bench_rekognition.failures import (
    aws_errors,
    failure_for,
    from_client_error,
    from_json_answer,
    from_xml_answer,
    known_codes,
)
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

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

OPERATIONS = (
    "CreateProject",
    "DescribeProjects",
    "DeleteProject",
    "CreateDataset",
    "DescribeDataset",
    "ListDatasetEntries",
    "DeleteDataset",
    "CreateProjectVersion",
    "DescribeProjectVersions",
    "StartProjectVersion",
    "StopProjectVersion",
    "DeleteProjectVersion",
    "DetectCustomLabels",
)

CLASSES = {
    "ThrottlingException": RateLimited,
    "ProvisionedThroughputExceededException": RateLimited,
    "SlowDown": RateLimited,
    "LimitExceededException": QuotaExceeded,
    "ServiceQuotaExceededException": QuotaExceeded,
    "AccessDeniedException": PermissionDenied,
    "AccessDenied": PermissionDenied,
    "UnrecognizedClientException": Unauthenticated,
    "InvalidSignatureException": Unauthenticated,
    "ExpiredTokenException": Unauthenticated,
    "ExpiredToken": Unauthenticated,
    "InvalidAccessKeyId": Unauthenticated,
    "SignatureDoesNotMatch": Unauthenticated,
    "RequestTimeTooSkewed": Unauthenticated,
    "SubscriptionRequiredException": BillingRequired,
    "OptInRequired": BillingRequired,
    "ResourceNotFoundException": ResourceMissing,
    "NoSuchBucket": ResourceMissing,
    "NoSuchKey": ResourceMissing,
    "ResourceInUseException": ResourceConflict,
    "ResourceAlreadyExistsException": ResourceConflict,
    "InvalidParameterException": RequestRefused,
    "ImageTooLargeException": RequestRefused,
    "InvalidImageFormatException": RequestRefused,
    "InvalidS3ObjectException": RequestRefused,
    "PermanentRedirect": RequestRefused,
    "BadDigest": RequestRefused,
    "ResourceNotReadyException": ServiceUnavailable,
    "InternalServerError": ServiceUnavailable,
    "InternalError": ServiceUnavailable,
    "RequestTimeout": RequestTimedOut,
}


@pytest.mark.parametrize(("code", "kind"), CLASSES.items())
def test_a_code_has_its_class(code: str, kind: type[ProviderError]) -> None:
    error = failure_for(code, "Words of AWS.", status=400, request_id="r-1")
    assert type(error) is kind
    assert f"AWS answered {code}: Words of AWS." in error.message
    assert error.request_id == "r-1"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_that_the_service_model_lists_is_known(operation: str) -> None:
    listed = {shape.name for shape in service_model.operation(operation).error_shapes}
    assert listed
    assert listed <= known_codes().keys(), f"{operation}: {listed - known_codes().keys()}"


def test_exactly_what_passes_is_tried_again() -> None:
    passing = {code for code, kind in known_codes().items() if issubclass(kind, (RateLimited, TransientProviderError))}
    assert {"ThrottlingException", "InternalServerError", "ResourceNotReadyException"} <= passing
    assert not passing & {"LimitExceededException", "AccessDeniedException", "ResourceInUseException"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (401, Unauthenticated),
        (402, BillingRequired),
        (403, PermissionDenied),
        (404, ResourceMissing),
        (408, RequestTimedOut),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (503, ServiceUnavailable),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, kind: type[ProviderError]) -> None:
    assert type(failure_for("NeverHeardOf", "", status=status)) is kind


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (aws.NoCredentialsError(), Unauthenticated),
        (aws.PartialCredentialsError(provider="env", cred_var="x"), Unauthenticated),
        (aws.CredentialRetrievalError(provider="sso", error_msg="expired"), Unauthenticated),
        (aws.ProfileNotFound(profile="p"), Unauthenticated),
        (aws.NoRegionError(), RequestRefused),
        (aws.ParamValidationError(report="too long"), RequestRefused),
        (aws.ReadTimeoutError(endpoint_url="http://x"), RequestTimedOut),
        (aws.ConnectTimeoutError(endpoint_url="http://x"), RequestTimedOut),
        (aws.EndpointConnectionError(endpoint_url="http://x"), ConnectionLost),
        (aws.ConnectionClosedError(endpoint_url="http://x"), ConnectionLost),
        (aws.SSLError(endpoint_url="http://x", error="bad certificate"), ConnectionLost),
        (aws.ProxyConnectionError(proxy_url="http://p"), ConnectionLost),
        (ResponseParserError("not JSON"), ServiceUnavailable),
    ],
)
def test_what_the_sdk_raises_has_its_class(raised: Exception, kind: type[ProviderError]) -> None:
    with pytest.raises(kind) as caught, aws_errors("thing"):
        raise raised
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message


def test_a_client_error_keeps_words_request_and_wait() -> None:
    answer: Any = {
        "Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"},
        "ResponseMetadata": {"HTTPStatusCode": 500, "RequestId": "abc", "HTTPHeaders": {"retry-after": "7"}},
    }
    with pytest.raises(RateLimited) as caught, aws_errors("arn"):
        raise ClientError(answer, "CreateProject")
    assert caught.value.retry_after == 7.0
    assert (caught.value.request_id, caught.value.resource) == ("abc", "arn")
    assert from_client_error({}).message.startswith("AWS answered")


@pytest.mark.parametrize(
    "spelling",
    [
        {"__type": "LimitExceededException", "message": "two models run"},
        {"__type": "com.amazonaws.rekognition#LimitExceededException", "Message": "two models run"},
        {"__type": "LimitExceededException:http://internal.amazon.com/x", "message": "two models run"},
    ],
)
def test_the_json_protocol_is_read_in_every_spelling(spelling: dict[str, str]) -> None:
    error = from_json_answer(HttpResponse(400, {"x-amzn-requestid": "r"}, json.dumps(spelling).encode()), "arn")
    assert type(error) is QuotaExceeded
    assert "two models run" in error.message
    assert "ask AWS for a higher quota" in error.remedy


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff\xfe"])
def test_an_error_without_readable_words_is_judged_by_its_status(body: bytes) -> None:
    assert type(from_json_answer(HttpResponse(503, {}, body))) is ServiceUnavailable
    assert type(from_xml_answer(403, body)) is PermissionDenied


def test_an_error_of_s3_is_read_from_its_xml() -> None:
    body = b"<Error><Code>NoSuchBucket</Code><Message>gone</Message><RequestId>q</RequestId></Error>"
    error = from_xml_answer(404, body)
    assert type(error) is ResourceMissing
    assert error.request_id == "q"
    assert "AWS_STORAGE_BUCKET_NAME" in error.remedy


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"x-amz-request-id": "r-1"}, ResourceMissing),
        ({"x-amzn-requestid": "r-1"}, ResourceMissing),
        ({"server": "squid", "content-type": "text/html"}, ServiceUnavailable),
    ],
)
def test_a_404_means_missing_only_where_aws_itself_answers(headers: dict[str, str], kind: type[ProviderError]) -> None:
    meta = {"HTTPStatusCode": 404, "HTTPHeaders": headers}
    assert type(from_client_error({"Error": {"Code": "404", "Message": "Not Found"}, "ResponseMetadata": meta})) is kind


def test_a_wrong_clock_is_not_blamed_on_the_keys() -> None:
    error = failure_for(
        "RequestTimeTooSkewed", "The difference between the request time and the current time is large."
    )
    assert type(error) is Unauthenticated
    assert "clock" in error.remedy
    assert "AWS_ACCESS_KEY_ID" not in error.remedy


def test_a_signature_s_canonical_request_is_not_told() -> None:
    told = "The signature does not match.\n\nThe Canonical String was\nx-amz-security-token:planted-session-token"
    assert "planted" not in str(failure_for("InvalidSignatureException", told))
