"""Reads trees with one folder per class, with or without folders for train, validation and test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from automl_bench.datasets.class_folders import check_label, label_of_folder
from automl_bench.datasets.image_headers import has_image_extension
from automl_bench.datasets.listing import SPLIT_WORDS, Incoming, Listing, pooled_split, split_notes
from automl_bench.datasets.placing import cannot
from automl_bench.errors import DatasetError

_DEEPEST = 32
_BLOCK = 64


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is the system's own: dot files, macOS resource forks, thumbnails."""
    return name.startswith((".", "__MACOSX")) or name in ("Thumbs.db", "desktop.ini")


def read_class_tree(root: Path, *, split_words: Mapping[str, str] | None = None, decode_names: bool = False) -> Listing:
    """List a tree `[<split>/]<class>/**/<image>`.

    Wrapper folders that hold nothing but one folder are skipped. A folder is a split only if it is named like one and
    holds folders, and there is no class beside it, or both a training and another split are there: a class may be
    called "train". Images in folders inside a class folder belong to the class.

    Args:
        root: The folder.
        split_words: Further names of split folders, lower case, to "train", "validation" or "test".
        decode_names: Whether folder names are our own safe names (`class_folders`), to be read back as labels.

    Raises:
        DatasetError: If there is no class folder, or a class has no image.
        WorkspaceError: If a folder cannot be read.
    """
    words = {**SPLIT_WORDS, **(split_words or {})}
    root = _unwrapped(root, words)
    splits, ignored = _split_folders(root, words)
    notes: tuple[str, ...] = ()
    has_split = False
    if splits:
        counts: dict[str, int] = {}
        classes: list[tuple[str, str, list[str]]] = []  # label, split, files
        for folder, split in splits:
            found = _class_files(_unwrapped(folder, words, keep_classes=True), decode_names)
            counts[split] = counts.get(split, 0) + sum(len(files) for _, files in found)
            classes += [(label, split, files) for label, files in found]
        has_split, notes = split_notes({split for _, split in splits}, counts)
        if ignored:
            notes += (f"Ignored beside the split folders: {', '.join(ignored)}.",)
    else:
        classes = [(label, "", files) for label, files in _class_files(root, decode_names)]
    if not classes:
        raise DatasetError(
            f"{root} has no class folders with images.",
            remedy="Lay it out as <class>/<image>, or train/<class>/<image> and test/<class>/<image>.",
        )
    images = [(label, split, [f for f in files if has_image_extension(f)]) for label, split, files in classes]
    skipped = sum(len(files) for *_, files in classes) - sum(len(files) for *_, files in images)
    if skipped:
        notes += (f"Ignored {skipped:,} files whose names do not end like an image's.",)
    _refuse_empty_classes(images, root)
    return Listing(
        layout="class folders" + (" with splits" if splits else ""),
        labels=tuple(dict.fromkeys(label for label, _, _ in images)),
        has_split=has_split,
        count=sum(len(files) for _, _, files in images),
        samples=_stream(images, has_split),
        notes=notes,
    )


def _refuse_empty_classes(images: list[tuple[str, str, list[str]]], root: Path) -> None:
    full = {label for label, _, files in images if files}
    for label, _, files in images:
        if not files and label not in full:
            raise DatasetError(
                f"the class {label!r} in {root} has no images.", remedy="Add images to its folder or delete the folder."
            )


def _stream(images: list[tuple[str, str, list[str]]], has_split: bool) -> Callable[[], Iterator[Incoming]]:
    def samples() -> Iterator[Incoming]:
        for label, split, path in _in_blocks(images):
            final = pooled_split(split) if has_split else ""
            yield Incoming(path[path.rfind(os.sep) + 1 :], label, final, path)

    return samples


def _in_blocks(images: list[tuple[str, str, list[str]]]) -> Iterator[tuple[str, str, str]]:
    """Go round the classes, some files of each at a time: two threads then seldom make files in one folder."""
    longest = max(len(files) for _, _, files in images)
    for start in range(0, longest, _BLOCK):
        for label, split, files in images:
            for path in files[start : start + _BLOCK]:
                yield label, split, path


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return a folder's visible entries sorted by name: the order of the directory must not matter."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise cannot("read", Path(folder), error) from error


def _unwrapped(folder: Path, words: Mapping[str, str], *, keep_classes: bool = False) -> Path:
    """Go down while a folder holds one folder that itself holds only folders (archives often wrap their content).

    A folder named like a split is no wrapper. With `keep_classes` (inside a split folder), a single folder is one
    only if it repeats its parent's name.
    """
    for _ in range(_DEEPEST):
        entries = _entries(str(folder))
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        inner = Path(entries[0].path)
        repeated = inner.name.lower() == folder.name.lower()
        if not repeated and (keep_classes or inner.name.lower() in words):
            return folder
        below = _entries(str(inner))
        if not any(entry.is_dir() for entry in below) or any(has_image_extension(entry.name) for entry in below):
            return folder
        folder = inner
    return folder


def _split_folders(root: Path, words: Mapping[str, str]) -> tuple[list[tuple[Path, str]], list[str]]:
    folders = [entry for entry in _entries(str(root)) if entry.is_dir()]
    splits = [(Path(entry.path), words[entry.name.lower()]) for entry in folders if entry.name.lower() in words]
    others = [entry.name for entry in folders if entry.name.lower() not in words]
    kinds = {split for _, split in splits}
    if not splits or (others and not ("train" in kinds and len(kinds) > 1)):
        return [], []
    if any(has_image_extension(entry.name) for folder, _ in splits for entry in _entries(str(folder))):
        return [], []
    return splits, others


def _class_files(folder: Path, decode_names: bool) -> list[tuple[str, list[str]]]:
    """Return the files of each class folder, sorted by path."""
    found = []
    for entry in _entries(str(folder)):
        if entry.is_dir():
            label = check_label(label_of_folder(entry.name) if decode_names else entry.name, str(folder))
            found.append((label, list(_files_below(entry.path, 0))))
    return found


def _files_below(folder: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise DatasetError(
            f"{folder} is nested more than {_DEEPEST} folders deep.", remedy="Check for a link that leads in a circle."
        )
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path, depth + 1)
        elif entry.is_file():
            yield entry.path
