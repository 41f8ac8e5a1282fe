"""An image becomes the same vector in training and in serving, whatever its file looks like."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_local.datasets import build_digits
from automl_bench_local.features import Features, UnreadableImage, open_extractor, read_image, settle_features
from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_digits_come_back_as_the_exact_numbers_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    tree = build_digits(tmp_path)
    files = {int(path.stem): path for path in tree.rglob("*.png")}
    assert len(files) == 1797
    assert len(list((tree / "train").rglob("*.png"))) == 898
    extractor = open_extractor(Features("pixels", 8, 8, "L", 15.0), graph_folder=tmp_path, threads=1)
    for number in range(0, 1797, 10):
        vector = extractor.one(read_image(files[number].read_bytes()))
        assert np.array_equal(vector, digits.data[number])
        assert files[number].parent.name == str(digits.target[number])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("kind", ["pixels", "hog", "embedding"])
def test_every_kind_of_image_file_gives_a_vector(
    mode: str, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    grey = Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20) // 2)
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    read = read_image(encoded(image, "TIFF" if mode == "CMYK" else "PNG"))
    assert read.mode in {"L", "RGB"}
    features = settle_features(kind, [(read.mode, read.size)], None, 255.0)
    folder = tmp_path_factory.getbasetemp()
    vector = open_extractor(features, graph_folder=folder, threads=1).one(read)
    assert vector.ndim == 1
    assert np.isfinite(vector).all()


def test_sixteen_bit_grey_is_scaled_and_not_cut_off() -> None:
    pixels = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    assert np.asarray(read_image(encoded(Image.fromarray(pixels)))).tolist() == [[0, 100], [200, 255]]


def test_a_photo_taken_sideways_is_turned_upright() -> None:
    sideways = Image.new("RGB", (30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(encoded(sideways, "JPEG", exif=exif)).size == (20, 30)


@pytest.mark.parametrize(
    "content", [b"", b"no image", encoded(Image.effect_noise((40, 40), 50))[:900]], ids=["empty", "text", "cut off"]
)
def test_what_is_no_whole_image_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableImage, match="not a readable image"):
        read_image(content)


def test_pixels_keep_the_size_of_small_equal_images_and_resize_others() -> None:
    def size(*shapes: tuple[str, tuple[int, int]], side: int | None = None) -> tuple[int, int, str]:
        features = settle_features("pixels", shapes, side, 255.0)
        return features.width, features.height, features.mode

    assert size(("L", (8, 10)), ("L", (8, 10))) == (8, 10, "L")
    assert size(("L", (8, 10)), ("RGB", (9, 10))) == (32, 32, "RGB")
    assert size(("RGB", (500, 500))) == (32, 32, "RGB")
    assert size(("L", (8, 8)), side=16) == (16, 16, "L")
