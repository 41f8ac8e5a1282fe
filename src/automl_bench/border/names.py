"""One border for names: what may become part of a path, and which known one was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

ALIKE = 0.7
"""From 0 to 1: names less alike than this are not taken for misspelt ones."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def is_name(text: str) -> bool:
    """Whether a text may be used as part of a path: no separators, no leading dot, no control characters."""
    return bool(NAME.fullmatch(text))


def did_you_mean(wanted: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the question after the known name that is nearest to what was asked for, else another remedy."""
    import difflib

    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wanted.lower(), names, n=1, cutoff=ALIKE)
    return f"Did you mean {names[close[0]]!r}?" if close else otherwise
