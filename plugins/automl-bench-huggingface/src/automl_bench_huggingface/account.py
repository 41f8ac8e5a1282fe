"""The account as this process reaches it: addresses, token, namespace, and the SDK's calls with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automl_bench.contract import ProviderContext
from automl_bench.errors import RequestRefused
from automl_bench_huggingface.door import asking, sdk
from automl_bench_huggingface.failures import unreadable
from automl_bench_huggingface.options import Options
from automl_bench_huggingface.tokens import Tokens, tokens_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_namespaces: dict[tuple[str, str], str] = {}
"""Names by address of the Hub and token: the service limits this question tightly, so it is asked once a process."""
_lock = threading.Lock()


class Account:
    """Where things are made, and for whom.

    Args:
        options: The settings.
        tokens: Where tokens come from.
    """

    def __init__(self, options: Options, tokens: Tokens) -> None:
        self.options = options
        self.tokens = tokens

    @contextmanager
    def asking(self, what: str) -> Iterator[HfApi]:
        """Give the SDK for one request, with the token that holds now.

        Args:
            what: What is asked for, as in "create the endpoint".

        Raises:
            ProviderError: The class that fits.
        """
        token = self.tokens.value()
        api = sdk().HfApi(endpoint=self.options.hub_url, token=token)
        with asking(what, endpoints_api=self.options.endpoints_api, tokens=self.tokens, token=token):
            yield api

    def who(self) -> dict[str, Any]:
        """Ask the service whose token this is.

        Raises:
            ProviderError: If it is nobody's.
        """
        what = "say whose token this is"
        with self.asking(what) as api:
            answer = api.whoami()
        if not isinstance(answer, dict) or not isinstance(answer.get("name"), str):
            raise unreadable(what)
        return answer

    @property
    def namespace(self) -> str:
        """The owner of everything: the setting, else the token's user.

        Raises:
            ProviderError: If the service does not say.
        """
        if self.options.namespace:
            return self.options.namespace
        key = (self.options.hub_url, self.tokens.value())
        with _lock:
            if key not in _namespaces:
                answer = self.who()
                if answer.get("type") != "user":
                    raise RequestRefused(
                        "The token belongs to an organization, which may own several namespaces.",
                        remedy="Set AUTOML_BENCH_HUGGINGFACE_NAMESPACE.",
                    )
                _namespaces[key] = str(answer["name"])
            return _namespaces[key]

    @property
    def scope(self) -> dict[str, str]:
        """Where everything of this account lies, in the words of the settings."""
        options = self.options
        return {"namespace": self.namespace, "hub_url": options.hub_url, "endpoints_api": options.endpoints_api}

    def repository(self, name: str) -> str:
        """Return the full name of a repository in the namespace."""
        return f"{self.namespace}/{name}"


def account_of(context: ProviderContext) -> Account:
    """Return the account that the settings name.

    Raises:
        RequestRefused: If a setting cannot be used.
    """
    return Account(Options.of(context), tokens_of(context))
