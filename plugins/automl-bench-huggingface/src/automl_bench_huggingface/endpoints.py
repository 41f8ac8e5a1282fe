"""Inference Endpoints: created, found, watched until they answer, deleted.

**The fuse.** The service scales an endpoint to nothing only if its least number of replicas is 0. So it is created with
0 to 1 replicas and the recipe's idle time: one replica runs from the start, serves every measured request, and ends by
itself if this machine never comes back.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from automl_bench.contract import NAME_PREFIX, Deletion, Modality, Owner, Resource
from automl_bench.errors import (
    ProviderError,
    RateLimited,
    RequestRefused,
    ResourceConflict,
    ResourceMissing,
    ServiceUnavailable,
    TransientProviderError,
    Unauthenticated,
)
from automl_bench.toolkit.answers import one_line
from automl_bench.toolkit.setting_values import is_this_machine, may_take_credentials
from automl_bench_huggingface.failures import NotItsOwn, unreadable
from automl_bench_huggingface.naming import ENDPOINT, is_ours, owner_in, tags_of
from automl_bench_huggingface.prices import endpoint_hour_usd
from automl_bench_huggingface.recipes import Recipe
from automl_bench_huggingface.repositories import gone

if TYPE_CHECKING:
    from huggingface_hub import InferenceEndpoint

    from automl_bench_huggingface.account import Account

TASKS = {Modality.IMAGE: "image-classification", Modality.TEXT: "text-classification"}
"""The service's word for what an endpoint does."""

HEALTH_ROUTE = "/health"
"""Where the service's own containers tell whether they serve."""

DEAD = frozenset({"failed", "updateFailed"})
HEALTH_SECONDS = 10.0
"""How long an endpoint's health is waited for."""

HOSTS = (".huggingface.cloud", ".huggingface.tech", ".huggingface.co", ".hf.space")
"""Ends of the host names that may see the token."""


def _resource(account: Account, endpoint: InferenceEndpoint) -> Resource:
    return Resource(
        kind=ENDPOINT,
        name=endpoint.name,
        resource_id=endpoint.name,
        hourly_usd=_hourly_usd(endpoint.raw),
        details={"namespace": endpoint.namespace},
        delete_by_hand=f"hf endpoints delete {endpoint.name} --namespace {endpoint.namespace}",
        since=endpoint.created_at.isoformat(),
        owner=owner_in(str(tag) for tag in endpoint.raw.get("tags") or ()),
        scope=account.scope,
    )


def _hourly_usd(raw: dict[str, Any]) -> float | None:
    """Return what an endpoint costs while it runs, by the hardware that the service says it has."""
    compute, provider = raw.get("compute"), raw.get("provider")
    if not isinstance(compute, dict) or not isinstance(provider, dict):
        return None
    return endpoint_hour_usd(f"{provider.get('vendor')}-{compute.get('instanceType')}-{compute.get('instanceSize')}")


def look(account: Account, name: str) -> InferenceEndpoint:
    """Look at one endpoint.

    Raises:
        ResourceMissing: If there is none.
    """
    with account.asking(f"look at the endpoint {name}") as api:
        endpoint: InferenceEndpoint = api.get_inference_endpoint(name, namespace=account.namespace)
    return endpoint


def find(account: Account, name: str, revision: str) -> Resource | None:
    """Look an endpoint up by its name; a paused one is set going again, one that failed is deleted.

    Raises:
        ResourceConflict: If it serves another commit: what would be measured is not what was trained.
        ServiceUnavailable: While one that failed is being deleted.
    """
    try:
        endpoint = look(account, name)
    except ResourceMissing:
        return None
    if endpoint.revision and endpoint.revision != revision:
        raise ResourceConflict(
            f"The endpoint {name} serves the commit {endpoint.revision}, not {revision}.",
            remedy=f"Delete it: hf endpoints delete {name} --namespace {account.namespace}",
        )
    if endpoint.status in DEAD:
        with suppress(ResourceConflict, ResourceMissing), account.asking(f"delete the endpoint {name}") as api:
            api.delete_inference_endpoint(name, namespace=account.namespace)
        raise ServiceUnavailable(f"The endpoint {name}, which failed, is being deleted.")
    if endpoint.status == "paused":
        resume(account, name)
    return _resource(account, endpoint)


def resume(account: Account, name: str) -> None:
    """Set a paused endpoint going again. From here on it is billed."""
    with account.asking(f"resume the endpoint {name}") as api:
        api.resume_inference_endpoint(name, namespace=account.namespace)


def create(
    account: Account, name: str, *, task: str, model: str, revision: str, recipe: Recipe, owner: Owner | None
) -> Resource:
    """Create an endpoint that serves one commit of a model. From here on it is billed."""
    fuse = recipe.scale_to_zero_minutes
    with account.asking(f"create the endpoint {name}") as api:
        endpoint = api.create_inference_endpoint(
            name,
            repository=model,
            revision=revision,
            framework="pytorch",
            task=task,
            vendor=recipe.vendor,
            region=recipe.region,
            accelerator=recipe.accelerator,
            instance_type=recipe.instance_type,
            instance_size=recipe.instance_size,
            min_replica=0 if fuse else 1,
            max_replica=1,
            scale_to_zero_timeout=fuse or None,
            type="authenticated",
            tags=[NAME_PREFIX, *tags_of(owner)],
            namespace=account.namespace,
        )
    return _resource(account, endpoint)


