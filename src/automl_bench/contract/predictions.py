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


LONGEST_ANSWER = 2000
"""Characters kept of the text that an answer was read from."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer used, as the answer itself says. None and "" where it does not say.

    Attributes:
        input_tokens: Tokens that were read, cached ones and those of images included.
        cached_tokens: Those of them that came from the service's cache.
        output_tokens: Tokens that were written, those of a reasoning included.
        reasoning_tokens: Those of them that were a reasoning.
        images: Images that were read, where they are billed one by one.
        usd: What the service charges for it, in US dollars. Without it the host reckons from the tokens and the
            provider's price table.
        model: The model that really answered, in the service's spelling.
        finish_reason: How the answer ended, one word: "stop", "length", "refusal"… Answers are counted by it.
        text: What the label was read from; cleaned, and cut at `LONGEST_ANSWER` characters.
    """

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    images: int | None = None
    usd: float | None = None
    model: str = ""
    finish_reason: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one sample.

    Attributes:
        label: The top label, in the dataset's spelling; None if the service abstained. What is no label of the dataset
            is handed on as it is: the host counts it as off the list.
        confidence: Its score, 0 to 1; not called a probability. None where the service gives none.
        scores: All scores the service gave, by label.
        usage: What the answer used, where the service says so; also of an answer without a label, which is billed too.
    """

    label: str | None
    confidence: float | None
    scores: Mapping[str, float] = field(default_factory=dict)
    usage: Usage | None = None


@runtime_checkable
class HttpInvoker(Protocol):
    """How to call an endpoint with one HTTP request. The host sends and times it.

    An invoker may have an attribute `notes`, a tuple of sentences: what a reader of its results must know, such as how
    a model is asked. They are kept with the accuracy pass and stand in the report.
    """

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
