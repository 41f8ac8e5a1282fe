"""A trained model on disk, and how it answers for one image; `content_model` does the same for texts and rows.

The built-in linear classifier is kept as two arrays, so that its server needs numpy and not scikit-learn: it starts in
a third of the time. Any other estimator is kept with joblib. A model folder is read only by the machine that wrote it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automl_bench_local.features import Extractor, Features, open_extractor, read_image
from automl_bench_local.inside.heads import ESTIMATOR, EstimatorHead, softmax
from automl_bench_local.inside.records import CARD, FORMAT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench_local.features import Vector

LINEAR = "linear.npz"
FILES = (CARD, LINEAR, ESTIMATOR)
"""All that a model's folder may have of the model itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one sample.

    Attributes:
        label: The class predicted.
        confidence: Its score, 0 to 1.
        scores: The scores of all classes seen in training.
    """

    label: str
    confidence: float
    scores: dict[str, float]


class Head(Protocol):
    """The part of a model behind the features."""

    def answer(self, vector: Vector) -> tuple[int, NDArray[np.float64]]:
        """Return the predicted class's number and every class's score."""
        ...


@dataclass(frozen=True, slots=True)
class LinearHead:
    """softmax(W · x/‖x‖ + b).

    Attributes:
        weights: (classes, features).
        offsets: (classes,).
    """

    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def answer(self, vector: Vector) -> tuple[int, NDArray[np.float64]]:
        """Return the predicted class's number and every class's score."""
        import numpy as np

        length = float(np.linalg.norm(vector)) or 1.0
        logits = self.weights @ (vector / length) + self.offsets
        scores = softmax(logits)
        return int(np.argmax(logits)), scores

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        import numpy as np

        np.savez(folder / LINEAR, weights=self.weights, offsets=self.offsets)

    @classmethod
    def load(cls, folder: Path) -> LinearHead:
        """Read the arrays."""
        import numpy as np

        with np.load(folder / LINEAR, allow_pickle=False) as arrays:
            return cls(arrays["weights"], arrays["offsets"])


class Served(Protocol):
    """What a server answers with."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes seen in training."""
        ...

    @property
    def features(self) -> Described:
        """How a sample becomes what the model looks at."""
        ...

    def predict(self, content: bytes) -> Answer:
        """Classify the body of a request.

        Raises:
            UnreadableContent: If the bytes are not what the model was trained on.
        """
        ...


class Described(Protocol):
    """Something that says what it is."""

    def to_json(self) -> dict[str, Any]:
        """Return it for `GET /health`."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """Features and head together.

    Attributes:
        labels: Names of the classes seen in training, in the head's order.
        features: How an image becomes a vector.
        extractor: What does it.
        head: What classifies the vector.
    """

    labels: tuple[str, ...]
    features: Features
    extractor: Extractor
    head: Head

    def predict(self, content: bytes) -> Answer:
        """Classify an image.

        Raises:
            UnreadableImage: If the bytes are no image.
        """
        position, scores = self.head.answer(self.extractor.one(read_image(content)))
        values = [float(score) for score in scores]
        return Answer(self.labels[position], values[position], dict(zip(self.labels, values, strict=True)))


def save_model(
    folder: Path,
    *,
    labels: Sequence[str],
    features: Features,
    head: LinearHead | EstimatorHead,
    name: str,
    needs_pandas: bool = True,
) -> None:
    """Write a model; its card comes last, so that a folder with a card holds a whole model.

    Args:
        folder: Existing folder.
        labels: Names of the classes, in the head's order.
        features: How an image becomes a vector.
        head: What classifies it.
        name: The variant's name.
        needs_pandas: False if the estimator is scikit-learn's alone: it never asks for pandas when given arrays.
    """
    head.save(folder)
    write_card(
        folder,
        {
            "name": name,
            "labels": list(labels),
            "features": features.to_json(),
            "head": "linear" if isinstance(head, LinearHead) else "estimator",
            "label_from_scores": getattr(head, "label_from_scores", True),
            "needs_pandas": needs_pandas,
        },
    )


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write a model's card, whole or not at all."""
    temporary = folder / f".{CARD}.new"
    temporary.write_text(json.dumps({"format": FORMAT, **card}, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(folder / CARD)


def load_model(folder: Path, *, graph_folder: Path, threads: int) -> Served:
    """Read a model and load what it needs to answer, into a process that does nothing else.

    Raises:
        OSError: If the folder holds none.
        ValueError: If another version of this plugin wrote it, or it was trained in an environment of its own.
    """
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if card["format"] != FORMAT:
        raise ValueError(f"{folder} holds a model of format {card['format']}, this plugin reads {FORMAT}")
    if "environment" in card:
        raise ValueError(
            f"{folder} holds a model of another environment, which only a server in that environment reads"
        )
    with _without_pandas(needed=card.get("needs_pandas", True)):
        return _read_model(folder, card, graph_folder, threads)


def _read_model(folder: Path, card: Mapping[str, Any], graph_folder: Path, threads: int) -> Served:
    if "modality" in card:
        from automl_bench_local.content_model import read_content_model

        return read_content_model(folder, card, threads=threads)
    features = Features(**card["features"])
    extractor = open_extractor(features, graph_folder=graph_folder, threads=threads)
    head: Head
    if card["head"] == "linear":
        head = LinearHead.load(folder)
    else:
        import joblib
        import sklearn

        sklearn.set_config(assume_finite=True)  # an image's vector is finite: saves a pass over it at every prediction
        head = EstimatorHead(joblib.load(folder / ESTIMATOR), card["label_from_scores"])
    return Model(tuple(card["labels"]), features, extractor, head)


@contextlib.contextmanager
def _without_pandas(*, needed: bool) -> Iterator[None]:
    """Make pandas look absent inside the block, unless it is needed or imported already.

    scikit-learn imports it wherever it is installed, a third of a second of a server's start. Afterwards it looks not
    yet imported: scikit-learn asks for that at every prediction, and could not make sense of what is in its place.
    """
    absent = not needed and "pandas" not in sys.modules
    if absent:
        sys.modules["pandas"] = None  # type: ignore[assignment]  # documented use of None
    try:
        yield
    finally:
        if absent:
            del sys.modules["pandas"]
