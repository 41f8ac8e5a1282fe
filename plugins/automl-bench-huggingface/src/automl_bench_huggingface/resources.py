"""What exists at Hugging Face under a name prefix, found with no local file to help, and how each of it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Deletion, Resource
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.certainty import require_same_scope
from automl_bench_huggingface import endpoints, repositories, training_jobs
from automl_bench_huggingface.naming import DATASET, ENDPOINT, JOB, MODEL, SUFFIXES, stem

if TYPE_CHECKING:
    from automl_bench_huggingface.account import Account


def list_everything(account: Account, prefix: str) -> list[Resource]:
    """List our resources in order of creation, so that the reverse order can be deleted: four lists in all."""
    wide = stem(prefix)
    repos = [each for kind in (DATASET, MODEL) for each in repositories.listed(account, kind, wide)]
    kept = frozenset(f"{stem(repo.name)}-{SUFFIXES[JOB]}" for repo in repos)
    jobs = training_jobs.listed(account, wide, kept)
    found = [*repos, *jobs, *endpoints.listed(account, wide)]
    return [resource for resource in found if resource.name.startswith(prefix)]


def _place(resource: Resource) -> dict[str, str]:
    """Return the namespace that a resource recorded before scopes were says of itself."""
    told = resource.details.get("namespace") or resource.details.get("owner") or resource.resource_id.rpartition("/")[0]
    return {"namespace": str(told)} if told else {}


def delete(account: Account, resource: Resource) -> Deletion:
    """Take one resource away.

    Raises:
        RequestRefused: If it is in another namespace or at another service.
        ProviderError: If the service refuses.
    """
    require_same_scope(resource, account.scope, known=_place(resource))
    if resource.kind in (DATASET, MODEL):
        return repositories.delete(account, resource)
    if resource.kind == JOB:
        return training_jobs.cancel(account, resource)
    if resource.kind == ENDPOINT:
        return endpoints.delete(account, resource)
    raise RequestRefused(f"{resource.kind!r} is no kind of resource of Hugging Face.")
