"""Labels: every class is created before the first sample names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_bench.contract import HttpRequest, HttpResponse, TrialContext
from automl_bench.errors import TransientProviderError
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.description import IN_FLIGHT, UPLOADS_PER_SECOND
from automl_bench_nyckel.functions import VISIBLE_ATTEMPTS, bare, path_of

JSON_TYPE = ("Content-Type", "application/json")


def path_to_labels(function_id: str) -> str:
    """Return the path of a function's labels."""
    return f"{path_of(function_id)}/labels"


def label_names(control: Control, function_id: str) -> dict[str, str]:
    """Return the names of a function's labels by id without its prefix."""
    labels = control.items(path_to_labels(function_id), what="list the labels")
    return {bare(str(label.get("id", ""))): str(label.get("name", "")) for label in labels}


def ensure_labels(context: TrialContext, control: Control, function_id: str, wanted: Sequence[str]) -> dict[str, str]:
    """Create the labels that are not there, wait until all show, and return their names by id.

    Raises:
        ProviderError: If the service refuses one (402 where the plan has fewer labels), or they do not show.
    """
    there = label_names(control, function_id)
    missing = [name for name in wanted if name not in set(there.values())]
    if not missing:
        return there

    def made(name: str) -> Callable[[], HttpRequest]:
        body = {"name": name, "description": None, "metadata": None}
        return lambda: json_request(control, "POST", path_to_labels(function_id), body)

    context.send(
        ((name, made(name)) for name in missing),
        in_flight=IN_FLIGHT,
        requests_per_second=UPLOADS_PER_SECOND,
        # A label whose answer was lost is created again: that it exists already is success.
        judge=lambda name, answer: control.judge(answer, what=f"create the label {name!r}", accepted=(409,)),
    )
    return _wait_until_all_show(context, control, function_id, missing)


def _wait_until_all_show(
    context: TrialContext, control: Control, function_id: str, names: Sequence[str]
) -> dict[str, str]:
    there: dict[str, str] = {}

    def look(tag: str, response: HttpResponse) -> None:
        control.judge(response, what="list the labels")
        # All pages are read with the control plane: the answer in hand is the first one only.
        there.update(label_names(control, function_id))
        absent = set(names) - set(there.values())
        if absent:
            raise TransientProviderError(f"{len(absent)} of {len(names)} new labels do not show yet.")

    def make() -> HttpRequest:
        return HttpRequest(control.url(path_to_labels(function_id)), method="GET", headers=(control.tokens.header(),))

    context.send([("labels", make)], in_flight=1, judge=look, attempts=VISIBLE_ATTEMPTS)
    return there


def json_request(control: Control, method: str, path: str, body: Mapping[str, Any]) -> HttpRequest:
    """Return a request with a JSON body and a token that is young enough."""
    return HttpRequest(
        control.url(path),
        method=method,
        headers=(control.tokens.header(), JSON_TYPE),
        body=json.dumps(body).encode(),
    )
