"""What exists at this provider: folders, and the processes found in the process table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from automl_bench.contract import Resource
from automl_bench_local import folders, jobs, processes, servers

MODULES = {folders.MODEL: jobs.MODULE, folders.SERVER: servers.MODULE}


def resource_of(kind: str, name: str, folder: Path, *, pid: int | None = None, since: float | None = None) -> Resource:
    """Describe one resource."""
    by_hand = f"kill {pid}; rm -r '{folder}'" if pid else f"rm -r '{folder}'"
    return Resource(
        kind=kind,
        name=name,
        resource_id=name,
        hourly_usd=0.0,
        details={"folder": str(folder), **({"pid": pid} if pid else {})},
        delete_by_hand=by_hand,
        since=datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds") if since else "",
    )


def list_everything(home: Path, prefix: str) -> list[Resource]:
    """List what exists under a name prefix, in order of creation. Running processes need no folder to be found."""
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
    # every trial creates its training set, model and server in this order, and none needs another trial's
    order = sorted(begun, key=lambda name: (folders.KINDS.index(folders.kind_of(name) or ""), begun[name], name))
    return [
        resource_of(
            folders.kind_of(name) or "",
            name,
            home / name,
            pid=running[name].pid if name in running else None,
            since=begun[name],
        )
        for name in order
    ]
