"""The access token: OAuth 2.0 client credentials, renewed before it expires, shared by all threads of a process.

`POST {server}/connect/token`, form fields client_id, client_secret, grant_type=client_credentials; the answer holds
access_token and expires_in (seconds; an hour at the time of writing, a day before: only the answer counts).
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from automl_bench.errors import Unauthenticated
from automl_bench.toolkit.answers import NO_REASON, error_of, kind_of, read_json, unreadable
from automl_bench.toolkit.retry_after import retry_after
from automl_bench_nyckel.failures import CHECK_ADDRESS, CHECK_CREDENTIALS, REMEDIES, SERVICE, no_answer, words
from automl_bench_nyckel.options import Options

if TYPE_CHECKING:
    import requests

    from automl_bench.contract import ProviderContext

TIMEOUT_SECONDS = (10.0, 30.0)
"""Limits for connecting, and for each wait for bytes."""
EARLY_SHARE = 0.3
"""A token is renewed when this share of its life is left …"""
EARLY_SECONDS = 300.0
"""… but at most this many seconds before it expires."""

_shared: dict[str, Tokens] = {}
_shared_lock = threading.Lock()


class Tokens:
    """Gives a valid token to any thread.

    Args:
        server_url: Address of the service.
        client_id: Returns the client id.
        client_secret: Returns the client secret. Both are asked for at each renewal, and never kept.
    """

    def __init__(self, server_url: str, client_id: Callable[[], str], client_secret: Callable[[], str]) -> None:
        self._url = f"{server_url}/connect/token"
        self._client_id = client_id
        self._client_secret = client_secret
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._proved = False
        self.hide: Callable[[str], None] = lambda secret: None
        """Told of each new token, so that no text holds it."""

    def __repr__(self) -> str:
        return f"<tokens of {self._url}>"

    def value(self) -> str:
        """Return a token with at least 30 % of its life, or five minutes, left.

        Raises:
            Unauthenticated: If the credentials are refused.
            ProviderError: If there is no token for another reason; the class says whether asking again may help.
        """
        with self._lock:
            if not self._token or time.monotonic() >= self._renew_at:
                self._renew()
            return self._token

    def header(self) -> tuple[str, str]:
        """Return the Authorization header."""
        return "Authorization", f"Bearer {self.value()}"

    def seconds_left(self) -> float:
        """Return how long the current token still holds."""
        with self._lock:
            return max(0.0, self._expires_at - time.monotonic())

    def accepted(self) -> None:
        """Take note that the service has accepted the current token."""
        with self._lock:
            self._proved = bool(self._token)

    def drop(self) -> None:
        """Forget the current token, so that the next request gets a new one."""
        with self._lock:
            self._token = ""
            self._proved = False

    def ended_early(self, token: str) -> bool:
        """Return whether a token that was refused had worked before, and drop it if it is the current one.

        Then a new one is worth a repetition; one that never worked was refused for another reason.
        """
        with self._lock:
            if token != self._token:
                return True  # it has been replaced since
            early = self._proved
            self._token = ""
            self._proved = False
            return early

    def hidden(self) -> tuple[str, ...]:
        """Return the values that may not stand in any message."""
        with self._lock:
            return (self._token, self._client_secret(), self._client_id())

    def _renew(self) -> None:
        """Fetch a token. The lock is held: other threads wait for this one instead of fetching too."""
        begun = time.monotonic()
        token, lifetime = read_grant(self._ask())
        self.hide(token)
        self._token = token
        self._expires_at = begun + lifetime
        self._renew_at = self._expires_at - min(EARLY_SHARE * lifetime, EARLY_SECONDS)
        self._proved = False

    def _ask(self) -> requests.Response:
        import requests

        form = {
            "client_id": self._client_id(),
            "client_secret": self._client_secret(),
            "grant_type": "client_credentials",
        }
        try:
            with new_session(self._url) as session:
                # `auth` keeps requests from adding what a .netrc file says of this host.
                return session.post(
                    self._url, data=form, timeout=TIMEOUT_SECONDS, allow_redirects=False, auth=lambda request: request
                )
        except requests.RequestException as error:
            # The original error holds the request, and that the secret: it may not travel on.
            raise no_answer(error, what="get a token") from None


def new_session(url: str) -> requests.Session:
    """Return a session that retries nothing, and takes no proxy to this machine itself."""
    from urllib.parse import urlsplit

    import requests

    from automl_bench.toolkit.setting_values import is_this_machine

    session = requests.Session()
    session.trust_env = not is_this_machine(urlsplit(url).hostname or "")
    return session


def read_grant(response: requests.Response) -> tuple[str, float]:
    """Return token and lifetime in seconds.

    The body of a refusal is never quoted, as it may repeat the request; only a known OAuth error code is.

    Raises:
        Unauthenticated: The credentials are refused (400 or 401; RFC 6749, section 5.2).
        ProviderError: Any other answer.
    """
    status = response.status_code
    if status == 200:
        return _read_token(response)
    headers = {name.lower(): value for name, value in response.headers.items()}
    message = f"Nyckel answered {status} to the request for a token{_oauth_code(response)}."
    if status in (400, 401):
        raise Unauthenticated(message, remedy=CHECK_CREDENTIALS)
    kind = kind_of(status, is_its_own=words(response.content) != NO_REASON)
    raise error_of(kind, message, retry_after=retry_after(headers), remedy=REMEDIES.get(status, CHECK_ADDRESS))


def _read_token(response: requests.Response) -> tuple[str, float]:
    try:
        content = read_json(response.content)
        token, lifetime = content["access_token"], float(content["expires_in"])
    except (ValueError, KeyError, TypeError):
        token, lifetime = "", 0.0
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token) or not 0 < lifetime < 1e9:
        raise unreadable(SERVICE, "the request for a token (no usable access_token and expires_in)")
    return token, lifetime


OAUTH_CODES = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
"""RFC 6749, section 5.2."""


def _oauth_code(response: requests.Response) -> str:
    try:
        content = read_json(response.content)
    except ValueError:
        return ""
    code = content.get("error") if isinstance(content, dict) else None
    return f" ({code})" if isinstance(code, str) and code in OAUTH_CODES else ""


def tokens_for(context: ProviderContext) -> Tokens:
    """Return the tokens of a context's account, one object for all hooks of this process.

    Raises:
        MissingSecret: If a credential is not set.
    """
    server_url = Options.of(context).server_url
    client_id, client_secret = context.secrets("client_id"), context.secrets("client_secret")
    # The key only tells accounts apart; a digest, so that no table holds the secret.
    key = hashlib.sha256("\0".join((server_url, client_id, client_secret)).encode()).hexdigest()
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Tokens(
                server_url, lambda: context.secrets("client_id"), lambda: context.secrets("client_secret")
            )
            _shared[key].hide = context.hide
        return _shared[key]
