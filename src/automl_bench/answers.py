"""Reads the JSON of a service's answer: whatever was sent, a value comes back or a ValueError.

`json.loads` alone raises RecursionError for deep nesting, and returns whole numbers that no float can hold.
"""

from __future__ import annotations

import json
from typing import Any

LONGEST_INTEGER = 40
"""Digits of a whole number; a 64-bit one has 20, and what has more than 308 is no float any more."""


def read_json(body: bytes | str) -> Any:
    """Return the value that a body holds.

    Raises:
        ValueError: It is no JSON, is nested too deeply, or holds a whole number that is too long.
    """
    try:
        return json.loads(body, parse_int=_integer)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)
