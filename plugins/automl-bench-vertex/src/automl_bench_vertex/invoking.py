"""One prediction as one authorized HTTP request, which the host sends and times."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import RequestRefused, ServiceUnavailable, Unauthenticated
from automl_bench.toolkit import answers
from automl_bench_vertex import labels
from automl_bench_vertex.description import MAX_REQUEST_BYTES
from automl_bench_vertex.failures import from_answer

if TYPE_CHECKING:
    from automl_bench_vertex.tokens import Tokens

TIMEOUT_SECONDS = 60.0


class VertexInvoker:
    """Calls an endpoint with `:predict`, the image as base64 in JSON.

    As many scores are asked for as there are labels; unasked, the service gives ten.

    Args:
        url: Where to.
        tokens: Where tokens come from; one that is about to end is renewed before the request is made.
        dataset_labels: Labels of the dataset.
    """

    def __init__(self, url: str, tokens: Tokens, dataset_labels: Sequence[str]) -> None:
        self._url = url
        self._tokens = tokens
        self._labels = labels.labels_by_name(dataset_labels)
        parameters = {"confidenceThreshold": 0.0, "maxPredictions": max(1, len(dataset_labels))}
        self._tail = f'"}}],"parameters":{json.dumps(parameters)}}}'.encode()

    def __repr__(self) -> str:
        return f"<invoker of {self._url}>"

    def prepare(self, sample: Sample) -> HttpRequest:
        """Read, encode and authorize. The image goes out as it is on disk.

        Raises:
            OSError: If the file cannot be read.
            RequestRefused: If it is too large for a request.
            ProviderError: If there is no token.
        """
        content = sample.path.read_bytes()
        head = f'{{"instances":[{{"mimeType":{json.dumps(sample.media_type)},"content":"'.encode()
        body = head + base64.b64encode(content) + self._tail
        if len(body) > MAX_REQUEST_BYTES:
            raise RequestRefused(
                f"Vertex AI takes requests of at most {MAX_REQUEST_BYTES:,} bytes and that with {sample.path.name} "
                f"has {len(body):,}.",
                remedy="Set images.max_side or images.quality in the experiment, for all providers alike.",
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
        try:
            found = answers.read_json(response.body)["predictions"][0]
            pairs = zip(found.get("displayNames", ()), found.get("confidences", ()), strict=True)
            scores = {self._label(str(name)): float(confidence) for name, confidence in pairs}
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise ServiceUnavailable(
                "Google's answer cannot be read: it has no list of labels.", resource=self._url
            ) from None
        if not all(math.isfinite(score) for score in scores.values()):
            raise ServiceUnavailable("Google's answer cannot be read: a confidence is no number.", resource=self._url)
        if not scores:
            return Prediction(None, 0.0)
        label = max(scores, key=scores.__getitem__)
        return Prediction(label, scores[label], scores)

    def _label(self, name: str) -> str:
        return self._labels.get(name) or labels.from_service(name)
