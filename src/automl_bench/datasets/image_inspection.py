"""Decodes an image fully and says what is wrong with it. Runs in worker processes: everything in and out is plain."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePath
from typing import NamedTuple

from automl_bench.datasets.image_headers import EXTENSION_TYPES
from automl_bench.datasets.near_duplicates import SMALLEST_SIDE_PX

HUGE_PIXELS = 50_000_000
"""More pixels than any of the services takes; most refuse far less."""

_NEVER_DECODED_PIXELS = 400_000_000
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
        animated: Whether it has several frames.
        pixels: Width × height.
        phash: 64-bit DCT hash, or None if it was not taken (broken, or too small).
        dhash: 64-bit gradient hash, or None.
    """

    path: str
    sha256: str
    problem: str = ""
    media_type: str = ""
    wrong_extension: bool = False
    animated: bool = False
    pixels: int = 0
    phash: int | None = None
    dhash: int | None = None


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
    from multiprocessing import get_context

    # forkserver: the command line may hold threads, which a plain fork would copy in any state
    with ProcessPoolExecutor(processes, mp_context=get_context("forkserver")) as pool:
        for result in pool.map(_inspect_task, tasks):
            found += result
            progress(len(found), len(paths))
    return found


def _tasks(folder: str, paths: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    stream = iter(paths)
    while step := list(islice(stream, _IMAGES_PER_TASK)):
        yield folder, step


def _inspect_task(task: tuple[str, list[str]]) -> list[Inspected]:
    folder, paths = task
    return [inspect(Path(folder), path) for path in paths]


def inspect(folder: Path, path: str) -> Inspected:
    """Read, hash and decode one file."""
    try:
        content = (folder / path).read_bytes()
    except FileNotFoundError:
        return Inspected(path, "", "is missing")
    except OSError as error:
        return Inspected(path, "", f"cannot be read ({error.strerror})")
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return Inspected(path, digest, "is empty (0 bytes)")
    return _decoded(path, digest, content)


def _decoded(path: str, digest: str, content: bytes) -> Inspected:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # size and odd metadata are findings, no warnings
        try:
            image = Image.open(BytesIO(content))
        except Image.DecompressionBombError:
            return Inspected(path, digest, "has too many pixels to be decoded safely")
        except (OSError, ValueError, SyntaxError, struct.error):
            return Inspected(path, digest, "is no image that can be read")
        media_type = Image.MIME.get(image.format or "", "")
        promised = EXTENSION_TYPES.get(PurePath(path).suffix.lower(), "")
        found = Inspected(
            path,
            digest,
            media_type=media_type,
            wrong_extension=bool(promised) and promised != media_type,
            animated=bool(getattr(image, "is_animated", False)),
            pixels=image.width * image.height,
        )
        if found.pixels > _NEVER_DECODED_PIXELS:
            return found._replace(problem="has too many pixels to be decoded safely")
        try:
            image.load()
        except Exception as error:  # noqa: BLE001 - decoders of damaged files raise nearly anything
            reason = " ".join(str(error).split()) or type(error).__name__
            return found._replace(problem=f"is truncated or damaged ({reason[:120]})")
        if (
            image.format == "JPEG"
            and not content.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")
            and b"\xff\xd9" not in content[-4096:]
        ):
            return found._replace(problem="is truncated or damaged (no end marker)")
        if min(image.size) < SMALLEST_SIDE_PX:
            return found
        phash, dhash = _hashes(image)
        return found._replace(phash=phash, dhash=dhash)


def _hashes(image: object) -> tuple[int | None, int | None]:
    import imagehash
    from PIL import Image

    assert isinstance(image, Image.Image)
    if image.mode in ("P", "LA", "RGBA", "PA"):  # a transparent background would hash as black
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    grey = image.convert("L")
    try:
        return int(str(imagehash.phash(grey)), 16), int(str(imagehash.dhash(grey)), 16)
    except (ValueError, zlib.error):
        return None, None
