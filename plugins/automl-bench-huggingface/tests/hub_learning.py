"""What the stand-in learns with: the nearest training image, by its pixels."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

SIDE = 16
SHARPNESS = 2.0
BEST = 5
"""As many labels as the service's pipeline answers with."""

Vector = npt.NDArray[np.float32]


def pixels(content: bytes) -> Vector:
    """Return a small picture as numbers.

    Raises:
        ValueError: If it is no image.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError("cannot identify image file") from error
    return np.asarray(small, dtype=np.float32).ravel() / 255.0


def save(vectors: Sequence[Vector], labels: Sequence[int]) -> bytes:
    """Return a model as the bytes of its weights' file."""
    target = io.BytesIO()
    np.savez(target, vectors=np.stack(vectors), labels=np.asarray(labels))
    return target.getvalue()


class Classifier:
    """A model as it was pushed: the configuration's labels and the weights' file."""

    def __init__(self, config: bytes, weights: bytes) -> None:
        names = json.loads(config)["id2label"]
        content = np.load(io.BytesIO(weights))
        self._vectors = content["vectors"]
        self._labels = [str(names[str(number)]) for number in content["labels"].tolist()]

    def best(self, content: bytes) -> list[dict[str, object]]:
        """Return the best labels with their scores, best first."""
        distances = np.linalg.norm(self._vectors - pixels(content), axis=1)
        nearest: dict[str, float] = {}
        for label, distance in zip(self._labels, distances.tolist(), strict=True):
            nearest[label] = min(distance, nearest.get(label, np.inf))
        weights = {label: float(np.exp(-SHARPNESS * distance)) for label, distance in nearest.items()}
        total = sum(weights.values()) or 1.0
        ranked = sorted(((weight / total, label) for label, weight in weights.items()), reverse=True)
        return [{"label": label, "score": score} for score, label in ranked[:BEST]]
