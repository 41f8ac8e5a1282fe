"""Images that look alike: copies that were mirrored, turned, resized, compressed anew, brightened or trimmed a little.

An image is described by the 63 lowest frequencies of its grey picture (a discrete cosine transform of 32 × 32 pixels,
as perceptual hashes use) scaled to length 1, which takes brightness and contrast out; and by those of its centre
without the outer 2.5 % on each side. Two images look alike if the cosine between two of these descriptions is at least
`LEAST_COSINE` in one of the eight orientations. A mirror flips signs and a quarter turn also swaps rows and columns, so
one description serves all eight.

Candidates are the pairs that are as close in values that no orientation changes: descriptions cannot be closer than
these values are, so no pair is lost. Up to `_COMPARED_WITH_ALL` images, all are compared with all. Of more, only those
are that lie in the same cell: each of `_DRAWS` times, some images are drawn as centres, and every image belongs to the
nearest one. The farther apart two images are, the likelier all draws part them; `benchmarks/look_alikes.py` measures
how many pairs that costs. There are as many centres as the square root of the number of images, so the time grows with
that number to the power of 1.5.

docs/datasets.md gives recall and false alarms as `benchmarks/look_alikes.py` measures them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LEAST_COSINE = 0.985

TRIMMED = 0.025
"""Share of width and height that the second description leaves out on each side."""

_SIDE = 32
_FREQUENCIES = 8
_LEAST_CONTRAST = 2.0
"""Root mean square of the low frequencies, in grey levels, below which an image is blank and described as nothing."""
_ROWS_AT_ONCE = 512
_COLUMNS_AT_ONCE = 4_096
_PAIRS_AT_ONCE = 50_000
_COMPARED_WITH_ALL = 5_000
"""Up to so many images the search loses nothing; it takes half a second."""
_DRAWS = 8

MOST_PAIRS = 200_000
"""The search ends at so many pairs: a data set in which nearly all images look alike."""

DESCRIPTION_BYTES = 2 * 2 * _FREQUENCIES**2


def describe(picture: Image.Image) -> bytes:
    """Return what `alike_pairs` compares, `DESCRIPTION_BYTES` long; empty for a picture without any structure.

    Args:
        picture: Decoded and upright, mode "L" or "RGB".
    """
    return describe_all([outline(picture)])[0]


def outline(picture: Image.Image) -> bytes:
    """Return a picture and its trimmed centre as 32 × 32 grey values each: all that `describe_all` needs of it."""
    from PIL.Image import Resampling

    grey = picture if picture.mode == "L" else picture.convert("L")
    width, height = grey.size
    smooth = Resampling.BOX if min(grey.size) >= _SIDE else Resampling.BICUBIC
    trimmed = (width * TRIMMED, height * TRIMMED, width * (1 - TRIMMED), height * (1 - TRIMMED))
    return b"".join(grey.resize((_SIDE, _SIDE), smooth, box=box).tobytes() for box in (None, trimmed))


def describe_all(outlines: Sequence[bytes]) -> list[bytes]:
    """Return the description of each outline; together they take a tenth of the time."""
    import numpy as np

    views = np.frombuffer(b"".join(outlines), np.uint8).reshape(-1, 2, _SIDE, _SIDE).astype(np.float32)
    basis = _cosines()
    spectra = basis @ views @ basis.T
    spectra[:, :, 0, 0] = 0
    norms = np.sqrt((spectra**2).sum(axis=(2, 3), keepdims=True))
    blank = norms.min(axis=(1, 2, 3)) < _LEAST_CONTRAST * _SIDE
    descriptions = (spectra / np.maximum(norms, 1)).astype(np.float16)
    return [b"" if none else each.tobytes() for each, none in zip(descriptions, blank.tolist(), strict=True)]


@cache
def _cosines() -> NDArray[np.float32]:
    """Return the orthonormal cosine basis, shape (frequencies, pixels)."""
    import numpy as np

    places = np.arange(_SIDE) + 0.5
    basis = np.cos(np.pi * np.outer(np.arange(_FREQUENCIES), places) / _SIDE) * np.sqrt(2 / _SIDE)
    basis[0] /= np.sqrt(2)
    single: NDArray[np.float32] = basis.astype(np.float32)
    return single


def alike_pairs(descriptions: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the pairs of images that look alike, as an n × 2 array of positions (first < second), sorted.

    Args:
        descriptions: Of each image, from `describe`; none of them empty.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    if len(descriptions) < 2:
        return np.empty((0, 2), np.int64)
    shape = (len(descriptions), 2, _FREQUENCIES, _FREQUENCIES)
    spectra = np.frombuffer(b"".join(descriptions), np.float16).reshape(shape)
    # Of small products, threads of the BLAS library only wait for each other: for minutes if the machine is busy.
    with threadpool_limits(limits=1, user_api="blas"):
        return _distinct_pairs(spectra)


def _distinct_pairs(spectra: NDArray[np.float16]) -> NDArray[np.int64]:
    import numpy as np

    found: list[NDArray[np.int64]] = []
    number = 0
    for candidates in _candidates(_unchanged_by_turns(spectra)):
        pairs = candidates[_look_alike(spectra, candidates)]
        found.append(pairs)
        number += len(pairs)
        if number >= MOST_PAIRS * 5 // 4:  # most of them may be the same ones again
            found = [np.unique(np.concatenate(found), axis=0)]
            number = len(found[0])
            if number >= MOST_PAIRS:
                break
    distinct: NDArray[np.int64] = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)
    return distinct[:MOST_PAIRS]


def _candidates(values: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of positions (first < second) that are close, some of them several times.

    Args:
        values: Of `_unchanged_by_turns`, (n, 2, 63): an image may be close to another one or to its trimmed centre.
    """
    number = len(values)
    views = values.transpose(1, 0, 2).reshape(2 * number, -1)  # first all images, then all trimmed centres
    for cell in _cells(views, number):
        whole = cell[cell < number]
        for row in range(0, len(whole), _ROWS_AT_ONCE):
            for column in range(0, len(cell), _COLUMNS_AT_ONCE):
                rows, columns = whole[row : row + _ROWS_AT_ONCE], cell[column : column + _COLUMNS_AT_ONCE]
                yield from _close_pairs(views, rows, columns, number)


