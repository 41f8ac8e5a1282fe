"""What the fake learns with: the nearest image, or the nearest middle of a label's texts (TF-IDF) or rows (one-hot)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from text_centroids import TextCentroids

SIDE = 12
"""Pixels of the square that every image is shrunk to before comparing."""

Scores = dict[str, float]
Vector = NDArray[np.float32]
Scorer = Callable[[Any], Scores]


@lru_cache(maxsize=4096)
def pixels_of(content: bytes) -> Vector:
    """Decode an image to SIDE × SIDE RGB pixels from 0 to 1, flat.

    Raises:
        ValueError: If it is none.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    except OSError as error:
        raise ValueError("not an image") from error
    return np.asarray(small, dtype=np.float32).reshape(-1) / 255.0


def learn(kind: str, contents: Sequence[Any], labels: Sequence[str], types: Mapping[str, str]) -> Scorer:
    """Return what tells the score of each label that was learnt, all together 1.

    Args:
        kind: The function's input.
        contents: Pixels, texts or rows by field id.
        labels: Their labels.
        types: A table's field types by id.
    """
    if kind == "Text":
        return TextCentroids(contents, labels).scores
    encode = _rows(contents, types) if kind == "Tabular" else lambda pixels: pixels
    vectors: dict[str, list[Vector]] = {}
    for content, label in zip(contents, labels, strict=True):
        vectors.setdefault(label, []).append(encode(content))
    if kind == "Tabular":
        vectors = {label: [np.mean(each, axis=0)] for label, each in vectors.items()}

    def score(content: Any) -> Scores:
        vector = encode(content)
        nearest = {
            label: min(float(np.linalg.norm(each - vector)) for each in found) for label, found in vectors.items()
        }
        weights = {label: math.exp(min(nearest.values()) - distance) for label, distance in nearest.items()}
        return {label: weight / sum(weights.values()) for label, weight in weights.items()}

    return score


def _rows(contents: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Callable[[Mapping[str, Any]], Vector]:
    """Return what turns a row into numbers: those that are there in units of their spread, and one for each text."""
    cells = {key: [row[key] for row in contents if key in row] for key in types}
    numbers = {
        key: (np.mean(found), np.std(found) or 1.0) for key, found in cells.items() if found and types[key] == "Number"
    }
    known = {key: sorted(set(found)) for key, found in cells.items() if types[key] == "Text"}

    def encode(row: Mapping[str, Any]) -> Vector:
        parts = [(row.get(key, middle) - middle) / spread for key, (middle, spread) in numbers.items()]
        parts += [float(row.get(key) == value) for key, values in known.items() for value in values]
        return np.asarray(parts, dtype=np.float32)

    return encode
