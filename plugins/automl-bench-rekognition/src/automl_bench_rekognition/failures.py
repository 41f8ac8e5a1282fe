"""What AWS says when it fails, in the host's words. Codes are those of the service models, plus S3's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

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
    Unauthenticated,
)
from automl_bench.toolkit.answers import (
    CHECK_CONNECTION,
    NO_REASON,
    error_of,
    json_object,
    kind_of,
    something_else_answers,
    unreadable,
)
from automl_bench.toolkit.retry_after import retry_after as retry_after_of

T = TypeVar("T")

_CREDENTIALS = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile in AWS_PROFILE."
_PERMISSIONS = "Grant what `automl-bench providers show rekognition --policy` prints."
_QUOTA = "Stop models or delete projects that you no longer need, or ask AWS for a higher quota."
_CLOCK = "This machine's clock is wrong: set it, for example with `sudo timedatectl set-ntp true`."
_REGION = "The bucket must be in the region that is set (AWS_DEFAULT_REGION)."
_BUCKET = "Check AWS_STORAGE_BUCKET_NAME; the bucket must exist."

_KINDS: Mapping[type[ProviderError], tuple[str, tuple[str, ...]]] = {
    RateLimited: (
        "",
        (
            "ThrottlingException",
            "Throttling",
            "ThrottledException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "TooManyRequestsException",
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
        ),
    ),
    QuotaExceeded: (_QUOTA, ("LimitExceededException", "ServiceQuotaExceededException", "TooManyBuckets")),
    PermissionDenied: (
        _PERMISSIONS,
        ("AccessDeniedException", "AccessDenied", "AllAccessDisabled", "AccountProblem", "403"),
    ),
    Unauthenticated: (
        _CREDENTIALS,
        (
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "InvalidClientTokenId",
            "ExpiredTokenException",
            "ExpiredToken",
            "InvalidToken",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "NotSignedUp",
        ),
    ),
    BillingRequired: (
        "Complete the sign-up and the payment method of the AWS account.",
        ("OptInRequired", "SubscriptionRequiredException", "PaymentRequired"),
    ),
    ResourceMissing: ("", ("ResourceNotFoundException", "NoSuchKey", "NoSuchBucketPolicy", "404")),
    ResourceConflict: (
        "",
        ("ResourceInUseException", "ResourceAlreadyExistsException", "ConflictException", "OperationAborted"),
    ),
    RequestRefused: (
        "",
        (
            "InvalidParameterException",
            "ImageTooLargeException",
            "InvalidImageFormatException",
            "InvalidS3ObjectException",
            "InvalidPaginationTokenException",
            "InvalidPolicyRevisionIdException",
            "MalformedPolicyDocumentException",
            "MalformedPolicy",
            "InvalidManifestException",
            "ValidationException",
            "SerializationException",
            "UnknownOperationException",
            "BadDigest",
            "InvalidDigest",
            "XAmzContentSHA256Mismatch",
            "InvalidRequest",
            "InvalidArgument",
            "EntityTooLarge",
            "MalformedXML",
            "MethodNotAllowed",
        ),
    ),
    ServiceUnavailable: (
        "",
        (
            "ResourceNotReadyException",
            "InternalServerError",
            "InternalServerErrorException",
            "InternalFailure",
            "InternalError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "503",
            "500",
        ),
    ),
    RequestTimedOut: ("", ("RequestTimeout", "RequestTimeoutException")),
}

_BY_CODE: dict[str, tuple[type[ProviderError], str]] = {
    code: (kind, remedy) for kind, (remedy, codes) in _KINDS.items() for code in codes
}
_BY_CODE |= {
    "RequestTimeTooSkewed": (Unauthenticated, _CLOCK),
    "RequestExpired": (Unauthenticated, _CLOCK),
    "NoSuchBucket": (ResourceMissing, _BUCKET),
    "InvalidBucketName": (RequestRefused, _BUCKET),
    "PermanentRedirect": (RequestRefused, _REGION),
    "TemporaryRedirect": (RequestRefused, _REGION),
    "AuthorizationHeaderMalformed": (RequestRefused, _REGION),
    "IllegalLocationConstraintException": (RequestRefused, _REGION),
    "301": (RequestRefused, _REGION),
    "307": (RequestRefused, _REGION),
}


def known_codes() -> Mapping[str, type[ProviderError]]:
    """Return every error code that has a class of its own."""
    return {code: kind for code, (kind, _) in _BY_CODE.items()}


def failure_for(
    code: str,
    message: str,
    *,
    status: int | None = None,
    request_id: str = "",
    resource: str = "",
    retry_after: float | None = None,
) -> ProviderError:
    """Return our error for one of AWS's.

    Args:
        code: The error code: "LimitExceededException", "NoSuchBucket"; for an answer without a body its HTTP status.
        message: AWS's own words.
        status: HTTP status; decides where the code is unknown.
        request_id: For AWS's support.
        resource: What the request was about.
        retry_after: Seconds the service asked to wait, or None.
    """
    kind, remedy = _BY_CODE.get(code) or _by_status(status, is_its_own=bool(code))
    # A signature that does not match is answered with what was signed, and that holds the session's token.
    words = message.strip().split("\n", 1)[0].rstrip(".") or NO_REASON
    sentence = f"AWS answered {code or status}: {words}."
    return error_of(kind, sentence, retry_after=retry_after, remedy=remedy, resource=resource, request_id=request_id)


def _by_status(status: int | None, *, is_its_own: bool) -> tuple[type[ProviderError], str]:
    kind = kind_of(status, is_its_own=is_its_own)
    return kind, _KINDS[kind][0] if kind in _KINDS else ""


@contextmanager
def aws_errors(resource: str = "") -> Iterator[None]:
    """Turn what boto3 raises into our errors. Messages of botocore hold no secret."""
    try:
        yield
    except Exception as error:
        ours = _translated(error, resource)
        if ours is None:
            raise
        raise ours from error


def _translated(error: Exception, resource: str) -> ProviderError | None:
    """Return our error for one of the SDK's; None for what is not the SDK's."""
    from boto3 import exceptions as boto3_exceptions
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    credentials = (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError)
    logins = (aws.TokenRetrievalError, aws.SSOError, aws.UnauthorizedSSOTokenError, aws.ProfileNotFound)
    match error:
        case aws.ClientError():
            return from_client_error(error.response, resource)
        case aws.ReadTimeoutError() | aws.ConnectTimeoutError():
            return RequestTimedOut(f"AWS did not answer in time: {_words(error)}", resource=resource)
        case aws.NoRegionError() | aws.InvalidRegionError():
            return RequestRefused(_words(error), remedy="export AWS_DEFAULT_REGION=…")
        case aws.SSLError() | aws.ProxyConnectionError():
            return ConnectionLost(_words(error), remedy=CHECK_CONNECTION)
        case aws.HTTPClientError() | aws.ConnectionError() | aws.IncompleteReadError():
            return ConnectionLost(f"The connection to AWS failed: {_words(error)}", resource=resource)
        case ResponseParserError():  # no child of BotoCoreError
            return unreadable("AWS", resource=resource)
    if isinstance(error, (*credentials, *logins)):
        return Unauthenticated(_words(error), remedy=_CREDENTIALS, resource=resource)
    if isinstance(error, (aws.BotoCoreError, boto3_exceptions.Boto3Error)):  # the SDK refused before sending
        return RequestRefused(_words(error), resource=resource)
    return None


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") + "."


def from_client_error(response: Mapping[str, Any], resource: str = "") -> ProviderError:
    """Return our error for botocore's parsed error answer."""
    about, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    headers: Mapping[str, str] = meta.get("HTTPHeaders", {})
    if str(about.get("Code", "")) == "404" and not any(name.startswith("x-amz") for name in headers):
        return ServiceUnavailable(
            "A 404 came that is not AWS's own.", remedy=something_else_answers("AWS"), resource=resource
        )
    return failure_for(
        str(about.get("Code", "")),
        str(about.get("Message", "")),
        status=meta.get("HTTPStatusCode"),
        request_id=str(meta.get("RequestId", "")),
        resource=resource,
        retry_after=retry_after_of(headers),
    )


