"""Takes samples in: one read of each file gives its hash, its type and size, and its copy. Two threads."""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from automl_bench.datasets.class_folders import LONGEST_NAME_BYTES, collision_key, folder_names, safe_name
from automl_bench.datasets.image_headers import ImageHeader, header_by_pillow, parse_header
from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.datasets.manifest import ManifestRow, manifest_table
from automl_bench.datasets.placing import cannot
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

_IN_MEMORY_BYTES = 16 * 2**20
"""Larger files are hashed and copied in steps of `_STEP_BYTES`."""
_STEP_BYTES = 2**20
_FILES_PER_TASK = 64
_THREADS = 2
_TASKS_AHEAD = 4


class Placement(StrEnum):
    """How a file gets into the dataset folder."""

    COPY = "copy"
    """A copy of its own: later edits of the original change nothing here. A reflink where the file system has them."""
    LINK = "link"
    """A hard link, where possible: no space, but an edit of the original in place changes the dataset too."""
    MOVE = "move"
    """For our own unpacked files."""


class Refused(NamedTuple):
    """A file that is no image; `reason` is a phrase that follows its name."""

    where: str
    reason: str


class _Task(NamedTuple):
    sample: Incoming
    target: str
    """Path below the dataset folder."""


def take_in(
    listing: Listing,
    folder: Path,
    *,
    placement: Placement = Placement.COPY,
    skip_bad: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> tuple[pa.Table, list[Refused]]:
    """Place all samples of a listing into a dataset folder and describe them.

    Samples whose split is still open go to `train/`; `splitting.draw_test_split` moves some of them later.

    Args:
        listing: What a reader found.
        folder: Empty folder.
        placement: How files are placed.
        skip_bad: Leave out files that are no images, instead of refusing the whole.
        progress: Called with (samples placed, samples in all or None).

    Returns:
        A table of `manifest.manifest_schema`, and what was left out.

    Raises:
        DatasetError: If a file is no image (and `skip_bad` is off), or none is left.
        WorkspaceError: If a file cannot be read or written.
    """
    refused: list[Refused] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="intake") as pool:
        rows = _rows(listing, folder, placement, pool, refused, progress)
        try:
            table = manifest_table(_until_refused(rows, refused, skip_bad))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if table.num_rows == 0:
        first = f": {refused[0].where} {refused[0].reason}" if refused else ""
        raise DatasetError(f"there is no readable image{first}.", remedy="Check the path.")
    return table, refused


def _until_refused(
    rows: Iterator[ManifestRow | Refused], refused: list[Refused], skip_bad: bool
) -> Iterator[ManifestRow]:
    for row in rows:
        if isinstance(row, ManifestRow):
            yield row
        elif skip_bad:
            refused.append(row)
        else:
            raise DatasetError(
                f"{row.where} {row.reason}.",
                remedy="Remove or replace it, or import with --skip-bad to leave out all files that are no images.",
            )


def _rows(
    listing: Listing,
    folder: Path,
    placement: Placement,
    pool: ThreadPoolExecutor,
    refused: list[Refused],
    progress: Callable[[int, int | None], None],
) -> Iterator[ManifestRow | Refused]:
    """Keep a few tasks of some files each under way, and yield their results in the order of the listing."""
    tasks = _tasks(listing, folder)
    under_way: deque[Future[list[ManifestRow | Refused]]] = deque()
    done = 0
    while True:
        while len(under_way) < _TASKS_AHEAD and (step := list(islice(tasks, _FILES_PER_TASK))):
            under_way.append(pool.submit(_place_all, step, str(folder), placement))
        if not under_way:
            return
        results = under_way.popleft().result()
        yield from results
        done += len(results)
        progress(done, listing.count)


