"""Long-running operations of the service: looking at one, and finding those of a resource."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.errors import ProviderError, RequestRefused, ResourceMissing
from automl_bench_vertex.account import ONCE
from automl_bench_vertex.failures import google_errors

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account

IMPORT = "ImportDataOperationMetadata"
DEPLOY = "DeployModelOperationMetadata"
UNDEPLOY = "UndeployModelOperationMetadata"

_OPERATION = re.compile(r"(?P<resource>.+)/operations/[^/]+")


@dataclass(frozen=True, slots=True)
class Work:
    """A long-running operation as it stands.

    Attributes:
        name: The service's name of it.
        kind: Type of its metadata, as in "ImportDataOperationMetadata".
        done: Whether it has ended.
        failure: Why it failed, or empty.
        partial_failures: What it could not do though it ended, one sentence each; the service tells 20 at most.
    """

    name: str
    kind: str
    done: bool
    failure: str
    partial_failures: tuple[str, ...]

    @property
    def going(self) -> bool:
        """Whether it has not ended."""
        return not self.done


def look(account: Account, name: str) -> Work:
    """Look once at an operation. Any of the service's clients can.

    Raises:
        ResourceMissing: If there is none of that name (any more).
    """
    with google_errors(name):
        return work_of(account.datasets.get_operation({"name": name}, **ONCE))


def listed(account: Account, resource: str) -> list[Work]:
    """Return the operations of a resource that the service remembers; none if it tells nothing of them."""
    found = []
    token = ""
    try:
        while True:
            with google_errors(resource):
                page = account.datasets.list_operations({"name": resource, "page_token": token}, **ONCE)
            found += [work_of(each) for each in page.operations]
            token = page.next_page_token
            if not token:
                return found
    except (ResourceMissing, RequestRefused):
        return found


def going(account: Account, resource: str, kind: str) -> Work | None:
    """Return a resource's operation of a kind that has not ended, or None."""
    return next((work for work in listed(account, resource) if work.going and work.kind == kind), None)


def work_of(operation: Any) -> Work:
    """Return an operation of the SDK, in either of its two forms, as we know it."""
    plain = getattr(operation, "operation", operation)
    return Work(
        name=plain.name,
        kind=plain.metadata.type_url.rsplit(".", 1)[-1],
        done=plain.done,
        failure=_sentence(plain.error.message) or "no reason given" if plain.HasField("error") else "",
        partial_failures=tuple(_partial_failures(plain.metadata)),
    )


def resource_of(operation_name: str) -> str:
    """Return the name of the resource that an operation is about: it stands in the operation's own.

    Raises:
        ProviderError: If it does not.
    """
    found = _OPERATION.fullmatch(operation_name)
    if found is None:
        raise ProviderError(f"The service's operation {operation_name!r} names no resource.")
    return found["resource"]


def _partial_failures(metadata: Any) -> Iterator[str]:
    from google.cloud.aiplatform_v1.types import ImportDataOperationMetadata

    if metadata.type_url.endswith(f".{IMPORT}"):
        about = ImportDataOperationMetadata.deserialize(metadata.value)
        for failure in about.generic_metadata.partial_failures:
            yield _sentence(failure.message) or f"code {failure.code}"


def _sentence(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(".")
