"""Training jobs: a detached process for each, begun by one command and looked at by any other."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_bench.contract import Json, Operation, OperationState, Variant
from automl_bench.errors import ResourceMissing
from automl_bench_local import environments, folders, processes
from automl_bench_local.builders import let_through
from automl_bench_local.container_ends import require_no_container

MODULE = "automl_bench_local.training"
ORDER = "job.json"
RESULT = "result.json"
LOG = "training.log"
TOKEN = "training:"


def role_of(home: Path, name: str) -> processes.Role:
    """Return what identifies the process of a training job."""
    return processes.Role(MODULE, name, home)


def find_job(home: Path, name: str) -> Path | None:
    """Return the folder of a job that was prepared, or None."""
    folder = folders.folder_of(home, name)
    return folder if (folder / ORDER).is_file() else None


def prepare(home: Path, name: str, *, variant: Variant, training_set: Path, seed: int, threads: int) -> Path:
    """Write a job's folder with its order; one that is there keeps what it has."""
    folder = folders.folder_of(home, name)
    if (folder / ORDER).is_file():
        return folder
    draft = folders.draft(home, name)
    order: dict[str, Json] = {
        "variant": variant.name,
        "settings": dict(variant.settings),
        "training_set": str(training_set),
        "seed": seed,
        "threads": threads,
    }
    folders.write_json(draft / ORDER, order)
    if folder.is_dir():
        shutil.rmtree(folder)
    draft.rename(folder)
    return folder


def start(home: Path, name: str, *, threads: int, warm: Sequence[str] | None = None, builder: str = "") -> Operation:
    """Begin a job, or go on with the one that runs, or return the result of the one that is done.

    A job that failed or was killed is begun anew.

    Args:
        home: The provider's folder.
        name: The job.
        threads: Threads of its numeric libraries.
        warm: See `processes.begin`.
        builder: What builds the environment of its variant, where it has one of its own: "auto", "uv" or "pip".

    Raises:
        OSError: If its folder cannot be written.
    """
    folder = folders.folder_of(home, name)
    result = folders.read_json(folder / RESULT)
    if _succeeded(result):
        return _finished(name, result)

    def clean() -> None:
        if not _succeeded(folders.read_json(folder / RESULT)):
            (folder / RESULT).unlink(missing_ok=True)

    asked = ["--asked-ns", str(time.monotonic_ns())]
    also: dict[str, str] = {}
    if builder:
        asked += ["--builder", builder]
        also = let_through(os.environ)
    processes.begin(
        role_of(home, name), asked, folder, log=folder / LOG, threads=threads, clean=clean, warm=warm, also=also
    )
    return Operation(
        OperationState.RUNNING, token=TOKEN + name, message="starting", poll_after=processes.next_look(folder)
    )


def look(home: Path, name: str) -> Operation:
    """Look once at a job.

    Raises:
        ResourceMissing: If there is no such job.
    """
    folder = folders.folder_of(home, name)
    if not (folder / ORDER).is_file():
        raise ResourceMissing(f"There is no training job {name} in {home}.", remedy="Train again.", resource=name)
    for _ in range(2):  # the result may be written between the first look at the file and the look at the process
        result = folders.read_json(folder / RESULT)
        if result is not None:
            return _finished(name, result)
        if processes.find_one(role_of(home, name), folder) is not None:
            message = folders.last_line(folder / LOG)
            return Operation(
                OperationState.RUNNING, token=TOKEN + name, message=message, poll_after=processes.next_look(folder)
            )
    said = folders.last_line(folder / LOG) or "it wrote nothing"
    return Operation(OperationState.FAILED, token=TOKEN + name, message=f"The training process ended early: {said}")


def delete(home: Path, name: str, engine: str | None = None) -> bool:
    """End a job and delete its folder with the model; return whether there was anything.

    Args:
        home: The provider's folder.
        name: The job.
        engine: The setting `container_engine` with which it was made or listed, where it is in a container.
    """
    running = processes.find_one(role_of(home, name), folders.folder_of(home, name))
    if running is not None:
        processes.kill(running, within=1.0)
    had_container = require_no_container(home, name, engine)
    environments.forget_draft(home, name)
    return folders.remove(home, name) or running is not None or had_container


def _succeeded(result: Any) -> bool:
    return isinstance(result, dict) and result.get("state") == OperationState.SUCCEEDED


def _finished(name: str, result: dict[str, Any]) -> Operation:
    return Operation(
        OperationState(result["state"]),
        token=TOKEN + name,
        result=result.get("result", {}),
        message=result.get("message", ""),
        queue_seconds=result.get("queue_seconds"),
        work_seconds=result.get("work_seconds"),
    )