def from_json_answer(response: HttpResponse, resource: str = "") -> ProviderError:
    """Return our error for an answer of the JSON 1.1 protocol: `{"__type": …, "message": …}`.

    The type may carry a namespace before "#" and an address after ":"; the message's key has either case.
    """
    content = json_object(response.body) or {}
    kind = str(content.get("__type") or response.headers.get("x-amzn-errortype", ""))
    code = kind.rsplit("#", 1)[-1].split(":", 1)[0]
    return failure_for(
        code,
        str(content.get("message") or content.get("Message") or ""),
        status=response.status,
        request_id=response.headers.get("x-amzn-requestid", ""),
        resource=resource,
        retry_after=retry_after_of(response.headers),
    )


def from_xml_answer(status: int | None, body: bytes, resource: str = "") -> ProviderError:
    """Return our error for one of S3's: `<Error><Code>…</Code><Message>…</Message></Error>`."""

    def tag(name: str) -> str:
        found = re.search(rf"<{name}>([^<]*)</{name}>", body.decode("utf-8", "replace"))
        return found.group(1) if found else ""

    return failure_for(tag("Code"), tag("Message"), status=status, request_id=tag("RequestId"), resource=resource)


def missing_as_none(look: Callable[[], T]) -> T | None:
    """Return what a look finds, or None if AWS says that it does not exist."""
    try:
        return look()
    except ResourceMissing:
        return None
