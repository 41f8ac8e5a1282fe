"""What Nyckel's API is made of: its routes, what it keeps, and what it refuses of a body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nyckel_learning import pixels_of

LOSE = "lose the answer"
"""A fault: do what was asked, then reset the connection."""


HANG = "hang"
"""A fault: do what was asked and answer only when the server closes."""


GARBAGE = "garbage"
"""A fault: answer 200 with something that is not JSON."""


CUT = "cut"
"""A fault: break off in the middle of the answer's body."""


RESET = "reset"
"""A fault: reset the connection without doing anything."""


Fault = int | str


class Refusal(Exception):
    """Answer with an error status."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


@dataclass(frozen=True)
class Recorded:
    """One request as it came in: `body` is its JSON or form, `raw` its bytes."""

    operation: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int | None
    moment: float
    raw: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    target: str = ""


@dataclass
class StoredSample:
    sample_id: str
    digest: str
    external_id: str
    label_id: str | None
    visible_at: float
    content: Any
    captured: bool = False


@dataclass
class Field:
    """A column of a function of tables."""

    field_id: str
    name: str
    type: str
    visible_at: float


@dataclass
class Function:
    function_id: str
    name: str
    visible_at: float
    changed_at: float
    labels: dict[str, tuple[str, float]] = field(default_factory=dict)  # id -> (name, visible_at)
    samples: dict[str, StoredSample] = field(default_factory=dict)
    failed: bool = False
    input: str = "Image"
    fields: dict[str, Field] = field(default_factory=dict)
    learnt: tuple[float, Callable[[Any], dict[str, float]]] | None = None

    def label_id(self, name: str, now: float) -> str | None:
        return next((key for key, (known, seen) in self.labels.items() if known == name and seen <= now), None)


@dataclass
class PlannedFault:
    what: Fault
    times: int
    after: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Paged:
    """A page of a list and the Link header that leads on."""

    items: list[Any]
    link: str | None


def fields(body: Any, *, required: Mapping[str, Any], optional: Mapping[str, Any]) -> None:
    if not isinstance(body, dict):
        raise Refusal(400, "the body must be an object")
    for key in body:
        if key not in required and key not in optional:
            raise Refusal(400, f"unknown field {key}")
    for key in required:
        if key not in body:
            raise Refusal(400, f"missing field {key}")
    for key, kind in {**required, **optional}.items():
        if key in body and not isinstance(body[key], kind):
            raise Refusal(400, f"{key} has the wrong type")


def allow(query: Mapping[str, str], known: set[str]) -> None:
    for key in query:
        if key not in known:
            raise Refusal(400, f"unknown parameter {key}")


def whole(text: str, name: str) -> int:
    if not text.isdigit():
        raise Refusal(400, f"{name} is not a whole number")
    return int(text)


def image_of(data: str) -> bytes:
    match = re.fullmatch(r"data:image/[a-z0-9.+-]+;base64,([A-Za-z0-9+/]+=*)", data)
    if match is None:
        raise Refusal(400, "data is not a data URI of an image")
    try:
        return base64.b64decode(match[1], validate=True)
    except binascii.Error:
        raise Refusal(400, "data is not base64") from None


def read_content(kind: str, data: Any, known: Mapping[str, Field]) -> tuple[str, Any]:
    """Return the digest of a sample's data, by which the service tells two alike, and what is learnt from.

    Args:
        kind: The function's input.
        data: As it was sent.
        known: A table's fields by the key that is asked for here: the id of a sample's, the name of an invoke's.
    """
    if isinstance(data, dict) != (kind == "Tabular"):
        raise Refusal(400, f"data is not what a function with the input {kind} takes")
    if kind == "Image":
        content = image_of(data)
        try:
            return hashlib.sha256(content).hexdigest(), pixels_of(content)
        except ValueError:
            raise Refusal(400, "data is not an image") from None
    if kind == "Text":
        if not data:
            raise Refusal(400, "data is empty")
        return hashlib.sha256(data.encode()).hexdigest(), data
    row = {}
    for key, cell in data.items():
        found = known.get(key) or known.get(key.removeprefix("field_"))
        if found is None:
            raise Refusal(400, f"unknown field {key}")
        fits = isinstance(cell, str) and cell if found.type == "Text" else type(cell) in (int, float)
        if not fits:
            raise Refusal(400, f"the field {found.name} is of type {found.type} and gets {cell!r}")
        row[found.field_id] = cell
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest(), row


def shown_content(kind: str, content: Any) -> Any:
    if kind == "Image":
        return "data:image/png;base64,"
    return content if kind == "Text" else {f"field_{key}": cell for key, cell in content.items()}


def shown_field(made: Field) -> dict[str, str]:
    return {"id": f"field_{made.field_id}", "name": made.name, "type": made.type}


def no_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which Python writes and JSON does not know."""
    raise ValueError(name)


ROUTES: tuple[tuple[str, str, str], ...] = (
    ("POST", r"/connect/token", "token"),
    ("POST", r"/v1/functions", "create_function"),
    ("GET", r"/v1/functions", "list_functions"),
    ("GET", r"/v1/functions/([^/]+)", "get_function"),
    ("DELETE", r"/v1/functions/([^/]+)", "delete_function"),
    ("POST", r"/v1/functions/([^/]+)/labels", "create_label"),
    ("GET", r"/v1/functions/([^/]+)/labels", "list_labels"),
    ("POST", r"/v1/functions/([^/]+)/fields", "create_field"),
    ("GET", r"/v1/functions/([^/]+)/fields", "list_fields"),
    ("POST", r"/v1/functions/([^/]+)/samples", "create_sample"),
    ("GET", r"/v1/functions/([^/]+)/samples", "list_samples"),
    ("GET", r"/v1/functions/([^/]+)/samples/([^/]+)", "get_sample"),
    ("PUT", r"/v1/functions/([^/]+)/samples/([^/]+)/annotation", "annotate"),
    ("POST", r"/v1/functions/([^/]+)/invoke", "invoke"),
    ("GET", r"/v0.9/functions/([^/]+)/metrics", "metrics"),
    ("GET", r"/v0.9/functions/([^/]+)", "state"),
)


def route(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    for known, pattern, operation in ROUTES:
        match = re.fullmatch(pattern, path)
        if known == method and match is not None:
            return operation, match.groups()
    return "unknown", ()
