"""How to ask a server for one prediction: the host sends the request and holds the clock."""

from __future__ import annotations

from dataclasses import dataclass

from automl_bench import answers
from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import (
    ProviderError,
    RateLimited,
    RequestRefused,
    ResourceMissing,
    ServiceUnavailable,
)
from automl_bench.retry_after import retry_after

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LocalInvoker:
    """Raw image bytes to `POST /predict`, an answer in JSON back.

    Attributes:
        url: Address of the server, without a trailing slash.
    """

    url: str

    def prepare(self, sample: Sample) -> HttpRequest:
        """Read the image.

        Raises:
            RequestRefused: If the file cannot be read.
        """
        try:
            body = sample.path.read_bytes()
        except OSError as error:
            raise RequestRefused(f"{sample.path}: {error.strerror or error}.") from error
        return HttpRequest(
            f"{self.url}/predict",
            headers=(("Content-Type", sample.media_type or "application/octet-stream"),),
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer.

        Raises:
            ProviderError: The class that fits the status, or RequestRefused for an answer that is none of ours.
        """
        if response.status != 200:
            raise _refused(response)
        try:
            answer = answers.read_json(response.body)
            scores = {str(label): float(score) for label, score in answer["scores"].items()}
            return Prediction(str(answer["label"]), float(answer["confidence"]), scores)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RequestRefused(
                f"{self.url} gave an answer without label, confidence and scores.",
                remedy="Check that a server of the provider local is behind this address.",
            ) from error


def _refused(response: HttpResponse) -> ProviderError:
    message = f"The server answered {response.status}: {_detail(response)}."
    if response.status == 404:
        return ResourceMissing(message, remedy="Check the endpoint, or deploy again.")
    if response.status == 429:
        return RateLimited(message, retry_after=retry_after(response.headers))
    if response.status >= 500:
        return ServiceUnavailable(message)
    return RequestRefused(message)


def _detail(response: HttpResponse) -> str:
    try:
        detail = answers.read_json(response.body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.body[:200].decode("utf-8", "replace")
    return " ".join(str(detail).split()).rstrip(".") or "no reason given"
