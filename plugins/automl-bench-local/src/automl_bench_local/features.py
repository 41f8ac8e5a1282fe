"""From the bytes of an image to a vector. Training and serving share this module, so both see the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automl_bench.datasets.decoding import UndecodablePicture, decode
from automl_bench_local.inside import pixels
from automl_bench_local.recipes import HOG_CELL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Vector = NDArray[np.float64] | NDArray[np.float32]

EMBEDDING_SIDE = 192
"""EfficientNet-Lite0's input: 80 % on CIFAR-10 at 20 shots as at 224 px (80.5), in three quarters of the time."""

HOG_SIDE = 48


class UnreadableContent(ValueError):
    """The bytes are not what the model was trained on."""


class UnreadableImage(UnreadableContent):
    """The bytes are not an image that Pillow can read."""


@dataclass(frozen=True, slots=True)
class Features:
    """How an image becomes a vector.

    Attributes:
        kind: "pixels", "hog" or "embedding".
        width: Pixels after resizing.
        height: Pixels after resizing.
        mode: "L" or "RGB", for pixels; the other kinds have their own.
        pixel_scale: Pixel values are divided by it; for pixels only.
    """

    kind: str
    width: int
    height: int
    mode: str = "RGB"
    pixel_scale: float = 255.0

    def to_json(self) -> dict[str, Any]:
        """Return what `Features(**…)` takes back."""
        return asdict(self)


def read_image(content: bytes) -> Image:
    """Decode an image by the rule that all of automl-bench shares, into mode "L" (grey ones) or "RGB".

    Raises:
        UnreadableImage: If it cannot be read whole.
    """
    try:
        return decode(content)
    except UndecodablePicture as error:
        raise UnreadableImage(f"not a readable image: it {error}") from error


def settle_features(kind: str, shapes: Sequence[pixels.Shape], side: int | None, pixel_scale: float) -> Features:
    """Return the features of a kind, with everything that depends on the training images settled.

    Args:
        kind: "pixels", "hog" or "embedding".
        shapes: Mode and (width, height) of each training image.
        side: Side asked for, or None.
        pixel_scale: Divisor of raw pixel values.
    """
    if kind == "pixels":
        settled = pixels.settle(shapes, side, pixel_scale)
        return Features("pixels", settled.width, settled.height, settled.mode, settled.scale)
    if kind == "hog":
        return Features("hog", side or HOG_SIDE, side or HOG_SIDE, "L")
    return Features("embedding", side or EMBEDDING_SIDE, side or EMBEDDING_SIDE, "RGB")


class Extractor(Protocol):
    """Turns images into vectors."""

    def one(self, image: Image) -> Vector:
        """Return the vector of one image."""
        ...


def open_extractor(features: Features, *, graph_folder: Path, threads: int) -> Extractor:
    """Load what a kind of features needs and nothing else.

    Args:
        features: What to extract.
        graph_folder: Cache folder of the network's graph.
        threads: Threads for one image.
    """
    if features.kind == "pixels":
        return _Pixels(features)
    if features.kind == "hog":
        return _Hog(features)
    return _Embedding(features, graph_folder, threads)


def _sized(image: Image, features: Features) -> Image:
    return pixels.sized(image, features.width, features.height, features.mode)


class _Pixels:
    """Raw values in float64, row by row, channels last."""

    def __init__(self, features: Features) -> None:
        self._pixels = pixels.Pixels(features.width, features.height, features.mode, features.pixel_scale)

    def one(self, image: Image) -> Vector:
        return pixels.vector(image, self._pixels)


class _Hog:
    """Histograms of oriented gradients (Dalal and Triggs 2005): 9 directions, cells of 8 px, blocks of 2 × 2 cells."""

    def __init__(self, features: Features) -> None:
        from skimage.feature import hog

        self._features = features
        self._hog = hog

    def one(self, image: Image) -> Vector:
        import numpy as np

        grey = np.asarray(_sized(image, self._features), dtype=np.float64) / 255.0
        vector: NDArray[np.float64] = self._hog(
            grey, orientations=9, pixels_per_cell=(HOG_CELL, HOG_CELL), cells_per_block=(2, 2), feature_vector=True
        )
        return vector


class _Embedding:
    """Pooled features of EfficientNet-Lite0, float32, 1280 of them."""

    def __init__(self, features: Features, graph_folder: Path, threads: int) -> None:
        import onnxruntime

        from automl_bench_local.backbone import graph_path

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._features = features
        self._session = onnxruntime.InferenceSession(
            str(graph_path(graph_folder)), options, providers=["CPUExecutionProvider"]
        )

    def one(self, image: Image) -> Vector:
        import numpy as np

        values = np.asarray(_sized(image, self._features))[np.newaxis]
        vector: NDArray[np.float32] = self._session.run(["embedding"], {"images": values})[0][0]
        return vector
