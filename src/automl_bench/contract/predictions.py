"""Where predictions are asked for, how, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from automl_bench.contract.requests import HttpRequest, HttpResponse
from automl_bench.contract.samples import Sample
from automl_bench.contract.vocabulary import Json


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where predictions are asked for.

    Attributes:
        endpoint_id: The provider's id.
        url: Address, where there is one.
        details: What `invoke` needs; JSON, no secret.
        adopted: Whether it was made by hand and given with --endpoint; the host never deletes such a one.
    """

    endpoint_id: str
    url: str = ""
    details: Mapping[str, Json] = field(default_factory=dict)
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one sample.

    Attributes:
        label: The top label, in the dataset's spelling; None if the service abstained.
        confidence: Its score, 0 to 1; not called a probability.
        scores: All scores the service gave, by label.
    """

    label: str | None
    confidence: float
    scores: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class HttpInvoker(Protocol):
    """How to call an endpoint with one HTTP request. The host sends and times it."""

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode and sign; runs before the clock starts.

        Raises:
            OSError: If the sample's file cannot be read: the host's own fault, no answer of the provider.
            ProviderError: If the sample cannot be sent.
        """
        ...

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer; runs after the clock has stopped.

        Raises:
            ProviderError: The class that fits the status: RateLimited for 429, and so on.
        """
        ...


@runtime_checkable
class CallInvoker(Protocol):
    """How to call a service that has no HTTP request of its own. The report marks such a provider."""

    def call(self, sample: Sample) -> Prediction:
        """Classify one sample; the host times the call. Never retries."""
        ...


Invoker = HttpInvoker | CallInvoker


class Lanes(Protocol):
    """A provider's own kind of concurrent senders, for `parallel`; most providers need none."""

    def open(self, count: int) -> Sequence[CallInvoker]:
        """Open `count` lanes that may be used from different threads."""
        ...

    def close(self) -> None:
        """Close them all."""
        ...
