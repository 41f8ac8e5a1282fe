"""What an answer that is no label means. Decided by statuses, codes and types, never by the text of a message.

The shapes: OpenAI's `{"error": {"message", "type", "param", "code"}}`, which most copy; Gemini's array of the same with
`status`; OpenRouter's, whose code is a status and which comes with HTTP 200 too; FastAPI's `{"detail"}`; Anthropic's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.errors import (
    BillingRequired,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    ResourceMissing,
)
from automl_bench.toolkit import answers
from automl_bench.toolkit.answers import NO_REASON, broken_request, error_of, kind_of, one_line
from automl_bench.toolkit.retry_after import bounded_wait, read_retry_after

if TYPE_CHECKING:
    import requests

SERVICE = "the model service"
BILLING = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_error",
        "billing_hard_limit_reached",
    }
)
"""Codes and types of a 429 or 403 that no waiting changes: the account is out of credit or over its own limit."""

REFUSED_SAMPLE = frozenset(
    {"content_filter", "content_policy_violation", "image_content_policy_violation", "moderation"}
)
"""Codes of a refusal that concerns one sample."""

TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})

NO_IMAGES = frozenset({"image_input_not_supported", "unsupported_image_media_type"})

REMEDIES: Mapping[int, str] = {
    401: "Check the key's environment variable and the preset.",
    402: "Add credit at the service, then run the same command again: it goes on here.",
    403: "Check what the key may do, and whether the model is open to this account.",
    404: "Check the model's name and the address; `providers check` lists what is there.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error body, whatever its shape.

    Attributes:
        words: The service's own words.
        code: Its code or type, the most telling one.
        kinds: All its codes, types and statuses.
        param: The field of the request that it names.
        status: A status that stands in the body, or None.
        wait: Seconds to wait that stand in the body, or None.
    """

    words: str
    code: str = ""
    kinds: frozenset[str] = frozenset()
    param: str = ""
    status: int | None = None
    wait: float | None = None


def fault_of(content: Any) -> Fault | None:
    """Read an error body; None where it is none."""
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        content = content[0]
    if not isinstance(content, Mapping):
        return None
    error = content.get("error")
    if error is None and "detail" in content:
        return Fault(str(content["detail"]))
    if error is None and isinstance(content.get("message"), str):  # Cohere's
        return Fault(content["message"])
    if isinstance(error, str):
        return Fault(error)
    if not isinstance(error, Mapping):
        return None
    inner = error.get("innererror")
    told = [error.get(name) for name in ("code", "type", "status")]
    told += [inner.get("code")] if isinstance(inner, Mapping) else []
    metadata = error.get("metadata")
    moderated = isinstance(metadata, Mapping) and ("reasons" in metadata or "flagged_input" in metadata)
    kinds = frozenset(str(one) for one in told if isinstance(one, str)) | ({"moderation"} if moderated else frozenset())
    code = error.get("code")
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    return Fault(
        words=str(error.get("message") or ""),
        code=next((str(one) for one in told if isinstance(one, str)), ""),
        kinds=kinds,
        param=str(error.get("param") or ""),
        status=number if number is not None and 400 <= number < 600 else None,
        wait=_wait_in(error.get("details")),
    )


def _wait_in(details: Any) -> float | None:
    for one in details if isinstance(details, list) else ():
        delay = one.get("retryDelay") if isinstance(one, Mapping) else None
        found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)s", delay) if isinstance(delay, str) else None
        if found:
            return bounded_wait(float(found[1]))
    return None


def error_for(
    status: int, content: Any, headers: Mapping[str, str], *, what: str, hidden: Iterable[str] = ()
) -> ProviderError:
    """Return what an answer with an error status, or an error body under 200, means.

    Args:
        status: HTTP status.
        content: Its JSON, or None.
        headers: Its headers, names in lower case.
        what: What was asked for, as in "classify a sample".
        hidden: Values that may not stand in the message.
    """
    fault = fault_of(content)
    said = (one_line(fault.words, hidden) if fault else "") or NO_REASON
    kinds = fault.kinds if fault else frozenset()
    status = (fault.status if fault and fault.status else status) if status < 400 else status
    request_id = headers.get("x-request-id", "")
    if kinds & REFUSED_SAMPLE:
        return RequestRefused("The service's content filter refused the sample.", request_id=request_id)
    if kinds & TOO_LONG:
        return RequestRefused("The request is longer than the model's context.", remedy="Lower token_budget.")
    if kinds & NO_IMAGES:
        return RequestRefused("The model takes no such image.", remedy="Choose a model that sees.")
    if kinds & BILLING and status in (400, 402, 403, 429):
        return BillingRequired(f"The account is out of credit: {said}.", remedy=REMEDIES[402], request_id=request_id)
    if "model_not_found" in kinds or "DeploymentNotFound" in kinds:
        return ResourceMissing(f"The model is not there: {said}.", remedy=REMEDIES[404], request_id=request_id)
    kind = kind_of(status if status >= 400 else None, is_its_own=fault is not None)
    if kind is QuotaExceeded:
        kind = RateLimited
    wait = _asked_wait(headers)
    return error_of(
        kind,
        f"The address answered {status} to {what}: {said}.",
        retry_after=wait if wait is not None else (fault.wait if fault else None),
        remedy=REMEDIES.get(status, ""),
        request_id=request_id,
    )


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the wait that headers ask for: in milliseconds where there are such, else Retry-After."""
    text = headers.get("retry-after-ms", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        return bounded_wait(float(text) / 1000)
    return read_retry_after(headers.get("retry-after"))


def read_json(body: bytes) -> Any:
    """Return the JSON of a body, or None."""
    try:
        return answers.read_json(body)
    except ValueError:
        return None


def no_answer(error: requests.RequestException, *, what: str) -> ProviderError:
    """Return what a request that got no whole answer means."""
    return broken_request(error, SERVICE, what, remedy="Check base_url.")
