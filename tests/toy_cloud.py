"""A provider for tests of the engine: a folder plays the cloud, so that it outlives every process.

The folder named by TOY_CLOUD holds one JSON file a resource, `created.log` with a line for every creation, and
`faults.json`: {"train": "fails", "delete": "fails", "lose_answer": true, "polls": 2, "lists_lag": 1, ...}.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from automl_bench.contract import (
    Capability,
    Deletion,
    Endpoint,
    Limits,
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
from automl_bench.errors import ConnectionLost, PermissionDenied, RateLimited, ResourceMissing
from automl_bench.hookspecs import hookimpl


class Cloud:
    """What the service holds."""

    def __init__(self) -> None:
        self.folder = Path(os.environ["TOY_CLOUD"])
        self.folder.mkdir(parents=True, exist_ok=True)

    def faults(self) -> dict[str, Any]:
        path = self.folder / "faults.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def find(self, kind: str, name: str) -> Resource | None:
        path = self.folder / f"{kind}={name}.json"
        return Resource(kind, name, resource_id=path.name, hourly_usd=1.5) if path.exists() else None

    def create(self, kind: str, name: str, content: Any) -> Resource:
        path = self.folder / f"{kind}={name}.json"
        with (self.folder / "created.log").open("a") as log:
            log.write(f"{path.name}\n")
        path.write_text(json.dumps(content))
        if self.faults().get("lose_answer") == kind:
            (self.folder / "faults.json").write_text("{}")
            raise ConnectionLost("the answer was lost after the service had acted.")
        return Resource(kind, name, resource_id=path.name, hourly_usd=1.5, delete_by_hand=f"rm {path.name}")

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*=*.json"))

    def creations(self) -> list[str]:
        log = self.folder / "created.log"
        return log.read_text().splitlines() if log.exists() else []


def _ensure(context: TrialContext, kind: str, content: Any) -> Resource:
    cloud = Cloud()
    return context.resources.ensure(
        kind,
        find=lambda name: cloud.find(kind, name),
        create=lambda name: cloud.create(kind, name, content),
        hourly_usd=1.5,
    )


@hookimpl
def describe_provider() -> ProviderDescription:
    return ProviderDescription(
        name="toy",
        title="Toy cloud",
        capabilities=frozenset(
            {
                Capability.UPLOAD,
                Capability.TRAIN,
                Capability.DEPLOY,
                Capability.INVOKE,
                Capability.LIST_RESOURCES,
                Capability.ADOPT_ENDPOINT,
                Capability.PRICE,
            }
        ),
        limits=Limits(min_samples_per_class=int(os.environ.get("TOY_LEAST", "2"))),
        variants={"default": {}, "other": {"flavour": 2}},
        settle_seconds=float(os.environ.get("TOY_SETTLE_SECONDS", "0")),
    )


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    hour = None if Cloud().faults().get("price") == "unknown" else 3600.0
    return [
        Price("train_hour", hour, "hour", "2026-11-21", "invented", per_trial=3 / 3600),
        Price("endpoint_hour", 1.5, "hour", "2026-11-21", "invented", per_trial=0.1),
        Price("call", 0.001, "1 call", "2026-11-21", "invented"),
    ]


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    items = (*training_set.train, *training_set.validation)
    content = {item.sample.sample_id: item.label for item in items}
    resource = _ensure(context, "samples", content)
    return Operation(OperationState.SUCCEEDED, result={"id": resource.resource_id})


@hookimpl
def train(context: TrialContext) -> Operation:
    cloud = Cloud()
    if cloud.faults().get("throttle_train"):
        (cloud.folder / "faults.json").write_text("{}")
        raise RateLimited("slow down.", retry_after=0.01)
    path = cloud.folder / context.results[Stage.UPLOAD]["id"]
    labels = sorted(json.loads(path.read_text()).values())
    resource = _ensure(context, "model", labels[0])
    return Operation(OperationState.RUNNING, token=json.dumps(["train", resource.resource_id, 0]), poll_after=0.01)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    resource = _ensure(context, "endpoint", context.results[Stage.TRAIN]["label"])
    return Operation(OperationState.RUNNING, token=json.dumps(["deploy", resource.resource_id, 0]), poll_after=0.01)


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    stage, resource_id, looks = json.loads(operation.token)
    cloud = Cloud()
    if not (cloud.folder / resource_id).exists():
        raise ResourceMissing(f"{resource_id} is not there.")
    faults = cloud.faults()
    if faults.get(stage) == "fails":
        return Operation(OperationState.FAILED, message="the toy is out of order")
    if faults.get(stage) == "hangs" or looks < faults.get("polls", 1):
        return Operation(OperationState.RUNNING, token=json.dumps([stage, resource_id, looks + 1]), poll_after=0.01)
    label = json.loads((cloud.folder / resource_id).read_text())
    result = {"label": label} if stage == "train" else {"endpoint_id": resource_id, "label": label}
    return Operation(OperationState.SUCCEEDED, result=result, queue_seconds=1.0, work_seconds=2.0)


class ToyInvoker:
    def __init__(self, label: str) -> None:
        self.label = label
        self.calls = 0

    def call(self, sample: Sample) -> Prediction:
        self.calls += 1
        faults = Cloud().faults()
        time.sleep(faults.get("call_seconds", 0.0))
        if faults.get("invoke") == "denied":
            raise PermissionDenied("no.")
        if faults.get("die_after_calls") == self.calls:
            os.kill(os.getpid(), signal.SIGKILL)
        if faults.get("interrupt_after_calls") == self.calls:
            os.kill(os.getpid(), signal.SIGINT)
        return Prediction(self.label, 0.5)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> ToyInvoker:
    cloud = Cloud()
    path = cloud.folder / endpoint.endpoint_id
    if not path.exists():
        raise ResourceMissing(f"there is no endpoint {endpoint.endpoint_id}.")
    return ToyInvoker(json.loads(path.read_text()))


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    cloud = Cloud()
    lagging = cloud.faults().get("lists_lag", 0)
    if lagging:
        (cloud.folder / "faults.json").write_text(json.dumps({**cloud.faults(), "lists_lag": lagging - 1}))
        return []
    return [
        Resource(kind, name.removeprefix(f"{kind}=").removesuffix(".json"), name, hourly_usd=1.5)
        for kind in ("samples", "model", "endpoint")
        for name in Cloud().names()
        if name.startswith(f"{kind}={prefix}")
    ]


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    cloud = Cloud()
    if cloud.faults().get("delete") == "fails":
        raise PermissionDenied("the toy may not delete.")
    path = cloud.folder / f"{resource.kind}={resource.name}.json"
    if not path.exists():
        return Deletion.ALREADY_GONE
    path.unlink()
    return Deletion.DELETED


def plugin() -> ModuleType:
    """Return this module, as an entry point would load it."""
    import sys

    return sys.modules[__name__]
