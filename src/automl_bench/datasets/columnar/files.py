"""Which files of a source hold the texts or rows, and which split each is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from automl_bench.datasets.account import Reason, Tally
from automl_bench.datasets.archives import is_archive, other_container, unpack
from automl_bench.datasets.columnar.readers import READERS
from automl_bench.datasets.import_options import ImportSource
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.split_names import settled, split_of
from automl_bench.datasets.survey import kept_out
from automl_bench.errors import DatasetError

UNDERSTOOD = "a .csv, .tsv, .jsonl, .parquet or .xlsx file, or a folder or archive with one, or with one for each split"
_OLD = {".xls": "an old Excel workbook", ".ods": "an OpenDocument sheet", ".json": "a JSON document"}
_SHARD = re.compile(r"(?P<split>.+?)-\d+-of-\d+$")


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files.

    Attributes:
        files: Each with its split, "" where the files name none; sorted by name.
        left_out: Files that are not read.
    """

    files: tuple[tuple[str, Path], ...]
    left_out: Tally


def source_files(
    path: Path, scratch: Path, hints: LayoutHints, progress: Callable[[int, int | None], None]
) -> SourceFiles:
    """Find the files at a path: itself, or those in a folder or archive.

    Raises:
        DatasetError: If there is none, or several that do not say which split they are.
        UnsafeArchive: See `archives.unpack`.
    """
    if path.is_file() and path.suffix.lower() in READERS:
        return SourceFiles((("", path),), Tally())
    if path.is_dir():
        return _in_folder(path, hints)
    if not path.is_file():
        raise DatasetError(f"{path} does not exist.", remedy=f"Give {UNDERSTOOD}.")
    if is_archive(path):
        if not any(scratch.iterdir()):
            unpack(path, scratch, progress=progress)
        return _in_folder(scratch, hints)
    known = _OLD.get(path.suffix.lower())
    what = f"is {known}, which is not read" if known else (other_container(path) or ("is not read", ""))[0]
    raise DatasetError(f"{path} {what}.", remedy=f"Save it as CSV (UTF-8), and give {UNDERSTOOD}.")


def unpacked(source: ImportSource, progress: Callable[[int, int | None], None]) -> Path:
    """Return the folder of a source: itself, or what its archive holds; an archive is unpacked once.

    Raises:
        DatasetError: If it is neither a folder nor an archive.
    """
    if source.path.is_dir():
        return source.path
    if not any(source.scratch.iterdir()):
        if not (source.path.is_file() and is_archive(source.path)):
            raise DatasetError(f"{source.path} is no folder and no archive.", remedy="Give one with class folders.")
        unpack(source.path, source.scratch, progress=progress)
    return source.scratch


def _in_folder(folder: Path, hints: LayoutHints) -> SourceFiles:
    tally = Tally()
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = next((reason for part in relative.parts if (reason := kept_out(part))), None)
        if path.is_dir():
            continue
        if hidden or path.suffix.lower() not in READERS:
            tally.add(hidden or Reason.NO_SAMPLE, "", str(relative))
        else:
            found.append(path)
    if hints.list_file:
        return SourceFiles((("", _named(folder, found, hints.list_file)),), tally)
    if not found:
        raise DatasetError(f"{folder} holds no file of texts or rows.", remedy=f"Give {UNDERSTOOD}.")
    if len(found) == 1:
        return SourceFiles((("", found[0]),), tally)
    return _by_split(folder, found, hints, tally)


def _named(folder: Path, found: list[Path], name: str) -> Path:
    chosen = [path for path in found if str(path.relative_to(folder)) == name or path.name == name]
    if len(chosen) == 1:
        return chosen[0]
    have = ", ".join(str(path.relative_to(folder)) for path in found[:8]) or "none"
    raise DatasetError(f"{folder} has no file {name!r} of texts or rows: it has {have}.", remedy="Name one of these.")


def _by_split(folder: Path, found: list[Path], hints: LayoutHints, tally: Tally) -> SourceFiles:
    kinds = {path: split_of(_split_word(path), hints.words) for path in found}
    named = [path for path in found if kinds[path]]
    endings = {path.suffix.lower() for path in named}
    if not named or len(endings) > 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in found[:5]) + (", …" if len(found) > 5 else "")
        raise DatasetError(
            f"{folder} holds several files of texts or rows: {listed}.",
            remedy="Choose one with --list, or name one train and one test.",
        )
    for path in found:
        if path not in named:
            tally.add(Reason.UNLISTED_FILE, "", str(path.relative_to(folder)))
    meaning = settled(kinds[path] for path in named)
    return SourceFiles(tuple((meaning[kinds[path]], path) for path in named), tally)


def _split_word(path: Path) -> str:
    shard = _SHARD.match(path.stem)
    word = shard["split"] if shard else path.stem
    return word if split_of(word) or shard else path.parent.name
