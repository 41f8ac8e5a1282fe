"""The `null` provider: answers at once and always the same. It measures the measuring.

Variant `in-process` is a function call; `http` is a process of its own that answers over loopback HTTP. What a
measurement shows for them is what automl-bench itself adds (see `automl-bench bench-self`). The plugin is also the
smallest complete example of a provider with a resource that outlives the command.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from automl_bench.contract import (
    AccessReport,
    Capability,
    Deletion,
    Endpoint,
    Invoker,
    Modality,
    Operation,
    OperationState,
    Prediction,
    Price,
    ProviderContext,
    ProviderDescription,
    Resource,
    Sample,
    Stage,
    TrainingSet,
    TrialContext,
)
from automl_bench.errors import DeploymentFailed
from automl_bench.hookspecs import hookimpl
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import Behaviour

SERVER = "server"
MODULE = "automl_bench.simulation.loopback_server"
IDLE_SECONDS = 600.0
"""The fuse: a forgotten server ends by itself."""

DESCRIPTION = ProviderDescription(
    name="null",
    title="Null service (measures automl-bench itself)",
    capabilities=frozenset(
        {
            Capability.CHECK_ACCESS,
            Capability.PRICE,
            Capability.UPLOAD,
            Capability.TRAIN,
            Capability.DEPLOY,
            Capability.INVOKE,
            Capability.LIST_RESOURCES,
        }
    ),
    modalities=frozenset(Modality),
    variants={"in-process": {"over": "a function call"}, "http": {"over": "loopback HTTP"}},
    default_variant="in-process",
    on_this_machine=True,
    split_policy="Learns nothing: it predicts the first label of the dataset for every sample.",
)


class NullCall:
    """Predicts always the same label, in this process."""

    def __init__(self, label: str | None) -> None:
        self._answer = Prediction(label, 1.0)

    def call(self, sample: Sample) -> Prediction:
        """Answer at once."""
        return self._answer


@hookimpl
def describe_provider() -> ProviderDescription:
    """Describe the provider."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Nothing can be wrong with it."""
    return AccessReport(True, account="this machine")


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Everything is free."""
    items = {"train_hour": "hour", "endpoint_hour": "hour", "call": "1 call"}
    return [Price(item, 0.0, unit, "2026-11-01", "runs on this machine") for item, unit in items.items()]


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Keep the first label; nothing is sent anywhere."""
    return Operation(OperationState.SUCCEEDED, result={"label": training_set.labels[0]})


@hookimpl
def train(context: TrialContext) -> Operation:
    """Learn nothing."""
    return Operation(
        OperationState.SUCCEEDED, result={"label": context.results[Stage.UPLOAD]["label"]}, work_seconds=0.0
    )


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Start the server of the variant `http`; the other one has nothing to start."""
    label = context.results[Stage.TRAIN]["label"]
    if context.variant.name != "http":
        return Operation(OperationState.SUCCEEDED, result={"endpoint_id": "in-process", "label": label})
    folder = _folder(context)
    resource = context.resources.ensure(
        SERVER,
        find=lambda name: _running(folder, name),
        create=lambda name: _start(folder, name),
        hourly_usd=0.0,
    )
    token = {"name": resource.name, "label": label}
    return _state(Operation(OperationState.RUNNING, token=json.dumps(token)), folder)


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look whether the server has said its port."""
    return _state(operation, _folder(context))


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of the variant."""
    label = endpoint.details.get("label") or (context.labels[0] if context.labels else None)
    if context.variant.name != "http":
        return NullCall(label)
    return LoopbackInvoker(endpoint.url, label)


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List the servers that run, by the processes of this machine."""
    servers = _servers(_folder(context))
    return [_resource(name, servers[name]) for name in sorted(servers) if name.startswith(prefix)]


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """End a server; ask again until it has gone."""
    folder = _folder(context)
    pid = _servers(folder).get(resource.name)
    if pid is None:
        _state_file(folder, resource.name).unlink(missing_ok=True)
        return Deletion.ALREADY_GONE
    os.kill(pid, signal.SIGTERM)
    return Deletion.PENDING


def _folder(context: ProviderContext) -> Path:
    return context.cache_dir / "null-servers"


def _state_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _start(folder: Path, name: str) -> Resource:
    """Start a server that outlives this process; its state file tells its port once it listens."""
    folder.mkdir(parents=True, exist_ok=True)
    behaviour = json.dumps(asdict(Behaviour(idle_seconds=IDLE_SECONDS)))
    state = str(_state_file(folder, name))
    arguments = [sys.executable, "-m", MODULE, behaviour, state]
    # posix_spawn rather than Popen: nobody here waits for it, and an object left behind would warn about that.
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    pid = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=nowhere, setsid=True)
    _started.add(pid)
    return _resource(name, pid)


def _resource(name: str, pid: int) -> Resource:
    return Resource(
        SERVER, name, resource_id=str(pid), hourly_usd=0.0, delete_by_hand=f"kill {pid}", details={"pid": pid}
    )


def _running(folder: Path, name: str) -> Resource | None:
    """Return the server of a name, or None if none runs. One that has not yet said its port counts, too."""
    pid = _servers(folder).get(name)
    return None if pid is None else _resource(name, pid)


def _servers(folder: Path) -> dict[str, int]:
    """Return the process of each server of this folder; the process table knows also those that are still starting."""
    import psutil

    found = {}
    for process in psutil.process_iter(["cmdline", "status", "ppid"]):
        words = process.info["cmdline"] or []
        if process.info["status"] == psutil.STATUS_ZOMBIE and process.info["ppid"] == os.getpid():
            _reap(process.pid)
        elif MODULE in words and Path(words[-1]).parent == folder:
            found[Path(words[-1]).stem] = process.pid
    return found


def _reap(pid: int) -> None:
    """Take note of the end of a server that this process has started, and of no other child."""
    if pid in _started:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        _started.discard(pid)


_started: set[int] = set()


def _facts(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(_state_file(folder, name).read_text()))
    except (OSError, ValueError):
        return None


def _state(operation: Operation, folder: Path) -> Operation:
    """Return how far a deployment is."""
    token = json.loads(operation.token)
    facts = _facts(folder, token["name"])
    running = _servers(folder).get(token["name"])
    if facts is not None and facts["pid"] == running:
        result = {
            "endpoint_id": token["name"],
            "url": f"http://127.0.0.1:{facts['port']}/predict",
            "label": token["label"],
        }
        return Operation(OperationState.SUCCEEDED, token=operation.token, result=result)
    if running is None:
        raise DeploymentFailed(
            "the null server ended before it listened.", remedy="Start the deployment again with the same command."
        )
    return Operation(OperationState.RUNNING, token=operation.token, poll_after=0.1)
