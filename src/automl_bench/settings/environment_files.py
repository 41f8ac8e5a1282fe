"""The files that a variant's environment names: their content becomes part of the variant, and so of a trial's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_bench.contract import Variant
from automl_bench.errors import InvalidSetting
from automl_bench.toolkit.environments import KEY, requirement_lines

LARGEST = 256 * 1024
"""Bytes of such a file."""


def with_files_read(variant: Variant, source: Path | None) -> Variant:
    """Return a variant whose environment holds the content of the files that it names.

    Args:
        variant: As it stands in a file.
        source: That file; paths are relative to its folder.

    Raises:
        InvalidSetting: If a file cannot be read, or holds nothing.
    """
    table = variant.settings.get(KEY)
    if not isinstance(table, Mapping):
        return variant
    folder = source.parent if source is not None else Path()
    read: dict[str, Any] = dict(table)
    for key, read_content in READERS.items():
        name = table.get(key)
        if isinstance(name, str) and "\n" not in name:
            path = folder / Path(name).expanduser()
            read[key] = read_content(_read(variant, key, path))
            if not read[key]:
                raise InvalidSetting(f"{path} holds nothing.", remedy=f"Write what {KEY}.{key} is to be.")
    return Variant(variant.provider, variant.name, {**variant.settings, KEY: read})


def _read(variant: Variant, key: str, path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise InvalidSetting(f"{path} has over {LARGEST:,} bytes.", remedy=f"Name another file in {KEY}.{key}.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise InvalidSetting(
            f"{variant}: {KEY}.{key} names {path}, which cannot be read: {why}.",
            remedy="Correct the path; it is relative to the file that names it.",
        ) from error


def _whole_lines(text: str) -> str:
    """Return a containerfile so that it is told from a file's name: with a line break."""
    return f"{text.strip()}\n" if text.strip() else ""


READERS: Mapping[str, Callable[[str], Any]] = {"requirements": requirement_lines, "containerfile": _whole_lines}
"""Keys that may name a file, and what its text becomes."""
