"""What Azure says when it fails, in the host's words: Resource Manager, Blob storage, Entra ID, scoring endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
    LONGEST_WORDS,
    NO_REASON,
    error_of,
    json_object,
    kind_of,
    one_line,
    something_else_answers,
    unreadable,
)
from automl_bench.toolkit.retry_after import retry_after as retry_after_of

_CREDENTIALS = "Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or sign in with `az login`."
_PERMISSIONS = "Grant what `automl-bench providers show azure --policy` prints."
_QUOTA = "Ask for more quota of this VM size in the Azure portal (Azure ML, Quotas), or set a smaller size."
_BILLING = "Look at the subscription's state and payment method in the Azure portal."
_WORKSPACE = "Check AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME."

_KINDS: Mapping[type[ProviderError], tuple[str, tuple[str, ...]]] = {
    RateLimited: (
        "",
        (
            "TooManyRequests",
            "OperationRateLimited",
            "SubscriptionRequestsThrottled",
            "ResourceRequestsThrottled",
            "ServerBusy",
            "TemporarilyThrottled",
        ),
    ),
    QuotaExceeded: (
        _QUOTA,
        (
            "QuotaExceeded",
            "OutOfQuota",
            "OutOfCapacity",
            "NotEnoughQuota",
            "ClusterCoreQuotaReached",
            "ClusterMinNodesExceedCoreQuota",
            "TotalClustersReachedLimit",
            "ResourceQuotaExceeded",
            "EndpointQuotaExceeded",
            "AccountQuotaExceeded",
        ),
    ),
    BillingRequired: (
        _BILLING,
        (
            "SubscriptionDisabled",
            "ReadOnlyDisabledSubscription",
            "DisallowedOperation",
            "SubscriptionSuspended",
            "AccountIsDisabled",
            "BillingNotEnabled",
            "PaymentRequired",
        ),
    ),
    PermissionDenied: (
        _PERMISSIONS,
        (
            "AuthorizationFailed",
            "LinkedAuthorizationFailed",
            "AuthorizationPermissionMismatch",
            "AuthorizationFailure",
            "InsufficientAccountPermissions",
            "RequestDisallowedByPolicy",
            "UserError.Forbidden",
            "Forbidden",
        ),
    ),
    Unauthenticated: (
        _CREDENTIALS,
        (
            "AuthenticationFailed",
            "InvalidAuthenticationToken",
            "InvalidAuthenticationTokenTenant",
            "ExpiredAuthenticationToken",
            "AuthenticationFailedMissingToken",
            "InvalidAuthenticationInfo",
            "NoAuthenticationInformation",
            "Unauthorized",
        ),
    ),
    ResourceMissing: ("", ("ResourceNotFound", "NotFound", "BlobNotFound", "UserError.NotFound")),
    ResourceConflict: (
        "",
        (
            "Conflict",
            "AnotherOperationInProgress",
            "ResourceOperationInProgress",
            "BlobAlreadyExists",
            "LeaseIdMissing",
            "ContainerBeingDeleted",
        ),
    ),
    RequestTimedOut: ("", ("RequestTimeout", "OperationTimedOut", "GatewayTimeout")),
    ServiceUnavailable: ("", ("InternalServerError", "InternalError", "ServiceUnavailable", "ServiceError")),
}

_BY_CODE: dict[str, tuple[type[ProviderError], str]] = {
    code: (kind, remedy) for kind, (remedy, codes) in _KINDS.items() for code in codes
}
_BY_CODE |= {
    # What lies in something that is not there may exist elsewhere, or be shown later: it is neither gone nor refused.
    "ParentResourceNotFound": (ProviderError, _WORKSPACE),
    "ResourceGroupNotFound": (ProviderError, _WORKSPACE),
    "SubscriptionNotFound": (ProviderError, _WORKSPACE),
    "ContainerNotFound": (RequestRefused, "Check the setting datastore, and that its container exists."),
}

_QUOTA_WORDS = re.compile(
    r"not enough quota|quota (?:was |is )?(?:reached|exceeded)|out of quota|insufficient quota", re.I
)
"""How the service speaks of a quota under codes that say no more than "bad request"."""

_PARENT = re.compile(r"Resource 'Microsoft\.MachineLearningServices/(?P<what>[^']+)' under resource group")

_OAUTH_CODES = re.compile(
    r"\b(AADSTS\d{4,8}|invalid_client|invalid_request|invalid_grant|unauthorized_client|invalid_scope)\b"
)


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
    """Return our error for one of Azure's.

    Args:
        code: The error code, such as "QuotaExceeded"; may be empty.
        message: Azure's own words.
        status: HTTP status; decides where the code is unknown.
        request_id: For Azure's support.
        resource: What the request was about.
        retry_after: Seconds the service asked to wait, or None.
    """
    kind, remedy = _BY_CODE.get(code) or _by_status(status, is_its_own=bool(code or message))
    return error_of(
        kind,
        f"Azure answered {code or status}: {one_line(message, longest=500) or NO_REASON}.",
        retry_after=retry_after,
        remedy=remedy,
        resource=resource,
        request_id=request_id,
    )


def _by_status(status: int | None, *, is_its_own: bool = True) -> tuple[type[ProviderError], str]:
    kind = kind_of(status, is_its_own=is_its_own)
    return kind, _KINDS[kind][0] if kind in _KINDS else ""


def from_arm_answer(status: int, headers: Mapping[str, str], body: bytes, resource: str = "") -> ProviderError:
    """Return our error for Resource Manager's `{"error": {"code": …, "message": …, "details": […]}}`.

    The outer code is often a general one, such as "UserError"; then the first inner one that is known decides.
    """
    error = (json_object(body) or {}).get("error")
    about: Mapping[str, Any] = error if isinstance(error, dict) else {}
    layers = list(_layers(about))
    codes = [str(layer["code"]) for layer in layers if isinstance(layer.get("code"), str)]
    code = next((each for each in codes if each in _BY_CODE), codes[0] if codes else "")
    # The outer words are often "The request is invalid."; the reason stands further in.
    said = [str(layer["message"]).strip() for layer in layers if isinstance(layer.get("message"), str)]
    words = " ".join(dict.fromkeys(filter(None, said)))
    if code not in _BY_CODE and 400 <= status < 500 and _QUOTA_WORDS.search(words):
        code = "QuotaExceeded"
    if status == 404 and not about:
        return ServiceUnavailable(
            "A 404 came that is not Azure's own.", remedy=something_else_answers("Azure"), resource=resource
        )
    parent = _PARENT.search(words)
    if status == 404 and parent is not None and not resource.lower().endswith(parent["what"].lower()):
        code = "ParentResourceNotFound"
    return failure_for(
        code,
        words,
        status=status,
        request_id=headers.get("x-ms-request-id", ""),
        resource=resource,
        retry_after=retry_after_of(headers),
    )


def _layers(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield an error and what it holds of others, the outermost first."""
    yield error
    inner = error.get("innererror") or error.get("innerError")
    details = error.get("details")
    for each in [inner, *(details if isinstance(details, list) else [])]:
        if isinstance(each, dict):
            yield from _layers(each)


