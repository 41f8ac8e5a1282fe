"""Settings as values: one reader for the settings and variants of every plugin, and for the host's check of them."""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from automl_bench.contract import Json, Setting, SettingKind, Variant
from automl_bench.errors import InvalidSetting, UnknownSetting

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def value_of(setting: Setting, given: Json) -> Json:
    """Return a setting's value: bool, int, float, str, or for a structure what was given.

    Args:
        setting: What is declared.
        given: Text from an environment variable, or a value from a TOML file.

    Raises:
        ValueError: If it is none of the declared kind; the text says what is wanted, as in "a number from 1 to 5".
    """
    value = _READERS[setting.kind](setting, given)
    if value is None:
        raise ValueError(wanted(setting))
    return value


def wanted(setting: Setting) -> str:
    """Return what a setting takes, in words that follow "not"."""
    if setting.kind is SettingKind.FLAG:
        return "true or false"
    if setting.kind is SettingKind.CHOICE:
        return "one of " + ", ".join(choice or '""' for choice in setting.choices)
    if setting.kind in (SettingKind.INTEGER, SettingKind.NUMBER):
        return ("a whole number" if setting.kind is SettingKind.INTEGER else "a number") + _bounds(setting)
    if setting.kind is SettingKind.ADDRESS:
        return f"an https address such as {setting.example or setting.default or 'https://example.com'}"
    if setting.kind is SettingKind.STRUCTURE:
        return "a list or a table"
    return f"a text such as {setting.example}" if setting.example else "a text"


def settings_of(declared: Sequence[Setting], given: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Return the values of a provider's settings by name; secrets and settings without a value are left out.

    Args:
        declared: The provider's settings.
        given: `context.settings`.
        owner: The provider, for messages.

    Raises:
        InvalidSetting: If a value is not of its declared kind.
    """
    found = {}
    for setting in declared:
        value = given.get(setting.name, setting.default)
        if setting.secret or value is None:
            continue
        try:
            found[setting.name] = value_of(setting, value)
        except ValueError as error:
            raise wrong_setting(owner, setting, value, str(error)) from None
    return found


def wrong_setting(provider: str, setting: Setting, value: Json, wanted: str) -> InvalidSetting:
    """Return the error for a provider's setting whose value cannot be used."""
    variable = f"{setting.env} or " if setting.env else ""
    return InvalidSetting(
        f"The setting {setting.name} of the provider {provider} is {value!r}, not {wanted}.",
        remedy=f"Change {variable}{setting.name} in configs/providers/{provider}.toml.",
    )


def variant_settings_of(declared: Sequence[Setting], variant: Variant) -> dict[str, Any]:
    """Return the values of a variant's keys by name, with the declared defaults of those that it does not set.

    Raises:
        UnknownSetting: If it has a key that is not declared.
        InvalidSetting: If a value is not of its declared kind.
    """
    by_name = {setting.name: setting for setting in declared}
    for key in variant.settings:
        if key not in by_name:
            close = difflib.get_close_matches(key, by_name, n=1)
            remedy = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(by_name) or 'none'}."
            raise UnknownSetting(f"{variant}: {key!r} is not a setting of a variant.", remedy=remedy)
    found = {}
    for setting in declared:
        value = variant.settings.get(setting.name, setting.default)
        if value is None:
            continue
        if variant.settings.get(setting.name) is not None and _is_foreign(setting, value):
            raise _wrong_key(variant, setting, value, wanted(setting))
        try:
            found[setting.name] = value_of(setting, value)
        except ValueError as error:
            raise _wrong_key(variant, setting, value, str(error)) from None
    return found


def _is_foreign(setting: Setting, value: Json) -> bool:
    """Whether a file's value has another type: a file has numbers and flags, so that "3" is no number and 1 no flag."""
    if setting.kind is SettingKind.STRUCTURE:
        return False
    if setting.kind is SettingKind.FLAG:
        return type(value) is not bool
    return isinstance(value, str) is not (setting.kind in _TEXTUAL)


def _wrong_key(variant: Variant, setting: Setting, value: Json, wanted: str) -> InvalidSetting:
    return InvalidSetting(f"{variant}: {setting.name} is {value!r}.", remedy=f"Use {wanted}.")


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is the loopback interface's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_take_credentials(address: str) -> bool:
    """Whether credentials may be sent to an address: https, or plain http to a server on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host or "")))


def _bounds(setting: Setting) -> str:
    low, high = setting.minimum, setting.maximum
    if low is not None and high is not None:
        return f" from {low:.15g} to {high:.15g}"
    if low is not None:
        return f" of at least {low:.15g}"
    return "" if high is None else f" of at most {high:.15g}"


def _text(setting: Setting, given: Json) -> str | None:
    if isinstance(given, bool | int | float):  # a file may have 3 where a text such as an id is wanted
        given = str(given).lower()
    if not isinstance(given, str):
        return None
    text = given.strip()
    if not text:
        return text if setting.default in (None, "") and not setting.required else None
    return text if not setting.pattern or re.fullmatch(setting.pattern, text) else None


def _flag(setting: Setting, given: Json) -> bool | None:
    return given if isinstance(given, bool) else _FLAGS.get(str(given).strip().lower())


def _integer(setting: Setting, given: Json) -> int | None:
    if isinstance(given, str):
        try:
            given = int(given)
        except ValueError:
            return None
    if isinstance(given, bool) or not isinstance(given, int):
        return None
    return given if _is_within(setting, given) else None


def _number(setting: Setting, given: Json) -> float | None:
    if isinstance(given, bool):
        return None
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and _is_within(setting, number) else None


def _is_within(setting: Setting, number: float) -> bool:
    return (setting.minimum is None or number >= setting.minimum) and (
        setting.maximum is None or number <= setting.maximum
    )


def _choice(setting: Setting, given: Json) -> str | None:
    return given if isinstance(given, str) and given in setting.choices else None


def _address(setting: Setting, given: Json) -> str | None:
    text = _text(setting, given) if isinstance(given, str) else None
    if not text:
        return text
    if "://" not in text:
        text = f"https://{text}"
    text = text.rstrip("/")
    if not may_take_credentials(text):
        return None
    parts = urlsplit(text)
    return None if parts.username or parts.password or parts.query or parts.fragment else text


def _structure(setting: Setting, given: Json) -> Json:
    return given


_READERS: Mapping[SettingKind, Callable[[Setting, Json], Json]] = {
    SettingKind.TEXT: _text,
    SettingKind.FLAG: _flag,
    SettingKind.INTEGER: _integer,
    SettingKind.NUMBER: _number,
    SettingKind.CHOICE: _choice,
    SettingKind.ADDRESS: _address,
    SettingKind.PATH: _text,
    SettingKind.STRUCTURE: _structure,
}
_TEXTUAL = (SettingKind.TEXT, SettingKind.CHOICE, SettingKind.ADDRESS, SettingKind.PATH)
