"""Decodes images and says what is wrong with them. Runs in worker processes: everything in and out is plain.

To see which images look alike and which are damaged, a JPEG need not be decoded in full: its pixels at an eighth, a
quarter or half of its size, in grey, take a quarter of the time (a *sketch*). To decode it so reads the file to its
end, as in full, so it tells damage as well. Only files that may show the same pixels as another one are then decoded in
full: two JPEGs whose sketches are equal, and a JPEG that has as many pixels as a picture of another format.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from automl_bench.datasets.decoding import (
    Look,
    UndecodablePicture,
    be_silent,
    damage,
    look_of,
    opened,
    pixels_of,
    turned,
)
from automl_bench.datasets.image_headers import EXTENSION_TYPES
from automl_bench.datasets.near_duplicates import Outline, describe_all, outline
from automl_bench.datasets.placing import read_all

if TYPE_CHECKING:
    from PIL import Image

HUGE_PIXELS = 50_000_000
"""More pixels than any of the services takes; most refuse far less."""

_LEAST_SKETCH = 32
"""Pixels of a sketch's shorter side; smaller ones tell too little."""

_IMAGES_PER_TASK = 64
_FEW_IMAGES = 400
"""So many are done in this process: starting others would take longer."""


_Task = tuple[str, list[str], bool]
"""Dataset folder, paths below it, and whether sketches will do."""


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
        pixel_id: See `pixel_id`, or "". Of a sketched image that no other can be equal to, a name of its own.
        is_sketched: Whether it was not decoded in full.
        description: See `near_duplicates.describe`; empty if it is broken or blank, or no sketches were asked for.
    """

    path: str
    sha256: str
    problem: str = ""
    media_type: str = ""
    wrong_extension: bool = False
    pixels: int = 0
    oddities: tuple[str, ...] = ()
    pixel_id: str = ""
    is_sketched: bool = False
    description: bytes = b""


def inspect_all(
    folder: Path,
    paths: Sequence[str],
    *,
    processes: int = 1,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Inspected]:
    """Decode files in full, in parallel; the result has the order of `paths`.

    Args:
        folder: The dataset folder.
        paths: Relative to it.
        processes: Worker processes; few images are done here.
        progress: Called with (images done, images in all).
    """
    return _inspect_in_parallel(folder, paths, sketch=False, processes=processes, progress=progress)


def sketch_all(
    folder: Path,
    paths: Sequence[str],
    *,
    processes: int = 1,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Inspected]:
    """Inspect and describe files in parallel, and decode in full only what has to be.

    Args:
        folder: The dataset folder.
        paths: Relative to it.
        processes: Worker processes; few images are done here.
        progress: Called with (images done, images in all); in all are more once some have to be done again.
    """
    found = _inspect_in_parallel(folder, paths, sketch=True, processes=processes, progress=progress)
    again = _perhaps_equal(found)
    done = len(paths)
    whole = inspect_all(
        folder,
        [paths[at] for at in again],
        processes=processes,
        progress=lambda more, _: progress(done + more, done + len(again)),
    )
    for at, image in zip(again, whole, strict=True):
        found[at] = image._replace(description=found[at].description)
    return found


def _perhaps_equal(found: Sequence[Inspected]) -> list[int]:
    """Return the positions of sketched images that may show the same pixels as a file of other bytes."""
    contents: dict[str, set[str]] = defaultdict(set)
    for image in found:
        if image.is_sketched:
            contents[image.pixel_id].add(image.sha256)
    whole = {image.pixels for image in found if image.pixel_id and not image.is_sketched}
    return [
        at
        for at, image in enumerate(found)
        if image.is_sketched and (len(contents[image.pixel_id]) > 1 or image.pixels in whole)
    ]


def _inspect_in_parallel(
    folder: Path,
    paths: Sequence[str],
    *,
    sketch: bool,
    processes: int,
    progress: Callable[[int, int | None], None],
) -> list[Inspected]:
    tasks = list(_tasks(str(folder), paths, sketch))
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


def _tasks(folder: str, paths: Sequence[str], sketch: bool) -> Iterator[_Task]:
    stream = iter(paths)
    while step := list(islice(stream, _IMAGES_PER_TASK)):
        yield folder, step, sketch


def _plain_results(task: _Task) -> list[tuple[object, ...]]:
    """Inspect some files; plain tuples are packed and unpacked in a third of the time of a class of our own."""
    return [tuple(image) for image in _inspect_task(task)]


def _inspect_task(task: _Task) -> list[Inspected]:
    folder, paths, sketch = task
    found = [_inspect(folder, path, sketch) for path in paths]
    descriptions = iter(describe_all([drawn for _, drawn in found if drawn]))
    return [image._replace(description=next(descriptions)) if drawn else image for image, drawn in found]


def _inspect(folder: str, path: str, sketch: bool) -> tuple[Inspected, Outline | None]:
    """Read, hash and decode one file; also return the outline of what it shows if a sketch will do, or nothing."""
    try:
        content = _content(f"{folder}/{path}")
    except FileNotFoundError:
        return Inspected(path, "", "is missing"), None
    except OSError as error:
        return Inspected(path, "", f"cannot be read ({error.strerror})"), None
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return Inspected(path, digest, "is empty (0 bytes)"), None
    return _decoded(path, digest, content, sketch)


def _content(path: str) -> bytes:
    """Return a file's bytes; a Path or a file object for each costs a tenth of the whole inspection."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(file, os.fstat(file).st_size)
    finally:
        os.close(file)