def listed(account: Account, prefix: str) -> list[Resource]:
    """List the endpoints under a name prefix, oldest first."""
    with account.asking(f"list the endpoints of {account.namespace}") as api:
        found = list(api.list_inference_endpoints(namespace=account.namespace))
    ours = [each for each in found if is_ours(each.name, ENDPOINT) and each.name.startswith(prefix)]
    return [_resource(account, each) for each in sorted(ours, key=lambda each: each.created_at)]


def delete(account: Account, resource: Resource) -> Deletion:
    """Delete an endpoint. If the service refuses, it is paused, so that it is not billed, and the refusal is raised."""
    try:
        with account.asking(f"delete the endpoint {resource.name}") as api:
            api.delete_inference_endpoint(resource.name, namespace=account.namespace)
    except ResourceMissing:
        return gone(resource)
    except ResourceConflict:
        return Deletion.PENDING  # it is busy, with being deleted or with something that ends
    except (RateLimited, TransientProviderError, Unauthenticated):
        raise
    except ProviderError as error:
        _pause_after(account, resource.name, error)
        raise
    try:
        look(account, resource.name)
    except ResourceMissing:
        return Deletion.DELETED
    return Deletion.PENDING


def _pause_after(account: Account, name: str, refusal: ProviderError) -> None:
    try:
        with account.asking(f"pause the endpoint {name}") as api:
            api.pause_inference_endpoint(name, namespace=account.namespace)
    except ProviderError:
        return
    refusal.remedy = f"It is paused, so it is not billed. {refusal.remedy}".strip()


def serves(account: Account, url: str, health_route: str) -> bool:
    """Ask an endpoint whether it answers; one that sleeps begins to wake by being asked."""
    return _health(account, url, health_route) == 200


def is_awake(account: Account, url: str) -> bool:
    """Ask an endpoint made by hand whether it is awake; one that sleeps begins to wake by being asked."""
    return _health(account, url, HEALTH_ROUTE) != 503


def _health(account: Account, url: str, route: str) -> int:
    """Return the status of an endpoint's health route; 503 also while nothing answers, 0 for no such route."""
    what = f"tell whether the endpoint at {urlsplit(url).hostname} serves"
    address = f"{url.rstrip('/')}/{route.lstrip('/')}"
    try:
        with account.asking(what) as api:
            from huggingface_hub import get_session

            sent = bearer(account, url, str(api.token))
            return int(get_session().get(address, headers=sent, timeout=HEALTH_SECONDS).status_code)
    except (NotItsOwn, ResourceMissing, RequestRefused):
        return 0  # something answers there, though not as the service's own containers do
    except TransientProviderError:
        return 503


def bearer(account: Account, url: str, token: str) -> dict[str, str]:
    """Return the header that authorises a request: for the service's own hosts and this machine only."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    at_home = parts.scheme == "https" and host.endswith(HOSTS)
    return {"Authorization": f"Bearer {token}"} if at_home or is_this_machine(host) else {}


def adopted_url(account: Account, endpoint_id: str, task: str) -> str:
    """Return the address of an endpoint that was made by hand, given by its address or its name.

    Raises:
        RequestRefused: If the address cannot be used, or the endpoint does something else or does not run.
        ResourceMissing: If there is no endpoint of that name.
    """
    if "://" in endpoint_id:
        parts = urlsplit(endpoint_id)
        usable = may_take_credentials(endpoint_id)
        if not usable or not parts.hostname or parts.username:
            raise RequestRefused(
                f"{parts.scheme}://{parts.hostname or ''} is no address of an endpoint.",
                remedy="Give an https address, or the endpoint's name.",
            )
        return endpoint_id.rstrip("/")
    endpoint = look(account, endpoint_id)
    if endpoint.task and endpoint.task != task:
        raise RequestRefused(
            f"The endpoint {endpoint_id} does {one_line(str(endpoint.task))}, not {task}.",
            remedy="Give one that classifies what this dataset holds.",
        )
    if not endpoint.url or endpoint.status in DEAD or endpoint.status == "paused":
        raise RequestRefused(
            f"The endpoint {endpoint_id} is {one_line(str(endpoint.status))}.",
            remedy=f"hf endpoints resume {endpoint_id} --namespace {account.namespace}",
        )
    return str(endpoint.url)


def why(endpoint: InferenceEndpoint) -> str:
    """Return the service's words on an endpoint's state."""
    status = endpoint.raw.get("status")
    if not isinstance(status, dict):
        raise unreadable(f"look at the endpoint {endpoint.name}")
    return one_line(str(status.get("message") or status.get("errorMessage") or endpoint.status))
