"""The provider's settings and the keys of its variants, as values."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext, Setting, SettingKind
from automl_bench.errors import InvalidSetting, MissingSecret
from automl_bench.toolkit.setting_values import settings_of, variant_settings_of
from automl_bench_embed.shapes import LOCAL, SHAPES, Shape

DECLARED = (
    Setting("api_key", "Key of the address; none is needed on this machine.", env="EMBED_API_KEY", secret=True),
    Setting("jina_key", "Key of addresses of the shape jina.", env="JINA_API_KEY", secret=True),
    Setting("cohere_key", "Key of addresses of the shape cohere.", env="CO_API_KEY", secret=True),
    Setting("voyage_key", "Key of addresses of the shape voyage.", env="VOYAGE_API_KEY", secret=True),
    Setting(
        "base_url",
        "The address, in place of that of the variant's shape.",
        env="EMBED_BASE_URL",
        kind=SettingKind.ADDRESS,
        example="https://gateway.example.com/v1",
    ),
)
VARIANT_SETTINGS = (
    Setting(
        "shape",
        "Whose requests the address takes; local computes in this process, at no address.",
        default="openai",
        kind=SettingKind.CHOICE,
        choices=(*SHAPES, LOCAL),
    ),
    Setting("base_url", "Address of this variant, in place of the setting's.", kind=SettingKind.ADDRESS),
    Setting("model", "Model that embeds; by default that of the shape.", example="text-embedding-3-small"),
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
OF_AN_ADDRESS = ("base_url", "model", "dimensions", "usd_in")
"""Keys that say nothing where no address is asked."""


@dataclass(frozen=True, slots=True)
class Options:
    """A variant as resolved; the fields are those of `VARIANT_SETTINGS`."""

    shape_name: str
    base_url: str
    model: str
    dimensions: int | None
    batch: int
    token_budget: int
    usd_in: float | None
    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def is_local(self) -> bool:
        """Whether vectors are computed in this process."""
        return self.shape_name == LOCAL

    @property
    def shape(self) -> Shape:
        """How the address is asked; there is none for `local`."""
        return SHAPES[self.shape_name]

    @property
    def is_here(self) -> bool:
        """Whether the address is on this machine."""
        return urlsplit(self.base_url).hostname in {"127.0.0.1", "localhost", "::1"}

    @property
    def identity(self) -> str:
        """What makes vectors the same: a cache holds them by it."""
        place = self.base_url if self.shape_name == "openai" else f"{self.shape_name} {self.base_url}"
        return f"{place} {self.model} {self.dimensions or 'whole'}"

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the variant of a context.

        Raises:
            InvalidSetting: If a value cannot be used.
        """
        given = variant_settings_of(VARIANT_SETTINGS, context.variant)
        name = str(given["shape"])
        if name == LOCAL:
            if idle := [key for key in OF_AN_ADDRESS if given.get(key) is not None]:
                raise InvalidSetting(
                    f'{context.variant}: {idle[0]} says nothing with shape = "local".', remedy=f"Delete {idle[0]}."
                )
            base, model = "", "whole"
        else:
            own = settings_of(DECLARED, context.settings, "embed").get("base_url")
            base = str(given.get("base_url") or own or SHAPES[name].base_url).rstrip("/")
            model = str(given.get("model") or SHAPES[name].model)
        return cls(
            shape_name=name,
            base_url=base,
            model=model,
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
            return (("Authorization", f"Bearer {context.secrets(self.shape.secret)}"), content)
        except MissingSecret:
            if self.is_here:
                return (content,)
            raise
