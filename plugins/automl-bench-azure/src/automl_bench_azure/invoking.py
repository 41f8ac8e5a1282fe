"""One prediction as one HTTP request, which the host sends and times."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Column, Endpoint, HttpRequest, HttpResponse, Modality, Prediction, Sample
from automl_bench.errors import ServiceUnavailable, Unauthenticated
from automl_bench.toolkit import answers
from automl_bench_azure.addresses import checked_address
from automl_bench_azure.failures import from_scoring_answer
from automl_bench_azure.rows import cells, used

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

TIMEOUT_SECONDS = 60.0

_HEAD = b'{"input_data": {"columns": ["image"], "data": ["'
_TAIL = b'"]}}'


class _Scoring:
    """Calls an endpoint with its key. A key does not expire; it is fetched when the invoker is made, and never kept.

    Args:
        url: The scoring address.
        key: The endpoint's key.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = checked_address("The scoring address", url)
        self._headers = (("authorization", f"Bearer {key}"), ("content-type", "application/json"))

    def __repr__(self) -> str:
        return f"<invoker of {self._url}>"

    def _request(self, body: bytes) -> HttpRequest:
        return HttpRequest(self._url, headers=self._headers, body=body, timeout_seconds=TIMEOUT_SECONDS)


class ScoringInvoker(_Scoring):
    """Asks for one image."""

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode."""
        content = sample.path.read_bytes()
        return self._request(_HEAD + base64.b64encode(content) + _TAIL)

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer: `[{"probs": […], "labels": […]}]`, the probabilities of all classes in a fixed order.

        Raises:
            ProviderError: The class that fits the status.
        """
        if response.status != 200:
            raise from_scoring_answer(response, self._url)
        try:
            (first,) = answers.read_json(response.body)
            labels, probabilities = first["labels"], first["probs"]
            scores = {str(label): float(each) for label, each in zip(labels, probabilities, strict=True)}
            label = max(scores, key=scores.__getitem__)
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceUnavailable(
                "The endpoint's answer cannot be read: it has no labels and probabilities.", resource=self._url
            ) from error
        return Prediction(label, scores[label], scores)


class RowInvoker(_Scoring):
    """Asks for one text or one row.

    Args:
        url: The scoring address.
        key: The endpoint's key.
        modality: What one sample is.
        columns: Columns of the dataset.
    """

    def __init__(self, url: str, key: str, modality: Modality, columns: Sequence[Column]) -> None:
        super().__init__(url, key)
        self._columns = used(modality, columns)
        self._names = [column.name for column in self._columns]

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode: the names of the columns, and the cells of one row in the same order and of the types of training.

        Raises:
            RequestRefused: If a cell cannot be written.
        """
        asked = {"columns": self._names, "index": [0], "data": [cells(sample, self._columns)]}
        body = json.dumps({"input_data": asked}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return self._request(body.encode())

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer of our scoring script, or the bare label of a deployment that was made without one.

        Raises:
            ProviderError: The class that fits the status.
        """
        if response.status != 200:
            raise from_scoring_answer(response, self._url)
        try:
            found = answers.read_json(response.body)
            if isinstance(found, list):
                (label,) = found
                return Prediction(str(label), None)
            (line,) = found["probabilities"]
            scores = {str(label): float(each) for label, each in zip(found["classes"], line, strict=True)}
            label = max(scores, key=scores.__getitem__)
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceUnavailable(
                "The endpoint's answer cannot be read: it has no classes and probabilities.", resource=self._url
            ) from error
        return Prediction(label, scores[label], scores)


def at_address(url: str, key: str) -> tuple[str, str]:
    """Return address and key of an endpoint whose address was given with --endpoint.

    Raises:
        Unauthenticated: If its key is not set.
    """
    if not key:
        raise Unauthenticated(
            "The key of the scoring address is not set.",
            remedy="export AUTOML_BENCH_AZURE_ENDPOINT_KEY=…, or give the endpoint's name instead of its address.",
        )
    return url, key


def at_endpoint(account: Account, endpoint: Endpoint) -> tuple[str, str]:
    """Return address and key of an endpoint in the workspace, by its name.

    Raises:
        ResourceMissing: If there is none of that name.
    """
    path = account.path("onlineEndpoints", endpoint.endpoint_id)
    url = endpoint.url
    if not url:
        url = str(account.arm.get(path).get("properties", {}).get("scoringUri") or "")
    key = _key(account.arm.post(f"{path}/listKeys"), endpoint.endpoint_id)
    account.hide(key)
    return url, key


def _key(answer: dict[str, Any], name: str) -> str:
    key = answer.get("primaryKey")
    if not isinstance(key, str) or not key:
        raise Unauthenticated(
            f"The endpoint {name} gives no key.", remedy="Use an endpoint whose authentication mode is Key."
        )
    return key
