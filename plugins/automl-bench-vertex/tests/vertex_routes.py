"""Which method a request asks for, and its message: by the HTTP rules and message classes of Google's own SDK.

Nothing here is written by hand: the rules are those that the SDK's REST transports use themselves. A body or query with
an unknown field or a wrong type is refused as the service refuses it.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from google.cloud import aiplatform_v1
from google.longrunning import operations_pb2
from google.protobuf import json_format

SERVICES = ("dataset_service", "pipeline_service", "model_service", "endpoint_service", "prediction_service")
MIXINS = {
    "GetOperation": operations_pb2.GetOperationRequest,
    "ListOperations": operations_pb2.ListOperationsRequest,
    "CancelOperation": operations_pb2.CancelOperationRequest,
    "DeleteOperation": operations_pb2.DeleteOperationRequest,
}


class Refusal(Exception):
    """An error answer: a name of google.rpc.Code and words; `reason` and `details` as the service adds them."""

    def __init__(self, code: str, message: str, *details: dict[str, Any], headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.code = code
        self.details = list(details)
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Route:
    """One HTTP rule of one method."""

    method: str
    verb: str
    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    body: str
    message: Any


@cache
def routes() -> tuple[Route, ...]:
    """Return the rules of all services, in the SDK's order."""
    return tuple(_read_routes())


def _read_routes() -> Iterator[Route]:
    for service in SERVICES:
        module = importlib.import_module(f"google.cloud.aiplatform_v1.services.{service}.transports.rest_base")
        camel = "".join(word.title() for word in service.split("_"))
        base = getattr(module, f"_Base{camel}RestTransport")
        for name, value in vars(base).items():
            method = name.removeprefix("_Base")
            message = MIXINS.get(method) or getattr(aiplatform_v1.types, f"{method}Request", None)
            if name == method or message is None or not hasattr(value, "_get_http_options"):
                continue
            for rule in value._get_http_options():
                pattern, fields = _compiled(rule["uri"])
                yield Route(method, rule["method"].upper(), pattern, fields, rule.get("body", ""), message)


def _compiled(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return a rule's template as a pattern, and the fields that its groups are the values of."""
    fields: list[str] = []
    parts: list[str] = []
    for literal, field, glob in re.findall(r"([^{]+)|\{([\w.]+)=?([^}]*)\}", template):
        if literal:
            parts.append(re.escape(literal))
        else:
            fields.append(field)
            inner = re.escape(glob or "*").replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
            parts.append(f"({inner})")
    return re.compile("".join(parts)), tuple(fields)


def read(verb: str, path: str, query: str, body: bytes) -> tuple[str, Any]:
    """Return the method's name and its request message.

    Raises:
        Refusal: If no rule fits, or the content is not what the message admits.
    """
    for route in routes():
        match = route.pattern.fullmatch(path) if route.verb == verb else None
        if match is None:
            continue
        content: dict[str, Any] = {}
        if body.strip():
            given = _object(body)
            if not route.body:
                raise Refusal("INVALID_ARGUMENT", f"{route.method} takes no body")
            content = given if route.body == "*" else {route.body: given}
        for field, value in zip(route.fields, match.groups(), strict=True):
            _put(content, field, value)
        for field, values in parse_qs(query, keep_blank_values=True).items():
            if not field.startswith("$"):
                _put(content, field, values[0] if len(values) == 1 else values)
        return route.method, _message(route, content)
    raise Refusal("NOT_FOUND", f"{verb} {path} is no method of the service")


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        raise Refusal("INVALID_ARGUMENT", "Invalid JSON payload received.") from None
    if not isinstance(content, dict):
        raise Refusal("INVALID_ARGUMENT", "Invalid JSON payload received: no object.")
    return content


def _put(content: dict[str, Any], field: str, value: Any) -> None:
    *path, last = field.split(".")
    for part in path:
        content = content.setdefault(part, {})
    content[last] = value


def _message(route: Route, content: dict[str, Any]) -> Any:
    message = route.message()
    plain = message._pb if hasattr(message, "_pb") else message
    try:
        json_format.ParseDict(content, plain)
    except json_format.ParseError as error:
        raise Refusal("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None
    return message


def answer(message: Any) -> bytes:
    """Return a message as JSON. The SDK asks for numbers in place of the names of enums."""
    plain = message._pb if hasattr(message, "_pb") else message
    text = json_format.MessageToJson(plain, use_integers_for_enums=True, indent=None)
    return text.encode()
