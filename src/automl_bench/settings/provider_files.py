"""A provider's file `configs/providers/<name>.toml`, and how its settings are resolved."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_bench.border.names import did_you_mean, is_name
from automl_bench.border.texts import remember
from automl_bench.contract import Json, ProviderDescription, Variant
from automl_bench.errors import InvalidSetting, SettingsError, UnknownSetting, UsageError
from automl_bench.settings.environment_files import with_files_read
from automl_bench.settings.toml_files import read_toml
from automl_bench.toolkit.environments import ENVIRONMENT, read_environment
from automl_bench.toolkit.setting_values import value_of, variant_settings_of, wrong_setting

SECTIONS = ("settings", "variants", "budget")


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """What the file says.

    Attributes:
        settings: Values of declared settings.
        variants: Named configurations, added to those of the plugin or overriding them.
        budget: The most dollars that one trial may cost, by item of the price table.
        path: Where it was read, or None if there is no file.
    """

    settings: Mapping[str, Json] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    budget: Mapping[str, float] = field(default_factory=dict)
    path: Path | None = None


def read_provider_file(path: Path | None) -> ProviderFile:
    """Read a provider's file; without one, everything has its default.

    Raises:
        UnknownSetting: If it has a section that nobody reads.
        InvalidSetting: If a section has the wrong type.
    """
    if path is None:
        return ProviderFile()
    content = read_toml(path)
    for section in content:
        if section not in SECTIONS:
            raise UnknownSetting(
                f"{path}: {section!r} is not a section.",
                remedy=did_you_mean(section, SECTIONS, "It may hold [settings], [variants.NAME] and [budget]."),
            )
    settings = _table(content.get("settings", {}), path, "settings")
    variants = _table(content.get("variants", {}), path, "variants")
    for name, variant in variants.items():
        if not is_name(name):
            raise InvalidSetting(
                f"{path}: {name!r} cannot be the name of a variant.",
                remedy="Use letters, digits, dots, dashes and underscores.",
            )
        _table(variant, path, f"variants.{name}")
    return ProviderFile(settings, variants, _dollars(_table(content.get("budget", {}), path, "budget"), path), path)


def _dollars(section: Mapping[str, Any], path: Path) -> dict[str, float]:
    for item, value in section.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise InvalidSetting(
                f"{path}: 'budget.{item}' is {value!r}, not an amount of dollars.",
                remedy="Give the most that one trial may cost for this item of the price table, such as 5.0.",
            )
    return {item: float(value) for item, value in section.items()}


def _table(value: Any, path: Path, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidSetting(f"{path}: {name!r} must be a table.", remedy=f"Write it as [{name}].")
    return value


def resolve_settings(
    description: ProviderDescription,
    file: ProviderFile,
    environment: Mapping[str, str] | None = None,
    *,
    on_fault: Callable[[SettingsError], None] | None = None,
) -> dict[str, str]:
    """Resolve the declared settings: environment variable, else file, else default. Secrets are left out.

    Args:
        description: The provider.
        file: What its file says.
        environment: By default this process's.
        on_fault: Hears of each fault, and the other settings are resolved all the same; by default the first is raised.

    Raises:
        UnknownSetting: If the file sets something the provider does not declare.
        InvalidSetting: If a value is not of its declared kind.
        SettingsError: If the file holds a secret, or a required setting has no value.
    """
    environment = os.environ if environment is None else environment
    report = on_fault or _raise
    declared = {setting.name: setting for setting in description.settings}
    for key in file.settings:
        if key not in declared:
            known = f"Known settings: {', '.join(sorted(declared)) or 'none'}."
            remedy = did_you_mean(key, declared, known)
            report(UnknownSetting(f"{file.path}: {description.name} has no setting {key!r}.", remedy=remedy))
        elif declared[key].secret:
            remember(str(file.settings[key]))
            report(
                SettingsError(
                    f"{file.path}: {key!r} is a secret and may not stand in a file.",
                    remedy=f"export {declared[key].env}=…",
                )
            )
    resolved: dict[str, str] = {}
    for setting in description.settings:
        if setting.secret:
            continue
        # An empty variable is one that is not set.
        given: Json = (environment.get(setting.env) or None) if setting.env else None
        if given is None:
            given = file.settings.get(setting.name, setting.default)
        if given is not None:
            try:
                resolved[setting.name] = _as_text(value_of(setting, given))
            except ValueError as error:
                report(wrong_setting(description.name, setting, given, str(error)))
        elif setting.required:
            where = f"export {setting.env}=… or set {setting.name}" if setting.env else f"Set {setting.name}"
            report(
                SettingsError(
                    f"{description.name} needs the setting {setting.name!r} ({setting.description.rstrip('.')}).",
                    remedy=f"{where} in configs/providers/{description.name}.toml.",
                )
            )
    return resolved


def _as_text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raise(error: SettingsError) -> None:
    raise error


def resolve_variant(description: ProviderDescription, file: ProviderFile, name: str | None) -> Variant:
    """Return a variant by name, with its keys checked as its provider declares them; None means the default.

    Raises:
        UsageError: If there is no such variant.
        SettingsError: If it has a key that its provider does not know, or a value that cannot be used.
    """
    variants = {**description.variants, **file.variants}
    wanted = name or description.default_variant
    if wanted not in variants:
        known = {f"{description.name}:{one}" for one in variants}
        remedy = did_you_mean(f"{description.name}:{wanted}", known, f"Known: {', '.join(sorted(known))}.")
        raise UsageError(f"{description.name} has no variant {wanted!r}.", remedy=remedy)
    variant = Variant(description.name, wanted, dict(variants[wanted]))
    if description.variant_settings is None:
        return variant
    variant_settings_of(description.variant_settings, variant)
    if ENVIRONMENT in description.variant_settings:
        variant = with_files_read(variant, file.path)
        read_environment(variant)
    return variant
