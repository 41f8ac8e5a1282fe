"""Images that look alike, found in linear time: hashes sorted by their bands, each compared with its neighbours.

Two hashes of 64 bits that differ in at most `MOST_BITS` = 3 bits agree in at least one of four bands of 16 bits
(pigeonhole). For each band the hashes are sorted by that band first, and each is compared with the next `_WINDOW` that
share it. That is exact where no more than `_WINDOW` images share a band, and bounded where thousands do (blank images).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BITS = 3
"""Two images look alike if both their phash and their dhash differ in at most this many of 64 bits."""

SMALLEST_SIDE_PX = 24
"""Smaller images have too little detail for 64 bits: different digits would look alike."""

_BANDS = 4
_BAND_BITS = 16
_WINDOW = 48


def near_pairs(phashes: Sequence[int], dhashes: Sequence[int]) -> NDArray[np.int64]:
    """Return the pairs of images that look alike, as an n × 2 array of positions (first < second), sorted.

    Args:
        phashes: 64-bit DCT hash of each image.
        dhashes: 64-bit gradient hash of each image, in the same order. It takes part in the decision only: on images
            with one large shape, one of the two alone takes too many for alike.
    """
    import numpy as np

    hashes = np.asarray(phashes, np.uint64)
    gradients = np.asarray(dhashes, np.uint64)
    found = []
    for band in range(_BANDS):
        rotated = _rotate(hashes, band * _BAND_BITS)
        order = np.argsort(rotated, kind="stable")
        ranked, keys = hashes[order], rotated[order] >> np.uint64(64 - _BAND_BITS)
        ranked_gradients = gradients[order]
        for distance in range(1, min(_WINDOW, len(order) - 1) + 1):
            same_band = keys[distance:] == keys[:-distance]
            if not same_band.any():
                break
            close = np.bitwise_count(ranked[distance:] ^ ranked[:-distance]) <= MOST_BITS
            close &= np.bitwise_count(ranked_gradients[distance:] ^ ranked_gradients[:-distance]) <= MOST_BITS
            hits = np.flatnonzero(same_band & close)
            if len(hits):
                found.append(np.stack([order[hits], order[hits + distance]], axis=1))
    if not found:
        return np.empty((0, 2), np.int64)
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs, axis=0)


def _rotate(values: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    import numpy as np

    if bits == 0:
        return values
    return (values << np.uint64(bits)) | (values >> np.uint64(64 - bits))
