"""Which labelled samples are shown with a request: all in a fixed order, or those nearest to the sample asked about."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import Column, LabelledSample, Modality, Sample
from automl_bench_openai.local_vectors import local_vectors
from automl_bench_openai.options import ALL
from automl_bench_openai.prompts import sample_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vector = Callable[[Sample], "NDArray[np.float64]"]

SIDE = 8
"""Pixels of a thumbnail's side."""
WORD_PLACES = 4096
"""Places that words are hashed to."""


class Examples:
    """The labelled samples of a trial, to choose from.

    Args:
        labelled: Training and validation samples.
        count: How many are shown; `ALL` for all, in an order that is the same for every request, so that a service's
            cache can hold them.
        columns: Columns of a table.
        seed: Seed of that order.
        vector: Gives the unit vector of a sample that nearness is reckoned by; by default that of its thumbnail, or of
            its words.
    """

    def __init__(
        self,
        labelled: Sequence[LabelledSample],
        count: int,
        columns: tuple[Column, ...] = (),
        seed: int = 0,
        vector: Vector | None = None,
    ) -> None:
        self._labelled = list(labelled)
        random.Random(f"examples {seed}").shuffle(self._labelled)
        self._count = count
        self._vector = vector or (lambda sample: content_vector(sample, columns))
        self._known: dict[str, NDArray[np.float64]] = {}
        self._vectors: NDArray[np.float64] | None = None
        self._lock = threading.Lock()

    def for_sample(self, sample: Sample) -> list[LabelledSample]:
        """Return the examples for a sample, the most telling one last; its own content is never among them.

        Raises:
            OSError: If a file cannot be read.
            RequestRefused: If it is an image that cannot be read.
        """
        if self._count == 0 or not self._labelled:
            return []
        if self._count == ALL:
            return [one for one in self._labelled if one.sample.sample_id != sample.sample_id]
        import numpy as np

        with self._lock:
            if self._vectors is None:
                self._vectors = np.stack([self._vector(one.sample) for one in self._labelled])
        likeness = self._vectors @ self._vector_of(sample)
        order = [place for place in np.argsort(-likeness, kind="stable") if not self._is(int(place), sample)]
        return [self._labelled[place] for place in reversed(order[: self._count])]

    def _vector_of(self, sample: Sample) -> NDArray[np.float64]:
        """Return the vector of a sample that is asked about, worked out once: it is asked about again and again."""
        found = self._known.get(sample.sample_id)
        if found is None:
            found = self._known[sample.sample_id] = self._vector(sample)
        return found

    def _is(self, place: int, sample: Sample) -> bool:
        return self._labelled[place].sample.sample_id == sample.sample_id


def embedding_vector(modality: Modality, columns: tuple[Column, ...], folder: Path) -> Vector:
    """Return what gives the embedding of a sample, computed in this process by one thread.

    Raises:
        Infeasible: If a package for that is missing, with the pip line.
    """
    local = local_vectors(modality, folder)

    def vector(sample: Sample) -> NDArray[np.float64]:
        words = sample_text(sample, columns)
        return local.of_image(sample) if words is None else local.of_words(words)

    return vector


def content_vector(sample: Sample, columns: tuple[Column, ...]) -> NDArray[np.float64]:
    """Return a unit vector of what a sample looks like: a thumbnail, or its words."""
    import numpy as np

    words = sample_text(sample, columns)
    if words is None:
        from PIL import Image

        with Image.open(io.BytesIO(sample.content())) as picture:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        vector = np.asarray(small, dtype=np.float64).ravel() / 255 - 0.5
    else:
        vector = np.zeros(WORD_PLACES)
        for word in words.lower().split():
            place = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % WORD_PLACES
            vector[place] += 1.0
        vector = np.sqrt(vector)
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
