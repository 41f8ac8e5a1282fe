"""What the fake learns with: the nearest image, the nearest centroid of texts (TF-IDF) and of rows (one-hot)."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 12
"""Pixels of the square that every image is shrunk to before comparing."""
SHARPNESS = {"Image": 1.0, "Text": 8.0, "Tabular": 2.0}
"""How much a difference of distances counts."""

Scores = dict[str, float]
Vector = NDArray[np.float32]


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


def learn(kind: str, samples: Sequence[tuple[Any, str]], types: Mapping[str, str]) -> Callable[[Any], Scores]:
    """Return what tells the score of each label that was learnt, all together 1.

    Args:
        kind: The function's input.
        samples: Content and label of each.
        types: A table's field types by id.
    """
    encode = ENCODERS[kind]([content for content, _ in samples], types)
    vectors: dict[str, list[Vector]] = {}
    for content, label in samples:
        vectors.setdefault(label, []).append(encode(content))
    # Of an image the nearest one counts, of texts and rows the middle of a class.
    places = {
        label: np.stack(each) if kind == "Image" else np.mean(each, axis=0)[None] for label, each in vectors.items()
    }

    def score(content: Any) -> Scores:
        vector = encode(content)
        distances = {label: np.linalg.norm(place - vector, axis=1).min() for label, place in places.items()}
        nearest = min(distances.values())
        weights = {label: math.exp(SHARPNESS[kind] * float(nearest - each)) for label, each in distances.items()}
        return {label: weight / sum(weights.values()) for label, weight in weights.items()}

    return score


def _images(contents: Sequence[Any], types: Mapping[str, str]) -> Callable[[Any], Vector]:
    return lambda pixels: pixels


def _texts(contents: Sequence[str], types: Mapping[str, str]) -> Callable[[Any], Vector]:
    words = [Counter(re.findall(r"\w+", text.lower())) for text in contents]
    found = Counter(word for each in words for word in each)
    number = {word: index for index, word in enumerate(found)}
    weight = np.array([math.log((1 + len(words)) / (1 + count)) + 1 for count in found.values()])

    def encode(text: str) -> Vector:
        vector = np.zeros(len(number), dtype=np.float32)
        for word, count in Counter(re.findall(r"\w+", text.lower())).items():
            if word in number:
                vector[number[word]] = count * weight[number[word]]
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    return encode


def _rows(contents: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Callable[[Any], Vector]:
    numbers = {key: [row[key] for row in contents if key in row] for key, kind in types.items() if kind == "Number"}
    known = {key: sorted({row[key] for row in contents if key in row}) for key, kind in types.items() if kind == "Text"}

    def encode(row: Mapping[str, Any]) -> Vector:
        parts = [
            0.0 if key not in row or not values else (row[key] - np.mean(values)) / (np.std(values) or 1.0)
            for key, values in numbers.items()
        ]
        parts += [float(row.get(key) == value) for key, values in known.items() for value in values]
        return np.asarray(parts, dtype=np.float32)

    return encode


ENCODERS: Mapping[str, Callable[[Sequence[Any], Mapping[str, str]], Callable[[Any], Vector]]] = {
    "Image": _images,
    "Text": _texts,
    "Tabular": _rows,
}
