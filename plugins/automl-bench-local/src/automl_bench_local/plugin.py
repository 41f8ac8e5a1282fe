"""The hooks of the provider `local`. Thin: each finds the module that does the work."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from automl_bench.contract import (
    AccessReport,
    DatasetSource,
    Deletion,
    Endpoint,
    Environment,
    Invoker,
    ManifestEntry,
    Operation,
    OperationState,
    Price,
    ProviderContext,
    ProviderDescription,
    ProviderManifest,
    Resource,
    Stage,
    TrainingSet,
    TrialContext,
    Where,
)
from automl_bench.errors import RequestRefused, ResourceMissing
from automl_bench.hookspecs import hookimpl
from automl_bench.toolkit.environments import read_environment
from automl_bench_local.description import DESCRIPTION, PRICES
from automl_bench_local.failures import disk_errors
from automl_bench_local.options import Options, home_of

log = logging.getLogger(__name__)


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Report the versions of what trains and serves, after checking settings, variant and folder."""
    import importlib.metadata
    import os
    import platform

    options = Options.of(context)
    _checked_recipe(context)
    with disk_errors():
        options.home.mkdir(parents=True, exist_ok=True)
        writable = os.access(options.home, os.W_OK)
    packages = ("scikit-learn", "scikit-image", "onnxruntime", "fastapi", "uvicorn")
    versions = tuple(f"{package} {importlib.metadata.version(package)}" for package in packages)
    notes = (*versions, f"keeps its files in {options.home}")
    if not writable:
        notes = (*notes, "the folder cannot be written")
    return AccessReport(ok=writable, account=f"{platform.node()}, {os.cpu_count()} processors", notes=notes)


@hookimpl
def price() -> Sequence[Price]:
    """See `automl_bench.hookspecs`."""
    return PRICES


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Copy the training set into a folder of the provider's own."""
    from automl_bench_local import folders, training_sets

    options = Options.of(context)
    _checked_recipe(context, training_set)
    with disk_errors():
        stored = context.resources.ensure(
            folders.TRAINING_SET,
            find=lambda name: _resource(
                folders.TRAINING_SET, name, training_sets.find_training_set(options.home, name)
            ),
            create=lambda name: _made(
                folders.TRAINING_SET,
                name,
                training_sets.store_training_set(options.home, name, training_set, context.progress),
            ),
            hourly_usd=0.0,
        )
    samples = len(training_set.train) + len(training_set.validation)
    return Operation(OperationState.SUCCEEDED, result={"training_set": stored.details["folder"], "samples": samples})


