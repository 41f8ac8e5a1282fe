"""The provider's own folder: one folder for each resource, written whole or not at all."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from automl_bench.contract import NAME_PREFIX
from automl_bench.errors import RequestRefused
from automl_bench_local.inside import records

TRAINING_SET = "training-set"
MODEL = "model"
SERVER = "server"
IMAGE = "image"
write_json = records.write
KINDS = (TRAINING_SET, IMAGE, MODEL, SERVER)
"""Kinds of resources, in the order in which a trial creates them; a name ends with its kind."""


def folder_of(home: Path, name: str) -> Path:
    """Return the folder of a resource.

    Raises:
        RequestRefused: If the name is not one of ours: nothing else may ever be deleted.
    """
    if not name.startswith(f"{NAME_PREFIX}-") or name != Path(name).name or kind_of(name) is None:
        raise RequestRefused(f"{name!r} is not a name of the provider local.")
    return home / name


def kind_of(name: str) -> str | None:
    """Return the kind that a resource's name ends with, or None."""
    return next((kind for kind in KINDS if name.endswith(f"-{kind}")), None)


def named_folders(home: Path, prefix: str) -> list[Path]:
    """Return the resource folders under a name prefix, oldest first."""
    if not home.is_dir():
        return []
    found = [path for path in home.iterdir() if path.name.startswith(prefix) and kind_of(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def unfinished(home: Path, name: str) -> list[Path]:
    """Return what killed commands left of a folder that was being written or removed."""
    return list(home.glob(f".{name}.*.new")) + list(home.glob(f".{name}.*.gone")) if home.is_dir() else []


def draft(home: Path, name: str) -> Path:
    """Create an empty folder, to be filled and then renamed to the resource's name."""
    for remains in unfinished(home, name):
        shutil.rmtree(remains, ignore_errors=True)
    folder = home / f".{name}.{uuid.uuid4().hex[:8]}.new"
    folder.mkdir(parents=True)
    return folder


def remove(home: Path, name: str) -> bool:
    """Delete a resource's folder and all drafts of it; return whether there was one."""
    folder = folder_of(home, name)
    existed = folder.is_dir()
    if existed:
        # renamed first: a command killed in the middle of deleting leaves no half folder under the name
        folder.rename(home / f".{name}.{uuid.uuid4().hex[:8]}.gone")
    for remains in unfinished(home, name):
        shutil.rmtree(remains)
    return existed


def read_json(path: Path) -> Any:
    """Read a JSON file; None if it is not there or not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def last_line(path: Path) -> str:
    """Return the last line of a log file that is not empty; an empty text without one."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 8192))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
