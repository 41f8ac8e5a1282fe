"""What Google's services say when they fail, in the host's words: by `google.rpc.Code`, by reason, by HTTP status."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
from automl_bench.toolkit import answers
from automl_bench.toolkit.answers import (
    NO_REASON,
    broken_request,
    error_of,
    kind_of,
    one_line,
    something_else_answers,
    unreadable,
)
from automl_bench.toolkit.retry_after import read_retry_after, retry_after

if TYPE_CHECKING:
    import requests

CREDENTIALS = (
    "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service "
    "account."
)
PERMISSIONS = "Grant what `automl-bench providers show vertex --policy` prints."
ENABLE = "gcloud services enable aiplatform.googleapis.com storage.googleapis.com"
BILLING = "Link the project to a billing account that is open."
QUOTA = "Delete what you no longer need, or ask Google for a higher quota (console, IAM & Admin, Quotas)."

BY_CODE: Mapping[str, type[ProviderError]] = {
    "CANCELLED": ServiceUnavailable,
    "UNKNOWN": ServiceUnavailable,
    "INVALID_ARGUMENT": RequestRefused,
    "DEADLINE_EXCEEDED": RequestTimedOut,
    "NOT_FOUND": ResourceMissing,
    "ALREADY_EXISTS": ResourceConflict,
    "PERMISSION_DENIED": PermissionDenied,
    "UNAUTHENTICATED": Unauthenticated,
    "RESOURCE_EXHAUSTED": RateLimited,
    "FAILED_PRECONDITION": ResourceConflict,
    "ABORTED": ServiceUnavailable,
    "OUT_OF_RANGE": RequestRefused,
    "UNIMPLEMENTED": RequestRefused,
    "INTERNAL": ServiceUnavailable,
    "UNAVAILABLE": ServiceUnavailable,
    "DATA_LOSS": ServiceUnavailable,
}
"""Every error of google.rpc.Code. A failed precondition means in Vertex AI that the resource is busy or in use."""

_BILLING_REASONS = frozenset({"BILLING_DISABLED", "accountDisabled", "userProjectAccountProblem"})
_DISABLED_REASONS = frozenset({"SERVICE_DISABLED", "accessNotConfigured"})
_RATE_REASONS = frozenset({"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded"})
_TOTAL_REASONS = frozenset({"RESOURCE_QUOTA_EXCEEDED", "quotaExceeded"})
_TOTAL_WORDS = ("following quotas are exceeded", "following quota metrics exceed quota limits")
"""How Vertex AI begins when an allowance such as nodes per region is used up; a rate is worded in another way."""

_NAMED = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/(?P<what>\w+/[\w-]+)")

_TOKEN = re.compile(r"(?:ya29\.|eyJ|Bearer\s+)[\w.~+/=-]+")


def failure_for(
    status: int | None, body: bytes, headers: Mapping[str, str] | None = None, resource: str = ""
) -> ProviderError:
    """Return our error for an answer of Vertex AI or of Cloud Storage.

    Args:
        status: HTTP status, or None for an error that came inside an operation.
        body: `{"error": {"code", "message", "status", "details"}}`, or anything else.
        headers: By lower-case name.
        resource: What the request was about.
    """
    headers = headers or {}
    about = _error_object(body)
    code = str(about.get("status", ""))
    reasons = _reasons(about)
    words = _words(about.get("message")) or NO_REASON
    kind = BY_CODE.get(code) or kind_of(status)
    if kind is ResourceMissing:
        kind, remedy = _missing(about, words, resource)
    else:
        kind, remedy = _refined(kind, reasons, words)
    sentence = f"Google answered {code or status}: {words}."
    request_id = headers.get("x-guploader-uploadid", "") or headers.get("x-request-id", "")
    wait = retry_after(headers)
    wait = _retry_delay(about) if wait is None else wait
    return error_of(kind, sentence, retry_after=wait, remedy=remedy, resource=resource, request_id=request_id)


def _missing(about: Mapping[str, Any], words: str, resource: str) -> tuple[type[ProviderError], str]:
    """Return what a 404 means: that the resource is gone only in Google's own words, and of that very resource."""
    if not about:
        return ServiceUnavailable, something_else_answers("Google")
    named = {found["what"] for found in _NAMED.finditer(words)}
    asked = _NAMED.search(resource)
    if named and asked is not None and asked["what"] not in named:
        return ProviderError, ""
    return ResourceMissing, ""


def from_answer(response: HttpResponse, resource: str = "") -> ProviderError:
    """Return our error for an answer that the host's transport brought."""
    return failure_for(response.status, response.body, response.headers, resource)