@hookimpl
def train(context: TrialContext) -> Operation:
    """Begin a training in its own process."""
    from automl_bench_local import folders, jobs, needs
    from automl_bench_local.recipes import read_recipe

    options = Options.of(context)
    _checked_recipe(context, context)
    environment = read_environment(context.variant)
    warm = needs.of_training(read_recipe(context.variant, context.modality)) if environment is None else None
    training_set = Path(str(context.results[Stage.UPLOAD]["training_set"]))
    if not training_set.is_dir():
        raise ResourceMissing(f"The training set {training_set} is gone.", remedy="Upload again.")
    in_container = environment is not None and environment.where is Where.CONTAINER
    engine = options.containers.engine if in_container else None
    with disk_errors():
        if environment is not None and environment.containerfile:
            _ensure_image(context, options, environment)
        job = context.resources.ensure(
            folders.MODEL,
            find=lambda name: _resource(folders.MODEL, name, jobs.find_job(options.home, name), engine),
            create=lambda name: _made(
                folders.MODEL,
                name,
                jobs.prepare(
                    options.home,
                    name,
                    variant=context.variant,
                    training_set=training_set,
                    seed=context.seed,
                    threads=options.threads,
                ),
                engine,
            ),
            hourly_usd=0.0,
        )
        if engine is not None:
            options.containers.save(options.home / job.name)
        builder = options.environment_builder if environment is not None else ""
        return jobs.start(options.home, job.name, threads=options.threads, warm=warm, builder=builder)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Start a server in its own process."""
    from automl_bench_local import folders, needs, servers
    from automl_bench_local.recipes import read_recipe
    from automl_bench_local.serving_inside import Inside

    options = Options.of(context)
    trained = context.results[Stage.TRAIN]
    model = Path(str(trained["model"]))
    if not model.is_dir():
        raise ResourceMissing(f"The model {model} is gone.", remedy="Train again.")
    told = trained.get("environment")
    inside = Inside(options, model, told) if isinstance(told, Mapping) else None
    engine = options.containers.engine if inside is not None and inside.in_container else None
    if inside is None:
        warm = needs.of_server(read_recipe(context.variant, context.modality), str(trained.get("features", "")))
    else:
        inside.require()
        warm = None

    def start(name: str) -> Resource:
        servers.start(options, name, model=model, warm=warm, inside=inside)
        return _made(folders.SERVER, name, options.home / name, engine)

    with disk_errors():
        server = context.resources.ensure(
            folders.SERVER,
            find=lambda name: (
                _made(folders.SERVER, name, options.home / name, engine) if servers.find(options.home, name) else None
            ),
            create=start,
            hourly_usd=0.0,
        )
    return servers.look(options.home, server.name)


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at a training or at a starting server."""
    from automl_bench_local import jobs, servers

    home = home_of(context)
    if operation.token.startswith(jobs.TOKEN):
        return jobs.look(home, operation.token.removeprefix(jobs.TOKEN))
    if operation.token.startswith(servers.TOKEN):
        return servers.look(home, operation.token.removeprefix(servers.TOKEN))
    raise ResourceMissing(f"{operation.token!r} names no operation of the provider local.")


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of a server: of this trial, or one adopted by address or by name."""
    from automl_bench_local import folders, servers
    from automl_bench_local.invoking import LocalInvoker

    given = endpoint.endpoint_id.rstrip("/")
    if given.startswith(("http://", "https://")):
        return LocalInvoker(given)
    if folders.kind_of(given) != folders.SERVER:
        raise RequestRefused(
            f"{given!r} is neither the address nor the name of a server.",
            remedy="Give http://127.0.0.1:PORT or a name that `teardown --orphans` would list.",
        )
    return LocalInvoker(servers.require(home_of(context), given))


@hookimpl
def export_manifest(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List samples as `data import` reads them: path or text or columns, and label."""
    from automl_bench_local.manifests import manifest_of

    return manifest_of(entries)


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List folders and, from the process table, trainings and servers, in order of creation."""
    from automl_bench_local.inventory import list_everything

    with disk_errors():
        return list_everything(home_of(context), prefix, context.settings.get("container_engine", ""))


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """End the process and delete the folder of a resource."""
    from automl_bench_local import folders, jobs, servers
    from automl_bench_local.container_ends import require_no_image

    home = home_of(context)
    folders.folder_of(home, resource.name)
    listed = resource.details.get("engine")
    engine = listed if isinstance(listed, str) else None
    with disk_errors():
        if resource.kind == folders.SERVER:
            return servers.delete(home, resource.name, engine)
        if resource.kind == folders.MODEL:
            existed = jobs.delete(home, resource.name, engine)
        else:
            had_image = resource.kind == folders.IMAGE and require_no_image(home, resource.name, engine)
            existed = folders.remove(home, resource.name) or had_image
    return Deletion.DELETED if existed else Deletion.ALREADY_GONE


@hookimpl
def embed_images(paths: Sequence[Path], cache_dir: Path) -> Iterator[Sequence[float]]:
    """Yield EfficientNet-Lite0's pooled features of each image, from the cache where they are known."""
    from automl_bench_local.vectors import embeddings_of

    with disk_errors():
        for vector in embeddings_of(paths, cache_dir):
            yield vector.tolist()


@hookimpl
def register_datasets() -> Sequence[DatasetSource]:
    """Bring along digits and fashion-mini."""
    from automl_bench_local.datasets import SOURCES

    return SOURCES


def _checked_recipe(context: ProviderContext, material: TrainingSet | TrialContext | None = None) -> None:
    """Check the whole variant, against what is to be learned from where that is known."""
    from automl_bench_local.checking import check_variant

    if material is None:
        check_variant(context.variant)
    else:
        check_variant(context.variant, material.modality, material.columns)


def _ensure_image(context: TrialContext, options: Options, environment: Environment) -> None:
    """Have the image of a containerfile in the ledger; the training builds it."""
    from automl_bench_local import containers, folders

    def create(name: str) -> Resource:
        folder = containers.lay_down_image(options.home, name, environment)
        options.containers.save(folder)
        return _made(folders.IMAGE, name, folder, options.containers.engine)

    def find(name: str) -> Resource | None:
        folder = folders.folder_of(options.home, name)
        return _resource(folders.IMAGE, name, folder if folder.is_dir() else None, options.containers.engine)

    context.resources.ensure(folders.IMAGE, find=find, create=create, hourly_usd=0.0)


def _resource(kind: str, name: str, folder: Path | None, engine: str | None = None) -> Resource | None:
    return _made(kind, name, folder, engine) if folder is not None else None


def _made(kind: str, name: str, folder: Path, engine: str | None = None) -> Resource:
    from automl_bench_local.inventory import resource_of

    return resource_of(kind, name, folder, engine=engine)
