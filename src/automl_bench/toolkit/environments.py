"""The key `environment` of a variant: declared by the providers that can make environments, and read here for all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.contract import Environment, Json, Setting, SettingKind, Variant, Where
from automl_bench.errors import InvalidSetting
from automl_bench.toolkit.setting_values import variant_settings_of

KEY = "environment"

ENVIRONMENT = Setting(KEY, "The environment that it trains and serves in.", kind=SettingKind.STRUCTURE)
"""What a provider puts among its `variant_settings` if it can train and serve in an environment of a variant's own."""

KEYS = (
    Setting(
        "where",
        "What kind of environment it is; without it, the other keys say so.",
        kind=SettingKind.CHOICE,
        choices=tuple(Where),
    ),
    Setting(
        "requirements",
        "Packages: the path of a requirements file, or a list of its lines.",
        kind=SettingKind.STRUCTURE,
        example="old.txt",
    ),
    Setting(
        "python",
        "Version of Python; without it, that which runs automl-bench.",
        pattern=r"\d+\.\d+(\.\d+)?",
        example="3.12",
    ),
    Setting("container", "Name of a container image, with python3 and the packages in it.", example="lab/svc:1.2"),
    Setting(
        "containerfile",
        "Path of a containerfile, from which an image is built; no other file of this machine is seen by it.",
        example="Containerfile",
    ),
    Setting("wheels_only", "Whether only wheels may be installed.", kind=SettingKind.FLAG, default="true"),
)
"""The keys of the table `[variants.NAME.environment]`."""

FITS: Mapping[Where, tuple[str, ...]] = {
    Where.HOST: (),
    Where.VENV: ("requirements", "python"),
    Where.CONTAINER: ("container", "containerfile"),
}
"""Which keys say what is in an environment of each kind."""

REFERS_ELSEWHERE = re.compile(r"-[rce]|--(requirement|constraint|editable)\b")
CREDENTIALS = re.compile(r"://[^/\s@]+@")


def read_environment(variant: Variant) -> Environment | None:
    """Return the environment that a variant asks for; None where it has the provider's usual one.

    Args:
        variant: As resolved: a requirements file stands there as its lines.

    Raises:
        UnknownSetting: If its table has a key that there is not.
        InvalidSetting: If a value cannot be used.
    """
    table = variant.settings.get(KEY)
    if table is None:
        return None
    if not isinstance(table, Mapping):
        raise InvalidSetting(f"{variant}: {KEY} is {table!r}.", remedy=f"Write [variants.{variant.name}.{KEY}].")
    values = variant_settings_of(KEYS, Variant(variant.provider, f"{variant.name}.{KEY}", table))
    found = Environment(
        where=_where(variant, values),
        requirements=_lines(variant, table.get("requirements", [])),
        python=values.get("python", ""),
        wheels_only=values["wheels_only"],
        container=values.get("container", ""),
        containerfile=values.get("containerfile", ""),
    )
    if found.where is Where.VENV and not found.requirements:
        raise InvalidSetting(
            f"{variant}: its environment has no requirements.",
            remedy='Name a file, as in requirements = "old.txt", with everything that trains and serves.',
        )
    return found


def requirement_lines(text: str) -> list[str]:
    """Return the requirements and options of a requirements file, without comments, blank lines and line breaks."""
    joined = re.sub(r"\\\r?\n[ \t]*", " ", text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _where(variant: Variant, values: Mapping[str, Any]) -> Where:
    images = [name for name in FITS[Where.CONTAINER] if values.get(name)]
    if len(images) > 1:
        raise InvalidSetting(f"{variant}: {KEY} has container and containerfile.", remedy="Take one of them out.")
    where = Where(values["where"]) if "where" in values else Where.CONTAINER if images else Where.VENV
    for name in (name for keys in FITS.values() for name in keys):
        if values.get(name) and name not in FITS[where]:
            raise InvalidSetting(
                f"{variant}: {KEY}.{name} is not for an environment of the kind {where}.",
                remedy="Take out where, or what does not fit it.",
            )
    if where is Where.CONTAINER and not images:
        raise InvalidSetting(f"{variant}: its container has no image.", remedy="Name container or containerfile.")
    return where


def _lines(variant: Variant, given: Json) -> tuple[str, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(line, str) for line in given):
        raise InvalidSetting(
            f"{variant}: {KEY}.requirements is {given!r}.", remedy="Use the path of a file, or a list of its lines."
        )
    for line in given:
        if REFERS_ELSEWHERE.match(line):
            raise InvalidSetting(
                f"{variant}: {KEY}.requirements has the line {line!r}, which leads to another file.",
                remedy="Write all requirements into one file: a trial is told apart by its lines.",
            )
        if CREDENTIALS.search(line):
            raise InvalidSetting(
                f"{variant}: {KEY}.requirements has a line with a user name or password in an address.",
                remedy="Put credentials into pip's or uv's own configuration: the lines are kept with the results.",
            )
    return tuple(given)
