"""Folder names for class names: safe on every file system, readable, and reversible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from automl_bench.errors import DatasetError

LONGEST_NAME_BYTES = 240
"""File systems take 255; the rest is room for a suffix."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|%]')
_NUMBERED = re.compile(r"~\d+$")
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows keeps for devices, with any extension."""


def check_label(label: str, where: str) -> str:
    """Return a label if it can be kept exactly as it is.

    Args:
        label: Class name.
        where: File and line, or folder, for the message.

    Raises:
        DatasetError: If it is empty, holds a control character or is not valid Unicode.
    """
    if not label.strip():
        raise DatasetError(f"{where} has an empty label.", remedy="Give every sample a class name.")
    try:
        label.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"{where} has a class name that is not valid UTF-8: {label!r}.", remedy="Rename the class."
        ) from error
    if any(unicodedata.category(character) == "Cc" for character in label):
        raise DatasetError(f"{where} has a class name with a control character: {label!r}.", remedy="Rename the class.")
    return label


def safe_name(name: str) -> str:
    """Return a file or folder name in which every unsafe character is percent-encoded (UTF-8, as in addresses).

    Encoded are path separators, control characters, what Windows forbids, the percent sign itself, dots and spaces at
    the ends, names of Windows devices, and a tail that looks like our own `~2`.
    """
    encoded = _UNSAFE.sub(lambda found: _percent(found.group()), name)
    if encoded.split(".")[0].lower() in _RESERVED or encoded[:1] in (".", " "):
        encoded = _percent(encoded[:1]) + encoded[1:]
    if encoded[-1:] in (".", " "):
        encoded = encoded[:-1] + _percent(encoded[-1:])
    if _NUMBERED.search(encoded):
        head, _, tail = encoded.rpartition("~")
        encoded = f"{head}{_percent('~')}{tail}"
    return encoded


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def collision_key(name: str) -> str:
    """Return what two names share if some file system takes them for one: case and Unicode composition ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Return the folder of each label; depends on the set of labels only, not on their order.

    Labels that a case-insensitive file system would put into one folder get `~2`, `~3`… in code-point order.

    Raises:
        DatasetError: If a name is too long for a file system.
    """
    folders: dict[str, str] = {}
    seen: dict[str, int] = {}
    for label in sorted(set(labels)):
        folder = safe_name(label)
        if len(folder.encode()) > LONGEST_NAME_BYTES:
            raise DatasetError(
                f"the class name {label[:40]!r}… is longer than {LONGEST_NAME_BYTES} bytes.", remedy="Shorten it."
            )
        key = collision_key(folder)
        seen[key] = seen.get(key, 0) + 1
        folders[label] = folder if seen[key] == 1 else f"{folder}~{seen[key]}"
    return folders


def label_of_folder(folder: str) -> str:
    """Return the label for which `folder_names` chose a folder."""
    return unquote(_NUMBERED.sub("", folder), errors="strict")
