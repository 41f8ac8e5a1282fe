"""One request at a time over one kept-alive connection: the stopwatch of `invoke`."""

from __future__ import annotations

from types import TracebackType

from automl_bench.contract import HttpRequest
from automl_bench.transport.exchange import Exchange
from automl_bench.transport.multi import MultiTransport
from automl_bench.transport.options import TransportOptions

_LOOK_SECONDS = 3600.0  # libcurl ends every request at its own limit, so this is never reached


class Transport:
    """Sends one request at a time; the connection is reused. The same ruler as `MultiTransport`, with one handle.

    Args:
        options: What holds for every request.

    Attributes:
        standstills: When this process was kept from looking for the answer.

    Raises:
        InvalidSetting: The CA bundle cannot be read.
    """

    def __init__(self, options: TransportOptions | None = None) -> None:
        self._multi = MultiTransport(options or TransportOptions(), connections=1)
        self.standstills = self._multi.standstills

    def send(self, request: HttpRequest, *, scheduled_ns: int | None = None, new_connection: bool = False) -> Exchange:
        """Send a request and wait for its end. Never raises for what the other side does: see `Exchange.failure`.

        Args:
            request: What to send.
            scheduled_ns: When it should have been sent, by `time.monotonic_ns`; kept in its timing.
            new_connection: Open a new connection for it, with everything a new process would pay for.

        Raises:
            ContractViolation: A header cannot be sent.
        """
        self._multi.start(request, None, scheduled_ns, new_connection=new_connection)
        try:
            while True:
                for _, exchange in self._multi.wait(_LOOK_SECONDS):
                    return exchange
        except BaseException:  # Ctrl-C: nothing may stay under way that would answer the next request
            self._multi.cancel()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._multi.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
