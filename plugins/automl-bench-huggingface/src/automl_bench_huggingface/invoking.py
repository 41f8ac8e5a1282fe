"""How to ask an endpoint for one prediction: the host sends the request and holds the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import ProviderError
from automl_bench.toolkit import answers
from automl_bench_huggingface.account import Account
from automl_bench_huggingface.endpoints import bearer
from automl_bench_huggingface.failures import error_for, unreadable

TIMEOUT_SECONDS = 60.0
WHAT = "classify the image"


@dataclass(frozen=True, slots=True)
class EndpointInvoker:
    """`POST` of the image's bytes to the endpoint's own address; a list of labels with scores back.

    The service's pipeline answers with its five best labels.

    Attributes:
        account: Where tokens come from: each request carries the one that holds when it is made.
        url: Address of the endpoint.
    """

    account: Account = field(repr=False)
    url: str

    def prepare(self, sample: Sample) -> HttpRequest:
        """Read the image and see to a token.

        Raises:
            OSError: If the file cannot be read.
            ProviderError: If there is no token.
        """
        token = self.account.tokens.value()
        return HttpRequest(
            self.url,
            headers=(
                *bearer(self.account, self.url, token).items(),
                ("Content-Type", sample.media_type),
                ("Accept", "application/json"),
            ),
            body=sample.path.read_bytes(),
            timeout_seconds=TIMEOUT_SECONDS,
            valid_for_seconds=self.account.tokens.valid_for_seconds(),
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer.

        Raises:
            ProviderError: The class that fits the status, or ProviderError itself for an answer that cannot be read.
        """
        if response.status != 200:
            error = error_for(
                response.status, response.body, response.headers, what=WHAT, hidden=self.account.tokens.hidden()
            )
            raise self.account.tokens.judged(error)
        scores = _scores(response.body)
        if not scores:
            return Prediction(None, 0.0)
        label = max(scores, key=lambda name: scores[name])
        return Prediction(label, scores[label], scores)


def _scores(body: bytes) -> dict[str, float]:
    """Return scores by label.

    Raises:
        ProviderError: If it is no list of labels with scores.
    """
    try:
        answer = answers.read_json(body)
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
