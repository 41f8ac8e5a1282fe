"""How to ask a server for one prediction: the host sends the request and holds the clock."""

from __future__ import annotations

from dataclasses import dataclass

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import ProviderError
from automl_bench.toolkit import answers
from automl_bench.toolkit.answers import NO_REASON, error_of, json_object, kind_of, one_line, unreadable
from automl_bench.toolkit.retry_after import retry_after

SERVICE = "The provider local"
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LocalInvoker:
    """An image's bytes, a text or a row in JSON to `POST /predict`, an answer in JSON back.

    Attributes:
        url: Address of the server, without a trailing slash.
    """

    url: str

    def prepare(self, sample: Sample) -> HttpRequest:
        """Read the image, or encode the text or row.

        Raises:
            OSError: If the file cannot be read.
        """
        return HttpRequest(
            f"{self.url}/predict",
            headers=(("Content-Type", sample.media_type or "application/octet-stream"),),
            body=sample.content(),
            timeout_seconds=TIMEOUT_SECONDS,
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer.

        Raises:
            ProviderError: The class that fits the status, or ServiceUnavailable for an answer that is none of ours.
        """
        if response.status != 200:
            raise _refused(response)
        try:
            answer = answers.read_json(response.body)
            scores = {str(label): float(score) for label, score in answer["scores"].items()}
            return Prediction(str(answer["label"]), float(answer["confidence"]), scores)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(SERVICE) from error


def _refused(response: HttpResponse) -> ProviderError:
    detail = _detail(response)
    kind = kind_of(response.status, is_its_own=detail != NO_REASON)
    remedy = "Check the endpoint, or deploy again." if response.status == 404 else ""
    sentence = f"The server answered {response.status}: {detail}."
    return error_of(kind, sentence, retry_after=retry_after(response.headers), remedy=remedy)


def _detail(response: HttpResponse) -> str:
    """Return the server's words; a page of something else has none."""
    detail = (json_object(response.body) or {}).get("detail")
    return one_line(str(detail or "")) or NO_REASON