def from_blob_answer(status: int | None, headers: Mapping[str, str], body: bytes, resource: str = "") -> ProviderError:
    """Return our error for Blob storage's `<Error><Code>…</Code><Message>…</Message></Error>`.

    Only the first line of the message is kept: the rest names the request, and for a bad signature what was signed.
    """

    def tag(name: str) -> str:
        found = re.search(rf"<{name}>([^<]*)", body.decode("utf-8", "replace"))
        return found.group(1) if found else ""

    return failure_for(
        headers.get("x-ms-error-code", "") or tag("Code"),
        tag("Message").split("\n", 1)[0],
        status=status,
        request_id=headers.get("x-ms-request-id", ""),
        resource=resource,
        retry_after=retry_after_of(headers),
    )


def from_scoring_answer(response: HttpResponse, resource: str = "") -> ProviderError:
    """Return our error for a scoring endpoint's refusal. The body is the container's or the gateway's own text.

    424 comes from the model's code: its image could not be read, or it failed; `ms-azureml-model-error-statuscode`
    says which status it gave.
    """
    status = response.status
    words = one_line(response.body.decode("utf-8", "replace"), longest=200) or NO_REASON
    more: dict[str, Any] = {"resource": resource, "request_id": response.headers.get("x-request-id", "")}
    if status == 424:
        inner = response.headers.get("ms-azureml-model-error-statuscode", "")
        kind: type[ProviderError] = RequestRefused if inner.startswith("4") else ServiceUnavailable
        return kind(f"The model answered {inner or 'an error'}: {words}.", **more)
    kind, remedy = _by_status(status)
    if kind is Unauthenticated:
        remedy = "The key is that of another endpoint, or was regenerated; for an adopted address check its key."
    sentence = f"The endpoint answered {status}: {words}."
    return error_of(kind, sentence, retry_after=retry_after_of(response.headers), remedy=remedy, **more)


