"""Who asks: a service principal of the settings, or whatever azure-identity's own chain finds.

azure-identity keeps a token until five minutes before its end, and azure-core's policy asks it again in that time.
A token that lives shorter is asked for each time; for the many requests of an upload `StorageTokens` keeps it
for two thirds of its life instead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from automl_bench.errors import RateLimited, RequestRefused, ServiceUnavailable
from automl_bench.toolkit.retry_after import retry_after as retry_after_of
from automl_bench_azure.failures import azure_errors

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

CONNECT_SECONDS = 10
READ_SECONDS = 60

STORAGE_SCOPE = "https://storage.azure.com/.default"

EARLY_SHARE = 1 / 3
"""A token is renewed when this share of its life is left …"""
EARLY_SECONDS = 300.0
"""… but at most this many seconds before it expires."""

_OWN_AUTHORITIES = (".microsoftonline.com", ".microsoftonline.us", ".chinacloudapi.cn", ".windows.net")


def credential_for(tenant_id: str, client_id: str, client_secret: str, authority: str) -> TokenCredential:
    """Return the service principal if all three parts of it are set, else azure-identity's default chain.

    Args:
        tenant_id: Tenant, or "".
        client_id: Client id, or "".
        client_secret: Secret, or "".
        authority: Address that gives tokens, or "" for Azure's own.

    Raises:
        RequestRefused: If the authority is no https address, or the tenant is no tenant.
    """
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    # Below WARNING these libraries write every request and answer; as a warning azure-identity repeats what an
    # authority says of a refused secret.
    for name in ("azure", "msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    options: dict[str, Any] = {"retry_total": 0, "connection_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    if authority:
        host = urlsplit(authority if "://" in authority else f"https://{authority}")
        if host.scheme != "https" or not host.hostname:
            raise RequestRefused(
                f"AZURE_AUTHORITY_HOST is {authority!r}, which is no https address.",
                remedy="Unset it, or set it to an address such as https://login.microsoftonline.com.",
            )
        options["authority"] = authority
        # Azure's own list of authorities is asked about unknown ones; a server of one's own is not in it.
        options["disable_instance_discovery"] = not f".{host.hostname}".endswith(_OWN_AUTHORITIES)
    try:
        if tenant_id and client_id and client_secret:
            return ClientSecretCredential(tenant_id, client_id, client_secret, transport=_transport(), **options)
        return DefaultAzureCredential(**options)
    except ValueError as error:
        raise RequestRefused(
            "The Azure credentials are malformed.",
            remedy="Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_AUTHORITY_HOST.",
        ) from error


def _transport() -> Any:
    """Return a transport that raises for what passes: azure-identity tells neither status nor wait of an answer.

    What is raised here comes out as the cause of azure-identity's own error.
    """
    from azure.core.pipeline.transport import RequestsTransport

    class Watched(RequestsTransport):  # type: ignore[misc]  # azure-core exports it lazily
        def send(self, request: Any, **options: Any) -> Any:
            response: Any = super().send(request, **options)
            if response.status_code == 429:
                retry_after = retry_after_of(response.headers)
                raise RateLimited("Entra ID asks to wait before the next token.", retry_after=retry_after)
            if response.status_code >= 500:
                raise ServiceUnavailable(f"Entra ID answered {response.status_code} to the request for a token.")
            return response

    return Watched(connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)


class HiddenTokens:
    """A credential that tells the host of each token, so that no text holds it."""

    def __init__(self, credential: TokenCredential, hide: Callable[[str], None]) -> None:
        self._credential = credential
        self._hide = hide

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return the credential's own token."""
        given = self._credential.get_token(*scopes, **options)
        self._hide(given.token)
        return given


class StorageTokens:
    """Gives a valid storage token to any thread."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def __repr__(self) -> str:
        return "<tokens for Blob storage>"

    def value(self) -> str:
        """Return a token with a third of its life, or five minutes, left.

        Raises:
            ProviderError: If there is none.
        """
        with self._lock:
            now = time.time()
            if not self._token or now >= self._renew_at:
                with azure_errors():
                    given = self._credential.get_token(STORAGE_SCOPE)
                life = max(0.0, given.expires_on - now)
                self._token = given.token
                self._renew_at = given.expires_on - min(EARLY_SHARE * life, EARLY_SECONDS)
            return self._token
