"""The provider's settings as values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automl_bench.contract import ProviderContext, Setting, SettingKind
from automl_bench.toolkit.setting_values import settings_of

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
    Setting(
        "hub_url",
        "Address of the Hub, for this machine and for the job.",
        env="HF_ENDPOINT",
        default=HUB_URL,
        kind=SettingKind.ADDRESS,
    ),
    Setting(
        "endpoints_api",
        "Address of the Inference Endpoints API, without its version.",
        env="AUTOML_BENCH_HUGGINGFACE_ENDPOINTS_API",
        default=ENDPOINTS_API,
        kind=SettingKind.ADDRESS,
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
            InvalidSetting: If one cannot be used.
        """
        found = cls(**settings_of(DECLARED, context.settings, "huggingface"))
        return replace(found, endpoints_api=found.endpoints_api.removesuffix("/v2"))
