"""The workspace's own id: made once, kept in a marker file beside the results file and in that file, too.

Names and tags at providers carry it, so that nothing of another workspace is taken for ours. A copied folder would
carry the same id; a copy is recognised by the place that marker and file name, if the original still stands there.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from automl_bench.contract import Owner
from automl_bench.errors import WorkspaceError
from automl_bench.ownership import WORKSPACE_DIGITS, is_workspace_id
from automl_bench.settings.workspace import Workspace
from automl_bench.store import Store
from automl_bench.store.records import WorkspaceRecord
from automl_bench.toolkit.whole_files import replaced_file


@dataclass(frozen=True, slots=True)
class Settled:
    """Which workspace this is.

    Attributes:
        workspace_id: Its id.
        copy_of: Id of the workspace that this folder was found to be a copy of, or "".
        left_to_original: Resources that existed when it was copied: they are the original's.
    """

    workspace_id: str
    copy_of: str = ""
    left_to_original: int = 0


def read_marker(workspace: Workspace) -> WorkspaceRecord | None:
    """Return what the marker file says, or None if there is none yet.

    Raises:
        WorkspaceError: If it cannot be read or holds something else.
    """
    path = workspace.marker
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        record = WorkspaceRecord(str(found["workspace"]), str(found["root"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path} cannot be read as a workspace's marker.", remedy=_REMAKE) from error
    if not is_workspace_id(record.workspace_id):
        raise WorkspaceError(f"{path} names the workspace {record.workspace_id!r}.", remedy=_REMAKE)
    return record


_REMAKE = "Delete it: it is made again from the results file."


def settle(workspace: Workspace, store: Store) -> Settled:
    """Find out which workspace this is, and write it down where it is not yet.

    Args:
        workspace: The folder.
        store: Its results file, open for writing.

    Raises:
        WorkspaceError: If marker and results file name two workspaces, or the marker cannot be read or written.
    """
    here = WorkspaceRecord(secrets.token_hex(WORKSPACE_DIGITS // 2), str(workspace.root.resolve()))
    marker = read_marker(workspace)
    stored = store.settle_workspace(here if marker is None else marker)
    if marker is not None and stored.workspace_id != marker.workspace_id:
        raise WorkspaceError(
            f"{workspace.store_path} belongs to workspace {stored.workspace_id}, and {workspace.marker} says that this "
            f"is workspace {marker.workspace_id}.",
            remedy="Put the right results file back; or delete the marker to go on as the workspace of this file.",
        )
    known = marker or stored
    if _is_copy(workspace, known):
        left = store.begin_as_copy(here)
        _write_marker(workspace, here)
        return Settled(here.workspace_id, copy_of=known.workspace_id, left_to_original=left)
    moved = WorkspaceRecord(known.workspace_id, here.root)
    if stored != moved:
        store.move_workspace(moved)
    if marker != moved:
        _write_marker(workspace, moved)
    return Settled(known.workspace_id)


def _is_copy(workspace: Workspace, known: WorkspaceRecord) -> bool:
    """Whether the workspace that a marker or file was made in stands elsewhere, alive and under the same id."""
    original = Workspace(Path(known.root))
    try:
        if original.root.resolve() == workspace.root.resolve() or original.root.samefile(workspace.root):
            return False
        found = read_marker(original)
    except (OSError, WorkspaceError):
        return False
    return found is not None and found.workspace_id == known.workspace_id


def _write_marker(workspace: Workspace, record: WorkspaceRecord) -> None:
    text = json.dumps({"workspace": record.workspace_id, "root": record.root}, indent=2)
    with replaced_file(workspace.marker) as path:
        path.write_text(text + "\n", encoding="utf-8")


def owner_here(workspace_id: str) -> Owner:
    """Return this process as an owner: user, host and the present moment."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = str(os.getuid())
    return Owner(workspace_id, user, socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))
