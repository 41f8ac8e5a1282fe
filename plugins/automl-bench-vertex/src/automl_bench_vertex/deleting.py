"""Deleting one resource: one step a call, never a wait. "Already gone" is success everywhere.

Only the display name of a dataset or training is ours to choose, so that a request whose answer was lost may have
made a second one: whatever bears the name goes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Deletion, Resource
from automl_bench.errors import ResourceConflict, ResourceMissing
from automl_bench.toolkit.certainty import is_young, require_same_scope
from automl_bench_vertex import control, datasets, endpoints, shipping, trainings
from automl_bench_vertex.description import DESCRIPTION
from automl_bench_vertex.naming import DATASET, DEPLOYED_MODEL, ENDPOINT, MODEL, SAMPLES, TRAINING, sibling

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account

Log = Callable[[str], None]

SHOWN_AFTER_SECONDS = 600.0
"""How long after the end of a deployment the endpoint may not show its model yet."""

_PLACE = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/")


def delete(account: Account, resource: Resource, log: Log) -> Deletion:
    """Take a resource one step further towards its end.

    Raises:
        RequestRefused: If it is in another project or region.
        ProviderError: If the service refuses.
    """
    require_same_scope(resource, account.scope, known=_place(resource.resource_id))
    if resource.kind == SAMPLES:
        return shipping.delete_folder(account, resource)
    steps = {
        DATASET: _delete_dataset,
        MODEL: _delete_model,
        TRAINING: _delete_training,
        ENDPOINT: _delete_endpoint,
        DEPLOYED_MODEL: _undeploy,
    }
    if resource.kind not in steps:
        raise ResourceMissing(f"{resource.kind!r} is no kind of resource of Vertex AI.")
    return steps[resource.kind](account, resource, log)


def _place(resource_id: str) -> dict[str, str]:
    """Return where a resource's id says that it is; some ids have the project's number, which tells nothing here."""
    found = _PLACE.match(resource_id)
    return {} if found is None else {key: value for key, value in found.groupdict().items() if not value.isdigit()}


def _may_show_later(account: Account, resource: Resource) -> bool:
    """Return whether a resource may not show yet; what this process has begun to delete has shown before."""
    return resource.resource_id not in account.deletions and is_young(resource, DESCRIPTION.settle_seconds)


def _begin(account: Account, name: str, act: Callable[[], str], is_busy: Callable[[], bool], log: Log) -> None:
    """Begin a deletion, unless one that was begun goes on. What is gone or busy is for the next look to tell.

    Raises:
        ResourceConflict: If the service refuses though nothing is under way whose end could be awaited.
    """
    if _goes_on(account, account.deletions.get(name, "")):
        return
    for is_last in (False, True):
        try:
            account.deletions[name] = act()
        except ResourceMissing:
            return
        except ResourceConflict as error:
            if is_busy():
                log(f"{name} is busy: {error.message}")
                return
            if is_last:  # the first time, what stood in the way may have ended just before it was looked for
                raise
        else:
            return


def _goes_on(account: Account, operation: str) -> bool:
    try:
        return bool(operation) and control.look(account, operation).going
    except ResourceMissing:
        return False


def _has_work(account: Account, name: str) -> bool:
    return any(work.going for work in control.listed(account, name))


def _is_being_made(account: Account, resource: Resource, name: str) -> bool:
    """Return whether the creation of something that does not show yet goes on: it would show after we have left."""
    operation = str(resource.details.get("operation", ""))
    return _may_show_later(account, resource) or (
        _goes_on(account, operation) if operation else _has_work(account, name)
    )


def _delete_dataset(account: Account, resource: Resource, log: Log) -> Deletion:
    """Delete a dataset. While its import goes on the service refuses, and its end is awaited."""

    def present() -> list[str]:
        return _present(resource, datasets.listed(account, resource.name), lambda name: datasets.get(account, name))

    names = present()
    if not names and resource.resource_id:
        if _is_being_made(account, resource, resource.resource_id):
            return Deletion.PENDING
        names = present()  # its creation may have ended between the two looks
    for name in names:
        _begin(
            account,
            name,
            lambda: datasets.delete(account, name),  # noqa: B023  # called at once
            lambda: _has_work(account, name),  # noqa: B023
            log,
        )
    return _outcome(names, present)


def _delete_training(account: Account, resource: Resource, log: Log) -> Deletion:
    """Cancel a training if it goes on, delete the model that it made, then delete it."""

    def present() -> list[str]:
        return _present(resource, trainings.listed(account, resource.name), lambda name: trainings.get(account, name))

    names = present()
    if not names and _may_show_later(account, resource):
        return Deletion.PENDING
    for name in names:
        if not _end_training(account, name, log):
            return Deletion.PENDING
    return _outcome(names, present)


def _end_training(account: Account, name: str, log: Log) -> bool:
    """Take one training a step further; return whether its deletion has begun."""
    pipeline = trainings.get(account, name)
    if pipeline is None:
        return True
    state = pipeline.state.name
    if state in trainings.GOING:
        if state not in trainings.CANCELLED:
            log(f"cancelling the training {name}")
            with suppress(ResourceConflict, ResourceMissing):  # it may just have ended
                trainings.cancel(account, name)
        return False
    made = pipeline.model_to_upload.name
    if made and _end_model(account, made, log) is Deletion.PENDING:
        return False
    _begin(account, name, lambda: trainings.delete(account, name), lambda: _has_work(account, name), log)
    return True


def _present(resource: Resource, listed: list[Any], get: Callable[[str], Any]) -> list[str]:
    """Return the ids of what bears a resource's name; lists lag behind, so each is looked at once more."""
    names = list(dict.fromkeys([*([resource.resource_id] if resource.resource_id else []), *(e.name for e in listed)]))
    return [name for name in names if get(name) is not None]


