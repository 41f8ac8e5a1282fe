"""Files that are whole or not there, and the error for one that cannot be used."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from automl_bench.errors import WorkspaceError


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path, not there yet, to write to; it replaces `path` if nothing failed and is deleted if something did.

    Each caller has a path of its own, so that several threads or processes may write the same file: the last one wins.

    Args:
        path: The file to write; its folder is created.

    Raises:
        WorkspaceError: The folder or file cannot be written.
    """
    draft = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise cannot("write", path, error) from error
    finally:
        # Where the folder is no folder, there is nothing to take away either.
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8, LF) so that readers see the old or the new content, never half of it.

    Raises:
        WorkspaceError: If it cannot be written; nothing is left behind.
    """
    with replaced_file(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


def cannot(action: str, path: Path, error: OSError) -> WorkspaceError:
    """Return the error for a folder or file that cannot be used, with the remedy that fits the cause."""
    reason = error.strerror or str(error)
    remedies = {
        errno.ENOSPC: "Free some space on that disk, or set AUTOML_BENCH_WORKSPACE to a folder on another one.",
        errno.EDQUOT: "Your disk quota is used up: free some space or choose another workspace.",
        errno.EACCES: "Check the permissions of the folder and of the file.",
        errno.EPERM: "Check the permissions of the folder and of the file.",
        errno.EROFS: "The file system is read-only: set AUTOML_BENCH_WORKSPACE to a folder you may write to.",
        errno.ENAMETOOLONG: "Shorten the name.",
        errno.ENOTDIR: "A file stands where a folder is needed: move it away.",
        errno.EMFILE: "Too many files are open: raise the limit with `ulimit -n`.",
    }
    remedy = remedies.get(error.errno or 0, "Check that the folder exists and that you may use it.")
    return WorkspaceError(f"cannot {action} {path}: {reason}.", remedy=remedy)
