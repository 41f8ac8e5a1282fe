"""The access token, asked for anew for each request.

User access tokens live until they are revoked. Two other logins of the SDK expire and are renewed by it: the browser
login (`hf auth login`, renewed a day ahead) and a trusted publisher's in CI (renewed five minutes ahead). So no request
keeps a token beyond its own moment, and a token that was replaced is taken up by the next request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from automl_bench.contract import ProviderContext
from automl_bench.errors import MissingSecret, ProviderError, TransientProviderError, Unauthenticated
from automl_bench_huggingface.failures import CHECK_TOKEN
from automl_bench_huggingface.options import TOKEN

LOGIN_SECONDS = 300.0
"""How long a request prepared with a stored login may wait for its moment: less than the SDK renews ahead of time."""

RENEWED = "The access token was replaced; the new one is used."


class Tokens:
    """Where tokens come from: HF_TOKEN if it is set, else the SDK's own login. Safe to use from several threads.

    Args:
        secrets: The host's function for secrets.
        hide: Told of a token that the SDK keeps, so that no text holds it.
    """

    def __init__(self, secrets: Callable[[str], str], hide: Callable[[str], None] = lambda secret: None) -> None:
        self._hide = hide
        self._secrets = secrets
        self._lock = threading.Lock()
        self._last = ""
        self._changed_at = float("-inf")
        self._stored = False

    def __repr__(self) -> str:
        return "Tokens(•••)"

    def value(self) -> str:
        """Return the token that holds now.

        Raises:
            Unauthenticated: If there is none.
        """
        token, stored = self._look_up()
        with self._lock:
            if self._last and token != self._last:
                self._changed_at = time.monotonic()
            if stored and token != self._last:
                self._hide(token)
            self._last, self._stored = token, stored
        return token

    def valid_for_seconds(self) -> float | None:
        """Return how long a request with the last token may wait; None for an access token, which does not expire."""
        return LOGIN_SECONDS if self._stored else None

    def hidden(self) -> tuple[str, ...]:
        """Return what may stand in no message."""
        return (self._last,)

    def judged(self, error: ProviderError, used: str = "") -> ProviderError:
        """Return what an error means: a refused token that has been replaced since is worth another try.

        Args:
            error: What the answer means by itself.
            used: The token that the request carried, or empty where that is not known.
        """
        if not isinstance(error, Unauthenticated):
            return error
        try:
            now = self.value()
        except ProviderError:
            return error
        replaced = now != used if used else time.monotonic() - self._changed_at < LOGIN_SECONDS
        return TransientProviderError(RENEWED) if replaced else error

    def _look_up(self) -> tuple[str, bool]:
        try:
            return self._secrets(TOKEN), False
        except MissingSecret:
            pass
        from automl_bench_huggingface.door import stored_login

        token = stored_login()
        if not token:
            raise Unauthenticated("No Hugging Face token is found.", remedy=CHECK_TOKEN)
        return token, True


def tokens_of(context: ProviderContext) -> Tokens:
    """Return the tokens of a context."""
    return Tokens(context.secrets, context.hide)
