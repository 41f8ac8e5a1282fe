"""Images that look alike: copies that were mirrored, turned, resized, compressed anew, brightened or trimmed a little.

An image is described by the 63 lowest frequencies of its grey picture (a discrete cosine transform of 32 × 32 pixels,
as perceptual hashes use) scaled to length 1, which takes brightness and contrast out; and by those of its centre
without the outer 2.5 % on each side. Two images look alike if the cosine between two of these descriptions is at least
`LEAST_COSINE` in one of the eight orientations. A mirror flips signs and a quarter turn also swaps rows and columns, so
one description serves all eight.

Candidates are the pairs that are as close in values that no orientation changes, found by multiplying all with all in
blocks: descriptions cannot be closer than these values are, so no pair is lost. Its time grows with the square of the
number of images: see `_MANY_IMAGES`.

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
_ROWS_AT_ONCE = 1_024
_COLUMNS_AT_ONCE = 8_192
_PAIRS_AT_ONCE = 50_000
_MANY_IMAGES = 50_000
"""From here on the trimmed centres do not take part: they would take two thirds of the time."""

MOST_PAIRS = 200_000
"""The search ends at so many pairs: a data set in which nearly all images look alike."""

DESCRIPTION_BYTES = 2 * 2 * _FREQUENCIES**2


def describe(picture: Image.Image) -> bytes:
    """Return what `alike_pairs` compares, `DESCRIPTION_BYTES` long; empty for a picture without any structure.

    Args:
        picture: Decoded and upright, mode "L" or "RGB".
    """
    import numpy as np
    from PIL.Image import Resampling

    grey = picture if picture.mode == "L" else picture.convert("L")
    width, height = grey.size
    smooth = Resampling.BOX if min(grey.size) >= _SIDE else Resampling.BICUBIC
    trimmed = (width * TRIMMED, height * TRIMMED, width * (1 - TRIMMED), height * (1 - TRIMMED))
    views = [np.asarray(grey.resize((_SIDE, _SIDE), smooth, box=box), np.float32) for box in (None, trimmed)]
    basis = _cosines()
    spectra = basis @ np.stack(views) @ basis.T
    spectra[:, 0, 0] = 0
    norms = np.sqrt((spectra**2).sum(axis=(1, 2), keepdims=True))
    if float(norms.min()) < _LEAST_CONTRAST * _SIDE:
        return b""
    return bytes((spectra / norms).astype(np.float16).tobytes())


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

    if len(descriptions) < 2:
        return np.empty((0, 2), np.int64)
    shape = (len(descriptions), 2, _FREQUENCIES, _FREQUENCIES)
    spectra = np.frombuffer(b"".join(descriptions), np.float16).reshape(shape)
    views = [_unchanged_by_turns(spectra[:, view]) for view in (0, 1)]
    found: list[NDArray[np.int64]] = []
    number = 0
    for candidates in _candidates(views[:1] if len(spectra) > _MANY_IMAGES else views):
        pairs = candidates[_look_alike(spectra, candidates)]
        found.append(pairs)
        number += len(pairs)
        if number >= MOST_PAIRS:
            break
    distinct: NDArray[np.int64] = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)
    return distinct


def _candidates(views: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of positions (first < second) whose values are close: of the first view with all others."""
    import numpy as np

    close = float(2 - 2 * LEAST_COSINE + 0.002)  # squared distance; float16 costs a little
    whole = views[0]
    # |a - b|² <= c is a·b - |a|²/2 - |b|²/2 >= -c/2: one product of vectors with two more places.
    left = np.column_stack([whole, (whole**2).sum(axis=1) / -2, np.ones(len(whole), np.float32)])
    for view in views:
        right = np.column_stack([view, np.ones(len(view), np.float32), (view**2).sum(axis=1) / -2])
        for row in range(0, len(left), _ROWS_AT_ONCE):
            # Equal views give each pair twice: what lies left of the diagonal was seen from the other side.
            for column in range(row if view is whole else 0, len(right), _COLUMNS_AT_ONCE):
                products = left[row : row + _ROWS_AT_ONCE] @ right[column : column + _COLUMNS_AT_ONCE].T
                hits = np.flatnonzero(products >= -close / 2)
                first, second = np.divmod(hits, products.shape[1])
                pairs = np.sort(np.stack([first + row, second + column], axis=1), axis=1)
                pairs = pairs[pairs[:, 0] != pairs[:, 1]]
                for at in range(0, len(pairs), _PAIRS_AT_ONCE):
                    yield pairs[at : at + _PAIRS_AT_ONCE]


def _unchanged_by_turns(spectra: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return values that are the same in all eight orientations, (n, 63); no two get farther apart than they were.

    Magnitudes, and of the two that a quarter turn swaps their sum and the size of their difference.
    """
    import numpy as np

    size = np.abs(spectra.astype(np.float32))
    rows, columns = np.triu_indices(_FREQUENCIES, 1)
    upper, lower = size[:, rows, columns], size[:, columns, rows]
    half = np.float32(np.sqrt(0.5))
    straight = np.arange(1, _FREQUENCIES)
    parts = ((upper + lower) * half, np.abs(upper - lower) * half, size[:, straight, straight])
    return np.concatenate(parts, axis=1)


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
