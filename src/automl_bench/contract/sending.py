"""Many small requests, such as the samples of an upload."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from automl_bench.contract.requests import HttpRequest, HttpResponse, Outcome

RequestMaker = Callable[[], "HttpRequest"]
"""Builds and signs a request; called again for each attempt, as a signature may have expired."""


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A request of a bulk sending that was given up.

    Attributes:
        tag: The caller's tag.
        outcome: Outcome of its last attempt.
        status: HTTP status of the last attempt, or None.
        error: One sentence.
        attempts: How often it was sent; 0 if it could not be made.
        response: The whole answer of the last attempt, or None: what the provider says of the refusal.
    """

    tag: Any
    outcome: Outcome
    status: int | None
    error: str
    attempts: int
    response: HttpResponse | None = field(default=None, repr=False)


@dataclass(slots=True)
class SendReport:
    """What came of a bulk sending.

    Attributes:
        sent: Requests that the service accepted.
        repeated: Sendings beyond the first of each request.
        failures: Requests that were given up, in that order.
    """

    sent: int = 0
    repeated: int = 0
    failures: list[SendFailure] = field(default_factory=list)


class BulkSender(Protocol):
    """Sends many idempotent requests through the host's transport, N in flight, repeating what failed in passing.

    A throttle (429), a time-out, a server error and a broken connection are sent again, after the wait that the service
    asked for; other refusals are final at once. Redirects are not followed.
    """

    def __call__(
        self,
        requests: Iterable[tuple[Any, RequestMaker]],
        *,
        in_flight: int = 32,
        requests_per_second: float | None = None,
        progress: Callable[[int], None] | None = None,
        on_done: Callable[[Any, HttpResponse], None] | None = None,
        judge: Callable[[Any, HttpResponse], None] | None = None,
        attempts: int = 5,
    ) -> SendReport:
        """Send every request and return what came of them; without a judge, failures are not raised.

        Args:
            requests: Tag and maker of each request; read one by one, and each is made only when its turn has come.
            in_flight: Most requests under way at once.
            requests_per_second: Upper bound of the rate, for a published limit of the service.
            progress: Called with the number of requests that have ended, well or not.
            on_done: Called with tag and answer of each accepted request, in the order in which they end.
            judge: Reads each whole answer, whatever its status, in place of the classes above: returns to accept it,
                raises what it means otherwise. After RateLimited or TransientProviderError the request is sent again;
                any other error is raised and ends the sending at once, as every further request could cost money.
                Used-up attempts and makers that fail are raised then, too.
            attempts: Most sendings of one request.

        Raises:
            Interrupted: If the user wants to end.
            ProviderError: With a judge: what ended the sending.
            WorkspaceError: With a judge: a maker could not read a file.
        """
        ...


def _send_nothing(*_: Any, **__: Any) -> SendReport:
    raise NotImplementedError("this context was made without a sender")
