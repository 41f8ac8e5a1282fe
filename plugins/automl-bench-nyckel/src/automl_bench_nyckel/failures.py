"""How what the service answers, or fails to answer, becomes one of the host's provider errors.

Statuses as documented: 400, 401, 402, 403, 404, 409, 429, 500, 503 with a body `{"message": "…"}`. Nothing is decided
by the text of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from automl_bench.errors import ProviderError, ServiceUnavailable
from automl_bench.toolkit import answers
from automl_bench.toolkit.answers import (
    NO_REASON,
    broken_request,
    error_of,
    json_object,
    kind_of,
    one_line,
    something_else_answers,
    unreadable,
)
from automl_bench.toolkit.retry_after import retry_after

if TYPE_CHECKING:
    import requests

SERVICE = "Nyckel"
CHECK_CREDENTIALS = "Check NYCKEL_CLIENT_ID and NYCKEL_CLIENT_SECRET."
CHECK_ADDRESS = "Check NYCKEL_SERVER_URL."

REMEDIES: Mapping[int, str] = {
    401: CHECK_CREDENTIALS,
    402: "Upgrade the plan or wait for the next month: the free quota or the plan is used up.",
    403: "The function belongs to another account: check its id and the credentials.",
    413: "Set images.max_side in the experiment, for all providers alike; shorten texts before the import.",
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
    said = words(body, hidden)
    kind = kind_of(status, is_its_own=said != NO_REASON)
    remedy = something_else_answers(SERVICE) if kind is ServiceUnavailable and status < 500 else ""
    return error_of(
        kind,
        f"Nyckel answered {status} to {what}: {said}.",
        retry_after=retry_after(headers),
        remedy=remedy or REMEDIES.get(status, ""),
        request_id=headers.get("x-request-id", ""),
    )


def words(body: bytes, hidden: Iterable[str] = ()) -> str:
    """Return the service's own words in one line, or "no reason given"."""
    message = (json_object(body) or {}).get("message")
    return one_line(message if isinstance(message, str) else "", hidden) or NO_REASON


def read_json(body: bytes, *, what: str) -> Any:
    """Return the JSON of an answer that was accepted.

    Raises:
        ServiceUnavailable: If it is none.
    """
    try:
        return answers.read_json(body)
    except ValueError:
        raise unreadable(SERVICE, what) from None


def text_at(content: Any, key: str, *, what: str) -> str:
    """Return a text field of an answer.

    Raises:
        ServiceUnavailable: If it is not there.
    """
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, str) or not value:
        raise unreadable(SERVICE, f"{what} (no {key!r})")
    return value


def no_answer(error: requests.RequestException, *, what: str) -> ProviderError:
    """Return what a request that got no whole answer means."""
    return broken_request(error, SERVICE, what, remedy=CHECK_ADDRESS)
