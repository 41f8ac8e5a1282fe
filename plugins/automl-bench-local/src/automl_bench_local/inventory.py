"""What exists at this provider: folders, and the processes found in the process table."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from automl_bench.contract import Resource
from automl_bench_local import containers, folders, jobs, processes, servers

MODULES = {folders.MODEL: jobs.MODULE, folders.SERVER: servers.MODULE}


def resource_of(
    kind: str,
    name: str,
    folder: Path,
    *,
    pid: int | None = None,
    since: float | None = None,
    engine: str | None = None,
) -> Resource:
    """Describe one resource; `engine` is the setting `container_engine`, for one that is in a container."""
    by_hand = f"kill {pid}; rm -r '{folder}'" if pid else f"rm -r '{folder}'"
    return Resource(
        kind=kind,
        name=name,
        resource_id=name,
        hourly_usd=0.0,
        details={
            "folder": str(folder),
            **({"pid": pid} if pid else {}),
            **({} if engine is None else {"engine": engine}),
        },
        delete_by_hand=by_hand,
        since=datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds") if since else "",
    )


def list_everything(home: Path, prefix: str, engine: str = "") -> list[Resource]:
    """List what exists under a name prefix, in order of creation. Running processes need no folder to be found.

    Args:
        home: The provider's folder.
        prefix: Begin of the names.
        engine: The setting `container_engine`: what is at an engine needs no folder either.
    """
    running = {
        process.name: process
        for kind, module in MODULES.items()
        for process in processes.find(module, home, prefix)
        if folders.kind_of(process.name) == kind
    }
    begun = {path.name: path.stat().st_mtime for path in folders.named_folders(home, prefix)}
    for name, process in running.items():
        begun[name] = min(process.started, begun.get(name, process.started))
    for path in home.glob(f".{prefix}*.new") if home.is_dir() else ():
        name = path.name[1:].rsplit(".", 2)[0]  # a draft that a killed command left: deleted with its name
        if folders.kind_of(name):
            begun.setdefault(name, path.stat().st_mtime)
    in_containers = containers.names(home, prefix, engine)
    for name in in_containers:
        begun.setdefault(name, time.time())
    # every trial creates its training set, model and server in this order, and none needs another trial's
    order = sorted(begun, key=lambda name: (folders.KINDS.index(folders.kind_of(name) or ""), begun[name], name))
    return [
        resource_of(
            folders.kind_of(name) or "",
            name,
            home / name,
            pid=running[name].pid if name in running else None,
            since=begun[name],
            engine=engine if name in in_containers else None,
        )
        for name in order
    ]
