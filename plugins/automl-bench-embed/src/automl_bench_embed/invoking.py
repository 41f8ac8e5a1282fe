"""A prediction: one embedding call, which the host sends and times, and the head, which takes microseconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from automl_bench_openai.failures import SERVICE, error_for, read_json
from automl_bench_openai.usages import usage_of

from automl_bench.contract import Column, HttpRequest, HttpResponse, Prediction, Sample, TrialContext
from automl_bench.errors import ResourceMissing
from automl_bench.toolkit.answers import unreadable
from automl_bench_embed.heads import Head
from automl_bench_embed.options import Options
from automl_bench_embed.training import head_path
from automl_bench_embed.vectors import request_for, vectors_in, words_of

WHAT = "embed a sample"


@dataclass(frozen=True, slots=True)
class EmbedInvoker:
    """Embeds a sample and lets the head say its label.

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

    @classmethod
    def of(cls, context: TrialContext) -> EmbedInvoker:
        """Return the invoker of a trial.

        Raises:
            ResourceMissing: If the head is gone: it is then fitted anew.
        """
        options = Options.of(context)
        try:
            head = Head.load(head_path(context))
        except (OSError, ValueError, KeyError):
            raise ResourceMissing("The fitted head is not in the cache any more.") from None
        return cls(options, options.headers(context), head, context.columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know."""
        return ("A latency is that of the embedding call; the head here takes microseconds and is in none.",)

    def prepare(self, sample: Sample) -> HttpRequest:
        """Build the request.

        Raises:
            RequestRefused: If the sample is empty or over the token budget.
        """
        return request_for(self.options, self.headers, [words_of(sample, self.columns, self.options.token_budget)])

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
            (vector,) = vectors_in(content, 1)
            scores = self.head.scores(vector)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unreadable(SERVICE, WHAT) from None
        best = max(scores, key=lambda label: scores[label])
        return Prediction(best, min(1.0, scores[best]), scores, usage_of(content, ending="embedded", text=""))
