"""The `simulated` provider: a fake cloud on this machine, for trying everything at no cost and for tests.

Its variants are four invented services (`simulated_services`). They queue, train and deploy in virtual time, list new
resources only after a moment, throttle, let tokens expire, and run up a bill. State is one file that outlives
processes: the setting `cloud_file`, by default in the provider's cache folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from automl_bench.contract import (
    AccessReport,
    Capability,
    Deletion,
    Endpoint,
    Limits,
    ManifestEntry,
    Modality,
    Operation,
    OperationState,
    Price,
    ProviderContext,
    ProviderDescription,
    ProviderManifest,
    Resource,
    Setting,
    Stage,
    TrainingSet,
    TrialContext,
    owner_from_tags,
    owner_tags,
)
from automl_bench.errors import RequestRefused, ResourceMissing, Unauthenticated
from automl_bench.hookspecs import hookimpl
from automl_bench.simulation.invoker import CALLS_PER_SECOND, SimulatedInvoker
from automl_bench.simulation.services import SERVICES, SimulatedService

if TYPE_CHECKING:
    from automl_bench.simulation.cloud import SimulatedCloud, Thing

Answer = TypeVar("Answer")

DATASET, MODEL, ENDPOINT = "dataset", "model", "endpoint"
IN_FLIGHT = 32
LAG_SECONDS = 0.3
"""Somewhat more than the cloud's lists really lag."""

DESCRIPTION = ProviderDescription(
    name="simulated",
    title="Simulated cloud (costs nothing)",
    simulated=True,
    reported_times=tuple(one for service in SERVICES.values() for one in service.times()),
    capabilities=frozenset(
        {
            Capability.CHECK_ACCESS,
            Capability.PRICE,
            Capability.UPLOAD,
            Capability.TRAIN,
            Capability.DEPLOY,
            Capability.INVOKE,
            Capability.EXPORT_MANIFEST,
            Capability.ADOPT_ENDPOINT,
            Capability.LIST_RESOURCES,
        }
    ),
    modalities=frozenset(Modality),
    limits=Limits(
        min_samples_per_class=2,
        max_samples=20_000,
        min_classes=2,
        requests_per_second=CALLS_PER_SECOND,
        in_flight=IN_FLIGHT,
    ),
    settings=(
        Setting(
            "cloud_file",
            "File that holds the simulated cloud; empty for one in the provider's cache folder.",
            env="AUTOML_BENCH_SIMULATED_CLOUD",
            default="",
        ),
        Setting(
            "speed",
            "Virtual seconds that pass in one real second.",
            env="AUTOML_BENCH_SIMULATED_SPEED",
            default="2000",
        ),
        Setting(
            "region",
            "Region of the simulated cloud; each knows of what lies in it alone.",
            env="AUTOML_BENCH_SIMULATED_REGION",
            default="home",
        ),
    ),
    variants={name: {"service": name} for name in SERVICES},
    default_variant="quick",
    settle_seconds=LAG_SECONDS,
    split_policy="Trains on both halves; nothing is selected.",
)


@hookimpl
def describe_provider() -> ProviderDescription:
    """Describe the provider."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Ask for a token."""
    cloud = _cloud(context)
    _ask(context, lambda: None, "check_access")
    return AccessReport(True, account=str(cloud.path), notes=(f"{cloud.speed:g} virtual seconds a second",))


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return the invented prices of the service."""
    return _service(context).prices()


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Send what the service sees of each sample."""
    from automl_bench.simulation.learning import view

    service, cloud = _service(context), _cloud(context)
    stored = _ensure(
        context,
        "upload",
        DATASET,
        lambda name: cloud.create(DATASET, name, service.name, tags=_tags(context)),
    )
    rows = [
        (item.sample.sample_id, item.label, view(item.sample, service).tobytes())
        for item in (*training_set.train, *training_set.validation)
    ]
    _ask(context, lambda: cloud.put_samples(stored.resource_id, rows), "upload")
    context.progress(len(rows), len(rows), "samples")
    return Operation(OperationState.SUCCEEDED, result={"dataset": stored.resource_id, "samples": len(rows)})


