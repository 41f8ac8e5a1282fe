"""What a token may do, as the service says with whose token it is: asked before anything that costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl_bench.errors import PermissionDenied

REMEDY = "Make a token with the permissions of `automl-bench providers show huggingface --policy`."

NEEDED: Mapping[str, str] = {
    "repo.content.read": "read repositories",
    "repo.write": "write repositories",
    "job.write": "start and manage Jobs",
    "inference.endpoints.write": "manage Inference Endpoints",
    "inference.endpoints.infer.write": "make calls to Inference Endpoints",
}
"""The service's word for each permission of a fine-grained token, and ours. repo.write includes reading."""


def check(answer: Mapping[str, Any], owner: str) -> tuple[str, ...]:
    """Check that a token can do all that a trial needs, and return what could not be checked.

    Args:
        answer: What the service says of the token (`whoami-v2`).
        owner: Namespace in which everything is made.

    Raises:
        PermissionDenied: If it cannot write, or lacks a permission.
    """
    token = _object(_object(answer.get("auth")).get("accessToken"))
    role = str(token.get("role", ""))
    if role == "read":
        raise PermissionDenied("The token may only read: no repository, job or endpoint can be made.", remedy=REMEDY)
    if role != "fineGrained":
        return () if role in ("write", "admin") else ("the service does not say what this token may do",)
    held = _permissions(_object(token.get("fineGrained")), owner)
    if "repo.write" in held:
        held = held | {"repo.content.read"}
    missing = [f"{ours} ({its})" for its, ours in NEEDED.items() if its not in held]
    if missing:
        raise PermissionDenied(f"The token may not {', '.join(missing)} for {owner}.", remedy=REMEDY)
    return ()


def _permissions(grained: Mapping[str, Any], owner: str) -> frozenset[str]:
    """Return what a fine-grained token may do for an owner: permissions are given for users and organizations."""
    held = {str(each) for each in grained.get("global") or ()}
    for scope in grained.get("scoped") or ():
        entity = _object(_object(scope).get("entity"))
        if entity.get("name") == owner and entity.get("type") in ("user", "org"):
            held |= {str(each) for each in scope.get("permissions") or ()}
    return frozenset(held)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
