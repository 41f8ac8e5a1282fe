"""Images that look alike: copies that were mirrored, turned, resized, compressed anew, brightened or trimmed a little.

An image is described by the 63 lowest frequencies of its grey picture (a discrete cosine transform of 32 × 32 pixels,
as perceptual hashes use) scaled to length 1, which takes brightness and contrast out; and by those of its centre
without the outer 2.5 % on each side. Two images look alike if the cosine between two of these descriptions is at least
`LEAST_COSINE` in one of the eight orientations. A mirror flips signs and a quarter turn also swaps rows and columns, so
one description serves all eight. Bringing a line of pixels to 32 is linear, as the transform is: both together are one
matrix for each length, so pictures of one size are described in a few matrix products. Large pictures are averaged over
whole pixels first, or are JPEGs that were decoded at a fraction of their size; where the last average stands for less
than the others, the matrix knows.

Candidates are the pairs that are as close in values that no orientation changes: descriptions cannot be closer than
these values are, so no pair is lost; nor is one by looking at the `_LEADING` of these values first. Up to
`_COMPARED_WITH_ALL` images, all are compared with all. Of more, only those are that lie in the same cell: each of
`_DRAWS` times, some images are drawn as centres, and every image belongs to the nearest one. The farther apart two
images are, the likelier all draws part them; `benchmarks/look_alikes.py` measures how many pairs that costs. There are
as many centres as the square root of the number of images, so the time grows with that number to the power of 1.5.

docs/datasets.md gives recall and false alarms as `benchmarks/look_alikes.py` measures them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    _Block = tuple[NDArray[np.int64], NDArray[np.int64]]

LEAST_COSINE = 0.985

TRIMMED = 0.025
"""Share of width and height that the second description leaves out on each side."""

_SIDE = 32
_REDUCED_SIDE = 64
"""Larger sides are first brought to between this and twice this, by averages of whole pixels."""
_SIZES_KEPT = 2_048
_FREQUENCIES = 8
_LEAST_CONTRAST = 2.0
"""Root mean square of the low frequencies, in grey levels, below which an image is blank and described as nothing."""
_ROWS_AT_ONCE = 512
_COLUMNS_AT_ONCE = 4_096
_PAIRS_AT_ONCE = 50_000
_COMPARED_WITH_ALL = 5_000
"""Up to so many images the search loses nothing; it takes half a second."""
_DRAWS = 8
_LEADING = 24
"""So many of the 63 values tell nearly all pairs apart."""

MOST_PAIRS = 200_000
"""The search ends at so many pairs: a data set in which nearly all images look alike."""
_ENOUGH_PAIRS = MOST_PAIRS * 5 // 4
"""Some may be the same ones again."""

DESCRIPTION_BYTES = 2 * 2 * _FREQUENCIES**2


def describe(picture: Image.Image) -> bytes:
    """Return what `alike_pairs` compares, `DESCRIPTION_BYTES` long; empty for a picture without any structure.

    Args:
        picture: Decoded and upright, mode "L" or "RGB".
    """
    return describe_all([outline(picture)])[0]


class Outline(NamedTuple):
    """All that `describe_all` needs of a picture.

    Attributes:
        width: Samples in a row.
        height: Samples in a column.
        right: Where the picture ends, in samples: the last one of a row may stand for less than the others.
        bottom: Likewise.
        grey: The samples, row by row.
    """

    width: int
    height: int
    right: float
    bottom: float
    grey: bytes


def outline(picture: Image.Image, pixels: bytes = b"", ends: tuple[float, float] | None = None) -> Outline:
    """Return the grey values of a picture, of a large one averages of them.

    Args:
        picture: Decoded, mode "L" or "RGB".
        pixels: Its `tobytes()`, if they are at hand.
        ends: Where it ends to the right and at the bottom, in its pixels, if not with whole ones: a JPEG that was
            decoded at a fraction of its size.
    """
    right, bottom = ends or picture.size
    across, down = max(1, picture.width // _REDUCED_SIDE), max(1, picture.height // _REDUCED_SIDE)
    if picture.mode == "L" and across == down == 1:
        return Outline(*picture.size, right, bottom, pixels or picture.tobytes())
    grey = picture if picture.mode == "L" else picture.convert("L")
    small = grey if across == down == 1 else grey.reduce((across, down))
    return Outline(*small.size, right / across, bottom / down, small.tobytes())


def describe_all(outlines: Sequence[Outline]) -> list[bytes]:
    """Return the description of each outline; together they take a fraction of the time, those of one size least."""
    import numpy as np

    places: dict[tuple[int, int, float, float], list[int]] = defaultdict(list)
    for at, one in enumerate(outlines):
        places[one.width, one.height, one.right, one.bottom].append(at)
    frequencies = np.empty((len(outlines), 2 * _FREQUENCIES, 2 * _FREQUENCIES), np.float32)
    for (width, height, right, bottom), together in places.items():
        grey = b"".join(outlines[at].grey for at in together)
        values = np.frombuffer(grey, np.uint8).astype(np.float32).reshape(-1, width)
        by_rows = (values @ _cosines_of(width, right).T).reshape(-1, height, 2 * _FREQUENCIES)
        frequencies[together] = _cosines_of(height, bottom) @ by_rows
    return _descriptions(frequencies)


def _descriptions(frequencies: NDArray[np.float32]) -> list[bytes]:
    """Bring frequencies of whole pictures (first quarter of each matrix) and of their centres (last) to length 1."""
    import numpy as np

    views = (frequencies[:, :_FREQUENCIES, :_FREQUENCIES], frequencies[:, _FREQUENCIES:, _FREQUENCIES:])
    spectra = np.stack(views, axis=1)
    spectra[:, :, 0, 0] = 0
    norms = np.sqrt((spectra**2).sum(axis=(2, 3), keepdims=True))
    blank = norms.min(axis=(1, 2, 3)) < _LEAST_CONTRAST * _SIDE
    descriptions = (spectra / np.maximum(norms, 1)).astype(np.float16)
    return [b"" if none else each.tobytes() for each, none in zip(descriptions, blank.tolist(), strict=True)]


@lru_cache(maxsize=_SIZES_KEPT)
def _cosines_of(side: int, end: float) -> NDArray[np.float32]:
    """Return what takes a line of `side` values to its frequencies, and below it to those of its trimmed centre.

    The picture ends at `end`, at most one value before the line does.

    Shape (2 × frequencies, side). It is the cosine basis after Pillow's way to bring the line to `_SIDE` values.
    """
    import numpy as np
    from PIL import Image

    unit = Image.fromarray(np.eye(side, dtype=np.float32))
    lines = [
        np.asarray(unit.resize((side, _SIDE), Image.Resampling.BICUBIC, box=(0, cut, side, end - cut)))
        for cut in (0.0, end * TRIMMED)
    ]
    return np.concatenate([_cosines() @ line for line in lines])


@cache
def _cosines() -> NDArray[np.float32]:
    """Return the orthonormal cosine basis, shape (frequencies, pixels)."""
    import numpy as np

    places = np.arange(_SIDE) + 0.5
    basis = np.cos(np.pi * np.outer(np.arange(_FREQUENCIES), places) / _SIDE) * np.sqrt(2 / _SIDE)
    basis[0] /= np.sqrt(2)
    single: NDArray[np.float32] = basis.astype(np.float32)
    return single


def alike_pairs(descriptions: Sequence[bytes], *, threads: int = 1) -> NDArray[np.int64]:
    """Return the pairs of images that look alike, as an n × 2 array of positions (first < second), sorted.

    Args:
        descriptions: Of each image, from `describe`; none of them empty.
        threads: How many compare at a time; the result does not depend on it.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    if len(descriptions) < 2:
        return np.empty((0, 2), np.int64)
    shape = (len(descriptions), 2, _FREQUENCIES, _FREQUENCIES)
    spectra = np.frombuffer(b"".join(descriptions), np.float16).reshape(shape)
    # Of small products, threads of the BLAS library only wait for each other: for minutes if the machine is busy.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return _distinct_pairs(spectra, pool, ahead=2 * threads)


