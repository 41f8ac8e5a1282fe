"""Sharing datasets by content: pushed to a shelf once, pulled from it as far as they are missing.

On a shelf, `objects/<2 digits>/<SHA-256>` are contents and `datasets/<name>/<fingerprint>.json` says which files with
which contents a dataset consists of. Contents come first and are never changed, so that a list that is there is whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from automl_bench.contract import Modality
from automl_bench.datasets.columnar.content_file import CONTENT_NAME
from automl_bench.datasets.downloading import file_sha256
from automl_bench.datasets.manifest import CLASSES_NAME, MANIFEST_NAME, Manifest, read_manifest
from automl_bench.datasets.pixel_identity import FILE_NAME as PIXELS_NAME
from automl_bench.datasets.provenance import CARD_NAME
from automl_bench.datasets.shelves import Shelf
from automl_bench.errors import ChecksumMismatch, DatasetError, DatasetNotFound, UsageError
from automl_bench.toolkit.whole_files import cannot

FORMAT = 1
AT_ONCE = 16
"""Files under way at once: most are small, and each waits for an answer."""

LEAST_DIGITS = 4
"""Digits of a fingerprint that a user has to give."""

_LAST = (CARD_NAME, MANIFEST_NAME)
"""Files that a pull places last: a dataset is there once its manifest is, and older files are not looked at again."""

Progress = Callable[[int, int | None], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file of a dataset.

    Attributes:
        path: POSIX path in the dataset's folder.
        bytes: Its size.
        sha256: Its content.
    """

    path: str
    bytes: int
    sha256: str

    @property
    def object_name(self) -> str:
        """Name of the content on a shelf."""
        return f"objects/{self.sha256[:2]}/{self.sha256}"


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a push or a pull did.

    Attributes:
        dataset: Name of the dataset.
        fingerprint: Its fingerprint.
        files: Files it consists of.
        moved: How many of them were brought there or here; a content that several share goes there once.
        moved_bytes: Their size together.
    """

    dataset: str
    fingerprint: str
    files: int
    moved: int
    moved_bytes: int


def push(folder: Path, shelf: Shelf, progress: Progress = lambda done, total: None) -> Exchanged:
    """Bring a dataset to a shelf; contents that are there already are not sent again.

    Args:
        folder: The dataset's folder.
        shelf: Where to.
        progress: Called with (files done, files in all).

    Raises:
        DatasetError: If a file is missing or is not the one that was imported, or the shelf cannot be used.
    """
    manifest = read_manifest(folder)
    files = _files_of(manifest, progress)
    contents = list({one.sha256: one for one in files}.values())

    def send(one: SharedFile) -> bool:
        if shelf.size(one.object_name) == one.bytes:
            return False
        shelf.put(one.object_name, folder / one.path)
        return True

    sent = [one for one, new in _each(contents, send, progress) if new]
    listed = {"format": FORMAT, "dataset": manifest.name, "fingerprint": manifest.fingerprint}
    text = json.dumps({**listed, "files": [asdict(one) for one in files]}, indent=0, ensure_ascii=False)
    shelf.put(_list_name(manifest.name, manifest.fingerprint), text.encode())
    return Exchanged(manifest.name, manifest.fingerprint, len(files), len(sent), sum(one.bytes for one in sent))


def pull(
    name: str,
    data_dir: Path,
    shelf: Shelf,
    *,
    fingerprint: str = "",
    progress: Progress = lambda done, total: None,
) -> Exchanged:
    """Bring a dataset from a shelf into a workspace; files that are here already are not fetched again.

    What has arrived is verified and kept until the dataset is whole, so that the same call goes on where one stopped.

    Args:
        name: The dataset.
        data_dir: The workspace's folder of datasets.
        shelf: Where from.
        fingerprint: Its beginning, at least four digits, if the shelf has several versions.
        progress: Called with (files done, files in all).

    Raises:
        DatasetNotFound: If the shelf does not have it.
        UsageError: If it has several versions and none is chosen.
        ChecksumMismatch: If a content is not what its name says.
        DatasetError: If other data have the name here, or the shelf's list is damaged.
        WorkspaceError: If a file cannot be written.
    """
    list_name = _find_list(name, shelf, fingerprint)
    wanted = PurePosixPath(list_name).stem
    target = data_dir / name
    draft = data_dir / f".{name}.{wanted[:12]}.pulling"
    whole = (target / MANIFEST_NAME).exists()
    if whole and (here := read_manifest(target).fingerprint) != wanted:
        raise DatasetError(
            f"{target} holds other data: its fingerprint is {here[:12]}, and that of what is pulled {wanted[:12]}.",
            remedy="Remove or rename it, or pull into another workspace.",
        )
    folder = target if whole else draft
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = _read_list(shelf, list_name, draft.with_suffix(".list"))
        last = [one for one in files if one.path in _LAST]
        fetched = []
        for part in ([one for one in files if one not in last], sorted(last, key=lambda one: _LAST.index(one.path))):
            fetched += [one for one, new in _each(part, lambda one: _fetch(one, folder, shelf), progress) if new]
        found = read_manifest(folder).fingerprint
        if found != wanted:
            raise ChecksumMismatch(
                f"what was pulled as {name} has the fingerprint {found[:12]}, not {wanted[:12]}.",
                remedy="Push it again from a workspace that has it.",
            )
        if not whole:
            draft.rename(target)
    except OSError as error:
        raise cannot("write", Path(error.filename or folder), error) from error
    return Exchanged(name, wanted, len(files), len(fetched), sum(one.bytes for one in fetched))


def _files_of(manifest: Manifest, progress: Progress) -> list[SharedFile]:
    """Return the files that a dataset consists of: no subsets, nothing that can be made again from it.

    Raises:
        DatasetError: If a file is missing or is not the one that was imported.
    """
    folder = manifest.folder
    fixed = (MANIFEST_NAME, CARD_NAME, CLASSES_NAME, PIXELS_NAME, CONTENT_NAME)
    names = [name for name in fixed if (folder / name).is_file()]
    known: dict[str, str] = {}
    if manifest.modality is Modality.IMAGE:
        columns = manifest.table.select(["path", "sample_id"]).to_pydict()
        known = dict(zip(columns["path"], columns["sample_id"], strict=True))

    def look(path: str) -> SharedFile:
        try:
            one = SharedFile(path, (folder / path).stat().st_size, file_sha256(folder / path))
        except OSError as error:
            raise DatasetError(
                f"{folder / path} cannot be read: {error.strerror}.", remedy="Put it back, or import the data again."
            ) from error
        if known.get(path, one.sha256) != one.sha256:
            raise DatasetError(
                f"{folder / path} is not the file that was imported: its content has changed.",
                remedy="Put it back, or import the changed data under another name.",
            )
        return one

    looked = dict(_each([*names, *known], look, progress))
    return [looked[path] for path in (*names, *known)]


def _fetch(one: SharedFile, folder: Path, shelf: Shelf) -> bool:
    """Bring one file into a folder unless it is there; returns whether it was fetched."""
    target = folder / one.path
    if _is_there(target, one):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shelf.get(one.object_name, part)
        if not _is_there(part, one):
            raise ChecksumMismatch(
                f"{one.object_name}, the content of {one.path}, is not what its name says.",
                remedy="Delete it there, and push the dataset again from a workspace that has it.",
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return True


def _is_there(path: Path, one: SharedFile) -> bool:
    return path.is_file() and path.stat().st_size == one.bytes and file_sha256(path) == one.sha256


def _list_name(name: str, fingerprint: str) -> str:
    return f"datasets/{name}/{fingerprint}.json"


def _find_list(name: str, shelf: Shelf, fingerprint: str) -> str:
    """Return the name of the list of a dataset's one version that begins so."""
    found = shelf.names(f"datasets/{name}")
    matching = [one for one in found if PurePosixPath(one).stem.startswith(fingerprint)]
    if fingerprint and len(fingerprint) < LEAST_DIGITS:
        raise UsageError(
            f"{fingerprint!r} is too short for a fingerprint.", remedy=f"Give at least {LEAST_DIGITS} digits."
        )
    if len(matching) == 1:
        return matching[0]
    versions = ", ".join(PurePosixPath(one).stem[:12] for one in matching or found)
    if not matching:
        has = f"it has {versions} of it" if found else "it has nothing of that name"
        raise DatasetNotFound(
            f"there is no {name!r}{f' of fingerprint {fingerprint}' if fingerprint else ''} there: {has}.",
            remedy="Push it first from a workspace that has it.",
        )
    raise UsageError(
        f"there are {len(matching)} versions of {name!r} there: {versions}.", remedy="Choose one with --fingerprint."
    )


