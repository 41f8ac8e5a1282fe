"""Long-running operations of the stand-in: each ends by the clock, and only then has its effect."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, timestamp_pb2
from google.rpc import code_pb2
from vertex_routes import Refusal

_serial = itertools.count(5_000_000_000)
_LABEL_TEXT = re.compile(r"[a-z0-9_-]{0,63}")


def moment() -> float:
    """Return the stand-in's clock."""
    return time.time()


def timestamp(seconds: float) -> Any:
    """Return a moment as the messages have it."""
    return timestamp_pb2.Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def now() -> Any:
    """Return the stand-in's clock as the messages have it."""
    return timestamp(moment())


def packed(message: Any) -> any_pb2.Any:
    """Return a message as the value of any type."""
    value = any_pb2.Any()
    value.Pack(message._pb if hasattr(message, "_pb") else message, type_url_prefix="type.googleapis.com/")
    return value


@dataclass(slots=True)
class LongWork:
    """One operation. `finish` returns the response, or raises Refusal for an operation that fails."""

    name: str
    metadata: Any
    due: float
    finish: Callable[[], Any]
    begun: float = field(default_factory=moment)
    response: Any = None
    failure: Refusal | None = None
    done: bool = False

    def advance(self) -> None:
        """End it if its time has come."""
        if self.done or moment() < self.due:
            return
        self.done = True
        try:
            self.response = self.finish()
        except Refusal as refusal:
            self.failure = refusal

    def message(self) -> operations_pb2.Operation:
        """Return it as the service tells it."""
        generic = self.metadata.generic_metadata
        generic.create_time = timestamp(self.begun)
        generic.update_time = timestamp(self.due if self.done else self.begun)
        told = operations_pb2.Operation(name=self.name, metadata=packed(self.metadata), done=self.done)
        if self.failure is not None:
            told.error.code = code_pb2.Code.Value(self.failure.code)
            told.error.message = str(self.failure)
        elif self.done:
            told.response.CopyFrom(packed(self.response))
        return told


class Operations:
    """All operations of a project."""

    def __init__(self) -> None:
        self.all: dict[str, LongWork] = {}

    def begin(self, resource: str, metadata: Any, seconds: float, finish: Callable[[], Any]) -> LongWork:
        """Begin an operation on a resource."""
        name = f"{resource}/operations/{next(_serial)}"
        work = LongWork(name, metadata, moment() + seconds, finish)
        self.all[name] = work
        work.advance()
        return work

    def advance(self) -> None:
        """End all whose time has come, in the order in which they are due."""
        for work in sorted(self.all.values(), key=lambda each: each.due):
            work.advance()

    def of(self, resource: str) -> list[LongWork]:
        """Return the operations of a resource."""
        return [work for work in self.all.values() if work.name.startswith(f"{resource}/operations/")]

    def going(self, resource: str, kind: type | None = None) -> bool:
        """Return whether an operation of a resource, or one of this metadata's type, has not ended."""
        return any(not work.done and (kind is None or isinstance(work.metadata, kind)) for work in self.of(resource))


def deletion() -> Any:
    """Return the metadata of a deletion."""
    return types.DeleteOperationMetadata()


def check_described(display_name: str, labels: Mapping[str, str]) -> None:
    """Hold a display name and labels to what the service takes.

    Raises:
        Refusal: If they are not.
    """
    if not 1 <= len(display_name) <= 128:
        raise Refusal("INVALID_ARGUMENT", "display_name must have 1 to 128 characters")
    for key, value in labels.items():
        if not key or not key[0].isalpha() or not _LABEL_TEXT.fullmatch(key) or not _LABEL_TEXT.fullmatch(value):
            raise Refusal("INVALID_ARGUMENT", f"The label {key}={value} has characters that are not allowed")
