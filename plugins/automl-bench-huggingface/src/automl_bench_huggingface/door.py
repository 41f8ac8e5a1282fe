"""The one door to the SDK: loaded on first use, without its telemetry, its retries, its patience without end.

huggingface_hub 2.4 repeats listings up to five times with pauses, waits for ever, and has no setting for the address of
the endpoints API. It offers `set_client_factory`. The client set here does all three, and only for calls of this plugin
(`asking`): whoever else uses the SDK in this process gets what he would get without it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from automl_bench.errors import ConnectionLost, ProviderError, RequestRefused, RequestTimedOut
from automl_bench_huggingface.failures import CHECK_ADDRESS, error_for, unreadable
from automl_bench_huggingface.options import ENDPOINTS_API
from automl_bench_huggingface.tokens import Tokens

if TYPE_CHECKING:
    from types import ModuleType

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""Longest wait for the next bytes of an answer."""

READ_AT_IMPORT = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
"""Variables of the SDK that count only while it is imported; the environment is left as it was."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A call of this plugin under way.

    Attributes:
        what: What is asked for, for messages.
        endpoints_api: Where the endpoints API is.
        tokens: Where the token came from.
        token: The token that the call carries.
    """

    what: str
    endpoints_api: str
    tokens: Tokens
    token: str = field(repr=False)


_asking: ContextVar[Asking | None] = ContextVar("automl_bench_huggingface_asking", default=None)
_lock = threading.Lock()
_loaded: ModuleType | None = None


def sdk() -> ModuleType:
    """Return the SDK, with this module's client in it."""
    global _loaded
    with _lock:
        if _loaded is None:
            _loaded = _load()
        return _loaded


def _load() -> ModuleType:
    before = {name: os.environ.get(name) for name in READ_AT_IMPORT}
    os.environ.update({name: value for name, value in READ_AT_IMPORT.items() if before[name] is None})
    try:
        import huggingface_hub
        import huggingface_hub.constants
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
    like = huggingface_hub.get_session()
    huggingface_hub.set_client_factory(lambda: _client(like))
    return huggingface_hub


def stored_login() -> str | None:
    """Return the token of the SDK's own login, renewed by it if need be.

    Raises:
        ProviderError: If a renewal failed.
    """
    hub = sdk()
    try:
        token: str | None = hub.get_token()
    except ProviderError:
        raise
    except Exception as error:  # noqa: BLE001  # it names no class for what can go wrong, and its words may hold a token
        raise RequestRefused(
            f"The stored Hugging Face login cannot be used ({type(error).__name__}).",
            remedy="Log in again with `hf auth login`, or set HF_TOKEN.",
        ) from None
    return token


@contextmanager
def asking(what: str, *, endpoints_api: str, tokens: Tokens, token: str) -> Iterator[None]:
    """Hold calls of the SDK to the host's rules: one request each, errors in the host's words.

    Raises:
        ProviderError: The class that fits.
    """
    reset = _asking.set(Asking(what, endpoints_api, tokens, token))
    try:
        yield
    except ProviderError:
        raise
    except ConnectionError as error:  # the SDK's own, for HF_HUB_OFFLINE
        raise RequestRefused(
            f"The SDK refuses to {what} ({type(error).__name__}).", remedy="Unset HF_HUB_OFFLINE."
        ) from None
    except _broken():  # in the middle of an answer that is read bit by bit
        raise ConnectionLost(f"The connection to Hugging Face broke when asking to {what}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise unreadable(what) from None
    finally:
        _asking.reset(reset)


def _broken() -> type[Exception]:
    """Return the class of what the SDK's HTTP client raises; looked up only when something was raised."""
    import httpx2

    return httpx2.HTTPError


def _client(like: Any) -> Any:
    """Return a new client for all of the SDK, set like its own one."""
    import httpx2

    class Door(httpx2.Client):
        """Sends one request and judges its answer."""

        def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            call = _asking.get()
            if call is None:
                return super().send(request, **options)
            _redirect(request, call.endpoints_api)
            if request.extensions.get("timeout", {}).get("read") is None:
                patience = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
                request.extensions = {**request.extensions, "timeout": patience.as_dict()}
            try:
                answer = super().send(request, **options)
                if answer.status_code < 400:
                    return answer
                body = answer.read()
            except httpx2.TimeoutException:
                raise RequestTimedOut(f"Hugging Face did not answer in time to {call.what}.") from None
            except httpx2.TransportError:
                raise ConnectionLost(f"The connection to Hugging Face broke when asking to {call.what}.") from None
            except httpx2.RequestError as error:
                raise RequestRefused(
                    f"The request to {call.what} could not be made ({type(error).__name__}).", remedy=CHECK_ADDRESS
                ) from None
            headers = {name.lower(): value for name, value in answer.headers.items()}
            refusal = error_for(answer.status_code, body, headers, what=call.what, hidden=(call.token,))
            raise call.tokens.judged(refusal, call.token)

    def _redirect(request: httpx2.Request, endpoints_api: str) -> None:
        if endpoints_api != ENDPOINTS_API and str(request.url).startswith(f"{ENDPOINTS_API}/"):
            request.url = httpx2.URL(endpoints_api + str(request.url).removeprefix(ENDPOINTS_API))
            request.headers["Host"] = request.url.netloc.decode()

    return Door(event_hooks=like.event_hooks, follow_redirects=like.follow_redirects, timeout=like.timeout)
