"""The provider's settings as values."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext, Setting
from automl_bench.errors import RequestRefused

SERVER_URL = "https://www.nyckel.com"

DECLARED = (
    Setting(
        name="client_id",
        description="Client id of the account's API credentials.",
        env="NYCKEL_CLIENT_ID",
        secret=True,
        required=True,
    ),
    Setting(
        name="client_secret",
        description="Client secret of the account's API credentials.",
        env="NYCKEL_CLIENT_SECRET",
        secret=True,
        required=True,
    ),
    Setting(
        name="server_url",
        description="Address of the service.",
        env="NYCKEL_SERVER_URL",
        default=SERVER_URL,
    ),
    Setting(
        name="poll_seconds",
        description="Seconds between two looks at a training; two equal looks so far apart mean that it has ended.",
        env="NYCKEL_POLL_SECONDS",
        default="3",
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that are not secrets.

    Attributes:
        server_url: Address of the service, without a trailing slash.
        poll_seconds: Seconds between two looks at a training.
    """

    server_url: str
    poll_seconds: float

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the settings of a context.

        Raises:
            RequestRefused: If one cannot be used.
        """
        return cls(
            _address(context.settings.get("server_url", SERVER_URL)),
            _seconds(context.settings.get("poll_seconds", "3")),
        )


def _address(text: str) -> str:
    url = text.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise RequestRefused(
            f"The setting server_url of the provider nyckel is {text!r}, not an address such as {SERVER_URL}.",
            remedy="Change NYCKEL_SERVER_URL or server_url in configs/providers/nyckel.toml.",
        )
    if parts.scheme == "http" and not is_this_machine(parts.hostname):
        raise RequestRefused(
            f"The setting server_url of the provider nyckel is {text!r}: the client secret would travel in clear text.",
            remedy="Use https; plain http is for servers on this machine only.",
        )
    return url


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is the loopback interface's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.01 <= value <= 600:
        raise RequestRefused(
            f"The setting poll_seconds of the provider nyckel is {text!r}, not a number from 0.01 to 600.",
            remedy="Change NYCKEL_POLL_SECONDS or poll_seconds in configs/providers/nyckel.toml.",
        )
    return value
