"""Takes samples in: one read of each file gives its hash, its type and size, and its copy.

Threads do not help: every system call hands the interpreter lock over, which costs more than the call. Measured with
`benchmarks/import_folder.py`, two threads were slower than one, two processes nearly twice as fast.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from automl_bench.datasets.account import Reason
from automl_bench.datasets.addresses import near_miss
from automl_bench.datasets.class_folders import LONGEST_NAME_BYTES, collision_key, folder_names, safe_name
from automl_bench.datasets.decoding import NO_PICTURE
from automl_bench.datasets.foreign_content import HEAD_BYTES, foreign_content
from automl_bench.datasets.image_headers import admit
from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.datasets.manifest import ManifestRow, manifest_table
from automl_bench.datasets.placing import read_all
from automl_bench.errors import DatasetError
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import pyarrow as pa

_IN_MEMORY_BYTES = 16 * 2**20
"""Larger files are hashed and copied in steps of `_STEP_BYTES`."""
_STEP_BYTES = 2**20
_FILES_PER_TASK = 256
_TASKS_AHEAD = 8
_MANY_FILES = 5_000
"""From here on starting processes pays."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{5,80}\.[A-Za-z0-9]{2,5}")
"""Names that are safe as they are (five characters: longer than the names of Windows devices)."""


class Placement(StrEnum):
    """How a file gets into the dataset folder."""

    COPY = "copy"
    """A copy of its own: later edits of the original change nothing here."""
    LINK = "link"
    """A hard link, where possible: no space, but an edit of the original in place changes the dataset too."""
    MOVE = "move"
    """For our own unpacked files."""


class Refused(NamedTuple):
    """A file that is no image.

    Attributes:
        where: How a message names it.
        label: Its class.
        path: The file, or "".
        problem: What is wrong with it.
    """

    where: str
    label: str
    path: str
    problem: Problem


class Problem(NamedTuple):
    """Why a file is no sample: the reason, a phrase that follows its name, and a remedy or ""."""

    reason: Reason
    phrase: str
    remedy: str = ""


_Placed = tuple[str, int, str, int, int]
"""What a process finds out about a file and sends back: sample id, size, media type, width, height.

A plain tuple, and plain lists of paths are what is sent to it: packing and unpacking a class of our own takes longer
than hashing a small file.
"""
_Task = tuple[Incoming, str]
"""A sample and its path below the dataset folder."""


def take_in(
    listing: Listing,
    folder: Path,
    *,
    placement: Placement = Placement.COPY,
    skip_bad: bool = False,
    processes: int = 1,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> tuple[pa.Table, list[Refused]]:
    """Place all samples of a listing into a dataset folder and describe them.

    Samples whose split is still open go to `train/`; `splitting.draw_test_split` moves some of them later.

    Args:
        listing: What a reader found.
        folder: Empty folder.
        placement: How files are placed.
        skip_bad: Leave out files that are no images, instead of refusing the whole.
        processes: Worker processes for many files. More than 1 needs a main module that may be imported again
            (`if __name__ == "__main__":`), as multiprocessing says.
        progress: Called with (samples placed, samples in all or None).

    Returns:
        A table of `manifest.manifest_schema`, with groups if the listing has them, and what was left out.

    Raises:
        DatasetError: If a file is no image (and `skip_bad` is off), or none is left.
        WorkspaceError: If a file cannot be read or written.
    """
    refused: list[Refused] = []
    with ExitStack() as stack:
        pool: Executor | None = None
        if processes > 1 and (listing.count or 0) >= _MANY_FILES:
            from multiprocessing import get_context

            # forkserver: the command line may hold threads, which a plain fork would copy in any state
            context = get_context("forkserver")
            context.set_forkserver_preload([__name__])
            pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=context))
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        rows = _rows(listing, folder, placement, pool, progress)
        table = manifest_table(_without_refused(rows, refused, skip_bad), grouped=listing.grouped)
    if table.num_rows == 0:
        raise _nothing_left(refused)
    return table, refused


def _nothing_left(refused: list[Refused]) -> DatasetError:
    if not refused:
        return DatasetError("there is no readable image.", remedy="Check the path.")
    first = refused[0]
    return DatasetError(
        f"there is no readable image: {first.where} {first.problem.phrase}{near_miss(first.path)}.",
        remedy=first.problem.remedy or "Check the path.",
    )


def _without_refused(
    rows: Iterator[ManifestRow | Refused], refused: list[Refused], skip_bad: bool
) -> Iterator[ManifestRow]:
    for row in rows:
        if isinstance(row, ManifestRow):
            yield row
        elif skip_bad:
            refused.append(row)
        else:
            raise refusal(row)


def refusal(refused: Refused) -> DatasetError:
    """Return the error that a file stops an import with."""
    missing = near_miss(refused.path) if refused.problem.reason is Reason.MISSING else ""
    remedy = refused.problem.remedy or "Remove or replace it."
    return DatasetError(
        f"{refused.where} {refused.problem.phrase}{missing}.",
        remedy=f"{remedy} Or import with --skip-bad to leave out all files that are no images.",
    )


def _rows(
    listing: Listing,
    folder: Path,
    placement: Placement,
    pool: Executor | None,
    progress: Callable[[int, int | None], None],
) -> Iterator[ManifestRow | Refused]:
    """Keep a few tasks of some files each under way, and yield their results in the order of the listing."""
    tasks = _tasks(listing, folder)
    under_way: deque[tuple[list[_Task], Future[list[_Placed | Problem]]]] = deque()
    done = 0
    while True:
        while len(under_way) < (_TASKS_AHEAD if pool else 1) and (step := _next_step(tasks)):
            under_way.append((step, _submit(pool, step, str(folder), placement)))
        if not under_way:
            return
        step, future = under_way.popleft()
        for task, placed in zip(step, future.result(), strict=True):
            yield _row(task, placed)
        done += len(step)
        progress(done, listing.count)


