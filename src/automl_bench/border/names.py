"""One border for names: what may become part of a path."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def is_name(text: str) -> bool:
    """Whether a text may be used as part of a path: no separators, no leading dot, no control characters."""
    return bool(NAME.fullmatch(text))