class _Views(NamedTuple):
    """Values that are the same in all eight orientations: first of all images, then of all trimmed centres.

    Attributes:
        values: Shape (2 n, 63), those that differ most between images first.
        leading: The first of them, (2 n, `_LEADING`).
    """

    values: NDArray[np.float16]
    leading: NDArray[np.float32]

    @property
    def images(self) -> int:
        """Number of images, n."""
        return len(self.values) // 2


def _distinct_pairs(spectra: NDArray[np.float16], pool: Executor, *, ahead: int) -> NDArray[np.int64]:
    import numpy as np

    views = _unchanged_by_turns(spectra)

    def compare(block: _Block) -> NDArray[np.int64]:
        return _pairs_between(spectra, views, *block)

    found: list[NDArray[np.int64]] = []
    number = 0
    with closing(_in_order(compare, _blocks(views, pool), pool, ahead)) as results:
        for pairs in results:
            found.append(pairs)
            number += len(pairs)
            if number >= _ENOUGH_PAIRS:
                found = [np.unique(np.concatenate(found), axis=0)]
                number = len(found[0])
                if number >= MOST_PAIRS:
                    break
    distinct: NDArray[np.int64] = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)
    return distinct[:MOST_PAIRS]


def _in_order(
    work: Callable[[_Block], NDArray[np.int64]], blocks: Iterator[_Block], pool: Executor, ahead: int
) -> Generator[NDArray[np.int64]]:
    """Yield the results in the order of the blocks; no more than `ahead` are worked on or wait to be."""
    under_way: deque[Future[NDArray[np.int64]]] = deque()
    try:
        for block in blocks:
            under_way.append(pool.submit(work, block))
            if len(under_way) == ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()


