"""How to ask an endpoint for one prediction: the host sends the request and holds the clock."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import ProviderError, RequestRefused
from automl_bench.toolkit import answers
from automl_bench_huggingface.account import Account
from automl_bench_huggingface.endpoints import bearer
from automl_bench_huggingface.failures import error_for, unreadable

TIMEOUT_SECONDS = 60.0
WHAT = "classify the sample"
NAMELESS = re.compile(r"LABEL_\d+")
"""What a model whose configuration names no labels answers with."""


@dataclass(frozen=True, slots=True)
class EndpointInvoker:
    """`POST` of an image's bytes, or of a text as JSON, to the endpoint's own address; labels with scores back.

    Of an image the service's pipeline tells its five best labels, of a text all, as `top_k` is null. Whatever it does
    not know among a text's parameters becomes an argument of its tokenizer: `truncation`, without which a text that is
    longer than the model takes is an error, and `max_length`.

    Attributes:
        account: Where tokens come from: each request carries the one that holds when it is made.
        url: Address of the endpoint.
        labels: The dataset's.
        max_tokens: Where to cut a text off; None leaves it to the endpoint's own tokenizer.
    """

    account: Account = field(repr=False)
    url: str
    labels: frozenset[str] = frozenset()
    max_tokens: int | None = None

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode the sample and see to a token.

        Raises:
            OSError: If the file cannot be read.
            ProviderError: If there is no token.
        """
        token = self.account.tokens.value()
        return HttpRequest(
            self.url,
            headers=(
                *bearer(self.account, self.url, token).items(),
                ("Content-Type", sample.media_type if sample.text is None else "application/json"),
                ("Accept", "application/json"),
            ),
            body=sample.content() if sample.text is None else self._question(sample.text),
            timeout_seconds=TIMEOUT_SECONDS,
            valid_for_seconds=self.account.tokens.valid_for_seconds(),
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer.

        Raises:
            ProviderError: The class that fits the status; ServiceUnavailable for an answer that cannot be read;
                RequestRefused if the model has no names for its labels.
        """
        if response.status != 200:
            error = error_for(
                response.status, response.body, response.headers, what=WHAT, hidden=self.account.tokens.hidden()
            )
            raise self.account.tokens.judged(error)
        scores = _scores(response.body)
        if not scores:
            return Prediction(None, 0.0)
        if all(NAMELESS.fullmatch(name) for name in scores) and not self.labels & scores.keys():
            raise RequestRefused(
                f"The endpoint's model has no names for its labels: it answers {min(scores)}.",
                remedy="Set id2label in its config.json, and deploy it again.",
            )
        label = max(scores, key=lambda name: scores[name])
        return Prediction(label, scores[label], scores)

    def _question(self, text: str) -> bytes:
        parameters: dict[str, int | bool | None] = {"top_k": None, "truncation": True}
        if self.max_tokens is not None:
            parameters["max_length"] = self.max_tokens
        return json.dumps({"inputs": text, "parameters": parameters}, ensure_ascii=False).encode()


def _scores(body: bytes) -> dict[str, float]:
    """Return scores by label, of a list of labels or, as older containers answer, of one within a list.

    Raises:
        ProviderError: If it is no list of labels with scores.
    """
    try:
        answer = answers.read_json(body)
        if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], list):
            answer = answer[0]
        scores = {str(each["label"]): each["score"] for each in answer}
    except (ValueError, TypeError, KeyError):
        raise unreadable(WHAT) from None
    if not isinstance(answer, list) or not all(
        isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score <= 1 for score in scores.values()
    ):
        raise unreadable(WHAT)
    return {label: float(score) for label, score in scores.items()}


def check_url(url: str) -> str:
    """Return an address that was stored with a deployment.

    Raises:
        ProviderError: If there is none.
    """
    if not url:
        raise ProviderError("The deployment tells no address.", remedy="Deploy again.")
    return url
