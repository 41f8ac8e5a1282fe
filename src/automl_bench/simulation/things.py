"""What the simulated cloud holds and bills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that exists in the cloud.

    Attributes:
        id: The cloud's own id.
        kind: "dataset", "model" or "endpoint".
        name: As it was asked for; two things may share one.
        service: Which service made it.
        created: Real time of creation, in seconds since the epoch.
        ready: Real time at which it is ready.
        details: What it was made with.
    """

    id: str
    kind: str
    name: str
    service: str
    created: float
    ready: float
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of the running bill.

    Attributes:
        service: Which service.
        item: What was used, as in its price table.
        quantity: How much, in the price's unit.
        usd: What it costs, or None where the price is unknown.
    """

    service: str
    item: str
    quantity: float
    usd: float | None