def _blocks(views: _Views, pool: Executor) -> Iterator[_Block]:
    """Yield (rows, columns) of positions in `views` that are to be compared with each other; pairs may come again."""
    for cell in _cells(views, pool):
        whole = cell[cell < views.images]
        for row in range(0, len(whole), _ROWS_AT_ONCE):
            for column in range(0, len(cell), _COLUMNS_AT_ONCE):
                yield whole[row : row + _ROWS_AT_ONCE], cell[column : column + _COLUMNS_AT_ONCE]


def _pairs_between(
    spectra: NDArray[np.float16],
    views: _Views,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return pairs of images that look alike, one of `rows` and one of `columns`: all, or `_ENOUGH_PAIRS`."""
    import numpy as np

    found = [np.empty((0, 2), np.int64)]
    number = 0
    for candidates in _close_pairs(views, rows, columns):
        found.append(candidates[_look_alike(spectra, candidates)])
        number += len(found[-1])
        if number >= _ENOUGH_PAIRS:
            break
    return np.concatenate(found)


def _close_pairs(views: _Views, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of positions (first < second) that are close: an image to another one or to its trimmed centre."""
    import numpy as np

    number = views.images
    close = float(2 - 2 * LEAST_COSINE + 0.002)  # squared distance; float16 costs a little
    # Those that are close are close in a part of the values too, which is cheaper to see.
    near = _are_close(views.leading[rows], views.leading[columns], close)
    first, second = np.divmod(np.flatnonzero(near), len(columns))
    # Two images meet in both orders, an image and the centre of another one in this order only.
    centre = columns[second] >= number
    pairs = np.stack([rows[first], columns[second] % number], axis=1)
    wanted = np.flatnonzero((pairs[:, 0] < pairs[:, 1]) | (centre & (pairs[:, 0] > pairs[:, 1])))
    for at in range(0, len(wanted), _PAIRS_AT_ONCE):
        some = wanted[at : at + _PAIRS_AT_ONCE]
        left = views.values[rows[first[some]]].astype(np.float32)
        right = views.values[columns[second[some]]].astype(np.float32)
        apart = ((left - right) ** 2).sum(axis=1)
        yield np.sort(pairs[some[apart <= close]], axis=1)


def _are_close(left: NDArray[np.float32], right: NDArray[np.float32], close: float) -> NDArray[np.bool_]:
    """Return of all pairs whether the squared distance is at most `close`, (rows of left, rows of right)."""
    import numpy as np

    # |a - b|² <= c is a·b - |a|²/2 - |b|²/2 >= -c/2: one product of vectors with two more places.
    left = np.column_stack([left, (left**2).sum(axis=1) / -2, np.ones(len(left), np.float32)])
    right = np.column_stack([right, np.ones(len(right), np.float32), (right**2).sum(axis=1) / -2])
    near: NDArray[np.bool_] = left @ right.T >= -close / 2
    return near


def _cells(views: _Views, pool: Executor) -> Iterator[NDArray[np.int64]]:
    """Yield positions in `views` that are to be compared with each other: all, or those around one of the centres."""
    import numpy as np

    number = views.images
    if number <= _COMPARED_WITH_ALL:
        yield np.arange(2 * number)
        return
    draws = np.random.default_rng(0)
    blocks = [views.leading[at : at + _COLUMNS_AT_ONCE] for at in range(0, 2 * number, _COLUMNS_AT_ONCE)]
    for _ in range(_DRAWS):
        centres = views.leading[draws.choice(number, round(number**0.5), replace=False)]
        nearest = np.concatenate(list(pool.map(partial(_nearest, centres), blocks)))
        ends = np.cumsum(np.bincount(nearest, minlength=len(centres)))
        yield from np.split(np.argsort(nearest, kind="stable"), ends[:-1])


def _nearest(centres: NDArray[np.float32], views: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of the nearest centre of each view."""
    half = (centres**2).sum(axis=1) / 2
    nearest: NDArray[np.int64] = (views @ centres.T - half).argmax(axis=1)
    return nearest


def _unchanged_by_turns(spectra: NDArray[np.float16]) -> _Views:
    """Return values that are the same in all eight orientations; no two get farther apart than they were.

    Magnitudes, and of the two that a quarter turn swaps their sum and the size of their difference.
    """
    import numpy as np

    rows, columns = np.triu_indices(_FREQUENCIES, 1)
    half = np.float32(np.sqrt(0.5))
    straight = np.arange(1, _FREQUENCIES)
    number = len(spectra)
    values = np.empty((2 * number, _FREQUENCIES**2 - 1), np.float16)
    leading = np.empty((2 * number, _LEADING), np.float32)
    order = None
    for view in (0, 1):
        for at in range(0, number, _COLUMNS_AT_ONCE):
            size = np.abs(spectra[at : at + _COLUMNS_AT_ONCE, view].astype(np.float32))
            upper, lower = size[:, rows, columns], size[:, columns, rows]
            parts = ((upper + lower) * half, np.abs(upper - lower) * half, size[:, straight, straight])
            together = np.concatenate(parts, axis=1)
            if order is None:
                order = np.argsort(-together.var(axis=0), kind="stable")
            here = slice(view * number + at, view * number + at + len(size))
            values[here] = together[:, order]
            leading[here] = together[:, order[:_LEADING]]
    return _Views(values, leading)


def _look_alike(spectra: NDArray[np.float16], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    import numpy as np

    first, second = spectra[pairs[:, 0]].astype(np.float32), spectra[pairs[:, 1]].astype(np.float32)
    patterns = _mirrors()
    best = np.full(len(pairs), -1, np.float32)
    for one, other in ((0, 0), (0, 1), (1, 0)):
        for turned in (first[:, one], first[:, one].transpose(0, 2, 1)):
            products = (turned * second[:, other]).reshape(len(pairs), _FREQUENCIES**2)
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