def _next_step(tasks: Iterator[_Task]) -> list[_Task]:
    """Take some tasks; fewer where samples bring their content with them, so that little of it is held at a time."""
    step: list[_Task] = []
    held = 0
    for task in tasks:
        step.append(task)
        held += len(task[0].data)
        if len(step) == _FILES_PER_TASK or held >= _STEP_BYTES:
            break
    return step


def _submit(
    pool: Executor | None, step: list[_Task], folder: str, placement: Placement
) -> Future[list[_Placed | Problem]]:
    if pool is not None and step[0][0].path:
        sources, targets = [sample.path for sample, _ in step], [target for _, target in step]
        return pool.submit(_place_files, sources, targets, folder, placement)
    future: Future[list[_Placed | Problem]] = Future()
    future.set_result([_place(sample, f"{folder}/{target}", placement) for sample, target in step])
    return future


def _row(task: _Task, placed: _Placed | Problem) -> ManifestRow | Refused:
    sample, target = task
    if isinstance(placed, Problem):
        return Refused(sample.where or sample.path, sample.label, sample.path, placed)
    sample_id, size, media_type, width, height = placed
    split = sample.split or "train"
    return ManifestRow(sample_id, target, split, sample.label, size, width, height, media_type, sample.group)


def _tasks(listing: Listing, folder: Path) -> Iterator[_Task]:
    """Give every sample its path: safe, and unique even where case or Unicode composition does not count."""
    folders = folder_names(listing.labels)
    taken: dict[str, set[str]] = {}
    for sample in listing.samples():
        parent = f"{sample.split or 'train'}/{folders[sample.label]}"
        names = taken.get(parent)
        if names is None:
            names = taken[parent] = set()
            _make_folder(folder / parent)
        yield sample, f"{parent}/{_unique_name(sample.name, names)}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot("make", folder, error) from error


def _unique_name(wanted: str, taken: set[str]) -> str:
    if _PLAIN_NAME.fullmatch(wanted) and (plain := wanted.lower()) not in taken:
        taken.add(plain)
        return wanted
    name = safe_name(wanted.encode(errors="replace").decode())
    stem, ending = posixpath.splitext(name)
    if len(name.encode()) > LONGEST_NAME_BYTES:
        ending = ending if len(ending.encode()) < 16 else ""
        stem = stem.encode()[: LONGEST_NAME_BYTES - len(ending)].decode(errors="ignore")
        name = stem + ending
    number = 1
    while (key := collision_key(name)) in taken:
        number += 1
        name = f"{stem}-{number}{ending}"
    taken.add(key)
    return name


def _place_files(sources: list[str], targets: list[str], folder: str, placement: Placement) -> list[_Placed | Problem]:
    """Place some files below a dataset folder; this is what runs in another process."""
    return [
        _place_file(source, f"{folder}/{target}", placement) for source, target in zip(sources, targets, strict=True)
    ]


def _place(sample: Incoming, target: str, placement: Placement) -> _Placed | Problem:
    """Place one sample and describe it, or say why it is no image, as a phrase that follows its name."""
    if sample.path:
        return _place_file(sample.path, target, placement)
    return _place_content(sample.data, "", target, Placement.COPY)


def _place_file(path: str, target: str, placement: Placement) -> _Placed | Problem:
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Problem(Reason.MISSING, "does not exist")
    except OSError as error:
        raise cannot("read", Path(path), error) from error
    try:
        size = os.fstat(source).st_size
        if size > _IN_MEMORY_BYTES:
            return _place_large(source, path, target, placement)
        content = read_all(source, size)
    except OSError as error:
        if error.errno == errno.EISDIR:
            return Problem(Reason.NO_IMAGE, "is a folder")
        raise cannot("read", Path(path), error) from error
    finally:
        os.close(source)
    return _place_content(content, path, target, placement)


def _place_content(content: bytes, path: str, target: str, placement: Placement) -> _Placed | Problem:
    if not content:
        return Problem(Reason.EMPTY, "is empty (0 bytes)")
    header = admit(content)
    if isinstance(header, str):
        return problem_of(content[:HEAD_BYTES], header)
    if placement is Placement.COPY or not _placed_by_name(path, target, placement):
        _write(target, content)
    return (hashlib.sha256(content).hexdigest(), len(content), *header)


def problem_of(head: bytes, phrase: str) -> Problem:
    """Return what is wrong with a file that cannot be admitted, given its beginning and what the decoder says."""
    foreign = foreign_content(head)
    if foreign:
        return Problem(*foreign)
    return Problem(Reason.NO_IMAGE if phrase == NO_PICTURE else Reason.UNDECODABLE, phrase)


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


def _place_large(source: int, path: str, target: str, placement: Placement) -> _Placed | Problem:
    """Hash in steps; copy inside the kernel, which shares the blocks where the file system can (btrfs, XFS)."""
    digest = hashlib.sha256()
    size = 0
    while part := os.read(source, _STEP_BYTES):
        digest.update(part)
        size += len(part)
    header = admit(Path(path))
    if isinstance(header, str):
        return problem_of(os.pread(source, HEAD_BYTES, 0), header)
    if placement is Placement.COPY or not _placed_by_name(path, target, placement):
        _copy_in_kernel(source, target, size)
    return (digest.hexdigest(), size, *header)


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
