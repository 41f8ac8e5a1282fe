"""Writing so that nothing half-written is ever seen: temporary name in the same folder, then one rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_bench.toolkit.whole_files import cannot

_STEP_BYTES = 2**20


def read_all(file: int, size: int) -> bytes:
    """Return what an open file holds, from its beginning.

    Args:
        file: Its descriptor.
        size: How many bytes it is said to have.

    Raises:
        OSError: If it cannot be read.
    """
    content = os.read(file, size + 1)
    if len(content) == size:
        return content
    parts = [content]  # it grew, shrank, or came in pieces
    while part := os.read(file, _STEP_BYTES):
        parts.append(part)
    return b"".join(parts)


@contextmanager
def building_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Build a folder under a temporary name beside `target`; it takes the name only if the block succeeds.

    With `replace`, a folder that has the name already stays untouched until then, and comes back if the swap fails.

    Args:
        target: The folder to make.
        replace: Whether an existing one may be replaced.

    Yields:
        The temporary folder, empty.

    Raises:
        WorkspaceError: If a folder cannot be made or renamed.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".building", dir=target.parent))
        draft.chmod(0o755)  # mkdtemp makes it private; a dataset is as readable as any other folder
    except OSError as error:
        raise cannot("make a folder in", target.parent, error) from error
    try:
        yield draft
        _take_name(draft, target, replace=replace)
    except OSError as error:
        raise cannot("write", Path(error.filename) if error.filename else target, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _take_name(draft: Path, target: Path, *, replace: bool) -> None:
    if not (replace and target.exists()):
        draft.rename(target)
        return
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Give an empty folder for intermediate files next to `beside`, gone afterwards whatever happens.

    It is on the same file system as `beside`, so that unpacked files can be moved there by hard link.

    Raises:
        WorkspaceError: If it cannot be made.
    """
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}.", suffix=".unpacking", dir=beside.parent))
    except OSError as error:
        raise cannot("make a folder in", beside.parent, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
