"""What an answer says it used, in the shapes of chat completions and of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_bench.contract import LONGEST_ANSWER, Usage

LONGEST_WORD = 200
MOST = 10**9
"""Tokens, or dollars, of one answer; what is more is no answer of a model."""


def usage_of(content: Mapping[str, Any], *, ending: str, text: str) -> Usage:
    """Read tokens, dollars and the served model; what is not told stays unknown.

    Output is at least total − input: some services leave a reasoning out of the one and count it in the other.
    """
    told = content.get("usage")
    told = told if isinstance(told, Mapping) else {}
    read = _count(told, "prompt_tokens", "input_tokens")
    written = _count(told, "completion_tokens", "output_tokens")
    total = _count(told, "total_tokens")
    if read is not None and total is not None:
        written = max(written or 0, total - read)
    inside = _details(told, "prompt_tokens_details", "input_tokens_details")
    outside = _details(told, "completion_tokens_details", "output_tokens_details")
    usd = told.get("cost")
    model = content.get("model")
    return Usage(
        input_tokens=read,
        cached_tokens=_count(inside, "cached_tokens"),
        output_tokens=written,
        reasoning_tokens=_count(outside, "reasoning_tokens"),
        usd=float(usd) if isinstance(usd, (int, float)) and not isinstance(usd, bool) and 0 <= usd <= MOST else None,
        model=model[:LONGEST_WORD] if isinstance(model, str) else "",
        finish_reason=ending[:LONGEST_WORD],
        text=text[:LONGEST_ANSWER],
    )


def image_was_dropped(content: Mapping[str, Any]) -> bool:
    """Whether an answer to an image says that no token of an image was read."""
    told = content.get("usage")
    inside = _details(told, "prompt_tokens_details", "input_tokens_details") if isinstance(told, Mapping) else {}
    return _count(inside, "image_tokens") == 0


def _details(told: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((told[name] for name in names if isinstance(told.get(name), Mapping)), {})


def _count(told: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = told.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
            return value
    return None
