"""Long work at a provider and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from automl_bench.contract.vocabulary import Json
from automl_bench.ownership import Owner, parse_name


class OperationState(StrEnum):
    """How far an operation is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Operation:
    """Long work at the provider.

    Attributes:
        state: How far it is.
        token: Identifiers from which `poll` in another process, a day later, finds the work again. Never a secret.
        result: What later stages need, once SUCCEEDED; JSON. The host stores it and hands it back through
            `TrialContext.results`. For `deploy` it must hold "endpoint_id", and "url" where there is one.
        message: The provider's words on progress or failure.
        queue_seconds: Time the provider spent waiting to begin, where it says so.
        work_seconds: Time the provider spent working, where it says so: the honest training time.
        billable_seconds: Time the provider will bill, where it says so.
        usd: What the work cost in US dollars, where it is known by more than its hours.
        poll_after: Seconds the host should wait before the next look, or None for its own schedule.
    """

    state: OperationState
    token: str = ""
    result: Mapping[str, Json] = field(default_factory=dict)
    message: str = ""
    queue_seconds: float | None = None
    work_seconds: float | None = None
    billable_seconds: float | None = None
    poll_after: float | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Anything that stays at the provider until it is deleted.

    Attributes:
        kind: The plugin's word for it: "bucket-objects", "model", "endpoint".
        name: Deterministic, begins with `NAME_PREFIX` and carries workspace and trial id: see `parse_name`.
        resource_id: The provider's own id; may equal the name.
        hourly_usd: What it costs per hour while idle; 0.0 for nothing, None for unknown.
        details: What `delete_resource` and later stages need; JSON, no secret.
        delete_by_hand: The console command or address that deletes it without automl-bench.
        since: ISO 8601 time of creation as the provider says, or empty.
        owner: Whose it is, as the provider's own tags say; None where it has none. `owner_of` falls back to the name.
        scope: Where it lies: account, project, region, namespace, host of the service: whatever, under another value,
            would make the same name a different thing. In the words of the hook `resource_scope`.
    """

    kind: str
    name: str
    resource_id: str = ""
    hourly_usd: float | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    delete_by_hand: str = ""
    since: str = ""
    owner: Owner | None = None
    scope: Mapping[str, str] = field(default_factory=dict)


def owner_of(resource: Resource, separator: str = "-") -> Owner | None:
    """Return whose a resource is: as its tags say, else as its name says, else None (unknown)."""
    if resource.owner is not None:
        return resource.owner
    parts = parse_name(resource.name, separator)
    return None if parts is None or parts.workspace is None else Owner(parts.workspace)


class Deletion(StrEnum):
    """What `delete_resource` achieved."""

    DELETED = "deleted"
    ALREADY_GONE = "already_gone"
    PENDING = "pending"
    """Deletion has begun; the host asks again."""


class ResourceRecorder(Protocol):
    """The only way to create anything that stays at a provider."""

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        """Find or create one resource, with a durable ledger line before the call that creates it.

        Args:
            kind: The plugin's word for it; one trial has at most one resource of a kind and name.
            find: Looks the name up at the provider; returns None if it is not there.
            create: Creates it under exactly the name it is given.
            name: Name to use; by default `context.name_for(kind)`.
            hourly_usd: Cost per idle hour, written before creation so that a lost answer still shows its price.
        """
        ...
