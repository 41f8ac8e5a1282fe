"""The control plane: one request at a time, no retries; the host repeats what may be repeated."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from automl_bench.contract import HttpResponse
from automl_bench.errors import ProviderError, RateLimited, TransientProviderError, Unauthenticated
from automl_bench.toolkit.answers import unreadable
from automl_bench_nyckel.failures import CHECK_ADDRESS, SERVICE, error_for, no_answer, read_json
from automl_bench_nyckel.options import Options
from automl_bench_nyckel.tokens import Tokens, new_session, tokens_for

if TYPE_CHECKING:
    import requests

    from automl_bench.contract import ProviderContext

TIMEOUT_SECONDS = (10.0, 60.0)
"""Limits for connecting, and for each wait for bytes."""
FINGERPRINT_DIGITS = 12
MOST_PAGES = 10_000
PAGES_PER_SECOND = 20
"""Pages of a list that are read in a second, below the account's published rate, which every request counts for."""
KEPT_SECONDS = 30.0
"""How long the pages of a list that was broken off are kept."""
ACCEPTED = range(200, 300)


@dataclass(slots=True)
class _Begun:
    """A list that is being read: the next page's address, the pages so far, and when it was broken off."""

    url: str
    pages: list[Any] = field(default_factory=list)
    at: float = 0.0


_unfinished: dict[tuple[int, str], _Begun] = {}
"""Lists that were broken off, by account and path."""
_lock = threading.Lock()


def _keep_pace(pages: int, seconds: float, what: str) -> None:
    if pages >= PAGES_PER_SECOND and seconds < 1.0:
        raise RateLimited(f"Nyckel allows no more pages a second to {what}.", retry_after=1.0)


class Control:
    """Asks the service with a bearer token. Not for several threads at once.

    Args:
        server_url: Address of the service, without a trailing slash.
        tokens: Where tokens come from.
        client_fingerprint: Digest of the client id, which tells accounts apart and is no credential.
    """

    def __init__(self, server_url: str, tokens: Tokens, client_fingerprint: str = "") -> None:
        self.server_url = server_url
        self.client_fingerprint = client_fingerprint
        self.tokens = tokens
        self._session = new_session(server_url)

    @classmethod
    def of(cls, context: ProviderContext) -> Control:
        """Return the control plane of a context's account."""
        told = hashlib.sha256(context.secrets("client_id").encode()).hexdigest()[:FINGERPRINT_DIGITS]
        return cls(Options.of(context).server_url, tokens_for(context), told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    @property
    def scope(self) -> dict[str, str]:
        """Where everything of this account lies. The service tells no account's name: its client id stands for it."""
        return {"server_url": self.server_url, "client_id": self.client_fingerprint}

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"{self.server_url}{path}"

    def ask(self, method: str, path: str, *, what: str, body: Any = None) -> Any:
        """Make one request and return its JSON, or None for an empty answer.

        Args:
            method: HTTP method.
            path: Path and query, beginning with "/".
            what: What is asked for, as in "create the function".
            body: What to send as JSON; None sends no body.

        Raises:
            ProviderError: The class that fits the status or the broken connection.
        """
        answer = self._send(method, self.url(path), what, body)
        return read_json(answer.content, what=what) if answer.content.strip() else None

    def pages(self, path: str, *, what: str) -> Iterator[Any]:
        """Yield the JSON of a list's pages, following `Link: <…>; rel="next"`, whose address is relative.

        The account's rate counts here too. A list that would pass it is broken off with RateLimited, and goes on where
        it was when it is asked for again: the host waits meanwhile.

        Raises:
            RateLimited: If a list of many pages is read faster than the account allows.
            ProviderError: As `ask`; or if a page leads to another host, which would get the token.
        """
        key = (id(self.tokens), path)
        with _lock:
            begun = _unfinished.pop(key, None)
        if begun is None or time.monotonic() - begun.at > KEPT_SECONDS:
            begun = _Begun(self.url(path))
        yield from begun.pages
        since, asked = time.monotonic(), 0
        while len(begun.pages) < MOST_PAGES:
            try:
                _keep_pace(asked, time.monotonic() - since, what)
                answer = self._send("GET", begun.url, what, None)
            except RateLimited:
                begun.at = time.monotonic()
                with _lock:
                    _unfinished[key] = begun
                raise
            asked += 1
            begun.pages.append(read_json(answer.content, what=what))
            following = answer.links.get("next", {}).get("url")
            if following:
                begun.url = self._same_host(urljoin(begun.url, following), what)
            yield begun.pages[-1]
            if not following:
                return
        raise ProviderError(f"Nyckel's list has no end when asked to {what}.")

    def items(self, path: str, *, what: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a paged list.

        Raises:
            ProviderError: As `pages`; or if a page is not a list of objects.
        """
        for page in self.pages(path, what=what):
            yield from objects(page, what=what)

    def judge(self, response: HttpResponse, *, what: str, token: str = "", accepted: tuple[int, ...] = ()) -> None:
        """Read the status of an answer that the host's transport brought.

        Args:
            response: The answer.
            what: What was asked for.
            token: The token that the request carried, if it will be made again with a new one after an early end.
            accepted: Statuses beside 2xx that are no error here.

        Raises:
            ProviderError: The class that fits the status.
        """
        judge(self.tokens, response, what=what, token=token, accepted=accepted)

    def _send(self, method: str, url: str, what: str, body: Any) -> requests.Response:
        import requests

        token = self.tokens.value()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"

        def bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # As `auth`, so that a .netrc file cannot replace it.
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        try:
            answer = self._session.request(
                method,
                url,
                data=None if body is None else json.dumps(body).encode(),
                headers=headers,
                auth=bearer,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,  # a redirect could carry the token elsewhere
            )
        except requests.RequestException as error:
            raise no_answer(error, what=what) from None
        lower = {name.lower(): value for name, value in answer.headers.items()}
        self.judge(HttpResponse(answer.status_code, lower, answer.content), what=what)
        return answer

    def _same_host(self, url: str, what: str) -> str:
        here, there = urlsplit(self.server_url), urlsplit(url)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise ProviderError(f"Nyckel's list leads to another host when asked to {what}.", remedy=CHECK_ADDRESS)
        return url


def judge(
    tokens: Tokens, response: HttpResponse, *, what: str, token: str = "", accepted: tuple[int, ...] = ()
) -> None:
    """Read the status of an answer: return for 2xx and what is accepted here, raise the error that fits otherwise.

    After a 401 the token is dropped: whoever asks next gets a new one.

    Args:
        tokens: Where the token came from.
        response: The answer.
        what: What was asked for.
        token: The token that the request carried, if it will be made again with a new one: that of a long upload.
        accepted: Statuses beside 2xx that are no error here.

    Raises:
        ProviderError: The class that fits the status; TransientProviderError for a `token` that has ended early.
    """
    if response.status in ACCEPTED or response.status in accepted:
        tokens.accepted()
        return
    error = error_for(response.status, response.body, response.headers, what=what, hidden=tokens.hidden())
    if not isinstance(error, Unauthenticated):
        raise error
    if token and tokens.ended_early(token):
        raise TransientProviderError("The access token ended early; a new one is fetched.")
    tokens.drop()
    raise error


def objects(page: Any, *, what: str) -> list[dict[str, Any]]:
    """Return the objects of a list.

    Raises:
        ServiceUnavailable: If it is not a list of objects.
    """
    if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
        raise unreadable(SERVICE, f"{what} (no list of objects)")
    return page