@hookimpl
def train(context: TrialContext) -> Operation:
    """Begin a training; it takes virtual minutes to hours."""
    service, cloud = _service(context), _cloud(context)
    dataset = context.results[Stage.UPLOAD]
    work = service.train_seconds + service.train_seconds_per_sample * int(dataset["samples"])
    model = _ensure(
        context,
        "train",
        MODEL,
        lambda name: cloud.create(
            MODEL,
            name,
            service.name,
            seconds=service.queue_seconds + work,
            dataset=dataset["dataset"],
            work=work,
            tags=_tags(context),
        ),
    )
    return Operation(OperationState.RUNNING, token=json.dumps([MODEL, model.resource_id]), poll_after=0.02)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Begin to serve the model."""
    service, cloud = _service(context), _cloud(context)
    endpoint = _ensure(
        context,
        "deploy",
        ENDPOINT,
        lambda name: cloud.create(
            ENDPOINT,
            name,
            service.name,
            seconds=service.deploy_seconds,
            model=context.results[Stage.TRAIN]["model"],
            tags=_tags(context),
        ),
    )
    return Operation(OperationState.RUNNING, token=json.dumps([ENDPOINT, endpoint.resource_id]), poll_after=0.02)


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at a training or a deployment."""
    kind, thing_id = json.loads(operation.token)
    cloud = _cloud(context)
    thing = _ask(context, lambda: cloud.get(thing_id), f"poll {kind}")
    left = thing.ready - time.time()
    if left > 0:
        return Operation(OperationState.RUNNING, token=operation.token, poll_after=min(left, 1.0))
    return _trained(cloud, thing) if kind == MODEL else _deployed(cloud, thing)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> SimulatedInvoker:
    """Return an invoker; it holds the model, as the service's machines would."""
    from automl_bench.simulation.learning import Learner

    cloud = _cloud(context)
    thing = _ask(context, lambda: cloud.get(endpoint.endpoint_id), "invoke")
    if thing.kind != ENDPOINT:
        raise RequestRefused(f"{endpoint.endpoint_id!r} is no endpoint.", remedy="Give the id of an endpoint.")
    service = SERVICES[thing.service]
    model = _ask(context, lambda: cloud.get(str(thing.details["model"])), "invoke model")
    rows = _ask(context, lambda: cloud.samples(str(model.details["dataset"])), "invoke model")
    if not rows:
        raise ResourceMissing("the simulated model's samples are gone.", remedy="Upload and train again.")
    return SimulatedInvoker(cloud, service, Learner(service, rows), thing.id)


