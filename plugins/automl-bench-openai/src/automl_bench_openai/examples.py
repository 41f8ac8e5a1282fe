"""Which labelled samples are shown with a request: all in a fixed order, or those most like the sample asked about."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import Column, LabelledSample, Sample
from automl_bench_openai.options import ALL
from automl_bench_openai.prompts import sample_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    """

    def __init__(
        self, labelled: Sequence[LabelledSample], count: int, columns: tuple[Column, ...] = (), seed: int = 0
    ) -> None:
        self._labelled = list(labelled)
        random.Random(f"examples {seed}").shuffle(self._labelled)
        self._count = count
        self._columns = columns
        self._vectors: NDArray[np.float64] | None = None
        self._lock = threading.Lock()

    def for_sample(self, sample: Sample) -> list[LabelledSample]:
        """Return the examples for a sample, the most telling one last; its own content is never among them.

        Raises:
            OSError: If a file cannot be read.
        """
        if self._count == 0 or not self._labelled:
            return []
        if self._count == ALL:
            return [one for one in self._labelled if one.sample.sample_id != sample.sample_id]
        import numpy as np

        with self._lock:
            if self._vectors is None:
                self._vectors = np.stack([_vector(one.sample, self._columns) for one in self._labelled])
        likeness = self._vectors @ _vector(sample, self._columns)
        order = [place for place in np.argsort(-likeness, kind="stable") if not self._is(int(place), sample)]
        return [self._labelled[place] for place in reversed(order[: self._count])]

    def _is(self, place: int, sample: Sample) -> bool:
        return self._labelled[place].sample.sample_id == sample.sample_id


def _vector(sample: Sample, columns: tuple[Column, ...]) -> NDArray[np.float64]:
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