@contextmanager
def azure_errors(resource: str = "") -> Iterator[None]:
    """Turn what the SDKs raise into our errors.

    The original does not travel along: its message and its request may hold what was sent, such as a secret.
    """
    try:
        yield
    except Exception as error:
        ours = _translated(error, resource)
        if ours is None:
            raise
        raise ours from None


def _translated(error: Exception, resource: str) -> ProviderError | None:
    """Return our error for one of the SDKs'; None for what is not theirs."""
    from azure.core import exceptions as azure

    cause = error.__cause__
    match error:
        case azure.ClientAuthenticationError() if isinstance(cause, ProviderError):
            return cause
        case azure.ClientAuthenticationError() if isinstance(cause, azure.AzureError):
            return _translated(cause, resource)
        case azure.ClientAuthenticationError() if _about_storage(error):
            return _from_storage_error(error, resource)
        case azure.ClientAuthenticationError():
            return _no_token(error)
        case azure.ServiceRequestTimeoutError() | azure.ServiceResponseTimeoutError():
            return RequestTimedOut("Azure did not answer in time.", resource=resource)
        case azure.DecodeError() | azure.DeserializationError():
            return unreadable("Azure", resource=resource)
        case azure.ServiceRequestError() | azure.ServiceResponseError():
            return ConnectionLost(f"The connection to Azure failed: {_kind_of(error)}.", resource=resource)
        case azure.HttpResponseError():
            return _from_storage_error(error, resource)
        case azure.AzureError():
            return RequestRefused(f"Azure's SDK refused the request: {type(error).__name__}.", resource=resource)
    return None


def _about_storage(error: Any) -> bool:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return getattr(error, "error_code", None) is not None or "x-ms-error-code" in headers


def _from_storage_error(error: Any, resource: str) -> ProviderError:
    response = error.response
    headers = {name.lower(): value for name, value in (response.headers if response is not None else {}).items()}
    code = getattr(error, "error_code", "") or headers.get("x-ms-error-code", "")
    return failure_for(
        str(getattr(code, "value", code) or ""),
        str(error.reason or ""),
        status=error.status_code,
        request_id=headers.get("x-ms-request-id", ""),
        resource=resource,
        retry_after=retry_after_of(headers),
    )


def _no_token(error: Any) -> ProviderError:
    """Return our error for a token that was not given. Only known codes of the answer are told, never its words."""
    codes = sorted(set(_OAUTH_CODES.findall(str(error.message))))
    named = f" ({', '.join(codes)})" if codes else ""
    return Unauthenticated(f"Entra ID gives no token{named}.", remedy=_CREDENTIALS)


def _kind_of(error: Any) -> str:
    """Name the innermost cause of a broken connection by its class: its text holds the whole address."""
    inner = getattr(error, "inner_exception", None) or error
    return type(inner).__name__


def log_end(text: str) -> str:
    """Return the end of a log on one line: there stands what went wrong."""
    return " ".join(text.split())[-LONGEST_WORDS:].rstrip(".")