@hookimpl
def export_manifest(context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List samples by id and split."""
    rows = [{"sample": entry.sample.sample_id, "split": entry.split, "label": ""} for entry in entries]
    return ProviderManifest(rows=rows, label_at=("label",))


@hookimpl
def resource_scope(context: ProviderContext) -> Mapping[str, str]:
    """Say which cloud and which of its regions the settings lead to; no request."""
    cloud = _cloud(context)
    return {"cloud_file": str(cloud.path.resolve()), "region": cloud.region}


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List what exists under a prefix, oldest first."""
    cloud = _cloud(context)
    return [_resource(cloud, thing) for thing in _ask(context, lambda: cloud.listed(prefix), "list_resources")]


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Delete one thing; some endpoints take a while to stop. "Not found" is believed once no list shows it either."""
    cloud = _cloud(context)
    try:
        by_whom = "" if context.owner is None else context.owner.workspace
        gone = _ask(context, lambda: cloud.delete(resource.resource_id, by_whom), "delete_resource")
    except ResourceMissing:
        listed = _ask(context, lambda: cloud.listed(resource.name), "list_resources")
        shown = any(thing.id == resource.resource_id for thing in listed)
        return Deletion.PENDING if shown else Deletion.ALREADY_GONE
    return Deletion.DELETED if gone else Deletion.PENDING


def cloud_of(context: ProviderContext) -> SimulatedCloud:
    """Return the cloud that a context's settings name, for looking at its bill."""
    return _cloud(context)


def _cloud(context: ProviderContext) -> SimulatedCloud:
    from automl_bench.simulation.cloud import HOME, SimulatedCloud

    named = context.settings.get("cloud_file", "")
    try:
        speed = float(context.settings.get("speed", "2000"))
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise RequestRefused(
            f"the setting speed is {context.settings['speed']!r}.", remedy="Give a number above 0, such as 2000."
        )
    path = Path(named) if named else context.cache_dir / "cloud.sqlite"
    return SimulatedCloud(path, speed, context.settings.get("region", "") or HOME)


def _service(context: ProviderContext) -> SimulatedService:
    name = str(context.variant.settings.get("service", context.variant.name))
    if name not in SERVICES:
        raise RequestRefused(
            f"there is no simulated service {name!r}.", remedy=f"Known services: {', '.join(sorted(SERVICES))}."
        )
    return SERVICES[name]


_tokens: dict[tuple[str, str], str] = {}


def _ask(context: ProviderContext, request: Callable[[], Answer], at: str) -> Answer:
    """Make one control request with a valid token; an expired one is renewed, as a client of a real service does.

    Args:
        context: Names the cloud.
        request: The request.
        at: What it is for, in the words of `SimulatedCloud.tell`.
    """
    cloud = _cloud(context)
    # Teardown knows a variant by its name only; any service's token will do there.
    service = SERVICES.get(str(context.variant.settings.get("service", context.variant.name)), SERVICES["quick"])
    key = (str(cloud.path), service.name)
    try:
        cloud.check(_tokens.get(key, ""), at)
    except Unauthenticated:
        _tokens[key], _ = cloud.token(service.token_seconds)
        cloud.check(_tokens[key], at)
    return request()


def _tags(context: ProviderContext) -> dict[str, str]:
    return {} if context.owner is None else owner_tags(context.owner)


def _ensure(context: TrialContext, at: str, kind: str, make: Callable[[str], Thing]) -> Resource:
    cloud, service = _cloud(context), _service(context)

    def find(name: str) -> Resource | None:
        """Return what is usable or may become so; a failed thing is deleted, to be made anew."""
        for thing in _ask(context, lambda: cloud.listed(name), at):
            if (thing.kind, thing.name) != (kind, name):
                continue
            if not thing.details.get("failed"):
                return _resource(cloud, thing)
            cloud.delete(thing.id, "" if context.owner is None else context.owner.workspace)
        return None

    def create(name: str) -> Resource:
        return _resource(cloud, _ask(context, lambda: make(name), at))

    hourly = service.endpoint_hour_usd * cloud.speed if kind == ENDPOINT else 0.0
    return context.resources.ensure(kind, find=find, create=create, hourly_usd=hourly)


def _resource(cloud: SimulatedCloud, thing: Thing) -> Resource:
    from datetime import UTC, datetime

    return Resource(
        thing.kind,
        thing.name,
        resource_id=thing.id,
        # In a real hour as many virtual ones pass, and each is billed: so the ledger's hours come to the bill.
        hourly_usd=SERVICES[thing.service].endpoint_hour_usd * cloud.speed if thing.kind == ENDPOINT else 0.0,
        delete_by_hand=f"sqlite3 {cloud.path} \"DELETE FROM things WHERE id = '{thing.id}'\"",
        since=datetime.fromtimestamp(thing.created, UTC).isoformat(timespec="seconds"),
        owner=owner_from_tags(thing.details.get("tags", {})),
        scope={"cloud_file": str(cloud.path.resolve()), "region": cloud.region},
    )


def _trained(cloud: SimulatedCloud, model: Thing) -> Operation:
    from automl_bench.simulation.loopback_service import Fault

    service, work = SERVICES[model.service], float(model.details["work"])
    if cloud.claim_bill(model.id):
        cloud.use(service.name, "train_hour", work / 3600)
    if service.fails or model.details.get("failed") or cloud.told(Fault.TRAINING_FAILS):
        cloud.mark_failed(model.id)
        return Operation(
            OperationState.FAILED, message="the simulated training did not converge", billable_seconds=work
        )
    return Operation(
        OperationState.SUCCEEDED,
        result={"model": model.id},
        queue_seconds=service.queue_seconds,
        work_seconds=work,
        billable_seconds=work,
    )


def _deployed(cloud: SimulatedCloud, endpoint: Thing) -> Operation:
    from automl_bench.simulation.loopback_service import Fault

    if endpoint.details.get("failed") or cloud.told(Fault.DEPLOYMENT_FAILS):
        cloud.mark_failed(endpoint.id)
        return Operation(OperationState.FAILED, message="the simulated service has no machine left")
    return Operation(OperationState.SUCCEEDED, result={"endpoint_id": endpoint.id})
