"""A trial's folder of blobs: one ledger line for all of its images and tables.

    automl-bench/trials/<name>/claim.json          written first, deleted last
    automl-bench/trials/<name>/images/<SHA-256>.png
    automl-bench/trials/<name>/train/              MLTable, annotations.jsonl
    automl-bench/trials/<name>/validation/         MLTable, annotations.jsonl

The claim is what is created through the ledger. Whatever a killed process had sent by then is found under it, by any
process and from the container alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from automl_bench.contract import Deletion, Resource
from automl_bench.errors import RequestRefused
from automl_bench_azure.naming import FOLDER, TRIALS, trial_folder

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

CLAIM = "claim.json"


def find(account: Account, name: str) -> Resource | None:
    """Return a trial's folder if it has been claimed."""
    since = account.storage.modified(f"{trial_folder(name)}{CLAIM}")
    return None if since is None else _resource(account, name, since)


def claim(account: Account, name: str, dataset: str) -> Resource:
    """Claim a trial's folder."""
    content = json.dumps({"made-by": "automl-bench", "name": name, "dataset": dataset}).encode()
    account.storage.write(f"{trial_folder(name)}{CLAIM}", content, "application/json")
    return _resource(account, name, "")


def listed(account: Account, prefix: str) -> list[Resource]:
    """Return the folders of all trials under a name prefix, whole or not."""
    names = (path.removeprefix(TRIALS) for path in account.storage.folders(f"{TRIALS}{prefix}"))
    return [_resource(account, name.rstrip("/"), "") for name in names if name.endswith("/")]


def delete(account: Account, item: Resource) -> Deletion:
    """Delete a trial's blobs, the claim at last.

    Raises:
        RequestRefused: If they lie in another container than the one that is set now.
    """
    folder = trial_folder(item.name)
    if item.resource_id not in ("", f"{account.storage.url}/{folder}"):
        raise RequestRefused(
            f"The folder lies at {item.resource_id} and the container that is set is {account.storage.url}.",
            remedy="Set the workspace and datastore that it was sent to, and tear down again.",
        )
    names = [blob.name for blob in account.storage.listed(folder)]
    if not names:
        return Deletion.ALREADY_GONE
    claim_name = f"{folder}{CLAIM}"
    account.storage.delete(each for each in names if each != claim_name)
    account.storage.delete([claim_name])
    # An upload that was broken off may have had requests under way, which arrive after all.
    late = next(account.storage.listed(folder), None)
    return Deletion.DELETED if late is None else Deletion.PENDING


def _resource(account: Account, name: str, since: str) -> Resource:
    storage, folder = account.storage, trial_folder(name)
    host = storage.url.split("//", 1)[-1].split(".", 1)[0].split("/", 1)[0]
    return Resource(
        FOLDER,
        name,
        resource_id=f"{storage.url}/{folder}",
        hourly_usd=0.0,
        details={"container": storage.container, "folder": folder},
        delete_by_hand=(
            f"az storage blob delete-batch --account-name {host} --source {storage.container} --pattern '{folder}*'"
        ),
        since=since,
        scope=account.scope,
    )