def _refined(kind: type[ProviderError], reasons: frozenset[str], words: str) -> tuple[type[ProviderError], str]:
    """Return the class and remedy that a reason or the words ask for."""
    if kind is PermissionDenied:
        if reasons & _BILLING_REASONS or "billing" in words.lower():
            return BillingRequired, BILLING
        if reasons & _RATE_REASONS:  # Cloud Storage answers a rate with 403 at times
            return RateLimited, ""
        return kind, ENABLE if reasons & _DISABLED_REASONS else PERMISSIONS
    if kind is RateLimited and not reasons & _RATE_REASONS:
        if reasons & _TOTAL_REASONS or any(each in words for each in _TOTAL_WORDS):
            return QuotaExceeded, QUOTA
        return kind, ""
    return kind, {Unauthenticated: CREDENTIALS, BillingRequired: BILLING}.get(kind, "")


def _error_object(body: bytes) -> dict[str, Any]:
    try:
        content = answers.read_json(body)
    except ValueError:
        return {}
    if isinstance(content, list) and content:
        content = content[0]
    about = content.get("error") if isinstance(content, dict) else None
    return about if isinstance(about, dict) else {}


def _reasons(about: Mapping[str, Any]) -> frozenset[str]:
    """Return the reasons of ErrorInfo details (Vertex AI) and of `errors` (Cloud Storage)."""
    entries = [*(about.get("details") or ()), *(about.get("errors") or ())]
    return frozenset(str(entry["reason"]) for entry in entries if isinstance(entry, dict) and entry.get("reason"))


def _retry_delay(about: Mapping[str, Any]) -> float | None:
    """Return the wait of a RetryInfo detail: "3.5s"."""
    for entry in about.get("details") or ():
        if isinstance(entry, dict) and str(entry.get("@type", "")).endswith("RetryInfo"):
            return read_retry_after(str(entry.get("retryDelay", "")).removesuffix("s"))
    return None


def _words(message: object) -> str:
    """Return the service's words as one sentence without its full stop, and without a token that it may repeat."""
    return one_line(_TOKEN.sub("…", str(message or "")), longest=500)


@contextmanager
def google_errors(resource: str = "") -> Iterator[None]:
    """Turn what the SDKs raise into our errors.

    The SDK's own error does not travel along: it may hold the request, and that the token.
    """
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:
        ours = _translated(error, resource)
        if ours is None:
            raise
        raise ours from None


def _translated(error: Exception, resource: str) -> ProviderError | None:
    """Return our error for one of the SDKs'; None for what is not theirs."""
    import requests
    from google.api_core import exceptions as core
    from google.auth import exceptions as auth
    from google.protobuf.json_format import ParseError
    from google.protobuf.message import DecodeError

    if isinstance(error, core.GoogleAPICallError):
        return _from_call_error(error, resource)
    if isinstance(error, auth.GoogleAuthError):
        return _from_auth_error(error)
    if isinstance(error, (ParseError, DecodeError, requests.exceptions.JSONDecodeError, UnicodeDecodeError)):
        return unreadable("Google", resource=resource)
    if isinstance(error, requests.RequestException):
        return from_broken_request(error, resource)
    if isinstance(error, core.GoogleAPIError):
        return RequestRefused(f"The SDK refused the request: {_words(error)}.", resource=resource)
    return None


def _from_call_error(error: Any, resource: str) -> ProviderError:
    answer = getattr(error, "response", None)
    if answer is None or not hasattr(answer, "content"):
        about = {"error": {"message": str(error.message)}}
        return failure_for(getattr(error, "code", None), json.dumps(about).encode(), resource=resource)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return failure_for(answer.status_code, answer.content, headers, resource)


def from_broken_request(error: requests.RequestException, resource: str = "") -> ProviderError:
    """Return our error for a request of the SDKs' HTTP library that got no whole answer."""
    ours = broken_request(
        error,
        "Google",
        "",
        remedy="Check the addresses in AUTOML_BENCH_VERTEX_API_ENDPOINT and STORAGE_EMULATOR_HOST.",
    )
    ours.resource = resource
    return ours


def _from_auth_error(error: Exception) -> ProviderError:
    """Return our error for one of google-auth's. Its text is not used: it may quote the answer, or name a key."""
    import requests
    from google.auth import exceptions as auth

    if isinstance(error, auth.TransportError):
        cause = error.args[0] if error.args else None
        if isinstance(cause, requests.RequestException):
            return from_broken_request(cause)
        return ConnectionLost("The connection to Google's token service failed.")
    if isinstance(error, auth.DefaultCredentialsError):
        return Unauthenticated("There are no application-default credentials that can be used.", remedy=CREDENTIALS)
    return Unauthenticated(f"Google's token service gave no token{_oauth_code(error)}.", remedy=CREDENTIALS)


OAUTH_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "access_denied",
    }
)
"""RFC 6749, sections 4.1.2.1 and 5.2."""


def _oauth_code(error: Exception) -> str:
    content = next((argument for argument in error.args if isinstance(argument, Mapping)), {})
    code = content.get("error")
    return f" ({code})" if isinstance(code, str) and code in OAUTH_CODES else ""
