"""The provider's settings as values."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext, Setting
from automl_bench.errors import RequestRefused

HUB_URL = "https://huggingface.co"
ENDPOINTS_API = "https://api.endpoints.huggingface.cloud"

TOKEN = "token"

DECLARED = (
    Setting(
        TOKEN,
        "Access token; without it the login that `hf auth login` stored.",
        env="HF_TOKEN",
        secret=True,
    ),
    Setting(
        "namespace",
        "User or organization that owns and pays for everything; by default the token's user.",
        env="AUTOML_BENCH_HUGGINGFACE_NAMESPACE",
        default="",
    ),
    Setting("hub_url", "Address of the Hub, for this machine and for the job.", env="HF_ENDPOINT", default=HUB_URL),
    Setting(
        "endpoints_api",
        "Address of the Inference Endpoints API, without its version.",
        env="AUTOML_BENCH_HUGGINGFACE_ENDPOINTS_API",
        default=ENDPOINTS_API,
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that are not secrets.

    Attributes:
        hub_url: Address of the Hub, without a trailing slash.
        endpoints_api: Address of the Inference Endpoints API, likewise.
        namespace: Owner asked for, or empty for the token's user.
    """

    hub_url: str
    endpoints_api: str
    namespace: str

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the settings of a context.

        Raises:
            RequestRefused: If one cannot be used.
        """
        settings = context.settings
        return cls(
            _address("hub_url", "HF_ENDPOINT", settings.get("hub_url") or HUB_URL),
            _address(
                "endpoints_api",
                "AUTOML_BENCH_HUGGINGFACE_ENDPOINTS_API",
                settings.get("endpoints_api") or ENDPOINTS_API,
            ).removesuffix("/v2"),
            settings.get("namespace", "").strip(),
        )


def _address(name: str, variable: str, text: str) -> str:
    url = text.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise RequestRefused(
            f"The setting {name} of the provider huggingface is {text!r}, not an address such as {HUB_URL}.",
            remedy=f"Change {variable} or {name} in configs/providers/huggingface.toml.",
        )
    if parts.scheme == "http" and not is_this_machine(parts.hostname):
        raise RequestRefused(
            f"The setting {name} of the provider huggingface is {text!r}: the token would travel in clear text.",
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
