"""The access token: fetched by google-auth, renewed before it ends, shared by all threads of a process.

google-auth takes a token for stale 225 seconds before its end; one that lives shorter would be fetched anew for every
request. Here a token is renewed when 30 % of its life is left, and 225 seconds before its end at the earliest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from automl_bench.errors import ProviderError, RateLimited, ServiceUnavailable
from automl_bench.toolkit.retry_after import retry_after
from automl_bench_vertex.failures import google_errors

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

EARLY_SHARE = 0.3
"""A token is renewed when this share of its life is left …"""
EARLY_SECONDS = 225.0
"""… but no earlier than so many seconds before its end."""
TIMEOUT_SECONDS = 30.0

Header = tuple[str, str]


class Tokens:
    """Gives valid authorization headers to any thread.

    Args:
        credentials: What google-auth found, or None to ask without.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._request: Callable[..., Any] | None = None
        self._lock = threading.Lock()
        self._headers: tuple[Header, ...] = ()
        self._renew_at = self._ends_at = 0.0
        self._proved = False
        self.hide: Callable[[str], None] = lambda secret: None
        """Told of each new token, so that no text holds it."""

    def __repr__(self) -> str:
        return f"<tokens of {type(self._credentials).__name__}>"

    def headers(self) -> tuple[Header, ...]:
        """Return the headers that authorize a request: the token, and the project to charge where one is set.

        Raises:
            Unauthenticated: If the credentials are refused.
            ProviderError: If there is no token for another reason; the class says whether asking again may help.
        """
        if self._credentials is None:
            return ()
        with self._lock:
            if not self._headers or time.monotonic() >= self._renew_at:
                self._renew(self._credentials)
            return self._headers

    def seconds_left(self) -> float | None:
        """Return how long the current token still holds; None for ever."""
        if self._credentials is None:
            return None
        with self._lock:
            return None if self._ends_at == float("inf") else max(0.0, self._ends_at - time.monotonic())

    def accepted(self) -> None:
        """Take note that a service has accepted the current token."""
        with self._lock:
            self._proved = bool(self._headers)

    def drop(self) -> None:
        """Forget the current token, so that the next request gets a new one."""
        with self._lock:
            self._headers = ()
            self._proved = False

    def ended_early(self, headers: tuple[Header, ...]) -> bool:
        """Return whether a token that was refused had worked before, and forget it if it is the current one.

        Then a new one is worth a repetition; one that never worked was refused for another reason.
        """
        with self._lock:
            if headers != self._headers:
                return True  # it has been replaced since
            early = self._proved
            self._headers = ()
            self._proved = False
            return early

    def _renew(self, credentials: Any) -> None:
        """Fetch a token. The lock is held: other threads wait for this one instead of fetching too."""
        begun = time.monotonic()
        if self._request is None:
            self._request = one_attempt()
        headers: dict[str, str] = {}
        try:
            with google_errors():
                credentials.refresh(self._request)
                credentials.apply(headers)
        except (TypeError, AttributeError, KeyError, ValueError):  # google-auth takes any answer for an object
            raise ServiceUnavailable("The answer of Google's token service cannot be read.") from None
        self._headers = tuple(headers.items())
        self.hide(headers.get("authorization", "").removeprefix("Bearer "))
        self._proved = False
        if credentials.expiry is None:
            self._renew_at = self._ends_at = float("inf")
            return
        # google-auth's times are in UTC and do not say so.
        lifetime = (credentials.expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        self._ends_at = begun + lifetime
        self._renew_at = self._ends_at - min(EARLY_SHARE * lifetime, EARLY_SECONDS)


def one_attempt() -> Callable[..., Any]:
    """Return what google-auth sends its own requests with: it repeats them, asleep; this one leaves that to the host.

    The body of a refusal is never quoted, as it may repeat the request.
    """
    import requests
    from google.auth.transport.requests import Request

    ask = Request(requests.Session())

    def send(url: str, method: str = "GET", body: bytes | None = None, headers: Any = None, **more: Any) -> Any:
        more["timeout"] = min(more.get("timeout") or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        with google_errors():
            answer = ask(url, method=method, body=body, headers=headers, **more)
        raise_if_passing(answer.status, answer.headers)
        return answer

    return send


def raise_if_passing(status: int, headers: Mapping[str, str]) -> None:
    """Raise for an answer of the token service that may be another one later.

    Raises:
        ProviderError: RateLimited for 429, ServiceUnavailable for a server error.
    """
    failure: ProviderError
    message = f"Google's token service answered {status}."
    if status == 429:
        failure = RateLimited(message, retry_after=retry_after(headers))
    elif status >= 500:
        failure = ServiceUnavailable(message)
    else:
        return
    raise failure
