"""How requests go out: HTTP version, certificates, proxy and limits, resolved once and held for a whole measurement."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from automl_bench.errors import InvalidSetting

CA_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Environment variables that name a CA bundle, first one set wins: OpenSSL's, requests' and curl's."""

HttpVersion = Literal["1.1", "2", "2-prior-knowledge"]


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """What holds for every request of one transport. Certificates are always verified.

    Attributes:
        http_version: "1.1"; "2" (over TLS where the server agrees to it, else 1.1); "2-prior-knowledge" (HTTP/2 from
            the first byte, also without TLS).
        ca_bundle: PEM file or folder with the trusted authorities. None takes the first of `CA_BUNDLE_VARIABLES` that
            is set, else certifi's.
        proxy: Address of a proxy for every request. None takes HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY from
            the environment, in either case, but never for this machine itself (localhost, 127.0.0.0/8, ::1); "" uses
            no proxy.
        connect_timeout_seconds: Limit for name lookup, TCP and TLS together; the request's own limit holds besides.
        max_response_bytes: Largest answer that is taken, after decompression.
        max_total_bytes: What the answers under way may hold together, after decompression.
        accept_compressed: Whether to offer gzip, deflate and what else libcurl can decompress.
    """

    http_version: HttpVersion = "1.1"
    ca_bundle: Path | None = None
    proxy: str | None = None
    connect_timeout_seconds: float = 10.0
    max_response_bytes: int = 16 * 1024 * 1024
    max_total_bytes: int = 128 * 1024 * 1024
    accept_compressed: bool = True


def resolve_ca_bundle(options: TransportOptions) -> Path:
    """Return the PEM file or folder of trusted authorities.

    Raises:
        InvalidSetting: The named file does not exist or cannot be read; the message says which setting names it.
    """
    named_by, path = "ca_bundle", options.ca_bundle
    if path is None:
        for variable in CA_BUNDLE_VARIABLES:
            if os.environ.get(variable):
                named_by, path = variable, Path(os.environ[variable])
                break
    if path is None:
        import certifi

        named_by, path = "certifi", Path(certifi.where())
    if not os.access(path, os.R_OK):
        raise InvalidSetting(
            f"The CA bundle {path} named by {named_by} cannot be read.",
            remedy=f"Set {named_by} to a PEM file with the trusted authorities, or unset it to use the built-in ones.",
        )
    return path


def resolve_proxy(options: TransportOptions, url: str) -> str:
    """Return the proxy for a URL, or "" for a direct connection."""
    if options.proxy is not None:
        return options.proxy
    from urllib.request import getproxies_environment, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies_environment()
    if _is_this_machine(host) or proxy_bypass(host, proxies):
        return ""
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
