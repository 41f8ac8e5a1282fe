"""Private repositories on the Hub: found, created, listed, deleted by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_bench.contract import NAME_PREFIX, Deletion, Resource
from automl_bench.errors import ProviderError, ResourceConflict, ResourceMissing, ServiceUnavailable
from automl_bench.toolkit.answers import read_json
from automl_bench.toolkit.certainty import is_young
from automl_bench_huggingface.description import DESCRIPTION
from automl_bench_huggingface.failures import unreadable
from automl_bench_huggingface.naming import REPO_TYPES, is_ours

if TYPE_CHECKING:
    from automl_bench_huggingface.account import Account

REPORT = "training.json"


def _resource(account: Account, kind: str, repo_id: str, since: str = "") -> Resource:
    return Resource(
        kind=kind,
        name=repo_id.partition("/")[2],
        resource_id=repo_id,
        hourly_usd=0.0,
        details={"repo_type": REPO_TYPES[kind]},
        delete_by_hand=f"hf repos delete {repo_id} --type {REPO_TYPES[kind]}",
        since=since,
        scope=account.scope,
    )


def gone(resource: Resource) -> Deletion:
    """Return what it means that a resource is not there: one that was just made may show later."""
    return Deletion.PENDING if is_young(resource, DESCRIPTION.settle_seconds) else Deletion.ALREADY_GONE


def find(account: Account, kind: str, name: str) -> Resource | None:
    """Look a repository up by its name."""
    try:
        revision_of(account, kind, account.repository(name))
    except ResourceMissing:
        return None
    return _resource(account, kind, account.repository(name))


def create(account: Account, kind: str, name: str) -> Resource:
    """Create a private repository.

    Raises:
        ServiceUnavailable: If it is busy making another one for the same owner, which it answers as a conflict.
        ProviderError: If the service refuses.
    """
    repo_id = account.repository(name)
    try:
        with account.asking(f"create the repository {repo_id}") as api:
            api.create_repo(repo_id, repo_type=REPO_TYPES[kind], visibility="private")
    except ResourceConflict as conflict:
        made = find(account, kind, name)
        if made is None:
            raise ServiceUnavailable(conflict.message, request_id=conflict.request_id) from None
        return made
    return _resource(account, kind, repo_id)


def revision_of(account: Account, kind: str, repo_id: str) -> str:
    """Return the newest commit of a repository.

    Raises:
        ResourceMissing: If there is no such repository.
        ProviderError: If the service does not say.
    """
    what = f"look at the repository {repo_id}"
    with account.asking(what) as api:
        info = api.repo_info(repo_id, repo_type=REPO_TYPES[kind])
    if not info.sha:
        raise unreadable(what)
    return str(info.sha)


def listed(account: Account, kind: str, prefix: str) -> list[Resource]:
    """List the repositories of a kind under a name prefix, oldest first."""
    repo_type = REPO_TYPES[kind]
    with account.asking(f"list the {repo_type} repositories of {account.namespace}") as api:
        search = api.list_datasets if repo_type == "dataset" else api.list_models
        # The Hub searches for parts of names; what is kept is decided here.
        found = [
            (str(info.created_at or ""), str(info.id)) for info in search(author=account.namespace, search=NAME_PREFIX)
        ]
    ours = [
        _resource(account, kind, repo_id, since)
        for since, repo_id in sorted(found)
        if repo_id.partition("/")[0] == account.namespace and is_ours(repo_id.partition("/")[2], kind)
    ]
    return [resource for resource in ours if resource.name.startswith(prefix)]


def delete(account: Account, resource: Resource) -> Deletion:
    """Delete a repository with all that is in it."""
    repo_id = resource.resource_id or account.repository(resource.name)
    try:
        with account.asking(f"delete the repository {repo_id}") as api:
            api.delete_repo(repo_id, repo_type=REPO_TYPES[resource.kind])
    except ResourceMissing:
        return gone(resource)
    return Deletion.DELETED


def read_report(account: Account, repo_id: str, revision: str) -> dict[str, Any]:
    """Return what the training wrote about itself beside the model.

    Raises:
        ResourceMissing: If it wrote nothing.
        ProviderError: If it cannot be read.
    """
    what = f"read {REPORT} of {repo_id}"
    with account.asking(what) as api:
        from huggingface_hub import get_session, hf_hub_url

        url = hf_hub_url(repo_id, REPORT, revision=revision, endpoint=api.endpoint)
        answer = get_session().get(url, headers={"Authorization": f"Bearer {api.token}"})
        try:
            content = read_json(answer.content)
        except ValueError:
            raise unreadable(what) from None
    if not isinstance(content, dict) or not _is_number(content.get("training_seconds")):
        raise ProviderError(f"{REPORT} of {repo_id} does not say how long the training took.")
    return content


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
