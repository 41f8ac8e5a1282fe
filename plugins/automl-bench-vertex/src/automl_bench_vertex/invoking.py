"""One prediction as one authorized HTTP request, which the host sends and times."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import Column, HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import RequestRefused, ServiceUnavailable, Unauthenticated
from automl_bench.toolkit import answers
from automl_bench_vertex import labels
from automl_bench_vertex.columns import row_of
from automl_bench_vertex.description import MAX_REQUEST_BYTES
from automl_bench_vertex.failures import from_answer
from automl_bench_vertex.tables import used_names

if TYPE_CHECKING:
    from automl_bench_vertex.tokens import Tokens

TIMEOUT_SECONDS = 60.0


class _Predicting:
    """What calls of all endpoints have in common.

    Args:
        url: Where to.
        tokens: Where tokens come from; one that is about to end is renewed before the request is made.
        dataset_labels: Labels of the dataset.
    """

    lists: tuple[str, str]
    """The answer's parallel lists: of names, and of confidences."""

    def __init__(self, url: str, tokens: Tokens, dataset_labels: Sequence[str]) -> None:
        self._url = url
        self._tokens = tokens
        self._labels = labels.labels_by_name(dataset_labels)

    def __repr__(self) -> str:
        return f"<invoker of {self._url}>"

    def _request(self, body: bytes, what: str, remedy: str) -> HttpRequest:
        if len(body) > MAX_REQUEST_BYTES:
            raise RequestRefused(
                f"Vertex AI takes requests of at most {MAX_REQUEST_BYTES:,} bytes and that with {what} "
                f"has {len(body):,}.",
                remedy=remedy,
            )
        return HttpRequest(
            self._url,
            headers=(*self._tokens.headers(), ("Content-Type", "application/json")),
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
            valid_for_seconds=self._tokens.seconds_left(),
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer: parallel lists of names and confidences, in any order. Empty lists are an abstention.

        Raises:
            ProviderError: The class that fits the answer.
        """
        if response.status != 200:
            failure = from_answer(response, self._url)
            if isinstance(failure, Unauthenticated):
                self._tokens.drop()
            raise failure
        names, confidences = self.lists
        try:
            found = answers.read_json(response.body)["predictions"][0]
            pairs = zip(found.get(names, ()), found.get(confidences, ()), strict=True)
            scores = {self._label(str(name)): float(confidence) for name, confidence in pairs}
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise ServiceUnavailable(
                "Google's answer cannot be read: it has no list of labels.", resource=self._url
            ) from None
        if not all(0.0 <= score <= 1.0 for score in scores.values()):
            raise ServiceUnavailable(
                "Google's answer cannot be read: a confidence is no number from 0 to 1.", resource=self._url
            )
        if not scores:
            return Prediction(None, 0.0)
        label = max(scores, key=scores.__getitem__)
        return Prediction(label, scores[label], scores)

    def _label(self, name: str) -> str:
        return self._labels.get(name) or labels.from_service(name)


class VertexInvoker(_Predicting):
    """Calls an endpoint with `:predict`, the image as base64 in JSON.

    As many scores are asked for as there are labels; unasked, the service gives ten.
    """

    lists = ("displayNames", "confidences")

    def __init__(self, url: str, tokens: Tokens, dataset_labels: Sequence[str]) -> None:
        super().__init__(url, tokens, dataset_labels)
        parameters = {"confidenceThreshold": 0.0, "maxPredictions": max(1, len(dataset_labels))}
        self._tail = f'"}}],"parameters":{json.dumps(parameters)}}}'.encode()

    def prepare(self, sample: Sample) -> HttpRequest:
        """Read, encode and authorize. The image goes out as it is on disk.

        Raises:
            OSError: If the file cannot be read.
            RequestRefused: If it is too large for a request.
            ProviderError: If there is no token.
        """
        content = sample.path.read_bytes()
        head = f'{{"instances":[{{"mimeType":{json.dumps(sample.media_type)},"content":"'.encode()
        remedy = "Set images.max_side or images.quality in the experiment, for all providers alike."
        return self._request(head + base64.b64encode(content) + self._tail, sample.path.name, remedy)


class RowInvoker(_Predicting):
    """Calls an endpoint with `:predict`, the row as an object of texts; a missing cell is null.

    Every class is answered without being asked for.

    Args:
        url: Where to.
        tokens: Where tokens come from.
        dataset_labels: Labels of the dataset.
        columns: Columns of the dataset.
    """

    lists = ("classes", "scores")

    def __init__(self, url: str, tokens: Tokens, dataset_labels: Sequence[str], columns: Sequence[Column]) -> None:
        super().__init__(url, tokens, dataset_labels)
        self._names = used_names(columns)

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode and authorize.

        Raises:
            RequestRefused: If it is too large for a request, or a cell cannot be written.
            ProviderError: If there is no token.
        """
        instance = row_of(sample.row or {}, self._names)
        body = json.dumps({"instances": [instance]}, ensure_ascii=False, separators=(",", ":")).encode()
        return self._request(body, "a row", "Leave the long column out: data import … --ignore COLUMN.")
