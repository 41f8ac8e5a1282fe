"""From a decoded image to its pixel values as a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Tuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Shape = Tuple[str, Tuple[int, int]]
"""Mode and (width, height) of a training image."""

PIXELS_SIDE = 32
LARGEST_NATIVE_SIDE = 64
"""Images of one common size up to this are taken pixel by pixel; larger or unequal ones are resized first."""


class Pixels(NamedTuple):
    """How an image becomes pixel values.

    Attributes:
        width: Pixels after resizing.
        height: Pixels after resizing.
        mode: "L" or "RGB".
        scale: Pixel values are divided by it.
    """

    width: int
    height: int
    mode: str
    scale: float


def settle(shapes: Sequence[Shape], side: int | None, scale: float) -> Pixels:
    """Settle how pixels are taken, from the training images: grey if all are, their own size if small and common.

    Args:
        shapes: Mode and size of each training image.
        side: Side asked for, or None.
        scale: Divisor of raw pixel values.
    """
    mode = "L" if all(mode == "L" for mode, _ in shapes) else "RGB"
    if side is not None:
        return Pixels(side, side, mode, scale)
    sizes = {size for _, size in shapes}
    if len(sizes) == 1 and max(size := next(iter(sizes))) <= LARGEST_NATIVE_SIDE:
        return Pixels(size[0], size[1], mode, scale)
    return Pixels(PIXELS_SIDE, PIXELS_SIDE, mode, scale)


def sized(image: Image, width: int, height: int, mode: str) -> Image:
    """Return an image in a mode and size."""
    from PIL.Image import Resampling

    if image.mode != mode:
        image = image.convert(mode)
    return image if image.size == (width, height) else image.resize((width, height), Resampling.BICUBIC)


def vector(image: Image, pixels: Pixels) -> NDArray[np.float64]:
    """Return raw values divided by the scale, row by row, channels last, (width × height × channels,)."""
    import numpy as np

    plain = sized(image, pixels.width, pixels.height, pixels.mode)
    values: NDArray[np.float64] = np.asarray(plain, dtype=np.float64).ravel() / pixels.scale
    return values
