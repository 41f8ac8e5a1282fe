"""A prediction: one embedding, by a call that the host sends and times or in this process, and the head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl_bench_openai.failures import SERVICE, error_for, read_json
from automl_bench_openai.local_vectors import local_vectors, network_of
from automl_bench_openai.usages import usage_of

from automl_bench.contract import Column, HttpRequest, HttpResponse, Invoker, Prediction, Sample, TrialContext, Usage
from automl_bench.errors import ResourceMissing
from automl_bench.toolkit.answers import unreadable
from automl_bench_embed.heads import Head
from automl_bench_embed.items import Item
from automl_bench_embed.options import Options
from automl_bench_embed.shapes import usage_in
from automl_bench_embed.training import head_path
from automl_bench_embed.vectors import request_for, vectors_in

if TYPE_CHECKING:
    from automl_bench_local.sample_vectors import SampleVectors

WHAT = "embed a sample"


def invoker_of(context: TrialContext) -> Invoker:
    """Return the invoker of a trial.

    Raises:
        ResourceMissing: If the head is gone: it is then fitted anew.
        Infeasible: If it is to embed in this process and a package is missing.
    """
    options = Options.of(context)
    try:
        head = Head.load(head_path(context))
    except (OSError, ValueError, KeyError):
        raise ResourceMissing("The fitted head is not in the cache any more.") from None
    if options.is_local:
        local = local_vectors(context.modality, context.cache_dir)
        return LocalInvoker(local, head, context.columns, network_of(context.modality))
    return EmbedInvoker(options, options.headers(context), head, context.columns)


@dataclass(frozen=True, slots=True)
class EmbedInvoker:
    """Has a sample embedded and lets the head say its label.

    Attributes:
        options: The variant.
        headers: Headers with the key.
        head: The fitted head.
        columns: Columns of a table.
    """

    options: Options
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    head: Head = field(repr=False)
    columns: tuple[Column, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know."""
        return ("A latency is that of the embedding call; the head here takes microseconds and is in none.",)

    def prepare(self, sample: Sample) -> HttpRequest:
        """Build the request.

        Raises:
            OSError: If a file cannot be read.
            RequestRefused: If the sample is empty or over the token budget.
        """
        return request_for(self.options, self.headers, [Item.of(sample, self.columns, self.options.token_budget)])

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the vector and ask the head.

        Raises:
            ProviderError: The class that fits the status or the error body.
        """
        content = read_json(response.body)
        if response.status >= 400 or (isinstance(content, dict) and content.get("error")):
            hidden = [value.removeprefix("Bearer ") for _, value in self.headers]
            raise error_for(response.status, content, response.headers, what=WHAT, hidden=hidden)
        try:
            (vector,) = vectors_in(self.options.shape, content, 1)
            scores = self.head.scores(vector)
            usage = usage_of(usage_in(content), ending="embedded", text="")
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unreadable(SERVICE, WHAT) from None
        return _best(scores, usage)


@dataclass(frozen=True, slots=True)
class LocalInvoker:
    """Embeds a sample in this process and lets the head say its label.

    Attributes:
        local: What embeds.
        head: The fitted head.
        columns: Columns of a table.
        network: Name of the network.
    """

    local: SampleVectors = field(repr=False)
    head: Head = field(repr=False)
    columns: tuple[Column, ...]
    network: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know."""
        return (f"Embedded in this process by {self.network}: a latency is that of the network and the head here.",)

    def call(self, sample: Sample) -> Prediction:
        """Classify a sample.

        Raises:
            OSError: If its file cannot be read.
            RequestRefused: If it is empty, or no image that can be read.
        """
        item = Item.of(sample, self.columns, None)
        return _best(self.head.scores(item.vector(self.local)), Usage(model=self.network, finish_reason="embedded"))


def _best(scores: dict[str, float], usage: Usage) -> Prediction:
    best = max(scores, key=lambda label: scores[label])
    return Prediction(best, min(1.0, scores[best]), scores, usage)
