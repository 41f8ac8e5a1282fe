"""When a plugin may say that a resource is gone: not while it may still come up, and not from another place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from automl_bench.contract import Resource
from automl_bench.errors import RequestRefused


def is_young(resource: Resource, seconds: float) -> bool:
    """Return whether a resource was made so recently that its service may not show it yet.

    Args:
        resource: What does not show; without a time of creation it is not young.
        seconds: How long the service's answers may lag behind.
    """
    try:
        made = datetime.fromisoformat(resource.since)
    except ValueError:
        return False
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    return abs((datetime.now(UTC) - made).total_seconds()) < seconds


def require_same_scope(resource: Resource, here: Mapping[str, str], *, known: Mapping[str, str] | None = None) -> None:
    """Refuse work on a resource that lies elsewhere than the settings lead, before any request.

    Args:
        resource: What is to be deleted.
        here: Scope that the settings and credentials lead to.
        known: What the resource's id says of its scope, for resources recorded before scopes were.

    Raises:
        RequestRefused: If a part of the scope has another value.
    """
    there = {**(known or {}), **resource.scope}
    for part in sorted(there.keys() & here.keys()):
        if there[part] != here[part]:
            name = part.replace("_", " ")
            raise RequestRefused(
                f"{resource.kind} {resource.name} is in the {name} {there[part]}, "
                f"and the settings lead to {here[part]}.",
                remedy=f"Set the {name} to {there[part]} and run the same command again.",
                resource=resource.resource_id,
            )
