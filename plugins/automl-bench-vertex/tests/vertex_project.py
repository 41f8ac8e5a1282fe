"""One project of the stand-in: what it holds, by the SDK's own messages, and which method does what to it."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from vertex_datasets import Datasets
from vertex_learning import Bucket
from vertex_operations import LongWork, Operations, deletion, moment
from vertex_routes import Refusal
from vertex_serving import Serving
from vertex_training import Trainings

PROJECT = "bench-project"
NUMBER = "123456789012"
REGION = "europe-west4"

NODE_HOUR_USD, TRAINING_HOUR_USD, TABLE_TRAINING_HOUR_USD = 1.375, 3.465, 21.252
_EQUALS = re.compile(r'display_name="([^"]*)"')


@dataclass(slots=True)
class Pace:
    """How long things take, in seconds."""

    creating: float = 0.02
    importing: float = 0.03
    training: float = 0.05
    cancelling: float = 0.02
    deploying: float = 0.05
    undeploying: float = 0.03
    deleting: float = 0.02
    listing: float = 0.0
    """How long a new dataset or training does not show in lists yet."""
    showing: float = 0.0
    """How long an endpoint does not show a model yet that was just deployed there."""


class Project:
    """The project. Attributes that tests may set: `pace`, the four `…_fails`.

    Args:
        storage_url: Where the images are.
        pace: How long things take.
    """

    def __init__(self, storage_url: str, pace: Pace) -> None:
        self.pace = pace
        self.bucket = Bucket(storage_url)
        self.operations = Operations()
        self.created: list[str] = []
        self.lock = threading.RLock()
        self._serial = itertools.count(1_000_000_000_000_000_000)
        self.heal()
        self.datasets = Datasets(self)
        self.trainings = Trainings(self)
        self.serving = Serving(self)
        self._methods: dict[str, Callable[[Any], Any]] = {
            **self.datasets.methods(),
            **self.trainings.methods(),
            **self.serving.methods(),
            "GetOperation": self._get_operation,
            "ListOperations": self._list_operations,
        }

    def heal(self) -> None:
        """Let everything go well."""
        self.import_fails = self.training_fails = self.deployment_fails = self.deletion_fails = False

    def call(self, method: str, request: Any, size: int) -> Any:
        """Carry a method out and return its answer.

        Raises:
            Refusal: If the service would refuse.
        """
        if method == "Predict":
            return self.serving.predict(request, size)  # learns nothing and holds no lock while it computes
        with self.lock:
            self.operations.advance()
            if method not in self._methods:
                raise Refusal("UNIMPLEMENTED", f"{method} is not implemented here")
            answer = self._methods[method](request)
            self.operations.advance()
            return answer.message() if isinstance(answer, LongWork) else answer

    def resources(self, prefix: str = "") -> list[str]:
        """Return what exists, one "kind name" each."""
        with self.lock:
            self.operations.advance()
            found = [*self.datasets.names(), *self.trainings.names(), *self.serving.names()]
            return [line for line in found if line.split(" ", 1)[1].startswith(prefix)]

    def usd(self) -> float:
        """Return what the account would be charged so far."""
        with self.lock:
            self.operations.advance()
            node_hours = self.serving.node_seconds() / 3600
            trained = self.trainings.billed_milli_hours / 1000 * TRAINING_HOUR_USD
            trained += self.trainings.billed_milli_hours_of_tables / 1000 * TABLE_TRAINING_HOUR_USD
            return node_hours * NODE_HOUR_USD + trained

    # --- what the parts share -----------------------------------------------------------------------------------

    def canonical(self, name: str) -> str:
        """Return a name with the project's number, as the service's answers have it.

        Raises:
            Refusal: If it is another project's or region's.
        """
        parts = name.split("/")
        if parts[0] != "projects" or parts[1] not in (PROJECT, NUMBER):
            raise Refusal("PERMISSION_DENIED", f"Permission denied on resource {'/'.join(parts[:2])}.")
        if parts[2:4] != ["locations", REGION]:
            raise Refusal("INVALID_ARGUMENT", f"{name} is not in this region")
        return "/".join(["projects", NUMBER, *parts[2:]])

    @property
    def parent(self) -> str:
        return f"projects/{NUMBER}/locations/{REGION}"

    def new_id(self) -> str:
        return str(next(self._serial))

    def record(self, kind: str, name: str) -> None:
        """Write down that something was made."""
        self.created.append(f"{kind} {name}")

    def delete_later(self, name: str, finish: Callable[[], None]) -> LongWork:
        """Begin a deletion."""
        if self.deletion_fails:
            raise Refusal("PERMISSION_DENIED", f"Permission denied on resource {name}.")

        def end() -> Any:
            finish()
            return empty_pb2.Empty()

        return self.operations.begin(name, deletion(), self.pace.deleting, end)

    def page(self, request: Any, found: Iterable[Any], *, lagging: bool) -> tuple[list[Any], str]:
        """Return one page of a list, in the order newest first, and the next page's token."""
        wanted = None
        if request.filter:
            match = _EQUALS.fullmatch(request.filter)
            if match is None:
                raise Refusal("INVALID_ARGUMENT", f"Invalid filter: {request.filter}")
            wanted = match[1]
        self.canonical(request.parent)
        shown = moment() - (self.pace.listing if lagging else 0.0)
        kept = [each for each in found if wanted in (None, each.display_name) and each.create_time.timestamp() <= shown]
        kept.sort(key=lambda each: each.create_time, reverse=True)
        begin = int(request.page_token or 0)
        end = begin + min(request.page_size or 50, 100)
        return kept[begin:end], str(end) if end < len(kept) else ""

    def _get_operation(self, request: Any) -> Any:
        name = self.canonical(request.name)
        if name not in self.operations.all:
            raise Refusal("NOT_FOUND", f"The Operation {name} does not exist.")
        return self.operations.all[name]

    def _list_operations(self, request: Any) -> Any:
        found = [work.message() for work in self.operations.of(self.canonical(request.name))]
        return operations_pb2.ListOperationsResponse(operations=found)