def _read_list(shelf: Shelf, list_name: str, draft: Path) -> list[SharedFile]:
    """Return the files that a list names.

    Raises:
        DatasetError: If it is damaged, or names a file outside the dataset.
    """
    try:
        shelf.get(list_name, draft)
        content: Any = json.loads(draft.read_bytes())
        files = [SharedFile(str(one["path"]), int(one["bytes"]), str(one["sha256"])) for one in content["files"]]
        known = content["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(list_name, "it is not JSON of its form") from error
    finally:
        draft.unlink(missing_ok=True)
    if not known:
        raise _damaged(list_name, f"its format is not {FORMAT}")
    for one in files:
        path = PurePosixPath(one.path)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in one.path:
            raise _damaged(list_name, f"it names {one.path!r}, which leads out of the dataset")
        if not re.fullmatch(r"[0-9a-f]{64}", one.sha256):
            raise _damaged(list_name, f"it names the content {one.sha256!r}")
    return files


def _damaged(list_name: str, why: str) -> DatasetError:
    return DatasetError(
        f"the list {list_name} cannot be used: {why}.", remedy="Push the dataset again, or update automl-bench."
    )


def _each(items: Sequence[T], work: Callable[[T], Any], progress: Progress) -> Iterable[tuple[T, Any]]:
    """Do something with each of many items, several at once, and return them with what came of it, in no order.

    The first error ends it: what is under way ends, and nothing new begins.
    """
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="exchange")
    try:
        pending = {pool.submit(work, item): item for item in items}
        done = []
        for future in as_completed(pending):
            done.append((pending[future], future.result()))
            progress(len(done), len(items))
        return done
    finally:
        pool.shutdown(cancel_futures=True)
