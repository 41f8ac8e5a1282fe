"""Long work at the service as tokens, from which another process finds it again a day later.

Training is three works one after the other (cluster, job, model) and deployment three more (endpoint, deployment,
traffic). Each begins when the one before it has ended, in the look that sees it; the token then names the next. What is
created there goes through the ledger like everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Json, Modality, Operation, OperationState, Stage, TrialContext
from automl_bench.errors import RequestRefused, ResourceConflict, ResourceMissing
from automl_bench.toolkit.beginnings import beginning
from automl_bench_azure import assets, computes, endpoints, jobs, serving, tasks
from automl_bench_azure.naming import DEPLOYMENT, JOB, MODEL, attempts, sibling
from automl_bench_azure.options import Options
from automl_bench_azure.prices import serving_usd, vm_hour_usd

if TYPE_CHECKING:
    from automl_bench.contract import Resource
    from automl_bench_azure.account import Account

CLUSTER = "cluster"
TRAINING = "training"
REGISTRATION = "registration"
PUBLICATION = "publication"
ROLL_OUT = "roll-out"
TRAFFIC = "traffic"

FAILED = frozenset({"Failed", "Canceled"})


def token(what: str, name: str, **details: Json) -> str:
    """Return the token of an operation: identifiers only.

    Args:
        what: Which work it is.
        name: Name of the resource that is worked on.
        details: More identifiers.
    """
    return json.dumps({"what": what, "name": name, **details}, separators=(",", ":"), sort_keys=True)


def begun(what: str, name: str, message: str = "", **details: Json) -> Operation:
    """Return an operation that has begun."""
    return Operation(OperationState.RUNNING, token=token(what, name, **details), message=message)


def look(account: Account, context: TrialContext, operation: Operation) -> Operation:
    """Look once, and begin the next work if this one has ended.

    Raises:
        ResourceMissing: If the token names nothing that exists.
    """
    try:
        known = dict(json.loads(operation.token))
        looks = {
            CLUSTER: _look_at_cluster,
            TRAINING: _look_at_job,
            REGISTRATION: _look_at_model,
            PUBLICATION: _look_at_endpoint,
            ROLL_OUT: _look_at_deployment,
            TRAFFIC: _look_at_traffic,
        }[known["what"]]
        name = str(known["name"])
    except (ValueError, TypeError, KeyError) as error:
        raise ResourceMissing(f"{operation.token!r} names no operation of Azure ML.") from error
    return looks(account, context, name, known)


def _running(known: Mapping[str, Any], message: str) -> Operation:
    return begun(message=message, **known)


def _failed(known: Mapping[str, Any], message: str, **more: Any) -> Operation:
    return Operation(OperationState.FAILED, token=token(**known), message=message, **more)


def _look_at_cluster(account: Account, context: TrialContext, name: str, known: Mapping[str, Any]) -> Operation:
    found = account.arm.get(computes.path_of(account, name))
    state = computes.state_of(found)
    if state in FAILED:
        return _failed(known, computes.reason_of(found))
    if state != "Succeeded":
        return _running(known, f"cluster: {state}")
    options = Options.of(context.variant, context.modality)
    uploaded = context.results[Stage.UPLOAD]

    def ensure(name: str) -> Resource:
        return context.resources.ensure(
            JOB,
            name=name,
            find=lambda own: jobs.find(account, own),
            create=lambda own: jobs.create(
                account,
                own,
                options,
                compute_id=computes.path_of(account, own),
                details=tasks.details(context.modality, options, uploaded),
                owner=context.owner,
            ),
            hourly_usd=vm_hour_usd(options.compute_size),
        )

    job = ensure_one(attempts(context.name_for(JOB)), lambda own: jobs.is_usable(account, own), ensure)
    return begun(TRAINING, job.name)


def ensure_one(
    names: Sequence[str], is_usable: Callable[[str], bool | None], ensure: Callable[[str], Resource]
) -> Resource:
    """Find the usable resource among the names that it may have, or create it under the next free one.

    Azure reserves names: that of a failed or deleted job is never free again, that of an endpoint not for a while. All
    names are looked at before one is created, so that nothing is made twice.

    Args:
        names: Names in the order in which they are used.
        is_usable: Looks a name up: whether what is there can be used, or None if nothing is.
        ensure: Finds or creates under a name.

    Raises:
        RequestRefused: If every name is used up.
    """
    known = {name: is_usable(name) for name in names}
    usable = next((name for name in names if known[name]), None)
    if usable is not None:
        return ensure(usable)
    last_used = max((index for index, name in enumerate(names) if known[name] is False), default=-1)
    for name in names[last_used + 1 :]:
        try:
            return ensure(name)
        except (ResourceConflict, ResourceMissing):
            continue  # the name is still reserved
    raise RequestRefused(
        f"Azure refuses {names[0]} and the {len(names) - 1} names after it: they are in use or reserved.",
        remedy="Tear the trial down, and run it again later.",
    )


def _look_at_job(account: Account, context: TrialContext, name: str, known: Mapping[str, Any]) -> Operation:
    status = jobs.status_of(account.arm.get(jobs.path_of(account, name)))
    if status not in jobs.ENDED:
        return _running(known, f"job: {status}")
    # It holds no machine any more: the ledger's line says so from here on.
    context.resources.ensure(
        JOB, name=name, find=lambda own: jobs.find(account, own), create=_not_again, hourly_usd=0.0
    )
    if status != "Completed":
        by_hand = f"az ml job show --name {name} {account.where}"
        why = jobs.why(account, name) or f"until teardown, `{by_hand}` and the studio's log tell why"
        return _failed(known, f"the job ended as {status}: {why}")
    run = jobs.look_up_run(account, name)
    if not run.best_child:
        return _failed(known, f"the job {name} has ended without a best model", work_seconds=run.seconds)
    model = context.resources.ensure(
        MODEL,
        find=lambda own: assets.find(account, MODEL, own),
        create=lambda own: assets.create_model(account, own, job=run.best_child, owner=context.owner),
        hourly_usd=0.0,
    )
    return _look_at_model(
        account,
        context,
        model.name,
        {"what": REGISTRATION, "name": model.name, "seconds": run.seconds, "job": name, "child": run.best_child},
    )


def _not_again(name: str) -> Any:
    raise ResourceMissing(f"The job {name} is gone.")


def _look_at_model(account: Account, _context: TrialContext, name: str, known: Mapping[str, Any]) -> Operation:
    state = assets.model_state(account, name)
    if state in FAILED:
        return _failed(known, f"the model could not be registered: {state}")
    if state != "Succeeded":
        return _running(known, f"model: {state}")
    return Operation(
        OperationState.SUCCEEDED,
        token=token(**known),
        result={
            "model": name,
            "model_id": assets.resource(account, MODEL, name).resource_id,
            "job": known["job"],
            "child": known.get("child", ""),
        },
        work_seconds=known["seconds"],
    )


def _look_at_endpoint(account: Account, context: TrialContext, name: str, known: Mapping[str, Any]) -> Operation:
    state = endpoints.state_of(account.arm.get(endpoints.path_of(account, name)))
    if state in FAILED:
        return _failed(known, f"the endpoint could not be made: {state}")
    if state != "Succeeded":
        return _running(known, f"endpoint: {state}")
    options = Options.of(context.variant, context.modality)
    trained = context.results[Stage.TRAIN]
    beside = (
        {}
        if context.modality is Modality.IMAGE
        else serving.prepare(account, context, child=str(trained["child"]), uploaded=context.results[Stage.UPLOAD])
    )
    deployment = context.resources.ensure(
        DEPLOYMENT,
        name=sibling(name, DEPLOYMENT),
        find=lambda own: endpoints.find_deployment(account, own),
        create=lambda own: endpoints.create_deployment(
            account, own, options, model_id=str(trained["model_id"]), beside=beside, owner=context.owner
        ),
        hourly_usd=serving_usd(options.instance_type, options.instances),
    )
    return begun(ROLL_OUT, deployment.name, endpoint=name)


def _look_at_deployment(account: Account, _context: TrialContext, name: str, known: Mapping[str, Any]) -> Operation:
    state = endpoints.state_of(account.arm.get(endpoints.deployment_path(account, name)))
    if state in FAILED:
        short = endpoints.path_of(account, name).rsplit("/", 1)[-1]
        logs = f"az ml online-deployment get-logs --name main --endpoint-name {short} {account.where}"
        why = endpoints.why(account, name) or f"until teardown, `{logs}` tells why"
        return _failed(known, f"the deployment ended as {state}: {why}")
    if state != "Succeeded":
        return _running(known, f"deployment: {state}")
    endpoint = str(known["endpoint"])
    found = account.arm.get(endpoints.path_of(account, endpoint))
    if not endpoints.traffic_of(found):
        with beginning():
            endpoints.send_all_traffic(account, endpoint)
    return begun(TRAFFIC, endpoint)


def _look_at_traffic(account: Account, _context: TrialContext, name: str, known: Mapping[str, Any]) -> Operation:
    found = account.arm.get(endpoints.path_of(account, name))
    state = endpoints.state_of(found)
    if state in FAILED:
        return _failed(known, f"the endpoint did not take the traffic: {state}")
    if state != "Succeeded" or endpoints.traffic_of(found) != 100:
        return _running(known, f"traffic: {state}")
    return Operation(
        OperationState.SUCCEEDED,
        token=token(**known),
        result={
            "endpoint_id": endpoints.path_of(account, name).rsplit("/", 1)[-1],
            "url": str(found.get("properties", {}).get("scoringUri") or ""),
            "deployment": sibling(name, DEPLOYMENT),
        },
    )
