"""Labels and fields: named things of a function that are created before the first sample speaks of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from automl_bench.contract import HttpRequest, HttpResponse, TrialContext
from automl_bench.errors import TransientProviderError
from automl_bench_nyckel.control import Control
from automl_bench_nyckel.description import IN_FLIGHT, UPLOADS_PER_SECOND
from automl_bench_nyckel.functions import VISIBLE_ATTEMPTS

JSON_TYPE = ("Content-Type", "application/json")


def ensure_named(
    context: TrialContext, control: Control, path: str, wanted: Mapping[str, Mapping[str, Any]], word: str
) -> list[dict[str, Any]]:
    """Create the things that are not there, wait until all show, and return all that are there.

    Args:
        context: The trial.
        control: The control plane.
        path: Their path.
        wanted: What to send, by name.
        word: What one is, as in "label".

    Raises:
        ProviderError: If the service refuses one (402 where the plan has fewer), or they do not show.
    """
    there = listed(control, path, word)
    missing = [name for name in wanted if name not in names_of(there)]
    if not missing:
        return there

    def made(name: str) -> Callable[[], HttpRequest]:
        return lambda: json_request(control, "POST", path, wanted[name])

    context.send(
        ((name, made(name)) for name in missing),
        in_flight=IN_FLIGHT,
        requests_per_second=UPLOADS_PER_SECOND,
        # One whose answer was lost is created again: that it exists already is success.
        judge=lambda name, answer: control.judge(answer, what=f"create the {word} {name!r}", accepted=(409,)),
    )
    return _wait_until_all_show(context, control, path, missing, word)


def listed(control: Control, path: str, word: str) -> list[dict[str, Any]]:
    """Return the things of a path, in the service's order."""
    return list(control.items(path, what=f"list the {word}s"))


def names_of(things: list[dict[str, Any]]) -> set[str]:
    """Return their names."""
    return {str(each.get("name", "")) for each in things}


def _wait_until_all_show(
    context: TrialContext, control: Control, path: str, names: list[str], word: str
) -> list[dict[str, Any]]:
    there: list[dict[str, Any]] = []

    def look(tag: str, response: HttpResponse) -> None:
        control.judge(response, what=f"list the {word}s")
        # All pages are read with the control plane: the answer in hand is the first one only.
        there[:] = listed(control, path, word)
        absent = set(names) - names_of(there)
        if absent:
            raise TransientProviderError(f"{len(absent)} of {len(names)} new {word}s do not show yet.")

    def make() -> HttpRequest:
        return HttpRequest(control.url(path), method="GET", headers=(control.tokens.header(),))

    context.send([(word, make)], in_flight=1, judge=look, attempts=VISIBLE_ATTEMPTS)
    return there


def json_request(control: Control, method: str, path: str, body: Mapping[str, Any]) -> HttpRequest:
    """Return a request with a JSON body and a token that is young enough."""
    return HttpRequest(
        control.url(path),
        method=method,
        headers=(control.tokens.header(), JSON_TYPE),
        body=json.dumps(body).encode(),
    )
