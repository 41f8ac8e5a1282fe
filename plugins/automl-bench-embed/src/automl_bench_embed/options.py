"""The provider's settings and the keys of its variants, as values."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext, Setting, SettingKind
from automl_bench.errors import MissingSecret
from automl_bench.toolkit.setting_values import settings_of, variant_settings_of

DECLARED = (
    Setting("api_key", "Key of the address; none is needed on this machine.", env="EMBED_API_KEY", secret=True),
    Setting(
        "base_url",
        "The address.",
        env="EMBED_BASE_URL",
        default="https://api.openai.com/v1",
        kind=SettingKind.ADDRESS,
    ),
)
VARIANT_SETTINGS = (
    Setting("base_url", "Address of this variant, in place of the setting's.", kind=SettingKind.ADDRESS),
    Setting("model", "Model that embeds.", default="text-embedding-3-small"),
    Setting(
        "dimensions",
        "Length of the vectors, where the model can shorten them.",
        kind=SettingKind.INTEGER,
        minimum=2,
        maximum=100_000,
    ),
    Setting(
        "batch", "Samples embedded by one request.", default="64", kind=SettingKind.INTEGER, minimum=1, maximum=2048
    ),
    Setting(
        "token_budget",
        "Most tokens of one sample; a longer one is refused.",
        default="8000",
        kind=SettingKind.INTEGER,
        minimum=10,
        maximum=1_000_000,
    ),
    Setting(
        "usd_in",
        "Dollars for a million tokens, in place of the table.",
        kind=SettingKind.NUMBER,
        minimum=0,
        maximum=10_000,
    ),
)
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Options:
    """A variant as resolved; the fields are those of `VARIANT_SETTINGS`."""

    base_url: str
    model: str
    dimensions: int | None
    batch: int
    token_budget: int
    usd_in: float | None
    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def is_here(self) -> bool:
        """Whether the address is on this machine."""
        return urlsplit(self.base_url).hostname in {"127.0.0.1", "localhost", "::1"}

    @property
    def identity(self) -> str:
        """What makes vectors the same: a cache holds them by it."""
        return f"{self.base_url} {self.model} {self.dimensions or 'whole'}"

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the variant of a context.

        Raises:
            InvalidSetting: If a value cannot be used.
        """
        given = variant_settings_of(VARIANT_SETTINGS, context.variant)
        base = given.pop("base_url", None) or settings_of(DECLARED, context.settings, "embed")["base_url"]
        return cls(
            base_url=str(base).rstrip("/"),
            model=given["model"],
            dimensions=given.get("dimensions"),
            batch=given["batch"],
            token_budget=given["token_budget"],
            usd_in=given.get("usd_in"),
        )

    def headers(self, context: ProviderContext) -> tuple[tuple[str, str], ...]:
        """Return the headers of a request; a server on this machine may need no key.

        Raises:
            MissingSecret: If the key is not set.
        """
        content = ("Content-Type", "application/json")
        try:
            return (("Authorization", f"Bearer {context.secrets('api_key')}"), content)
        except MissingSecret:
            if self.is_here:
                return (content,)
            raise
