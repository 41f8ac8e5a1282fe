"""What the conformance kit asks of a stand-in for a service: an object that can be looked into.

The stand-in is the plugin author's: a fake that learns a little (nearest neighbour is enough), holds resources and
meters what they cost. It need not run in the test's process, but it must outlive the commands that use it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from automl_bench.errors import (
    BillingRequired,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    ResourceMissing,
    TransientProviderError,
    Unauthenticated,
)


class Target(StrEnum):
    """Which requests a fault hits."""

    CONTROL = "control"
    """Everything but predictions: the next request of `check_access`, `list_resources`, `upload` …"""
    PREDICTION = "prediction"
    """The requests that an invoker prepares."""


class Fault(StrEnum):
    """What a service can be told to do wrong."""

    TRAINING_FAILS = "training_fails"
    """Trainings are accepted and end as failed."""
    DEPLOYMENT_FAILS = "deployment_fails"
    """Deployments are accepted (and may cost) and end as failed."""
    DELETION_FAILS = "deletion_fails"
    """Every deletion is refused for good (403)."""
    LOST_ANSWER = "lost_answer"
    """The next request that creates something is carried out, then its connection is reset without an answer."""
    THROTTLED = "throttled"
    """429, or the service's own word for it, with a short wait where it has one."""
    SERVER_ERROR = "server_error"
    """500."""
    UNAVAILABLE = "unavailable"
    """503."""
    BAD_ANSWER = "bad_answer"
    """200 with a body that cannot be read."""
    UNAUTHENTICATED = "unauthenticated"
    """401, or the service's own word for it."""
    FORBIDDEN = "forbidden"
    """403."""
    NOT_FOUND = "not_found"
    """404."""
    BILLING = "billing"
    """402, or the service's own word for it."""
    QUOTA = "quota"
    """A total allowance is used up."""
    RESET = "reset"
    """The connection is reset before the request is carried out."""


EXPECTED_ERRORS: Mapping[Fault, type[ProviderError]] = {
    Fault.THROTTLED: RateLimited,
    Fault.SERVER_ERROR: TransientProviderError,
    Fault.UNAVAILABLE: TransientProviderError,
    Fault.BAD_ANSWER: ProviderError,
    Fault.UNAUTHENTICATED: Unauthenticated,
    Fault.FORBIDDEN: PermissionDenied,
    Fault.NOT_FOUND: ResourceMissing,
    Fault.BILLING: BillingRequired,
    Fault.QUOTA: QuotaExceeded,
    Fault.RESET: TransientProviderError,
}
"""The error class that a plugin owes for each fault of a single request; a child of it will do."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as the service got it.

    Attributes:
        operation: The service's word or the HTTP method and path with its query.
        body: Bytes of the body.
        headers: Headers, by lower-case name.
        predicts: Whether it asks for a prediction.
    """

    operation: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    predicts: bool = False


@runtime_checkable
class LoopbackService(Protocol):
    """A service's stand-in, already running. The fixture `service` makes a fresh one for each check and ends it."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables that make the plugin use it: addresses and credentials.

        Credentials should be long and unlike anything else: the kit searches files and output for them.
        """
        ...

    def requests(self) -> Sequence[SeenRequest]:
        """Return every request so far, in order; empty for a service that is called without a socket."""
        ...

    def predictions(self) -> int:
        """Return how many predictions were asked for so far, refused ones included."""
        ...

    def resources(self) -> Sequence[str]:
        """Return what exists now, one "kind name" each; what strangers own is left out."""
        ...

    def billing(self) -> Sequence[str]:
        """Return what costs money now while idle, in the same words."""
        ...

    def creations(self) -> Sequence[str]:
        """Return every creation that ever happened, one "kind name" each: a thing made twice stands here twice.

        What was deleted before may be made again; the kit allows for that.
        """
        ...

    def training_samples(self) -> Sequence[tuple[str, str]]:
        """Return what the service holds for training and validation now: an identifier of its own and the label."""
        ...

    def stranger(self) -> str | None:
        """Create something as another user of the account would, without our name prefix, and return its name.

        It stays out of `resources`. None if the service cannot tell names apart.
        """
        ...

    def strangers(self) -> Sequence[str]:
        """Return the names of what strangers own and that still exists."""
        ...

    def faults(self, target: Target) -> Collection[Fault]:
        """Return the faults it can be told to make for these requests.

        Those that are no answer to a single request (training, deployment, deletion, lost answer) belong to CONTROL.
        """
        ...

    def inject(self, fault: Fault, *, target: Target = Target.CONTROL, times: int | None = 1) -> None:
        """Make a fault the next so many times it applies, or until `heal` if `times` is None."""
        ...

    def heal(self) -> None:
        """Make no more faults."""
        ...
