"""Long-running operations of the service: looking at one, and finding those of a resource."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
        changed: Unix time of its last change, which for one that has ended is its end; 0.0 if the service does not say.
    """

    name: str
    kind: str
    done: bool
    failure: str
    partial_failures: tuple[str, ...]
    changed: float = 0.0

    @property
    def going(self) -> bool:
        """Whether it has not ended."""
        return not self.done


def look(account: Account, name: str) -> Work:
    """Look once at an operation.

    Raises:
        ResourceMissing: If there is none of that name (any more).
    """
    from google.longrunning import operations_pb2

    return work_of(_get(account, name, operations_pb2.Operation()))


def listed(account: Account, resource: str) -> list[Work]:
    """Return the operations of a resource that the service remembers; none if it tells nothing of them."""
    from google.longrunning import operations_pb2

    found: list[Work] = []
    token = ""
    try:
        while True:
            query = {"pageToken": token} if token else {}
            page = _get(account, f"{resource}/operations", operations_pb2.ListOperationsResponse(), query)
            found += [work_of(each) for each in page.operations]
            token = page.next_page_token
            if not token:
                return found
    except (ResourceMissing, RequestRefused):
        return found


def _get(account: Account, name: str, message: Any, query: Mapping[str, str] | None = None) -> Any:
    """Read a message at the address that Google documents for operations: `GET /v1/{name}`.

    The SDK's own clients ask under `/ui/`, of which no page of Google's speaks.
    """
    import google.cloud.aiplatform_v1.types  # noqa: F401  # knows the messages inside an operation
    from google.api_core.exceptions import from_http_response
    from google.protobuf import json_format

    with google_errors(name):
        answer = account.session.get(f"{account.api_url}/v1/{name}", params=query, timeout=ONCE["timeout"])
        if answer.status_code != 200:
            raise from_http_response(answer)  # type: ignore[no-untyped-call]
        return json_format.Parse(answer.content, message, ignore_unknown_fields=True)


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
        changed=_changed(plain.metadata),
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


def _changed(metadata: Any) -> float:
    from google.cloud.aiplatform_v1 import types

    kind = metadata.type_url.rsplit(".", 1)[-1]
    if kind not in (IMPORT, DEPLOY, UNDEPLOY):
        return 0.0
    moment = getattr(types, kind).deserialize(metadata.value).generic_metadata.update_time
    return float(moment.timestamp()) if moment else 0.0


def _sentence(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(".")
