"""Finds out in which encoding a text file is written, and never guesses without a word."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from automl_bench.errors import DatasetError, UsageError
from automl_bench.toolkit.whole_files import cannot

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CHUNK = 1 << 24
MOST_FOREIGN = 0.2
"""Share of bytes over 127 above which a file is no Windows-1252: western texts have a few letters with accents."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file is written.

    Attributes:
        name: In Python's spelling.
        note: What should be said of it, one sentence; empty for plain UTF-8.
    """

    name: str
    note: str = ""


def encoding_of(path: Path, told: str = "") -> Encoding:
    """Return a file's encoding: what the user told, its byte order mark, UTF-8, or Windows-1252 with a note.

    Raises:
        UsageError: If the user told one that Python does not know.
        DatasetError: If the file is not of the encoding told, or cannot be told to be any.
        WorkspaceError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise cannot("read", path, error) from error
    if told:
        return _told(path, told)
    for mark, name, title in _MARKS:
        if head.startswith(mark):
            _require(path, name, title)
            return Encoding(name, f"{path.name} is {title}.")
    wide = _wide_without_mark(head)
    if wide:
        _require(path, wide, "UTF-16")
        return Encoding(wide, f"{path.name} is UTF-16 without a byte order mark.")
    if b"\0" in head:
        raise DatasetError(f"{path} is no text file: it holds zero bytes.", remedy="Save it as CSV in UTF-8.")
    bad = _first_undecodable(path, "utf-8")
    return Encoding("utf-8") if bad is None else _western(path, bad)


def _told(path: Path, told: str) -> Encoding:
    try:
        name = codecs.lookup(told).name
    except LookupError as error:
        raise UsageError(
            f"there is no encoding {told!r}.", remedy="Give one such as utf-8, utf-16, cp1252, latin-1 or shift_jis."
        ) from error
    _require(path, name, told)
    return Encoding(name)


def _require(path: Path, name: str, title: str) -> None:
    bad = _first_undecodable(path, name)
    if bad is not None:
        raise DatasetError(
            f"{path} is not {title} throughout: line {bad} cannot be decoded.",
            remedy="Save it as UTF-8, or say how it is written with --encoding.",
        )


def _wide_without_mark(head: bytes) -> str:
    """Return UTF-16's byte order if every other byte of a file's beginning is zero, as in western texts."""
    if len(head) < 8 or len(head) % 2:
        return ""
    even, odd = head[::2].count(0) * 2 / len(head), head[1::2].count(0) * 2 / len(head)
    if max(even, odd) < 0.7 or min(even, odd) > 0.05:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _first_undecodable(path: Path, name: str) -> int | None:
    """Return the line of the first byte that is not of an encoding, or None if all are."""
    decoder = codecs.getincrementaldecoder(name)()
    line = 1
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                try:
                    text = decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    return line + error.object.count(b"\n", 0, error.start)
                line += text.count("\n")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return line
    except OSError as error:
        raise cannot("read", path, error) from error
    return None


def _western(path: Path, bad: int) -> Encoding:
    """Take a file that is no UTF-8 for Windows-1252, if it looks like a western text, and say so."""
    foreign, total = _counted(path, lambda chunk: sum(map(chunk.count, _HIGH)))
    if foreign > MOST_FOREIGN * total or _first_undecodable(path, "cp1252") is not None:
        raise DatasetError(
            f"{path}, line {bad}, is not UTF-8, and the file is not plainly Windows-1252.",
            remedy="Save it as UTF-8, or say how it is written, as in --encoding cp1251 or --encoding shift_jis.",
        )
    return Encoding(
        "cp1252",
        f"{path.name} is not UTF-8 (line {bad}) and was read as Windows-1252; if letters look wrong, import it again "
        "with --encoding.",
    )


_HIGH = [bytes([value]) for value in range(128, 256)]


def _counted(path: Path, count: Callable[[bytes], int]) -> tuple[int, int]:
    with path.open("rb") as file:
        chunk = file.read(_CHUNK)
    return count(chunk), len(chunk)
