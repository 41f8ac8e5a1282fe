"""Content ids as numbers: their first 64 bits, and a bijection that mixes them for a seeded order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

ID_DIGITS = 64
"""Hex digits of a content id (SHA-256)."""


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
