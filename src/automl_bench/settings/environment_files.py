"""The files that a variant's environment names: their content becomes part of the variant, and so of a trial's id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_bench.contract import Variant
from automl_bench.errors import InvalidSetting
from automl_bench.toolkit.environments import KEY, requirement_lines

LARGEST = 256 * 1024
"""Bytes of a requirements file."""


def with_files_read(variant: Variant, source: Path | None) -> Variant:
    """Return a variant whose requirements are lines, whether it names a file or not.

    Args:
        variant: As it stands in a file.
        source: That file; paths are relative to its folder.

    Raises:
        InvalidSetting: If the requirements file cannot be read.
    """
    table = variant.settings.get(KEY)
    if not isinstance(table, Mapping) or not isinstance(table.get("requirements"), str):
        return variant
    folder = source.parent if source is not None else Path()
    lines = _read_lines(variant, folder / Path(table["requirements"]).expanduser())
    read: dict[str, Any] = {**table, "requirements": lines}
    return Variant(variant.provider, variant.name, {**variant.settings, KEY: read})


def _read_lines(variant: Variant, path: Path) -> list[str]:
    try:
        if path.stat().st_size > LARGEST:
            raise InvalidSetting(f"{path} has over {LARGEST:,} bytes.", remedy="Name a requirements file.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise InvalidSetting(
            f"{variant}: {KEY}.requirements names {path}, which cannot be read: {why}.",
            remedy="Correct the path; it is relative to the file that names it.",
        ) from error
    lines = requirement_lines(text)
    if not lines:
        raise InvalidSetting(f"{path} holds no requirement.", remedy="Name the packages that train and serve.")
    return lines
