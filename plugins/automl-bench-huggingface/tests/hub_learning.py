"""What the stand-in learns with: the nearest training image by its pixels, the nearest middle of a label's texts."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from text_centroids import TextCentroids

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


class TextClassifier:
    """A model of texts as it was pushed: configuration, weights' file, and what the tokenizer says of itself.

    Raises:
        ValueError: If something of it is not as a pipeline needs it.
    """

    def __init__(self, config: bytes, weights: bytes, tokenizer: bytes) -> None:
        told = json.loads(config)
        if told.get("problem_type") != "single_label_classification":
            raise ValueError("the configuration does not say how scores are made of the model's numbers")
        self._names = told.get("id2label", {})
        self._positions = int(told["max_position_embeddings"])
        self._longest = int(json.loads(tokenizer)["model_max_length"])
        content = json.loads(weights)
        self._learnt = TextCentroids(content["texts"], content["labels"])

    def answer(self, text: str, parameters: Mapping[str, Any]) -> list[dict[str, object]]:
        """Return what the pipeline answers to one text.

        Raises:
            ValueError: If the tokenizer does not know an argument, or the text has too many tokens for the model.
        """
        asked = dict(parameters)
        best: Any = asked.pop("top_k", 1)
        asked.pop("function_to_apply", None)
        longest = asked.pop("max_length", self._longest)
        cut = asked.pop("truncation", False)
        if asked:
            raise ValueError(f"got an unexpected keyword argument {sorted(asked)[0]!r}")
        pieces = tokens(text)
        kept = pieces[: longest - 2] if cut else pieces
        if len(kept) + 2 > self._positions:
            raise ValueError(f"index out of range in self: {len(kept) + 2} tokens")
        scores = self._learnt.scores(" ".join(kept))
        # Where a configuration has no names, the pipeline makes some.
        named = [(score, self._names.get(number, f"LABEL_{number}")) for number, score in scores.items()]
        ranked = sorted(named, reverse=True)
        return [{"label": label, "score": score} for score, label in ranked[:best]]


def tokens(text: str) -> list[str]:
    """Return words and signs, each a token."""
    return re.findall(r"\w+|[^\w\s]", text)


def save_texts(texts: Sequence[str], labels: Sequence[int]) -> bytes:
    """Return a model of texts as the bytes of its weights' file."""
    return json.dumps({"texts": list(texts), "labels": [str(each) for each in labels]}).encode()
