"""Looks at a whole source once: its folders, images, other files, and what no reader may touch."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from automl_bench.datasets.account import Reason
from automl_bench.datasets.foreign_content import DOCUMENT_ENDINGS, DOCUMENT_NAMES, FOREIGN_ENDINGS
from automl_bench.datasets.image_headers import has_image_extension
from automl_bench.errors import DatasetError
from automl_bench.toolkit.whole_files import cannot

DEEPEST = 32
"""Folders inside each other; more come from links that lead in a circle."""

_SYSTEM_FOLDERS = frozenset(
    ("__macosx", "@eadir", "@recycle", "#recycle", "$recycle.bin", "lost+found", "system volume information")
)
_SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini", "_ds_store", "ehthumbs.db", "icon\r"))
_SYSTEM_HIDDEN = (".ds_store", "._", ".thumbnails", ".trash", ".ipynb_checkpoints", ".spotlight", ".fseventsd")


def kept_out(name: str) -> Reason | None:
    """Return why a file or folder of this name is never looked into: hidden, or the operating system's own."""
    lowered = name.lower()
    if lowered.startswith(_SYSTEM_HIDDEN) or lowered in _SYSTEM_FOLDERS or lowered in _SYSTEM_FILES:
        return Reason.SYSTEM
    return Reason.HIDDEN if name.startswith(".") else None


def reason_of_other(name: str) -> Reason:
    """Return why a file is no image, by a name that does not end like an image's."""
    _, dot, ending = name.rpartition(".")
    ending = f".{ending.lower()}" if dot else ""
    if ending in FOREIGN_ENDINGS:
        return Reason.UNREADABLE_FORMAT
    if ending in DOCUMENT_ENDINGS or (not dot and name.lower() in DOCUMENT_NAMES):
        return Reason.OTHER_FILE
    return Reason.UNKNOWN_ENDING


@dataclass(slots=True, eq=False)
class Folder:
    """One folder of a source.

    Attributes:
        path: Its path.
        name: Its name.
        relative: Its path below the source, "" for the source itself.
        folders: The folders in it, sorted by name.
        images: Names of its files that end like images, sorted.
        files: Names of its other files, sorted.
        kept_out: Reason, name and number of files of what no reader may touch.
        below: Images in it and in all folders below.
    """

    path: str
    name: str
    relative: str
    folders: list[Folder] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    kept_out: list[tuple[Reason, str, int]] = field(default_factory=list)
    below: int = 0

    def walk(self) -> Iterator[Folder]:
        """Yield this folder and all below, by name."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def with_images(self) -> list[Folder]:
        """Return the folders in it that have images at any depth."""
        return [folder for folder in self.folders if folder.below]

    def shown(self, name: str = "") -> str:
        """Return a file's path below the source, as messages name it."""
        return "/".join(part for part in (self.relative, name) if part)


@dataclass(frozen=True, slots=True)
class Survey:
    """A source as it lies on disk.

    Attributes:
        root: Its top folder.
        seen: Number of files, those that no reader may touch included.
    """

    root: Folder
    seen: int


def survey(root: Path, own: Collection[Path] = ()) -> Survey:
    """Look at every entry below a folder, once.

    A linked folder is followed if it leads out of the source to a folder not seen before. Everything hidden is counted
    and not looked at.

    Args:
        root: The folder.
        own: Folders of the workspace, which are no source unless `root` lies in one of them.

    Raises:
        DatasetError: If folders are nested too deeply.
        WorkspaceError: If a folder cannot be read.
    """
    real = os.path.realpath(root)
    owned = {os.path.realpath(folder) for folder in own} - {real}
    walk = _Walk(real, owned)
    folder = walk.folder(os.fspath(root), root.name, "", 0)
    return Survey(folder, walk.seen)


class _Walk:
    def __init__(self, real: str, owned: set[str]) -> None:
        self.real = real
        self.owned = {folder for folder in owned if _is_below(folder, real)}
        self.followed: set[str] = set()
        self.seen = 0

    def folder(self, path: str, name: str, relative: str, depth: int) -> Folder:
        if depth > DEEPEST:
            raise DatasetError(
                f"{path} is nested more than {DEEPEST} folders deep.",
                remedy="Check for a link that leads in a circle.",
            )
        found = Folder(path, name, relative)
        for entry in _entries(path):
            self._take(entry, found, depth)
        found.below = len(found.images) + sum(folder.below for folder in found.folders)
        return found

    def _take(self, entry: os.DirEntry[str], into: Folder, depth: int) -> None:
        name = entry.name
        reason = kept_out(name)
        if entry.is_dir(follow_symlinks=False):
            self._take_folder(entry, into, depth, reason)
            return
        if reason:
            self._keep_out(into, reason, name)
        elif entry.is_file(follow_symlinks=False):
            self.seen += 1
            (into.images if has_image_extension(name) else into.files).append(name)
        elif entry.is_symlink():
            self._take_link(entry, into, depth)
        else:
            self._keep_out(into, Reason.SPECIAL_FILE, name)

    def _take_folder(self, entry: os.DirEntry[str], into: Folder, depth: int, reason: Reason | None) -> None:
        if self.owned and os.path.realpath(entry.path) in self.owned:
            self._keep_out(into, Reason.OWN_FOLDER, entry.name)
        elif reason:
            self._keep_out(into, reason, entry.name, _files_below(entry.path))
        else:
            into.folders.append(self.folder(entry.path, entry.name, into.shown(entry.name), depth + 1))

    def _take_link(self, entry: os.DirEntry[str], into: Folder, depth: int) -> None:
        if entry.is_file():
            self.seen += 1
            (into.images if has_image_extension(entry.name) else into.files).append(entry.name)
        elif not entry.is_dir():
            self._keep_out(into, Reason.DANGLING_LINK, entry.name)
        else:
            target = os.path.realpath(entry.path)
            if target in self.followed or _is_below(target, self.real) or _is_below(self.real, target):
                self._keep_out(into, Reason.LINKED_FOLDER, entry.name)
            else:
                self.followed.add(target)
                into.folders.append(self.folder(entry.path, entry.name, into.shown(entry.name), depth + 1))

    def _keep_out(self, into: Folder, reason: Reason, name: str, count: int = 1) -> None:
        self.seen += count
        if count:
            into.kept_out.append((reason, name, count))


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return a folder's entries sorted by name: the order of the directory must not matter."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise cannot("read", Path(folder), error) from error


def _files_below(folder: str) -> int:
    """Count the files of a folder that is not looked into; one that cannot be read counts as one."""
    unreadable = 0

    def count_it(_: OSError) -> None:
        nonlocal unreadable
        unreadable += 1

    return sum(len(files) for _, _, files in os.walk(folder, onerror=count_it)) + unreadable
