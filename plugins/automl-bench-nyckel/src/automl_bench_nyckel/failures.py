"""How what the service answers, or fails to answer, becomes one of the host's provider errors.

Statuses as documented: 400, 401, 402, 403, 404, 409, 429, 500, 503 with a body `{"message": "…"}`. Nothing is decided
by the text of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from automl_bench import answers
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.retry_after import read_retry_after

if TYPE_CHECKING:
    import requests

LONGEST_WORDS = 200
HIDDEN = "•••"

CHECK_CREDENTIALS = "Check NYCKEL_CLIENT_ID and NYCKEL_CLIENT_SECRET."
NO_REASON = "no reason given"
NOT_ITS_OWN = "Something else than Nyckel answers there: check NYCKEL_SERVER_URL and the proxy."
CHECK_ADDRESS = "Check NYCKEL_SERVER_URL."

MEANINGS: Mapping[int, tuple[type[ProviderError], str]] = {
    400: (RequestRefused, ""),
    401: (Unauthenticated, CHECK_CREDENTIALS),
    402: (BillingRequired, "Upgrade the plan or wait for the next month: the free quota or the plan is used up."),
    403: (PermissionDenied, "The function belongs to another account: check its id and the credentials."),
    404: (ResourceMissing, ""),
    408: (RequestTimedOut, ""),
    409: (ResourceConflict, ""),
    413: (RequestRefused, "Set images.max_side in the experiment, for all providers alike."),
    504: (RequestTimedOut, ""),
}


def error_for(
    status: int, body: bytes, headers: Mapping[str, str], *, what: str, hidden: Iterable[str] = ()
) -> ProviderError:
    """Return what an answer with an error status means.

    Args:
        status: HTTP status.
        body: Its body.
        headers: Its headers, names in lower case.
        what: What was asked for, as in "create the function".
        hidden: Values that may not stand in the message.
    """
    message = f"Nyckel answered {status} to {what}: {words(body, hidden)}."
    request_id = headers.get("x-request-id", "")
    if status == 429:
        return RateLimited(message, retry_after=retry_after(headers), request_id=request_id)
    if status == 404 and words(body, hidden) == NO_REASON:
        return ServiceUnavailable(message, remedy=NOT_ITS_OWN, request_id=request_id)
    if status in MEANINGS:
        kind, remedy = MEANINGS[status]
        return kind(message, remedy=remedy, request_id=request_id)
    if status >= 500:
        return ServiceUnavailable(message, request_id=request_id)
    if 200 <= status < 400:
        return ProviderError(message, remedy=CHECK_ADDRESS, request_id=request_id)
    return RequestRefused(message, request_id=request_id)


def words(body: bytes, hidden: Iterable[str] = ()) -> str:
    """Return the service's own words in one line, or "no reason given"."""
    try:
        content = answers.read_json(body)
    except ValueError:
        content = None
    message = content.get("message") if isinstance(content, dict) else None
    text = message if isinstance(message, str) else ""
    for value in hidden:
        if value:
            text = text.replace(value, HIDDEN)
    return " ".join(text.split())[:LONGEST_WORDS].rstrip(".") or NO_REASON


def read_json(body: bytes, *, what: str) -> Any:
    """Return the JSON of an answer that was accepted.

    Raises:
        ProviderError: If it is none: repeating is useless, something else than the service answers there.
    """
    try:
        return answers.read_json(body)
    except ValueError:
        raise ProviderError(f"Nyckel's answer to {what} is not JSON.", remedy=CHECK_ADDRESS) from None


def text_at(content: Any, key: str, *, what: str) -> str:
    """Return a text field of an answer.

    Raises:
        ProviderError: If it is not there.
    """
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, str) or not value:
        raise ProviderError(f"Nyckel's answer to {what} has no {key!r}.", remedy=CHECK_ADDRESS)
    return value


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), or None.

    Nyckel does not document one; where it comes all the same, it is kept.
    """
    return read_retry_after(headers.get("retry-after"))


def no_answer(error: requests.RequestException, *, what: str) -> ProviderError:
    """Return what a request that got no whole answer means. Its own text is not used: it may hold an address."""
    import requests

    if isinstance(error, requests.Timeout):
        return RequestTimedOut(f"Nyckel did not answer in time to {what}.")
    if isinstance(error, requests.exceptions.SSLError):
        return ProviderError(f"Nyckel's certificate was not accepted when asking to {what}.", remedy=CHECK_ADDRESS)
    if isinstance(
        error,
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError),
    ):
        return ConnectionLost(f"The connection to Nyckel broke when asking to {what}.")
    return ProviderError(f"The request to {what} could not be made ({type(error).__name__}).", remedy=CHECK_ADDRESS)
