"""What stand-ins learn texts with: the middle of the words of each label's texts, weighted by rarity (TF-IDF)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SHARPNESS = 8.0

Vector = npt.NDArray[np.float32]


class TextCentroids:
    """Scores labels by how near a text lies to the middle of each one's texts.

    Args:
        texts: Texts to learn.
        labels: Their labels.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        words = [words_of(text) for text in texts]
        found = Counter(word for each in words for word in set(each))
        self._number = {word: index for index, word in enumerate(found)}
        self._weight = [math.log((1 + len(texts)) / (1 + count)) + 1 for count in found.values()]
        self._places = {
            label: np.mean(
                [self._vector(each) for each, its in zip(words, labels, strict=True) if its == label], axis=0
            )
            for label in sorted(set(labels))
        }

    def scores(self, text: str) -> dict[str, float]:
        """Return the score of each label that was learnt, all together 1."""
        vector = self._vector(words_of(text))
        distances = {label: float(np.linalg.norm(place - vector)) for label, place in self._places.items()}
        weights = {label: math.exp(-SHARPNESS * distance) for label, distance in distances.items()}
        return {label: weight / sum(weights.values()) for label, weight in weights.items()}

    def _vector(self, words: Sequence[str]) -> Vector:
        vector = np.zeros(len(self._number), dtype=np.float32)
        for word, count in Counter(words).items():
            if word in self._number:
                vector[self._number[word]] = count * self._weight[self._number[word]]
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return re.findall(r"\w+", text.lower())
