"""Labels in the service's alphabet, and back.

An import file's labels must match `^[A-Za-z][A-Za-z0-9_]*$`. A label that does stays as it is. Any other is written
as `x_` and its UTF-8 bytes, where each byte but letters and digits becomes `_` and two hexadecimal digits: "golden
retriever" is `x_golden_20retriever`, "7" is `x_7`. A label that begins with `x_` by itself is written so, too, which
makes the way back certain from the name alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

WRITTEN = "x_"
"""What every label begins with that is not spelled as it is."""

_ALLOWED = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_ESCAPED = re.compile(r"(?:[A-Za-z0-9]|_[0-9a-f]{2})*")


def to_service(label: str) -> str:
    """Return a label in the service's alphabet."""
    if _ALLOWED.fullmatch(label) and not label.startswith(WRITTEN):
        return label
    return WRITTEN + "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in label.encode())


def from_service(name: str) -> str:
    """Return the label that a service's name stands for; a name that `to_service` never gives stays as it is."""
    rest = name.removeprefix(WRITTEN)
    if rest == name or not _ESCAPED.fullmatch(rest):
        return name
    parts = re.findall(r"_[0-9a-f]{2}|[A-Za-z0-9]", rest)
    try:
        return b"".join(bytes([int(part[1:], 16)]) if part[0] == "_" else part.encode() for part in parts).decode()
    except UnicodeDecodeError:
        return name


def names_of(labels: Iterable[str]) -> dict[str, str]:
    """Return the service's name of each label whose spelling differs."""
    return {label: to_service(label) for label in labels if to_service(label) != label}


def labels_by_name(labels: Iterable[str]) -> dict[str, str]:
    """Return the label of each name with which the service may answer.

    A model that was trained elsewhere and is adopted knows the labels as they are, if it took them.
    """
    known = {label: label for label in labels}
    return known | {to_service(label): label for label in known}


class Spelling(Mapping[str, str]):
    """The service's spelling of any label, as a mapping that works it out: a manifest's labels are the host's."""

    def __getitem__(self, label: str) -> str:
        return to_service(label)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
