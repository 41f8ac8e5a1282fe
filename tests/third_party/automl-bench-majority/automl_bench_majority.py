"""The floor of every comparison: always answers the most frequent label."""

import json
from collections import Counter
from pathlib import Path

from automl_bench.contract import (
    Capability,
    Deletion,
    Operation,
    OperationState,
    Prediction,
    ProviderDescription,
    Resource,
    Stage,
)
from automl_bench.hookspecs import hookimpl


@hookimpl
def describe_provider():
    return ProviderDescription(
        name="majority",
        title="Majority class",
        capabilities=frozenset({Capability.UPLOAD, Capability.TRAIN, Capability.INVOKE, Capability.LIST_RESOURCES}),
        on_this_machine=True,
        split_policy="Counts both halves.",
    )


@hookimpl
def upload(context, training_set):
    labels = [item.label for item in (*training_set.train, *training_set.validation)]

    def find(name):
        path = context.cache_dir / f"{name}.json"
        return Resource("labels", name, resource_id=str(path), hourly_usd=0.0) if path.exists() else None

    def create(name):
        path = context.cache_dir / f"{name}.json"
        path.write_text(json.dumps(labels))
        return Resource("labels", name, resource_id=str(path), hourly_usd=0.0)

    resource = context.resources.ensure("labels", find=find, create=create)
    return Operation(OperationState.SUCCEEDED, result={"path": resource.resource_id})


@hookimpl
def train(context):
    labels = json.loads(Path(context.results[Stage.UPLOAD]["path"]).read_text())
    label, count = max(sorted(Counter(labels).items()), key=lambda pair: pair[1])
    return Operation(OperationState.SUCCEEDED, result={"label": label, "share": count / len(labels)}, work_seconds=0.0)


class MajorityInvoker:
    def __init__(self, label, share):
        self.prediction = Prediction(label, share)

    def call(self, sample):
        return self.prediction


@hookimpl
def invoke(context, endpoint):
    return MajorityInvoker(endpoint.details["label"], endpoint.details["share"])


@hookimpl
def list_resources(context, prefix):
    return [
        Resource("labels", path.stem, resource_id=str(path), hourly_usd=0.0)
        for path in sorted(context.cache_dir.glob(f"{prefix}*.json"))
    ]


@hookimpl
def delete_resource(context, resource):
    path = context.cache_dir / f"{resource.name}.json"
    if not path.exists():
        return Deletion.ALREADY_GONE
    path.unlink()
    return Deletion.DELETED
