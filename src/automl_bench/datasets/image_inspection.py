"""Decodes an image fully and says what is wrong with it. Runs in worker processes: everything in and out is plain."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from automl_bench.datasets.decoding import UndecodablePicture, be_silent, damage, look_of, opened, pixels_of
from automl_bench.datasets.image_headers import EXTENSION_TYPES
from automl_bench.datasets.near_duplicates import Outline, describe_all, outline
from automl_bench.datasets.placing import read_all

if TYPE_CHECKING:
    from PIL import Image

HUGE_PIXELS = 50_000_000
"""More pixels than any of the services takes; most refuse far less."""

_IMAGES_PER_TASK = 64
_FEW_IMAGES = 400
"""So many are done in this process: starting others would take longer."""


class Inspected(NamedTuple):
    """What one file was found to be.

    Attributes:
        path: As in the manifest.
        sha256: Digest of the file now, or "" if it cannot be read.
        problem: Why it cannot be used, as a phrase, or "".
        media_type: By content, or "".
        wrong_extension: Whether the name's ending promises another type.
        pixels: Width × height.
        oddities: What services may decode in another way, of `decoding.ODDITIES`.
        pixel_id: See `pixel_id`, or "".
        description: See `near_duplicates.describe`; empty if it is broken or blank.
    """

    path: str
    sha256: str
    problem: str = ""
    media_type: str = ""
    wrong_extension: bool = False
    pixels: int = 0
    oddities: tuple[str, ...] = ()
    pixel_id: str = ""
    description: bytes = b""


def inspect_all(
    folder: Path,
    paths: Sequence[str],
    *,
    processes: int = 1,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Inspected]:
    """Inspect files in parallel; the result has the order of `paths`.

    Args:
        folder: The dataset folder.
        paths: Relative to it.
        processes: Worker processes; few images are done here.
        progress: Called with (images done, images in all).
    """
    tasks = list(_tasks(str(folder), paths))
    found: list[Inspected] = []
    if len(paths) <= _FEW_IMAGES or processes < 2:
        for task in tasks:
            found += _inspect_task(task)
            progress(len(found), len(paths))
        return found
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # forkserver: the command line may hold threads, which a plain fork would copy in any state
    context = get_context("forkserver")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare_worker) as pool:
        for result in pool.map(_plain_results, tasks):
            found += map(Inspected._make, result)
            progress(len(found), len(paths))
    return found


def _prepare_worker() -> None:
    """Let a worker process compute by itself, as its fellows keep the other processors busy."""
    import gc

    import numpy as np  # noqa: F401  # the limit holds for libraries that are loaded
    from PIL import Image  # noqa: F401  # so that it is frozen too
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")
    be_silent()
    gc.freeze()  # what is loaded stays: looking through it again and again takes a tenth of the time


def _tasks(folder: str, paths: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    stream = iter(paths)
    while step := list(islice(stream, _IMAGES_PER_TASK)):
        yield folder, step


def _plain_results(task: tuple[str, list[str]]) -> list[tuple[object, ...]]:
    """Inspect some files; plain tuples are packed and unpacked in a third of the time of a class of our own."""
    return [tuple(image) for image in _inspect_task(task)]


def _inspect_task(task: tuple[str, list[str]]) -> list[Inspected]:
    folder, paths = task
    found = [_inspect(folder, path) for path in paths]
    descriptions = iter(describe_all([drawn for _, drawn in found if drawn]))
    return [image._replace(description=next(descriptions)) if drawn else image for image, drawn in found]


def _inspect(folder: str, path: str) -> tuple[Inspected, Outline | None]:
    """Read, hash and decode one file; also return the outline of what it shows, or nothing."""
    try:
        content = _content(f"{folder}/{path}")
    except FileNotFoundError:
        return Inspected(path, "", "is missing"), None
    except OSError as error:
        return Inspected(path, "", f"cannot be read ({error.strerror})"), None
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return Inspected(path, digest, "is empty (0 bytes)"), None
    return _decoded(path, digest, content)


def _content(path: str) -> bytes:
    """Return a file's bytes; a Path or a file object for each costs a tenth of the whole inspection."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(file, os.fstat(file).st_size)
    finally:
        os.close(file)


def _decoded(path: str, digest: str, content: bytes) -> tuple[Inspected, Outline | None]:
    try:
        with opened(content) as image:
            look = look_of(image)
            promised = EXTENSION_TYPES.get(posixpath.splitext(path)[1].lower(), "")
            found = Inspected(
                path,
                digest,
                media_type=look.media_type,
                wrong_extension=bool(promised) and promised != look.media_type,
                pixels=look.width * look.height,
                oddities=look.oddities,
            )
            picture = pixels_of(image, look=look)
    except UndecodablePicture as error:
        return Inspected(path, digest, str(error)), None
    if problem := damage(content, look.media_type):
        return found._replace(problem=problem), None
    pixels = picture.tobytes()
    return found._replace(pixel_id=pixel_id(picture, pixels)), outline(picture, pixels)


def pixel_id(picture: Image.Image, pixels: bytes = b"") -> str:
    """Return the SHA-256, in hex, of decoded pixels with their size: the same in every file that shows them.

    Args:
        picture: Decoded and upright, mode "L" or "RGB".
        pixels: Its `tobytes()`, if they are at hand.
    """
    digest = hashlib.sha256(f"{picture.mode} {picture.width} {picture.height} ".encode())
    digest.update(pixels or picture.tobytes())
    return digest.hexdigest()
