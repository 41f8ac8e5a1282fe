"""Model servers: a detached process for each, a resource like a cloud's endpoint."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_bench.contract import Deletion, Operation, OperationState
from automl_bench.errors import ResourceMissing
from automl_bench_local import folders, processes
from automl_bench_local.container_ends import require_no_container
from automl_bench_local.options import Options
from automl_bench_local.serving_inside import Inside

MODULE = "automl_bench_local.serving"
STATE = "server.json"
LOG = "server.log"
STOPPING = "stopping"
HOST = "127.0.0.1"
TOKEN = "server:"
END_WITHIN = 0.5
"""Seconds that one delete call waits for a server that was asked to end; most need 0.1."""

KILL_AFTER = 5.0
"""Seconds after SIGTERM from which a delete call sends SIGKILL."""


def role_of(home: Path, name: str) -> processes.Role:
    """Return what identifies a server's process."""
    return processes.Role(MODULE, name, home)


def find(home: Path, name: str) -> processes.Running | None:
    """Return a server that runs, or None."""
    return processes.find_one(role_of(home, name), folders.folder_of(home, name))


def start(
    options: Options, name: str, *, model: Path, warm: Sequence[str] | None = None, inside: Inside | None = None
) -> Operation:
    """Start a server, or go on with the one that runs. Answers RUNNING: `look` tells when it serves.

    Args:
        options: The provider's settings.
        name: The server.
        model: Folder of the model.
        warm: See `processes.begin`.
        inside: Where it runs, for a model of another environment.

    Raises:
        OSError: If its folder cannot be written.
    """
    folder = folders.folder_of(options.home, name)
    folder.mkdir(parents=True, exist_ok=True)

    def clean() -> None:
        (folder / STATE).unlink(missing_ok=True)
        (folder / STOPPING).unlink(missing_ok=True)
        if inside:
            inside.clean(folder)

    starts, address, also = inside.server(folder) if inside else ((), ["--port", str(options.port)], {})
    arguments = ["--model", str(model), "--idle-timeout", str(options.idle_timeout), *address]
    arguments += [
        "--asked-ns",
        str(time.monotonic_ns()),
        "--threads",
        str(options.threads),
        "--workers",
        str(options.serving_workers),
    ]
    processes.begin(
        processes.Role(MODULE, name, options.home, starts),
        arguments,
        folder,
        log=folder / LOG,
        threads=options.threads,
        clean=clean,
        warm=warm,
        also=also,
    )
    return Operation(
        OperationState.RUNNING, token=TOKEN + name, message="starting", poll_after=processes.next_look(folder)
    )


def look(home: Path, name: str) -> Operation:
    """Look once whether a server answers."""
    folder = folders.folder_of(home, name)
    running = find(home, name)
    if running is None:
        said = folders.last_line(folder / LOG) or "it wrote nothing"
        return Operation(OperationState.FAILED, token=TOKEN + name, message=f"The server ended: {said}")
    url = address(home, name, running)
    if url is None or health(url).get("name") != name:
        return Operation(
            OperationState.RUNNING, token=TOKEN + name, message="loading", poll_after=processes.next_look(folder)
        )
    result = {"endpoint_id": name, "url": url, "pid": running.pid}
    return Operation(
        OperationState.SUCCEEDED,
        token=TOKEN + name,
        result=result,
        work_seconds=(folders.read_json(folder / STATE) or {}).get("start_seconds"),
    )


def address(home: Path, name: str, running: processes.Running) -> str | None:
    """Return a server's address: as it wrote it, else, with its file gone, from the port it listens on."""
    import psutil

    state = folders.read_json(folders.folder_of(home, name) / STATE)
    # a server in a container does not know its number out here; its file is removed before each start
    if isinstance(state, dict) and state.get("pid") in (running.pid, None):
        return str(state["url"])
    with contextlib.suppress(psutil.Error):
        for connection in psutil.Process(running.pid).net_connections(kind="tcp4"):
            if connection.status == psutil.CONN_LISTEN:
                return f"http://{HOST}:{connection.laddr.port}"
    return None


def require(home: Path, name: str) -> str:
    """Return the address of a running server.

    Raises:
        ResourceMissing: If it does not run.
    """
    running = find(home, name)
    url = address(home, name, running) if running is not None else None
    if url is None:
        said = folders.last_line(folders.folder_of(home, name) / LOG)
        raise ResourceMissing(
            f"The server {name} does not run{f' (its last words: {said})' if said else ''}.",
            remedy="Deploy again.",
            resource=name,
        )
    return url


def health(url: str, timeout: float = 2.0) -> dict[str, Any]:
    """Ask a server how it is; an empty answer if nothing sensible comes."""
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=timeout)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


def delete(home: Path, name: str, engine: str | None = None) -> Deletion:
    """End a server and delete its folder: SIGTERM at first, SIGKILL on a later call if it is still there.

    Args:
        home: The provider's folder.
        name: The server.
        engine: The setting `container_engine` with which it was made or listed, where it is in a container.
    """
    folder = folders.folder_of(home, name)
    running = find(home, name)
    if running is not None:
        asked = folder / STOPPING
        asked_ago = time.time() - asked.stat().st_mtime if asked.exists() else None
        if asked_ago is not None and asked_ago > KILL_AFTER:
            gone = processes.kill(running, within=END_WITHIN)
        else:
            if asked_ago is None:
                folder.mkdir(parents=True, exist_ok=True)
                asked.touch()
            gone = processes.ask_to_end(running, within=END_WITHIN)
        if not gone:
            return Deletion.PENDING
    had_container = require_no_container(home, name, engine)
    existed = folders.remove(home, name)
    return Deletion.DELETED if existed or running is not None or had_container else Deletion.ALREADY_GONE