def _decoded(path: str, digest: str, content: bytes, sketch: bool) -> tuple[Inspected, Outline | None]:
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
            ends = _begin_sketch(image) if sketch else None
            picture = pixels_of(image, look=look, upright=ends is None)
    except UndecodablePicture as error:
        return Inspected(path, digest, str(error)), None
    if problem := damage(content, look.media_type):
        return found._replace(problem=problem), None
    pixels = picture.tobytes()
    drawn = outline(picture, pixels, ends) if sketch else None
    if ends:
        return found._replace(pixel_id=_sketch_id(picture, pixels, look), is_sketched=True), drawn
    return found._replace(pixel_id=pixel_id(picture, pixels)), drawn


def _begin_sketch(image: Image.Image) -> tuple[float, float] | None:
    """Make an opened JPEG decode as a sketch; return where that will end to the right and at the bottom.

    None if it is no JPEG, or too small: then nothing changes.
    """
    if image.format not in ("JPEG", "MPO") or min(image.size) < 2 * _LEAST_SKETCH:
        return None
    begun = image.draft("L" if image.mode == "RGB" else None, (_LEAST_SKETCH, _LEAST_SKETCH))
    return begun and begun[1][2:]


def _sketch_id(sketch: Image.Image, pixels: bytes, look: Look) -> str:
    """Return a name that JPEGs of equal coefficients share, also if one was turned without loss.

    Args:
        sketch: As stored, not yet upright.
        pixels: Its `tobytes()`.
        look: What the file's head says.
    """
    digest = hashlib.sha256(f"sketch {look.width} {look.height} ".encode())
    digest.update(pixels if look.orientation == 1 else turned(sketch, look.orientation).tobytes())
    return digest.hexdigest()


def pixel_id(picture: Image.Image, pixels: bytes = b"") -> str:
    """Return the SHA-256, in hex, of decoded pixels with their size: the same in every file that shows them.

    Args:
        picture: Decoded and upright, mode "L" or "RGB".
        pixels: Its `tobytes()`, if they are at hand.
    """
    digest = hashlib.sha256(f"{picture.mode} {picture.width} {picture.height} ".encode())
    digest.update(pixels or picture.tobytes())
    return digest.hexdigest()
