"""Our tokens as google-auth's credentials, so that every client of the SDKs uses the same ones. Imports google-auth."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from google.auth.credentials import Credentials

from automl_bench_vertex.tokens import Tokens


class SharedCredentials(Credentials):
    """Credentials for the SDKs' clients. They never fetch a token themselves.

    A service account's own class would make the clients sign tokens themselves, each its own.

    Args:
        tokens: Where tokens come from.
        universe_domain: Where the account lives: googleapis.com, as a rule.
    """

    def __init__(self, tokens: Tokens, universe_domain: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth has no types
        self._tokens = tokens
        self._universe_domain = universe_domain

    def __repr__(self) -> str:
        return f"<credentials with {self._tokens!r}>"

    @property
    def valid(self) -> bool:
        """Always: whether a token has ended is looked at for each request."""
        return True

    @property
    def expired(self) -> bool:
        """Never, for the same reason."""
        return False

    def refresh(self, request: Any) -> None:
        """Called by the SDKs' session after a 401: the next request gets a new token."""
        self._tokens.drop()

    def before_request(self, request: Any, method: str, url: str, headers: MutableMapping[str, str]) -> None:
        """Authorize one request."""
        headers.update(self._tokens.headers())
