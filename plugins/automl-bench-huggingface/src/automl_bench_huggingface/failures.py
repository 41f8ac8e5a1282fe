"""How what the service answers, or fails to answer, becomes one of the host's provider errors.

Judged by status and by the headers that the Hub documents (`RateLimit`, `Retry-After`), never by a message's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from automl_bench.errors import ProviderError, ServiceUnavailable
from automl_bench.toolkit import answers
from automl_bench.toolkit.answers import NO_REASON, error_of, json_object, kind_of, one_line, something_else_answers
from automl_bench.toolkit.retry_after import read_retry_after

SERVICE = "Hugging Face"
CHECK_ADDRESS = "Check HF_ENDPOINT and AUTOML_BENCH_HUGGINGFACE_ENDPOINTS_API."
CHECK_TOKEN = "Set HF_TOKEN to a valid access token, or log in with `hf auth login`."

REMEDIES: Mapping[int, str] = {
    401: CHECK_TOKEN,
    402: "Add a payment method or credit to the account that owns the namespace, or upgrade its plan.",
    403: (
        "Give the token the permissions of `automl-bench providers show huggingface --policy`; if it has them, the "
        "plan or a quota of the namespace does not allow this."
    ),
    413: "Set images.max_side in the experiment, for all providers alike; shorten texts before the import.",
    507: "Delete private repositories or upgrade the plan: its storage is full.",
}

_RATE_LIMIT = re.compile(r";\s*r\s*=\s*(?P<remaining>\d+)\s*;\s*t\s*=\s*(?P<reset>\d+)")


class NotItsOwn(ServiceUnavailable):
    """Something else than the service answered: a proxy, or a container made by hand."""


def error_for(
    status: int, body: bytes, headers: Mapping[str, str], *, what: str, hidden: Iterable[str] = ()
) -> ProviderError:
    """Return what an answer with an error status means.

    Args:
        status: HTTP status.
        body: Its body.
        headers: Its headers, names in lower case.
        what: What was asked for, as in "create the endpoint".
        hidden: Values that may not stand in the message.
    """
    kind = kind_of(status, is_its_own=_is_its_own(body, headers))
    remedy = REMEDIES.get(status, "")
    if kind is ServiceUnavailable and status < 500:
        kind, remedy = NotItsOwn, something_else_answers(SERVICE)
    return error_of(
        kind,
        f"Hugging Face answered {status} to {what}: {words(body, headers, hidden)}.",
        retry_after=retry_after(headers),
        remedy=remedy,
        request_id=headers.get("x-request-id", ""),
    )


def _is_its_own(body: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a refusal is Hugging Face's own and not the page of a proxy: only then is something missing."""
    return "x-error-code" in headers or words(body, headers) != NO_REASON


def words(body: bytes, headers: Mapping[str, str], hidden: Iterable[str] = ()) -> str:
    """Return the service's own words in one line, or "no reason given"."""
    content = json_object(body) or {}
    # The Hub says {"error": "…"}, the endpoints API {"message": "…"}, some answers both.
    found = [content.get(key) for key in ("error", "message")]
    text = next((each for each in found if isinstance(each, str) and each), "")
    text = text or headers.get("x-error-message", "")
    return one_line(text, hidden) or NO_REASON


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, or None.

    `Retry-After` counts first (RFC 9110, 10.2.3). The Hub sends `RateLimit: "api";r=0;t=55` with every answer: r
    requests are left, and the window ends in t whole seconds. Only with none left is it a reason to wait.
    """
    if "retry-after" in headers:
        return read_retry_after(headers["retry-after"])
    found = _RATE_LIMIT.search(headers.get("ratelimit", ""))
    if found and int(found["remaining"]) == 0:
        return read_retry_after(found["reset"] if len(found["reset"]) > 6 else str(int(found["reset"]) + 1))
    return None


def unreadable(what: str) -> ServiceUnavailable:
    """Return the error for an accepted answer that is not what the service answers."""
    return answers.unreadable(SERVICE, what)
