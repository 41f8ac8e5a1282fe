"""Sentences that count something, right for one and for many."""

from __future__ import annotations

import re

_CHOICE = re.compile(r"\[([^|\[\]]*)\|([^|\[\]]*)\]")


def counted(pattern: str, number: int) -> str:
    """Return a sentence for a number: "{n} [file|files]" gives "1 file" or "1,200 files"."""
    return _CHOICE.sub(r"\1" if number == 1 else r"\2", pattern).replace("{n}", f"{number:,}")


def number_of(number: int, one: str, many: str = "") -> str:
    """Return "1 file" or "1,200 files"; `many` is needed where an s behind `one` does not do."""
    return counted(f"{{n}} [{one}|{many or one + 's'}]", number)
