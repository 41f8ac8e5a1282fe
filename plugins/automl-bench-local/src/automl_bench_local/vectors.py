"""The vectors of a training set, by kind of features, each computed when it is first asked for."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench_local.embedding_cache import EmbeddingCache
from automl_bench_local.features import (
    Extractor,
    Features,
    UnreadableImage,
    open_extractor,
    read_image,
    settle_features,
)
from automl_bench_local.recipes import Recipe
from automl_bench_local.training_sets import StoredSample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from automl_bench_local.features import Vector
    from automl_bench_local.selection import Classes, Matrix

KEEP_EVERY = 200
"""Embeddings in one transaction of the cache."""

DECODED_BYTES = 512 * 1024 * 1024
"""Decoded images kept in memory; those beyond it are read again when a kind of features needs them."""


class Vectors:
    """The images of a training set as vectors.

    Attributes:
        features: How each kind asked for is computed, with everything that depends on the images settled.
        saved_seconds: What the embeddings found in the cache cost when they were computed.
        cache_hits: How many were found.
    """

    def __init__(
        self, samples: Sequence[StoredSample], recipe: Recipe, *, home: Path, threads: int, say: Callable[[str], None]
    ) -> None:
        """Read every image once.

        Raises:
            UnreadableImage: If one cannot be decoded; the message names it.
            OSError: If one cannot be read.
        """
        self._samples = samples
        self._recipe = recipe
        self._home = home
        self._threads = threads
        self._say = say
        self._digests: list[bytes] = []
        self._shapes: list[tuple[str, tuple[int, int]]] = []
        self._decoded: list[Image] = []
        self._vectors: dict[str, list[Vector | None]] = {}
        self._extractors: dict[str, Extractor] = {}
        self.features: dict[str, Features] = {}
        self.saved_seconds = 0.0
        self.cache_hits = 0
        self._read()

    def _read(self) -> None:
        kept = 0
        for sample in self._samples:
            content = sample.file.read_bytes()
            self._digests.append(hashlib.sha256(content).digest())
            image = _decode(sample, content)
            self._shapes.append((image.mode, image.size))
            kept += image.width * image.height * len(image.mode)
            if kept <= DECODED_BYTES and len(self._decoded) == len(self._shapes) - 1:
                self._decoded.append(image)

    def matrix(self, kind: str, rows: Classes | None = None) -> Matrix:
        """Return vectors of a kind, (rows, features): of the rows given, else of all."""
        import numpy as np

        wanted = range(len(self._samples)) if rows is None else [int(row) for row in rows]
        if kind not in self.features:
            self._open(kind)
        vectors = self._vectors[kind]
        missing = [row for row in wanted if vectors[row] is None]
        if missing:
            self._say(f"computing {kind} features of {len(missing)} images")
            if kind == "embedding":
                self._embed(missing)
            else:
                for row in missing:
                    vectors[row] = self._extractors[kind].one(self._image(row))
        rows_wanted: Any = [vectors[row] for row in wanted]
        matrix: Matrix = np.stack(rows_wanted)
        return matrix

    def _open(self, kind: str) -> None:
        features = settle_features(kind, self._shapes, self._recipe.side, self._recipe.pixel_scale)
        self._extractors[kind] = open_extractor(features, graph_folder=self._home, threads=self._threads)
        self._vectors[kind] = [None] * len(self._samples)
        self.features[kind] = features

    def _image(self, row: int) -> Image:
        if row < len(self._decoded):
            return self._decoded[row]
        return _decode(self._samples[row], self._samples[row].file.read_bytes())

    def _embed(self, rows: Sequence[int]) -> None:
        import numpy as np

        vectors = self._vectors["embedding"]
        with EmbeddingCache(self._home, self.features["embedding"].width) as cache:
            new: list[tuple[bytes, NDArray[np.float32], float]] = []
            for row in rows:
                kept = cache.find(self._digests[row])
                if kept is not None:
                    vectors[row] = kept[0]
                    self.saved_seconds += kept[1]
                    self.cache_hits += 1
                    continue
                image = self._image(row)
                begun = time.monotonic()
                vector = np.asarray(self._extractors["embedding"].one(image), dtype=np.float32)
                new.append((self._digests[row], vector, time.monotonic() - begun))
                vectors[row] = vector
                if len(new) == KEEP_EVERY:
                    cache.keep(new)
                    new = []
            cache.keep(new)


def embeddings_of(paths: Sequence[Path], home: Path) -> Iterator[Vector]:
    """Yield the embedding of each image file.

    Args:
        paths: The files.
        home: Folder of the network's graph and of the embeddings that are known.

    Raises:
        UnreadableImage: If one cannot be decoded; the message names it.
        OSError: If one cannot be read.
    """
    import numpy as np

    features = settle_features("embedding", (), None, 1.0)
    home.mkdir(parents=True, exist_ok=True)
    extractor = open_extractor(features, graph_folder=home, threads=os.cpu_count() or 1)
    with EmbeddingCache(home, features.width) as cache:
        for path in paths:
            content = path.read_bytes()
            digest = hashlib.sha256(content).digest()
            kept = cache.find(digest)
            if kept is None:
                begun = time.monotonic()
                try:
                    vector = np.asarray(extractor.one(read_image(content)), dtype=np.float32)
                except UnreadableImage as error:
                    raise UnreadableImage(f"{path}: {error}") from error
                cache.keep([(digest, vector, time.monotonic() - begun)])
                yield vector
            else:
                yield kept[0]


def _decode(sample: StoredSample, content: bytes) -> Image:
    try:
        return read_image(content)
    except UnreadableImage as error:
        raise UnreadableImage(f"{sample.file.name} ({sample.label}): {error}") from error
