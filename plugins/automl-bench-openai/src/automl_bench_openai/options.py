"""The provider's settings and the keys of its variants, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from automl_bench.contract import ProviderContext, Setting, SettingKind
from automl_bench.errors import InvalidSetting
from automl_bench.toolkit.setting_values import settings_of, variant_settings_of
from automl_bench_openai.presets import PRESETS, Preset

ALL = -1
"""Number of examples that stands for as many as fit."""

KEYS = {
    "openai_key": "OPENAI_API_KEY",
    "azure_key": "AZURE_OPENAI_API_KEY",
    "gemini_key": "GEMINI_API_KEY",
    "anthropic_key": "ANTHROPIC_API_KEY",
    "openrouter_key": "OPENROUTER_API_KEY",
    "compatible_key": "OPENAI_COMPATIBLE_API_KEY",
}
"""Secrets by name, with the environment variable that holds each."""

DECLARED = (
    *(
        Setting(name, f"Key of addresses of the preset {name.removesuffix('_key')}.", env=variable, secret=True)
        for name, variable in KEYS.items()
    ),
    Setting(
        "base_url",
        "Address in place of the one of the preset openai.",
        env="OPENAI_BASE_URL",
        kind=SettingKind.ADDRESS,
        example="https://gateway.example.com/v1",
    ),
)


def _number(name: str, words: str, default: str | None, least: float, most: float, *, whole: bool = True) -> Setting:
    kind = SettingKind.INTEGER if whole else SettingKind.NUMBER
    return Setting(name, words, default=default, kind=kind, minimum=least, maximum=most)


VARIANT_SETTINGS = (
    Setting("preset", "Kind of address.", default="openai", kind=SettingKind.CHOICE, choices=tuple(PRESETS)),
    Setting("base_url", "Address, where it is not that of the preset.", kind=SettingKind.ADDRESS),
    Setting("model", "Model to ask; by default that of the preset.", example="gpt-6-luna"),
    Setting(
        "mode",
        "How it is asked; auto takes the first that the address honours.",
        default="auto",
        kind=SettingKind.CHOICE,
        choices=("auto", "decisions", "chat", "tool", "plain"),
    ),
    _number("examples", "Labelled samples shown with each request, the nearest ones; -1 for all.", "0", -1, 10_000),
    Setting(
        "examples_by",
        "What nearness is reckoned by: thumbnails and common words, or embeddings computed in this process.",
        default="content",
        kind=SettingKind.CHOICE,
        choices=("content", "embedding"),
    ),
    _number("token_budget", "Most tokens of one request, examples included.", "8000", 100, 1_000_000),
    _number("max_output_tokens", "Most tokens of one answer, a reasoning included.", "200", 1, 100_000),
    Setting(
        "image_detail",
        "How closely images are looked at.",
        default="low",
        kind=SettingKind.CHOICE,
        choices=("low", "high", "auto", "original"),
    ),
    _number("image_tokens", "Tokens of one image, where the estimate by its size is not right.", None, 1, 1_000_000),
    _number("temperature", "Sampling temperature.", "0", 0, 2, whole=False),
    _number("seed", "Seed asked for; services keep to it as far as they can.", "1", 0, 2**31 - 1),
    Setting(
        "reasoning",
        "Effort of the reasoning; by default that of the preset.",
        kind=SettingKind.CHOICE,
        choices=("omit", "none", "minimal", "low", "medium", "high"),
    ),
    Setting(
        "confidence",
        "Where the confidence comes from.",
        default="logprobs",
        kind=SettingKind.CHOICE,
        choices=("logprobs", "self", "none"),
    ),
    Setting("prompt_file", "Your own prompt, a Jinja template.", kind=SettingKind.PATH),
    _number("timeout_seconds", "Longest wait for one answer.", "120", 1, 3600, whole=False),
    _number("usd_in", "Dollars for a million tokens in, in place of the table.", None, 0, 10_000, whole=False),
    _number("usd_cached", "Dollars for a million cached tokens.", None, 0, 10_000, whole=False),
    _number("usd_out", "Dollars for a million tokens out.", None, 0, 10_000, whole=False),
)


@dataclass(frozen=True, slots=True)
class Options:
    """A variant as resolved; the fields are those of `VARIANT_SETTINGS`, with the preset's defaults in."""

    preset_name: str
    base_url: str
    model: str
    mode: str
    examples: int
    examples_by: str
    token_budget: int
    max_output_tokens: int
    image_detail: str
    image_tokens: int | None
    temperature: float
    seed: int
    reasoning: str
    confidence: str
    prompt_file: Path | None
    timeout_seconds: float
    usd: tuple[float | None, float | None, float | None] = field(default=(None, None, None))

    @property
    def preset(self) -> Preset:
        """What is known of the kind of address."""
        return PRESETS[self.preset_name]

    @property
    def is_here(self) -> bool:
        """Whether the address is on this machine."""
        return urlsplit(self.base_url).hostname in {"127.0.0.1", "localhost", "::1"}

    @classmethod
    def of(cls, context: ProviderContext) -> Options:
        """Read the variant of a context.

        Raises:
            InvalidSetting: If a value cannot be used, or the address or the model is not said.
        """
        variant = context.variant
        given = variant_settings_of(VARIANT_SETTINGS, variant)
        name = str(given["preset"])
        preset = PRESETS[name]
        base = given.get("base_url")
        if not base and name == "openai":
            base = settings_of(DECLARED, context.settings, "openai").get("base_url")
        base, model = base or preset.base_url, given.get("model") or preset.model
        for what, value in (("base_url", base), ("model", model)):
            if not value:
                raise InvalidSetting(
                    f"{variant}: the preset {name} needs {what}.",
                    remedy=f"Set it under [variants.{variant.name}] in configs/providers/openai.toml.",
                )
        effort = given.get("reasoning") or preset.reasoning
        file = given.get("prompt_file")
        return cls(
            preset_name=name,
            base_url=str(base).rstrip("/"),
            model=str(model),
            mode=given["mode"],
            examples=given["examples"],
            examples_by=given["examples_by"],
            token_budget=given["token_budget"],
            max_output_tokens=given["max_output_tokens"],
            image_detail=given["image_detail"],
            image_tokens=given.get("image_tokens"),
            temperature=given["temperature"],
            seed=given["seed"],
            reasoning="" if effort == "omit" else effort,
            confidence=given["confidence"],
            prompt_file=None if not file else Path(file).expanduser(),
            timeout_seconds=given["timeout_seconds"],
            usd=(given.get("usd_in"), given.get("usd_cached"), given.get("usd_out")),
        )

    def headers(self, context: ProviderContext) -> tuple[tuple[str, str], ...]:
        """Return the headers of a request; a server on this machine needs no key.

        Raises:
            MissingSecret: If the key's environment variable is not set.
        """
        content = ("Content-Type", "application/json")
        secret = self.preset.secret
        if not secret:
            return (content,)
        if self.is_here and self.preset_name == "compatible":
            from automl_bench.errors import MissingSecret

            try:
                key = context.secrets(secret)
            except MissingSecret:
                return (content,)
        else:
            key = context.secrets(secret)
        value = f"Bearer {key}" if self.preset.key_header == "Authorization" else key
        return ((self.preset.key_header, value), content)
