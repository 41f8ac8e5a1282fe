"""The vector of one sample, for plugins that compare samples: MiniLM's for words, EfficientNet-Lite0's for images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import Modality, Sample
from automl_bench.errors import RequestRefused
from automl_bench_local import minilm
from automl_bench_local.features import EMBEDDING_SIDE, UnreadableImage, open_extractor, read_image, settle_features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def missing(modality: Modality) -> str:
    """Return what is missing for vectors of a modality, as one clause; empty if nothing is."""
    return "" if modality is Modality.IMAGE else minilm.missing()


def network_of(modality: Modality) -> str:
    """Return which network makes the vectors of a modality."""
    return f"EfficientNet-Lite0 at {EMBEDDING_SIDE} px" if modality is Modality.IMAGE else "all-MiniLM-L6-v2, 8-bit"


class SampleVectors:
    """Makes vectors of length one. May be used from several threads.

    Args:
        modality: What the samples are.
        folder: Cache folder of the network's graph.
        threads: Threads for one sample.

    Raises:
        ImportError: If a package is missing; the message has the pip line.
    """

    def __init__(self, modality: Modality, folder: Path, threads: int = 1) -> None:
        if modality is Modality.IMAGE:
            folder.mkdir(parents=True, exist_ok=True)
            features = settle_features("embedding", (), None, 1.0)
            self._sees = open_extractor(features, graph_folder=folder, threads=threads)
        else:
            minilm.load(threads)
            self._reads = minilm.SentenceEmbedding(threads)

    def of_words(self, words: str) -> NDArray[np.float64]:
        """Return the vector of a text."""
        import numpy as np

        return np.asarray(self._reads.transform([words])[0], dtype=np.float64)

    def of_image(self, sample: Sample) -> NDArray[np.float64]:
        """Return the vector of an image.

        Raises:
            OSError: If the file cannot be read.
            RequestRefused: If it is no image.
        """
        import numpy as np

        try:
            picture = read_image(sample.content())
        except UnreadableImage as error:
            raise RequestRefused(f"The sample is {error}.") from None
        vector = np.asarray(self._sees.one(picture), dtype=np.float64)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)
