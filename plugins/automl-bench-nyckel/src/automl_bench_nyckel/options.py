"""The provider's settings as values."""

from __future__ import annotations

from dataclasses import dataclass

from automl_bench.contract import ProviderContext, Setting, SettingKind
from automl_bench.toolkit.setting_values import settings_of

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
        kind=SettingKind.ADDRESS,
    ),
    Setting(
        name="poll_seconds",
        description="Seconds between two looks at a training; two equal looks so far apart mean that it has ended.",
        env="NYCKEL_POLL_SECONDS",
        default="3",
        kind=SettingKind.NUMBER,
        minimum=0.01,
        maximum=600,
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
            InvalidSetting: If one cannot be used.
        """
        return cls(**settings_of(DECLARED, context.settings, "nyckel"))
