"""The files that host and inside share: whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

LOCK_DESCRIPTOR = 3
"""Where a process holds the lock of its folder."""

ORDER = "inside.json"
"""What is to be trained, with the facts of the environment."""
RESULT = "result.json"
STATE = "server.json"
CARD = "model.json"
SAMPLES = "samples.json"
FORMAT = 1


def write(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(path)


def read(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def keep_lock_to_ourselves() -> None:
    """What this process starts must not hold the folder's lock after its death."""
    with contextlib.suppress(OSError):
        os.set_inheritable(LOCK_DESCRIPTOR, False)
