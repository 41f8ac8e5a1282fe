"""One prediction as one signed HTTP request, which the host sends and times."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import RequestRefused, ServiceUnavailable
from automl_bench.toolkit import answers
from automl_bench_rekognition.failures import from_json_answer
from automl_bench_rekognition.naming import VERSION_ARN
from automl_bench_rekognition.signing import signed_json

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

TIMEOUT_SECONDS = 30.0


class CustomLabelsInvoker:
    """Calls a running model with `DetectCustomLabels`.

    `MinConfidence` 0 is sent always: without it the model's own thresholds would hide labels, and the list could be
    empty.

    Args:
        account: Whose credentials sign, and where to.
        version_arn: The model.
        labels: Labels of the dataset; as many scores are asked for.

    Raises:
        RequestRefused: If the id is no model version of the region that is set.
    """

    def __init__(self, account: Account, version_arn: str, labels: Sequence[str]) -> None:
        parts = VERSION_ARN.fullmatch(version_arn)
        if parts is None:
            raise RequestRefused(
                f"{version_arn!r} is not the ARN of a model version.",
                remedy="Give arn:aws:rekognition:REGION:ACCOUNT:project/NAME/version/NAME/NUMBER.",
            )
        if parts["region"] != account.region:
            raise RequestRefused(
                f"The model is in {parts['region']} and the region set is {account.region}.",
                remedy=f"export AWS_DEFAULT_REGION={parts['region']}",
            )
        self._account = account
        self._arn = version_arn
        settings = {"ProjectVersionArn": version_arn, "MinConfidence": 0, "MaxResults": max(1, len(labels))}
        self._head = json.dumps(settings)[:-1].encode() + b', "Image": {"Bytes": "'

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode and sign."""
        content = sample.path.read_bytes()
        body = self._head + base64.b64encode(content) + b'"}}'
        return signed_json(self._account, "DetectCustomLabels", body, timeout_seconds=TIMEOUT_SECONDS)

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer. Confidences come in per cent; an empty list means that the model abstained.

        Raises:
            ProviderError: The class that fits the error's `__type`.
        """
        if response.status != 200:
            raise from_json_answer(response, self._arn)
        try:
            found = answers.read_json(response.body)["CustomLabels"]
            scores = {str(item["Name"]): float(item["Confidence"]) / 100.0 for item in found}
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceUnavailable(
                "AWS's answer cannot be read: it has no list of labels.", resource=self._arn
            ) from error
        if not scores:
            return Prediction(None, 0.0)
        label = max(scores, key=scores.__getitem__)
        return Prediction(label, scores[label], scores)
