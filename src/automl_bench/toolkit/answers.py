"""What a service's answer means: one table of statuses, one reader of JSON, one way to quote a service's words.

A plugin that knows more (an error code, a reason) decides by that first; what is left is the same for all providers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import requests

LONGEST_INTEGER = 40
"""Digits of a whole number; a 64-bit one has 20, and what has more than 308 is no float any more."""

LONGEST_WORDS = 300
"""Characters of a service's words that are quoted."""

NO_REASON = "no reason given"
HIDDEN = "•••"
CHECK_CONNECTION = "Check the proxy and certificate settings."

KIND_OF_STATUS: Mapping[int, type[ProviderError]] = {
    401: Unauthenticated,
    402: BillingRequired,
    403: PermissionDenied,
    404: ResourceMissing,
    407: ConnectionLost,
    408: RequestTimedOut,
    409: ResourceConflict,
    410: ResourceMissing,
    412: ResourceConflict,
    423: ResourceConflict,
    425: ServiceUnavailable,
    429: RateLimited,
    499: ServiceUnavailable,
    501: RequestRefused,
    504: RequestTimedOut,
    507: QuotaExceeded,
}
"""Statuses of RFC 9110, RFC 4918 (423, 507), RFC 6585 (429) and RFC 8470 (425); 499 is a proxy's "client closed"."""


def kind_of(status: int | None, *, is_its_own: bool = True) -> type[ProviderError]:
    """Return the class of an answer that is no success.

    Args:
        status: HTTP status; None for an error that came without one.
        is_its_own: Whether the body is in the service's own words. A proxy's page says nothing of the service: with it,
            "not found" does not mean that something is gone.
    """
    if status is None or status < 400:
        return ServiceUnavailable
    kind = KIND_OF_STATUS.get(status, RequestRefused if status < 500 else ServiceUnavailable)
    return ServiceUnavailable if kind is ResourceMissing and not is_its_own else kind


def error_of(
    kind: type[ProviderError],
    sentence: str,
    *,
    retry_after: float | None = None,
    remedy: str = "",
    resource: str = "",
    request_id: str = "",
) -> ProviderError:
    """Return an error of a class; only `RateLimited` takes the seconds that the service asked to wait."""
    if issubclass(kind, RateLimited):
        return kind(sentence, retry_after=retry_after, remedy=remedy, resource=resource, request_id=request_id)
    return kind(sentence, remedy=remedy, resource=resource, request_id=request_id)


def unreadable(service: str, what: str = "", *, resource: str = "") -> ServiceUnavailable:
    """Return the error for an accepted answer that is not the service's own: a proxy's page, a truncated body.

    It says nothing of the work that was asked about, so it is transient.
    """
    about = f" to {what}" if what else ""
    return ServiceUnavailable(
        f"{service}'s answer{about} cannot be read.", remedy=something_else_answers(service), resource=resource
    )


def something_else_answers(service: str) -> str:
    """Return the remedy where an answer is not the service's own."""
    return f"Something else than {service} answers there: check the addresses and the proxy."


def broken_request(error: requests.RequestException, service: str, what: str, *, remedy: str) -> ProviderError:
    """Return the error for a request of the library requests that got no whole answer.

    Its own text is not used: it may hold an address, and that a token.

    Args:
        error: What was raised.
        service: The service's name.
        what: What was asked for, as in "create the function"; may be empty.
        remedy: What to do if the request could not even be made.
    """
    import requests

    about = f" when asked to {what}" if what else ""
    if isinstance(error, requests.Timeout):
        return RequestTimedOut(f"{service} did not answer in time{about}.")
    if isinstance(error, requests.exceptions.SSLError):
        return ConnectionLost(f"{service}'s certificate was not accepted{about}.", remedy=CHECK_CONNECTION)
    lost = (
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    )
    if isinstance(error, lost):
        return ConnectionLost(f"The connection to {service} broke{about}.")
    named = f" to {what}" if what else ""
    return RequestRefused(f"The request{named} could not be made ({type(error).__name__}).", remedy=remedy)


def read_json(body: bytes | str) -> Any:
    """Return the value that a body holds.

    `json.loads` alone raises RecursionError for deep nesting, and returns whole numbers that no float can hold.

    Raises:
        ValueError: It is no JSON, is nested too deeply, or holds a whole number that is too long.
    """
    try:
        return json.loads(body, parse_int=_integer)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def json_object(body: bytes | str) -> dict[str, Any] | None:
    """Return a JSON object, or None if a body is none."""
    try:
        content = read_json(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def one_line(text: str, hidden: Iterable[str] = (), *, longest: int = LONGEST_WORDS) -> str:
    """Return a service's words as the middle of a sentence: without secrets, on one line, without a full stop.

    Args:
        text: The words.
        hidden: Values that may not stand in the message.
        longest: Characters that are kept.
    """
    for value in hidden:
        if value:
            text = text.replace(value, HIDDEN)
    return " ".join(text.split())[:longest].rstrip(".")


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)
