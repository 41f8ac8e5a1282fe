"""How long a service asks to wait before the next request: the one reader of `Retry-After`.

What a service sends here decides how long this program does nothing, so it is read strictly and bounded: an unreadable
value is no value, and a huge one ends at `LONGEST_SECONDS`. Whoever waits keeps to a deadline of its own besides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 3600.0
"""Longest wait that is taken from an answer. Windows of published limits are a second to a day long; after an hour the
next answer says again how long to wait."""

LONGEST_TEXT = 64
"""Characters of a value that are looked at; a date has 29."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)


def read_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a `Retry-After` value asks for, from 0 to `LONGEST_SECONDS`, or None.

    RFC 9110, 10.2.3: whole seconds or a date. Decimal fractions are taken too, as several services send them. A date
    that has passed is 0. Signs, "nan", "inf", other digits than 0 to 9 and everything else are no value.

    Args:
        text: The header's value, or None.
        now: The present moment, with a time zone; by default that of the clock.
    """
    value = (text or "").strip(" \t")
    if not value or len(value) > LONGEST_TEXT:
        return LONGEST_SECONDS if value.isascii() and value.isdigit() else None
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_SECONDS)
    if not value[0].isalpha():  # the parser of dates takes "-5" for a day of the month and more of the kind
        return None
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return min(max(0.0, seconds), LONGEST_SECONDS)


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Return what `read_retry_after` reads in an answer's headers, whose names are in lower case."""
    return read_retry_after((headers or {}).get("retry-after"))


def bounded_wait(seconds: float | None) -> float | None:
    """Return a wait as an error of a plugin gives it, between 0 and `LONGEST_SECONDS`; None for None and NaN."""
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(0.0, seconds), LONGEST_SECONDS)
