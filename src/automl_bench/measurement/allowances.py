"""What is left of a service's allowance per minute, as the headers of its answers say.

Services that sell by the token limit requests and tokens apart, and say with each answer what is left of both:
`x-ratelimit-limit-`, `-remaining-` and `-reset-requests`, and the same for tokens. A reset is the time until the
allowance is whole again: seconds, or a duration such as "6m0s" or "20ms".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from automl_bench.contract import Usage
from automl_bench.toolkit.retry_after import bounded_wait

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|µs|ns|h|m|s)")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
LONGEST_TEXT = 64


def read_duration(text: str | None) -> float | None:
    """Return the seconds of "6m0s", "20ms", "1.5s" or "12"; None for anything else."""
    text = (text or "").strip()
    if not text or len(text) > LONGEST_TEXT:
        return None
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def allowance_pause(headers: Mapping[str, str], usage: Usage | None) -> float:
    """Return the seconds until the allowance covers another call like this one; 0 where it does now or nobody says.

    Args:
        headers: The answer's headers, names in lower case.
        usage: What the call used: the next one is taken to need as many tokens.
    """
    tokens = 0 if usage is None else (usage.input_tokens or 0) + (usage.output_tokens or 0)
    return max(_pause(headers, "requests", 1), _pause(headers, "tokens", tokens))


def _pause(headers: Mapping[str, str], what: str, needed: int) -> float:
    left, whole = (_count(headers.get(f"x-ratelimit-{part}-{what}")) for part in ("remaining", "limit"))
    reset = bounded_wait(read_duration(headers.get(f"x-ratelimit-reset-{what}")))
    if left is None or reset is None or left >= needed:
        return 0.0
    if whole is None or whole <= left:
        return reset
    # The allowance grows evenly until it is whole.
    return reset * min(1.0, (needed - left) / (whole - left))


def _count(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None
