"""Workspaces on a network file system: SQLite's log and locks do not work there, so they are refused."""

from __future__ import annotations

import re
from pathlib import Path

from automl_bench.errors import WorkspaceError

MOUNTS = Path("/proc/self/mounts")
"""What is mounted where, fstab(5); Linux only. Elsewhere nothing is refused."""

NETWORK = frozenset(
    {
        "9p", "afs", "afp", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
        "nfs4", "orangefs", "smb3", "smbfs", "vboxsf",
    }
)  # fmt: skip
"""Types whose files other machines may write to, or whose locks and shared memory SQLite cannot rely on
(https://sqlite.org/wal.html, "all processes using a database must be on the same host computer")."""

NETWORK_FUSE = frozenset(
    {
        "blobfuse",
        "blobfuse2",
        "ceph",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "mountpoint-s3",
        "rclone",
        "s3fs",
        "sshfs",
    }
)
"""Programs behind "fuse.<program>" that bring files from elsewhere."""


def refuse_network_files(path: Path, mounts: str | None = None) -> None:
    """Refuse to write a results file on a network file system.

    Args:
        path: The results file; it need not exist yet.
        mounts: What is mounted; by default what the system says.

    Raises:
        WorkspaceError: Naming the file system and where it is mounted.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
    place, kind = mounted_at(path.resolve(), mounts)
    program = kind.removeprefix("fuse.") if kind.startswith("fuse.") else ""
    if kind in NETWORK or program in NETWORK_FUSE:
        raise WorkspaceError(
            f"The results file {path} would lie on a network file system ({kind}, mounted at {place}), "
            "where SQLite can lose rows.",
            remedy="Choose a workspace on a disk of this machine with --workspace or AUTOML_BENCH_WORKSPACE, and copy "
            "reports and exports from there.",
        )


def mounted_at(path: Path, mounts: str) -> tuple[str, str]:
    """Return the mount point that a path lies under, and its type; ("", "") if the table names none."""
    best = ("", "")
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), fields[1])
        # A later line of the same place lies above an earlier one.
        if path.is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, fields[2])
    return best
