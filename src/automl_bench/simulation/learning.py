"""How the simulated services learn: a little, truly, and each in its own blurred way.

A service sees an image as a small thumbnail, and a text or row as a few hashed features, with noise on it that depends
only on the sample's id and the service. It compares that view with those of the training samples, so its accuracy is a
real number that grows with the samples; it never sees a test label. Prediction is deterministic, and so is the noise on
its duration.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import Prediction, Sample, Value
from automl_bench.simulation.services import SimulatedService

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEATURES = 64
"""Hashed features of a text or row."""
SOFTNESS = 4.0
"""How quickly the score of a label falls with its distance."""


def view(sample: Sample, service: SimulatedService) -> NDArray[np.float32]:
    """Return what a service sees of a sample: float32, with mean 0 and deviation near 1.

    Of an image `side * side` grey values, of a text or row `FEATURES` ones.
    """
    import numpy as np

    if sample.text is None and sample.row is None:
        values, least = _grey(sample.path, service.side), 1.0
    else:
        values, least = _features(_marks(sample)), 1e-6
    values = values - values.mean()
    values /= max(float(values.std()), least)
    draw = np.random.default_rng(_seed(sample.sample_id, service.name))
    seen: NDArray[np.float32] = (values + service.noise * draw.standard_normal(values.shape)).astype("f4")
    return seen


def _grey(path: Path, side: int) -> NDArray[np.float32]:
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((side, side), Image.Resampling.BOX), dtype="f4").ravel()


def _marks(sample: Sample) -> list[str]:
    """Return what tells a text or row: its words, or its columns' names with their cells, numbers but coarsely."""
    if sample.text is not None:
        return sample.text.lower().split()
    return [f"{name}={_coarse(cell)}" for name, cell in (sample.row or {}).items()]


def _coarse(cell: Value) -> Value:
    if cell is None or isinstance(cell, str | bool):
        return cell
    return round(math.copysign(math.log1p(abs(cell)), cell), 1)


def _features(marks: Sequence[str]) -> NDArray[np.float32]:
    """Hash marks into a vector, each with a sign of its own, so that chance meetings cancel out."""
    import numpy as np

    values = np.zeros(FEATURES, dtype="f4")
    for mark in marks:
        digest = hashlib.blake2b(mark.encode(), digest_size=4).digest()
        values[digest[0] % FEATURES] += 1.0 if digest[1] & 1 else -1.0
    return values


def call_seconds(sample_id: str, service: SimulatedService) -> float:
    """Return how long a service takes for a sample: lognormal over samples, always the same for one."""
    import numpy as np

    draw = np.random.default_rng(_seed(sample_id, f"{service.name} time"))
    return service.call_ms / 1000 * math.exp(service.call_sigma * float(draw.standard_normal()))


class Learner:
    """A trained model: nearest class means, or a vote of the nearest samples.

    Args:
        service: Whose model it is.
        rows: (sample, label, view as bytes), as the cloud keeps them.
    """

    def __init__(self, service: SimulatedService, rows: Sequence[tuple[str, str, bytes]]) -> None:
        import numpy as np

        views = np.stack([np.frombuffer(content, dtype="f4") for _, _, content in rows])
        labels = np.array([label for _, label, _ in rows])
        self._service = service
        self._names = sorted(set(labels.tolist()))
        if service.neighbours == 0:
            self._views = np.stack([views[labels == name].mean(axis=0) for name in self._names])
            self._labels = np.array(self._names)
        else:
            self._views, self._labels = views, labels

    def predict(self, sample: Sample) -> Prediction:
        """Classify one sample."""
        import numpy as np

        mine = view(sample, self._service)
        distances = np.sqrt(((self._views - mine) ** 2).mean(axis=1))
        nearest = np.argsort(distances, kind="stable")[: max(1, self._service.neighbours)]
        weight = dict.fromkeys(self._names, 0.0)
        for name in self._names:
            best = float(distances[self._labels == name].min())
            votes = float(np.exp(-SOFTNESS * distances[nearest][self._labels[nearest] == name]).sum())
            weight[name] = math.exp(-SOFTNESS * best) + (votes if self._service.neighbours > 1 else 0.0)
        total = sum(weight.values()) or 1.0
        scores = {name: value / total for name, value in weight.items()}
        label = max(self._names, key=lambda name: (scores[name], name))
        return Prediction(label, scores[label], scores)


def _seed(sample_id: str, key: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{key}:{sample_id}".encode(), digest_size=8).digest())
