"""From the bytes of an image to a vector. Training and serving share this module, so both see the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automl_bench.datasets.decoding import UndecodablePicture, decode
from automl_bench_local.recipes import HOG_CELL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Vector = NDArray[np.float64] | NDArray[np.float32]
    Shape = tuple[str, tuple[int, int]]

EMBEDDING_SIDE = 192
"""EfficientNet-Lite0's input: 80 % on CIFAR-10 at 20 shots as at 224 px (80.5), in three quarters of the time."""

HOG_SIDE = 48
PIXELS_SIDE = 32
LARGEST_NATIVE_SIDE = 64
"""Images of one common size up to this are taken pixel by pixel; larger or unequal ones are resized first."""


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


def _pixel_features(shapes: Sequence[Shape], side: int | None, pixel_scale: float) -> Features:
    """Settle how pixels are taken, from the training images: grey if all are, their own size if small and common."""
    mode = "L" if all(mode == "L" for mode, _ in shapes) else "RGB"
    if side is not None:
        return Features("pixels", side, side, mode, pixel_scale)
    sizes = {size for _, size in shapes}
    if len(sizes) == 1 and max(size := next(iter(sizes))) <= LARGEST_NATIVE_SIDE:
        return Features("pixels", size[0], size[1], mode, pixel_scale)
    return Features("pixels", PIXELS_SIDE, PIXELS_SIDE, mode, pixel_scale)


def settle_features(kind: str, shapes: Sequence[Shape], side: int | None, pixel_scale: float) -> Features:
    """Return the features of a kind, with everything that depends on the training images settled.

    Args:
        kind: "pixels", "hog" or "embedding".
        shapes: Mode and (width, height) of each training image.
        side: Side asked for, or None.
        pixel_scale: Divisor of raw pixel values.
    """
    if kind == "pixels":
        return _pixel_features(shapes, side, pixel_scale)
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
    from PIL.Image import Resampling

    if image.mode != features.mode:
        image = image.convert(features.mode)
    size = (features.width, features.height)
    return image if image.size == size else image.resize(size, Resampling.BICUBIC)


class _Pixels:
    """Raw values in float64, row by row, channels last."""

    def __init__(self, features: Features) -> None:
        self._features = features

    def one(self, image: Image) -> Vector:
        import numpy as np

        return np.asarray(_sized(image, self._features), dtype=np.float64).ravel() / self._features.pixel_scale


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

        pixels = np.asarray(_sized(image, self._features))[np.newaxis]
        vector: NDArray[np.float32] = self._session.run(["embedding"], {"images": pixels})[0][0]
        return vector
