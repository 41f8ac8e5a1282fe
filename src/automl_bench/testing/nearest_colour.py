"""The little that a stand-in learns: the label of the training image whose mean colour is nearest."""

from __future__ import annotations

import io
from collections.abc import Iterable

Colour = tuple[float, ...]


def mean_colour(image: bytes) -> Colour:
    """Return the mean of an image's red, green and blue, 0 to 255 each.

    Raises:
        OSError: If it is no image.
    """
    from PIL import Image, ImageStat

    with Image.open(io.BytesIO(image)) as opened:
        return tuple(ImageStat.Stat(opened.convert("RGB")).mean)


def nearest(known: Iterable[tuple[str, Colour]], image: bytes) -> tuple[str, float]:
    """Return the label of the nearest known colour and a score, 1 for the same colour and less with distance."""
    mine = mean_colour(image)
    distance, label = min(
        (sum((a - b) ** 2 for a, b in zip(mine, other, strict=True)), label) for label, other in known
    )
    return label, 1 / (1 + distance / 1000)
