"""How to ask a function for one prediction: the host sends the request and holds the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.contract import Column, HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.toolkit.answers import unreadable
from automl_bench_nyckel.contents import content_of
from automl_bench_nyckel.control import judge
from automl_bench_nyckel.failures import SERVICE, read_json
from automl_bench_nyckel.functions import path_of
from automl_bench_nyckel.tokens import Tokens

TIMEOUT_SECONDS = 60.0
WHAT = "classify the sample"


@dataclass(frozen=True, slots=True)
class NyckelInvoker:
    """`POST /v1/functions/{id}/invoke` with the image as a data URI, the text, or the row's cells by field name.

    `capture=false` keeps test samples out of the function, which would bill them and could learn from them.

    Attributes:
        url: Address with its query.
        tokens: Where tokens come from; one that is about to expire is renewed before the request is made.
        columns: Columns of a table.
    """

    url: str
    tokens: Tokens
    columns: Sequence[Column] = ()

    @classmethod
    def of(
        cls, server_url: str, tokens: Tokens, function_id: str, labels: int, columns: Sequence[Column] = ()
    ) -> NyckelInvoker:
        """Return the invoker of a function, asking for the scores of so many labels."""
        return cls(f"{server_url}{path_of(function_id)}/invoke?labelCount={labels}&capture=false", tokens, columns)

    def prepare(self, sample: Sample) -> HttpRequest:
        """Encode the sample and see to a token.

        Raises:
            OSError: If the file cannot be read.
            ProviderError: If there is no token, or the service cannot take the sample.
        """
        body = json.dumps({"data": content_of(sample, self.columns)}).encode()
        authorization = self.tokens.header()
        return HttpRequest(
            self.url,
            headers=(authorization, ("Content-Type", "application/json")),
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
            valid_for_seconds=self.tokens.seconds_left(),
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer.

        Raises:
            ProviderError: The class that fits the status; ServiceUnavailable for an answer that cannot be read.
        """
        judge(self.tokens, response, what=WHAT)
        content = read_json(response.body, what=WHAT)
        try:
            label = content["labelName"]
            confidence = float(content["confidence"]) if label else 0.0
            scores = _scores(content.get("labelConfidences") or ())
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unreadable(SERVICE, f"{WHAT} (no label with a confidence)") from None
        if label:
            scores.setdefault(str(label), confidence)
        return Prediction(str(label) if label else None, confidence, scores)


def _scores(entries: Any) -> dict[str, float]:
    """Return scores by label. The elements' shape is not documented; one that does not fit is left out."""
    return {
        str(entry["labelName"]): float(entry["confidence"])
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("labelName") and _is_number(entry.get("confidence"))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