def _close_pairs(
    views: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64], number: int
) -> Iterator[NDArray[np.int64]]:
    import numpy as np

    close = float(2 - 2 * LEAST_COSINE + 0.002)  # squared distance; float16 costs a little
    left, right = views[rows], views[columns]
    # |a - b|² <= c is a·b - |a|²/2 - |b|²/2 >= -c/2: one product of vectors with two more places.
    left = np.column_stack([left, (left**2).sum(axis=1) / -2, np.ones(len(left), np.float32)])
    right = np.column_stack([right, np.ones(len(right), np.float32), (right**2).sum(axis=1) / -2])
    first, second = np.divmod(np.flatnonzero(left @ right.T >= -close / 2), len(right))
    pairs = np.stack([rows[first], columns[second] % number], axis=1)
    # Two images meet in both orders, an image and the centre of another one in this order only.
    pairs = np.sort(pairs[(pairs[:, 0] < pairs[:, 1]) | ((columns[second] >= number) & (pairs[:, 0] > pairs[:, 1]))], 1)
    for at in range(0, len(pairs), _PAIRS_AT_ONCE):
        yield pairs[at : at + _PAIRS_AT_ONCE]


def _cells(views: NDArray[np.float32], number: int) -> Iterator[NDArray[np.int64]]:
    """Yield positions in `views` that are to be compared with each other: all, or those around one of the centres."""
    import numpy as np

    if number <= _COMPARED_WITH_ALL:
        yield np.arange(len(views))
        return
    draws = np.random.default_rng(0)
    for _ in range(_DRAWS):
        centres = views[draws.choice(number, round(number**0.5), replace=False)]
        half = (centres**2).sum(axis=1) / 2
        blocks = (views[at : at + _COLUMNS_AT_ONCE] for at in range(0, len(views), _COLUMNS_AT_ONCE))
        nearest = np.concatenate([(block @ centres.T - half).argmax(axis=1) for block in blocks])
        ends = np.cumsum(np.bincount(nearest, minlength=len(centres)))
        yield from np.split(np.argsort(nearest, kind="stable"), ends[:-1])


def _unchanged_by_turns(spectra: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return values that are the same in all eight orientations, (n, 2, 63); no two get farther apart than they were.

    Magnitudes, and of the two that a quarter turn swaps their sum and the size of their difference.
    """
    import numpy as np

    rows, columns = np.triu_indices(_FREQUENCIES, 1)
    half = np.float32(np.sqrt(0.5))
    straight = np.arange(1, _FREQUENCIES)
    values = np.empty((*spectra.shape[:2], _FREQUENCIES**2 - 1), np.float32)
    for at in range(0, len(spectra), _COLUMNS_AT_ONCE):
        size = np.abs(spectra[at : at + _COLUMNS_AT_ONCE].astype(np.float32))
        upper, lower = size[..., rows, columns], size[..., columns, rows]
        parts = ((upper + lower) * half, np.abs(upper - lower) * half, size[..., straight, straight])
        values[at : at + _COLUMNS_AT_ONCE] = np.concatenate(parts, axis=-1)
    return values


def _look_alike(spectra: NDArray[np.float16], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    import numpy as np

    first, second = spectra[pairs[:, 0]].astype(np.float32), spectra[pairs[:, 1]].astype(np.float32)
    patterns = _mirrors()
    best = np.full(len(pairs), -1, np.float32)
    for one, other in ((0, 0), (0, 1), (1, 0)):
        for turned in (first[:, one], first[:, one].transpose(0, 2, 1)):
            products = (turned * second[:, other]).reshape(len(pairs), -1)
            np.maximum(best, (products @ patterns).max(axis=1), out=best)
    alike: NDArray[np.bool_] = best >= LEAST_COSINE
    return alike


@cache
def _mirrors() -> NDArray[np.float32]:
    """Return the signs of each frequency in the four mirrored forms, shape (frequencies², 4).

    One mirror flips the sign of every odd row, the other one of every odd column.
    """
    import numpy as np

    odd = (-1.0) ** np.arange(_FREQUENCIES)
    same = np.ones(_FREQUENCIES)
    forms = [np.outer(rows, columns).ravel() for rows in (same, odd) for columns in (same, odd)]
    return np.stack(forms, axis=1).astype(np.float32)
