"""The seeded order of the samples of a class: a keyed hash of the content id, the same on every machine.

The place of a sample depends on its content id, the seed, the fold and its label, and on nothing else: not on file
names, not on the order of rows, not on `PYTHONHASHSEED`, not on the byte order of the processor. Samples that are added
later slip in between; they move nobody relative to anybody else.

The hash, so that anyone can write it again: with `x` the first 16 hex digits of the content id (a SHA-256, hence
uniform) as an unsigned 64-bit number, and `k1`, `k2` the two big-endian halves of

    blake2b(f"{seed}\\0{fold}\\0{NFC(label)}" in UTF-8, digest_size=16, person=b"automl-bench")

the rank is `mix(mix(x ^ k1) ^ k2)`, where `mix` is the finaliser of splitmix64 (Steele, Lea and Flood 2014, "Fast
splittable pseudorandom number generators", variant 13 of Stafford's mixers). A class is sorted by rank. Each step is a
bijection, so two ranks are equal only if the first 64 bits of two ids are; then the full id decides.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

ID_DIGITS = 64
"""Hex digits of a content id (SHA-256)."""

PERSON = b"automl-bench"


def class_key(seed: int, fold: int, label: str) -> tuple[int, int]:
    """Return the two 64-bit keys of a class.

    The label is brought to Unicode's composed form (NFC) first: an accented name means the same on file systems that
    store it in one code point or in two.
    """
    text = f"{seed}\0{fold}\0{unicodedata.normalize('NFC', label)}"
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=PERSON).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return splitmix64's finaliser of each value; a bijection of 64-bit numbers. The argument is overwritten."""
    import numpy as np

    shifted = values >> np.uint64(30)
    values ^= shifted
    values *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(values, np.uint64(27), out=shifted)
    values ^= shifted
    values *= np.uint64(0x94D049BB133111EB)
    np.right_shift(values, np.uint64(31), out=shifted)
    values ^= shifted
    return values


def ranks(
    id_words: npt.NDArray[np.uint64],
    classes: npt.NDArray[np.integer[Any]],
    labels: Sequence[str],
    *,
    seed: int,
    fold: int,
) -> npt.NDArray[np.uint64]:
    """Return the rank of each sample inside its class.

    Args:
        id_words: First 64 bits of each content id, shape (n,).
        classes: Index into `labels` of each sample, shape (n,).
        labels: The class names.
        seed: Seed of the experiment.
        fold: Which draw.

    Returns:
        Ranks, shape (n,); only ranks of one class may be compared.
    """
    import numpy as np

    keys = np.array([class_key(seed, fold, label) for label in labels], dtype=np.uint64).reshape(len(labels), 2)
    values = keys[:, 0][classes]
    values ^= id_words
    mix(values)
    values ^= keys[:, 1][classes]
    return mix(values)


def leading_words(sample_ids: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of each content id, shape (n,), read straight from Arrow's buffers.

    Raises:
        DatasetError: If an id is not 64 lower-case hex digits long, or does not begin with 16 of them.
    """
    import numpy as np
    import pyarrow as pa

    chunks = sample_ids.chunks if isinstance(sample_ids, pa.ChunkedArray) else [sample_ids]
    words = np.empty(sum(len(chunk) for chunk in chunks), dtype=np.uint64)
    begin = 0
    for chunk in chunks:
        digits = _digits(chunk, begin)
        words[begin : begin + len(chunk)] = _parse_hex(digits, begin)
        begin += len(chunk)
    return words


def _digits(chunk: pa.Array, first_row: int) -> npt.NDArray[np.uint8]:
    """Return the characters of one chunk as bytes, shape (n, 64), without a copy."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_string(chunk.type):
        chunk = chunk.cast(pa.string())
    count = len(chunk)
    if count == 0:
        return np.empty((0, ID_DIGITS), dtype=np.uint8)
    if chunk.null_count:
        raise _malformed(first_row + int(np.argmax(chunk.is_null().to_numpy(zero_copy_only=False))), None)
    _, offset_buffer, data = chunk.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[chunk.offset : chunk.offset + count + 1]
    wrong = np.diff(offsets) != ID_DIGITS
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _malformed(first_row + row, chunk[row].as_py())
    return np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]].reshape(count, ID_DIGITS)


def _parse_hex(digits: npt.NDArray[np.uint8], first_row: int) -> npt.NDArray[np.uint64]:
    """Read the first 16 characters of each row as a number, eight characters at a time inside one 64-bit word."""
    import numpy as np

    halves = digits[:, :16].copy().view(">u8").astype(np.uint64)
    _check_hex(digits[:, :16], first_row)
    nibbles = halves & np.uint64(0x0F0F0F0F0F0F0F0F)
    nibbles += ((halves >> np.uint64(6)) & np.uint64(0x0101010101010101)) * np.uint64(9)
    for shift, mask in ((4, 0x00FF00FF00FF00FF), (8, 0x0000FFFF0000FFFF), (16, 0x00000000FFFFFFFF)):
        nibbles |= nibbles >> np.uint64(shift)
        nibbles &= np.uint64(mask)
    words: npt.NDArray[np.uint64] = (nibbles[:, 0] << np.uint64(32)) | nibbles[:, 1]
    return words


def _check_hex(digits: npt.NDArray[np.uint8], first_row: int) -> None:
    import numpy as np

    allowed = np.zeros(256, dtype=bool)
    allowed[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = True
    good = allowed[digits].all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise _malformed(first_row + row, digits[row].tobytes().decode("utf-8", "replace"))


def _malformed(row: int, value: str | None) -> DatasetError:
    return DatasetError(
        f"row {row + 1} of the manifest has {value!r} where a content id of 64 lower-case hex digits belongs.",
        remedy="Import the dataset again.",
    )
