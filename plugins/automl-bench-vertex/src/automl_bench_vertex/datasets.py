"""Datasets of the service: found by display name, filled from an import file."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Owner, Resource, owner_from_tags
from automl_bench.errors import ResourceConflict, ResourceMissing
from automl_bench.toolkit.beginnings import beginning
from automl_bench_vertex import control
from automl_bench_vertex.account import ONCE
from automl_bench_vertex.failures import google_errors
from automl_bench_vertex.naming import DATASET, labels_of

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account

SCHEMAS = "gs://google-cloud-aiplatform/schema"
IMAGES_SCHEMA = f"{SCHEMAS}/dataset/metadata/image_1.0.0.yaml"
TABLE_SCHEMA = f"{SCHEMAS}/dataset/metadata/tabular_1.0.0.yaml"
IMPORT_SCHEMA = f"{SCHEMAS}/dataset/ioformat/image_classification_single_label_io_format_1.0.0.yaml"


def listed(account: Account, name: str = "") -> list[Any]:
    """Return the project's datasets in order of creation: those of exactly this display name, or all."""
    request = {"parent": account.parent, "page_size": 100}
    if name:
        request["filter"] = f'display_name="{name}"'
    with google_errors(name):
        found = list(account.datasets.list_datasets(request, **ONCE))
    return sorted((each for each in found if not name or each.display_name == name), key=lambda each: each.create_time)


def get(account: Account, resource_id: str) -> Any | None:
    """Return one dataset, or None if it is not there."""
    try:
        with google_errors(resource_id):
            return account.datasets.get_dataset({"name": resource_id}, **ONCE)
    except ResourceMissing:
        return None


def find(account: Account, name: str) -> Resource | None:
    """Return a dataset by display name as a resource. One whose import failed is deleted: it cannot be filled anew."""
    for dataset in listed(account, name):
        if not _import_failed(account, dataset.name):
            return resource_of(account, dataset)
        with suppress(ResourceConflict, ResourceMissing):  # it is being deleted already
            delete(account, dataset.name)
    return None


def _import_failed(account: Account, resource_id: str) -> bool:
    imports = [work for work in control.listed(account, resource_id) if work.kind == control.IMPORT]
    return bool(imports) and all(work.done and (work.failure or work.partial_failures) for work in imports)


def create(account: Account, name: str, owner: Owner | None, table: str = "") -> Resource:
    """Begin to create a dataset: an empty one for images, or one of the table at an address.

    A table is read when it is trained on, and never imported; its address is a list under a singular key.
    """
    dataset: dict[str, Any] = {"display_name": name, "labels": labels_of(name, owner)}
    if table:
        metadata = {"inputConfig": {"gcsSource": {"uri": [table]}}}
        dataset |= {"metadata_schema_uri": TABLE_SCHEMA, "metadata": metadata}
    else:
        dataset |= {"metadata_schema_uri": IMAGES_SCHEMA}
    with google_errors(name):
        begun = account.datasets.create_dataset({"parent": account.parent, "dataset": dataset}, **ONCE)
    operation = begun.operation.name
    return _resource(account, name, control.resource_of(operation), operation=operation, owner=owner)


def begin_import(account: Account, resource_id: str, address: str) -> str:
    """Begin to import what a file in the bucket lists, unless that has begun already; return the operation's name."""
    begun = [work for work in control.listed(account, resource_id) if work.kind == control.IMPORT]
    if begun:
        return begun[0].name
    config = {"gcs_source": {"uris": [address]}, "import_schema_uri": IMPORT_SCHEMA}
    with beginning(), google_errors(resource_id):
        answer = account.datasets.import_data({"name": resource_id, "import_configs": [config]}, **ONCE)
    return str(answer.operation.name)


def delete(account: Account, resource_id: str) -> str:
    """Begin to delete a dataset with all that was imported; return the operation's name."""
    with google_errors(resource_id):
        answer = account.datasets.delete_dataset({"name": resource_id}, **ONCE)
    return str(answer.operation.name)


def resource_of(account: Account, dataset: Any) -> Resource:
    """Return a dataset as the ledger knows it."""
    since = dataset.create_time.isoformat() if dataset.create_time else ""
    return _resource(
        account, dataset.display_name, dataset.name, since=since, owner=owner_from_tags(dict(dataset.labels))
    )


def _resource(
    account: Account, name: str, resource_id: str, *, operation: str = "", since: str = "", owner: Owner | None
) -> Resource:
    return Resource(
        DATASET,
        name,
        resource_id=resource_id,
        hourly_usd=0.0,
        details={"operation": operation} if operation else {},
        delete_by_hand=by_hand(account, "DELETE", resource_id),
        since=since,
        owner=owner,
        scope=account.scope,
    )


def by_hand(account: Account, method: str, path: str) -> str:
    """Return the command that makes a request for which gcloud has no command of its own."""
    return (
        f'curl --fail -X {method} -H "Authorization: Bearer $(gcloud auth print-access-token)" '
        f"{account.api_url}/v1/{path}"
    )
