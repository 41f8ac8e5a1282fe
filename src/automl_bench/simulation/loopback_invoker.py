"""The invoker of the loopback server: the null provider's over HTTP, and the one that the stopwatch is tested with."""

from __future__ import annotations

from array import array

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample
from automl_bench.errors import RateLimited, RequestRefused, ServiceUnavailable
from automl_bench.simulation.loopback_server import DRAWN_HEADER, HOLD_HEADER


class LoopbackInvoker:
    """Posts a sample to the loopback server and predicts always the same label.

    Args:
        url: The server's address.
        label: The label to predict.
        body: What to send; None for the sample's file.
        valid_for_seconds: How long a request may be used, as if it were signed; None for ever.
        keep_holds: Whether to keep the true and the drawn hold of each answer.
    """

    def __init__(
        self,
        url: str,
        label: str | None,
        *,
        body: bytes | None = None,
        valid_for_seconds: float | None = None,
        keep_holds: bool = False,
    ) -> None:
        self.url = url
        self.label = label
        self.body = body
        self.valid_for_seconds = valid_for_seconds
        self.holds_ns: array[int] | None = array("q") if keep_holds else None
        """How long each request lay at the server, in the order in which the answers were read."""
        self.drawn_ns: array[int] = array("q")
        """The hold that was drawn for each request, in the same order."""
        self.prepared: list[str] = []
        """Ids of the samples prepared, in order."""

    def prepare(self, sample: Sample) -> HttpRequest:
        """Return the request."""
        self.prepared.append(sample.sample_id)
        body = sample.content() if self.body is None else self.body
        return HttpRequest(
            self.url,
            headers=(("Content-Type", sample.media_type),),
            body=body,
            timeout_seconds=20.0,
            valid_for_seconds=self.valid_for_seconds,
        )

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer.

        Raises:
            RateLimited: For HTTP 429.
            RequestRefused: For any other 4xx.
            ServiceUnavailable: For any other status.
        """
        if response.status == 429:
            raise RateLimited(
                "the loopback server throttles.", retry_after=float(response.headers.get("retry-after", "1"))
            )
        if 400 <= response.status < 500:
            raise RequestRefused(f"the loopback server refused the request with HTTP {response.status}.")
        if response.status != 200:
            raise ServiceUnavailable(f"the loopback server answered HTTP {response.status}.")
        if self.holds_ns is not None:
            self.holds_ns.append(int(response.headers[HOLD_HEADER]))
            self.drawn_ns.append(int(response.headers[DRAWN_HEADER]))
        return Prediction(self.label, 1.0)