def _outcome(before: list[str], present: Callable[[], list[str]]) -> Deletion:
    if not before:
        return Deletion.ALREADY_GONE
    return Deletion.PENDING if present() else Deletion.DELETED


def _delete_model(account: Account, resource: Resource, log: Log) -> Deletion:
    return _end_model(account, resource.resource_id or trainings.model_id(account, resource.name), log)


def _end_model(account: Account, name: str, log: Log) -> Deletion:
    """Delete a model. While it is deployed the service refuses; that it is being taken off is awaited."""
    model = trainings.get_model(account, name)
    if model is None:
        return Deletion.ALREADY_GONE

    def is_busy() -> bool:
        places = [reference.endpoint for reference in model.deployed_models]
        return not places or any(_has_work(account, place) for place in places)

    _begin(account, name, lambda: trainings.delete_model(account, name), is_busy, log)
    return Deletion.PENDING if trainings.get_model(account, name) is not None else Deletion.DELETED


def _undeploy(account: Account, resource: Resource, log: Log) -> Deletion:
    """Take a model off its endpoint. It is billed until it is off, so only that is the end."""
    name = str(resource.details.get("endpoint", "")) or endpoints.endpoint_id(account, sibling(resource.name, ENDPOINT))
    endpoint = endpoints.get(account, name)
    if endpoint is None:
        return Deletion.PENDING if _may_show_later(account, resource) else Deletion.ALREADY_GONE
    serving = endpoints.deployed(endpoint, resource.name)
    if serving is None:
        if _comes_up(account, resource, name):
            log(f"{resource.name} is still being deployed; the service cannot cancel that, so its end is awaited")
            return Deletion.PENDING
        endpoint = endpoints.get(account, name)  # the deployment may have ended between the two looks
        serving = None if endpoint is None else endpoints.deployed(endpoint, resource.name)
    if serving is None:
        return Deletion.ALREADY_GONE
    _undeploy_one(account, name, serving.id, log)
    endpoint = endpoints.get(account, name)
    gone = endpoint is None or endpoints.deployed(endpoint, resource.name) is None
    return Deletion.DELETED if gone else Deletion.PENDING


def _comes_up(account: Account, resource: Resource, name: str) -> bool:
    """Return whether a model that its endpoint does not show is being deployed, or is deployed and shown later.

    Only an undeployment since then, or a deployment that failed, says that it is really off.
    """
    known = [str(resource.details.get("operation", "")), account.deletions.get(name, "")]
    work = {each.name: each for each in control.listed(account, name)}
    for operation in known:
        if operation and operation not in work:
            with suppress(ResourceMissing):
                work[operation] = control.look(account, operation)
    deployments = [each for each in work.values() if each.kind == control.DEPLOY]
    if any(each.going for each in deployments):
        return True
    if not deployments:
        return is_young(resource, DESCRIPTION.settle_seconds)
    last = max(each.changed for each in deployments)
    came_up = any(each.changed == last and not each.failure for each in deployments)
    is_off = any(
        each.kind == control.UNDEPLOY and each.done and not each.failure and each.changed >= last
        for each in work.values()
    )
    return came_up and not is_off and time.time() - last < SHOWN_AFTER_SECONDS


def _undeploy_one(account: Account, name: str, deployed_model_id: str, log: Log) -> None:
    log(f"undeploying from {name}")
    _begin(
        account,
        name,
        lambda: endpoints.undeploy(account, name, deployed_model_id),
        lambda: _has_work(account, name),
        log,
    )


def _delete_endpoint(account: Account, resource: Resource, log: Log) -> Deletion:
    name = resource.resource_id or endpoints.endpoint_id(account, resource.name)
    endpoint = endpoints.get(account, name)
    if endpoint is None:
        if _is_being_made(account, resource, name):
            return Deletion.PENDING
        endpoint = endpoints.get(account, name)  # its creation may have ended between the two looks
    if endpoint is None:
        return Deletion.ALREADY_GONE
    if _has_work(account, name):
        log(f"{resource.name} is busy, and the end of that is awaited")
        return Deletion.PENDING
    for serving in endpoint.deployed_models:  # by hand, or by a call whose answer was lost
        _undeploy_one(account, name, serving.id, log)
        return Deletion.PENDING
    _begin(account, name, lambda: endpoints.delete(account, name), lambda: _has_work(account, name), log)
    return Deletion.PENDING if endpoints.get(account, name) is not None else Deletion.DELETED
