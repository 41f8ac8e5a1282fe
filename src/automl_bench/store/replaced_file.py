"""Files that are whole or not there: written beside their place under another name, then moved over it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from automl_bench.errors import WorkspaceError


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path, not there yet, to write to; it replaces `path` if nothing failed and is deleted if something did.

    Args:
        path: The file to write; its folder is created.

    Raises:
        WorkspaceError: The folder or file cannot be written.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy="Check the disk's free space and that the folder exists and may be written to.",
        ) from error
    finally:
        # Where the folder is no folder, there is nothing to take away either.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