def _tasks(listing: Listing, folder: Path) -> Iterator[_Task]:
    """Give every sample its path: safe, and unique even where case or Unicode composition does not count."""
    folders = folder_names(listing.labels)
    taken: dict[str, set[str]] = {}
    for sample in listing.samples():
        parent = f"{sample.split or 'train'}/{folders[sample.label]}"
        if parent not in taken:
            taken[parent] = set()
            _make_folder(folder / parent)
        yield _Task(sample, f"{parent}/{_unique_name(sample.name, taken[parent])}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot("make", folder, error) from error


def _unique_name(wanted: str, taken: set[str]) -> str:
    name = wanted if wanted.isalnum() else safe_name(wanted.encode(errors="replace").decode())
    stem, ending = posixpath.splitext(name)
    if len(name.encode()) > LONGEST_NAME_BYTES:
        stem = stem.encode()[: LONGEST_NAME_BYTES - len(ending.encode()) - 8].decode(errors="ignore")
        name = stem + ending
    number = 1
    while (key := collision_key(name)) in taken:
        number += 1
        name = f"{stem}-{number}{ending}"
    taken.add(key)
    return name


def _place_all(tasks: list[_Task], folder: str, placement: Placement) -> list[ManifestRow | Refused]:
    return [_place(task, folder, placement) for task in tasks]


def _place(task: _Task, folder: str, placement: Placement) -> ManifestRow | Refused:
    sample, target = task
    where = sample.where or sample.path
    if not sample.path:
        return _place_content(sample.data, task, f"{folder}/{target}", where, Placement.COPY)
    try:
        source = os.open(sample.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Refused(where, "does not exist")
    except OSError as error:
        raise cannot("read", Path(sample.path), error) from error
    try:
        size = os.fstat(source).st_size
        if size > _IN_MEMORY_BYTES:
            return _place_large(source, task, f"{folder}/{target}", where, placement)
        content = _read_all(source, size)
    except OSError as error:
        if error.errno == errno.EISDIR:
            return Refused(where, "is a folder")
        raise cannot("read", Path(sample.path), error) from error
    finally:
        os.close(source)
    return _place_content(content, task, f"{folder}/{target}", where, placement)


def _read_all(source: int, size: int) -> bytes:
    content = os.read(source, size + 1)
    if len(content) == size:
        return content
    parts = [content]  # it grew, shrank, or came in pieces
    while part := os.read(source, _STEP_BYTES):
        parts.append(part)
    return b"".join(parts)


def _place_content(content: bytes, task: _Task, target: str, where: str, placement: Placement) -> ManifestRow | Refused:
    if not content:
        return Refused(where, "is empty (0 bytes)")
    header = parse_header(content) or header_by_pillow(BytesIO(content))
    if header is None:
        return Refused(where, "is no image that can be read")
    if placement is Placement.COPY or not _placed_by_name(task.sample.path, target, placement):
        _write(target, content)
    return _row(task, hashlib.sha256(content).hexdigest(), len(content), header)


def _row(task: _Task, sample_id: str, size: int, header: ImageHeader) -> ManifestRow:
    media_type, width, height = header
    return ManifestRow(
        sample_id, task.target, task.sample.split or "train", task.sample.label, size, width, height, media_type
    )


def _placed_by_name(source: str, target: str, placement: Placement) -> bool:
    """Place a file without copying; False if the file system cannot (another disk, no links)."""
    try:
        if os.path.islink(source):  # noqa: PTH114 - a moved link would dangle, and this runs once a file
            return False
        if placement is Placement.MOVE:
            os.rename(source, target)  # noqa: PTH104 - as above
        else:
            os.link(source, target)
    except OSError:
        return False
    return True


def _write(target: str, content: bytes) -> None:
    try:
        sink = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            written = os.write(sink, content)
            while written < len(content):
                written += os.write(sink, content[written:])
        finally:
            os.close(sink)
    except OSError as error:
        raise cannot("write", Path(target), error) from error


def _place_large(source: int, task: _Task, target: str, where: str, placement: Placement) -> ManifestRow | Refused:
    """Hash in steps; copy inside the kernel, which shares the blocks where the file system can (btrfs, XFS)."""
    digest = hashlib.sha256()
    size = 0
    while part := os.read(source, _STEP_BYTES):
        digest.update(part)
        size += len(part)
    with open(task.sample.path, "rb") as file:  # noqa: PTH123 - the path is a str on purpose
        header = header_by_pillow(file)
    if header is None:
        return Refused(where, "is no image that can be read")
    if placement is Placement.COPY or not _placed_by_name(task.sample.path, target, placement):
        _copy_in_kernel(source, target, size)
    return _row(task, digest.hexdigest(), size, header)


def _copy_in_kernel(source: int, target: str, size: int) -> None:
    try:
        sink = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            done = 0
            while done < size:
                try:
                    moved = os.copy_file_range(source, sink, size - done, done, done)
                except OSError as error:
                    if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                        raise
                    part = os.pread(source, _STEP_BYTES, done)
                    moved = os.pwrite(sink, part, done)
                if moved == 0:
                    break
                done += moved
        finally:
            os.close(sink)
    except OSError as error:
        raise cannot("write", Path(target), error) from error
