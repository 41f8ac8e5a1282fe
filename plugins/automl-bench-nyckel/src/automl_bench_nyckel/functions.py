"""Functions: Nyckel's word for a model with its labels and samples. One function a trial, and nothing else stays."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from automl_bench.contract import Deletion, HttpRequest, HttpResponse, Modality, Resource, TrialContext
from automl_bench.errors import ProviderError, RequestRefused, ResourceConflict, ResourceMissing, TransientProviderError
from automl_bench.toolkit.certainty import is_young, require_same_scope
from automl_bench_nyckel.contents import INPUTS
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.description import DESCRIPTION
from automl_bench_nyckel.failures import read_json, text_at
from automl_bench_nyckel.prices import hourly_usd

KIND = "function"
LIST = "/v1/functions"
FAILED_STATES = frozenset({"Failed"})
"""States of a function that no wait changes."""
VISIBLE_ATTEMPTS = 8
"""Looks for something just created, with growing pauses: about 30 s in all; up to 2 s are usual."""


def path_of(function_id: str, version: str = "v1") -> str:
    """Return the path of a function; an id may be given with or without its prefix."""
    return f"/{version}/functions/{quote(function_id, safe='')}"


def bare(identifier: str) -> str:
    """Return an id without its prefix, as "abc" for "sample_abc": both name the same thing, and answers mix them."""
    return identifier.rpartition("_")[2]


def listed(control: Control, prefix: str) -> list[dict[str, Any]]:
    """Return the account's functions whose name begins with a prefix, in the service's order."""
    functions = control.items(LIST, what="list the functions")
    return [function for function in functions if str(function.get("name", "")).startswith(prefix)]


def find(control: Control, name: str) -> Resource | None:
    """Return the function of exactly this name, or None. One whose training failed is deleted, with its samples."""
    for function in listed(control, name):
        if function.get("name") != name:
            continue
        found = resource_of(control, function)
        if not has_failed(control, found.resource_id):
            return found
        with suppress(ResourceMissing):
            control.ask("DELETE", path_of(found.resource_id), what="delete the function that failed")
    return None


def has_failed(control: Control, function_id: str) -> bool:
    """Return whether the service gave a function up. The undocumented API may go away; then nothing is known."""
    try:
        function = control.ask("GET", path_of(function_id, "v0.9"), what="show the function's state")
    except ResourceMissing:
        return False
    return isinstance(function, dict) and function.get("state") in FAILED_STATES


def create(control: Control, name: str, modality: Modality) -> Resource:
    """Create a classification function."""
    what = "create the function"
    body = {"input": INPUTS[modality], "output": "Classification", "name": name}
    return resource_of(control, {"name": name, **(control.ask("POST", LIST, what=what, body=body) or {})})


def resource_of(control: Control, function: dict[str, Any], hourly: float | None = None) -> Resource:
    """Describe a function for the ledger."""
    function_id = text_at(function, "id", what="a question about a function")
    return Resource(
        KIND,
        str(function.get("name", "")),
        resource_id=function_id,
        hourly_usd=hourly,
        details={"function_id": function_id},
        scope=control.scope,
        delete_by_hand=f'curl -X DELETE -H "Authorization: Bearer $TOKEN" {control.url(path_of(function_id))}',
    )


def list_resources(control: Control, prefix: str) -> list[Resource]:
    """Describe the functions under a name prefix, with what their samples cost per hour where that can be told."""
    return [resource_of(control, function, _idle_cost(control, function)) for function in listed(control, prefix)]


def _idle_cost(control: Control, function: dict[str, Any]) -> float | None:
    try:
        metrics = control.ask("GET", f"{path_of(str(function['id']), 'v0.9')}/metrics", what="count the samples")
        return hourly_usd(int(metrics["sampleCount"]))
    except (ProviderError, KeyError, TypeError, ValueError):
        return None


def delete(control: Control, resource: Resource) -> Deletion:
    """Delete a function with its labels and samples.

    A function is invisible for a moment after its creation, and the answer is then 404 as well: such a one is asked
    for again until it must have shown.
    """
    require_same_scope(resource, control.scope)
    function_id = resource.resource_id or str(resource.details.get("function_id", ""))
    if not function_id:
        same = [function for function in listed(control, resource.name) if function.get("name") == resource.name]
        if not same:
            return _gone(resource)
        function_id = resource_of(control, same[0]).resource_id
    try:
        control.ask("DELETE", path_of(function_id), what="delete the function")
    except ResourceMissing:
        return _gone(resource)
    return Deletion.DELETED


def _gone(resource: Resource) -> Deletion:
    """Return what it means that a function is not there: one that was just made may show later."""
    return Deletion.PENDING if is_young(resource, DESCRIPTION.settle_seconds) else Deletion.ALREADY_GONE


def wait_until_visible(context: TrialContext, control: Control, function_id: str) -> None:
    """Let the host ask for a new function until it shows.

    Raises:
        ProviderError: If it does not show, or is of another kind.
    """
    what = "show the function"

    def make() -> HttpRequest:
        return HttpRequest(control.url(path_of(function_id)), method="GET", headers=(control.tokens.header(),))

    def judge(tag: str, response: HttpResponse) -> None:
        try:
            control.judge(response, what=what)
        except ResourceMissing as error:
            raise TransientProviderError(error.message) from None
        check_kind(read_json(response.body, what=what), function_id, context.modality)

    context.send([(KIND, make)], in_flight=1, judge=judge, attempts=VISIBLE_ATTEMPTS)


def adopt(control: Control, function_id: str, modality: Modality) -> None:
    """Check that a function given with --endpoint can be asked.

    Raises:
        RequestRefused: If it is no id, or no classification function of this modality.
        ResourceConflict: If it is being trained: until then an untrained model answers in its place.
        ProviderError: If the service refuses.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", function_id):
        raise RequestRefused(
            f"{function_id!r} is not the id of a function.", remedy="Give one such as function_abc123."
        )
    check_kind(control.ask("GET", path_of(function_id), what="show the function"), function_id, modality)
    try:
        metrics = control.ask("GET", f"{path_of(function_id, 'v0.9')}/metrics", what="show the training's progress")
    except ResourceMissing:  # the undocumented API may go away; the function itself is there
        return
    if isinstance(metrics, dict) and metrics.get("isTraining") is True:
        raise ResourceConflict(
            f"The function {function_id} is being trained.", remedy="Try again once its training has ended."
        )


def check_kind(function: Any, function_id: str, modality: Modality) -> None:
    """Check that a function classifies samples of a modality.

    Raises:
        RequestRefused: If it does anything else.
    """
    kind = tuple(function.get(key) for key in ("input", "output")) if isinstance(function, dict) else (None, None)
    if kind != (INPUTS[modality], "Classification"):
        raise RequestRefused(
            f"The function {function_id} has input {kind[0]!r} and output {kind[1]!r}, not {INPUTS[modality]} and "
            "Classification.",
            remedy=f"Give the id of a classification function with the input {INPUTS[modality]}.",
        )
