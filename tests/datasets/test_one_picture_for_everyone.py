"""One rule decodes a picture: checks, local models, the script of a training job and every re-encoding see the same."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_huggingface import packing
from automl_bench_local.features import read_image
from numpy.typing import NDArray
from PIL import Image

from automl_bench.ablations.images import ImageSetting, prepare
from automl_bench.contract import Modality, Sample
from automl_bench.datasets import decoding
from automl_bench.datasets.decoding import MOST_PIXELS, UndecodablePicture, decode, look_at

Pixels = NDArray[np.uint8]

STORED = Image.fromarray(np.random.default_rng(7).integers(0, 256, (6, 9, 3), np.uint8)).resize((90, 60))
GREY = STORED.convert("L")
TURN = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF orientation → Pillow's number of the transposition that brings the picture upright."""


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tagged(kind: str, orientation: int, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[decoding.ORIENTATION_TAG] = orientation
    return encoded(STORED, kind, exif=exif, **options)


def of_jpeg() -> Image.Image:
    return Image.open(io.BytesIO(encoded(STORED, "JPEG")))


def upright(image: Image.Image, orientation: int) -> Pixels:
    turn = TURN[orientation]
    return np.asarray(image if turn is None else image.transpose(Image.Transpose(turn)))


def deep(kind: str) -> bytes:
    return encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 256 + 77), kind)


def transparent() -> tuple[bytes, Pixels]:
    values = np.dstack([np.asarray(STORED), np.where(np.arange(90) < 45, 255, 0)[None].repeat(60, 0)]).astype(np.uint8)
    white = values[..., :3].copy()
    white[:, 45:] = 255
    return encoded(Image.fromarray(values), "PNG"), white


PALETTE = STORED.quantize(32)
FLOATS = np.asarray(GREY).astype(np.float32)
CASES: dict[str, tuple[bytes, Pixels]] = {
    "jpeg": (encoded(STORED, "JPEG"), np.asarray(of_jpeg())),
    **{f"jpeg {o}": (tagged("JPEG", o), upright(of_jpeg(), o)) for o in range(1, 9)},
    **{f"png {o}": (tagged("PNG", o), upright(STORED, o)) for o in (3, 6)},
    "webp 6": (tagged("WEBP", 6, lossless=True), upright(STORED, 6)),
    "tiff 6": (tagged("TIFF", 6), upright(STORED, 6)),
    "16-bit png": (deep("PNG"), np.asarray(GREY)),
    "16-bit tiff": (deep("TIFF"), np.asarray(GREY)),
    "float tiff, 0 to 1": (encoded(Image.fromarray(FLOATS / 255), "TIFF"), np.asarray(GREY)),
    "float tiff, 0 to 255": (encoded(Image.fromarray(FLOATS), "TIFF"), np.asarray(GREY)),
    "cmyk": (encoded(STORED.convert("CMYK"), "TIFF"), np.asarray(STORED.convert("CMYK").convert("RGB"))),
    "mpo": (encoded(STORED, "MPO", save_all=True, append_images=[STORED.rotate(180)]), np.asarray(of_jpeg())),
    "motion photo": (encoded(STORED, "JPEG") + b"\0\0\0\x18ftypmp42" + bytes(9000), np.asarray(of_jpeg())),
    "palette": (encoded(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB"))),
    "1 bit": (encoded(GREY.convert("1"), "PNG"), np.asarray(GREY.convert("1").convert("L"))),
    "transparent": transparent(),
    "animation": (
        encoded(STORED, "WEBP", lossless=True, save_all=True, append_images=[STORED.rotate(90)]),
        np.asarray(STORED),
    ),
    "damaged exif": (tagged("JPEG", 6).replace(b"Exif\0\0", b"Exif\0\0zz", 1), np.asarray(of_jpeg())),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    found = {}
    for number, (name, (content, _)) in enumerate(CASES.items()):
        found[name] = folder / f"{number}.bin"
        found[name].write_bytes(content)
    return found


@pytest.fixture(scope="module")
def in_the_job(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pixels]:
    """Decode all pictures with the files that a training job gets, in a process that knows nothing of automl-bench."""
    job = tmp_path_factory.mktemp("job")
    for file in packing.program(Modality.IMAGE):
        (job / file.path).parent.mkdir(exist_ok=True)
        (job / file.path).write_bytes(file.content())
    script = (
        "import sys, numpy; sys.path.insert(0, sys.argv[1]); import train_image_classifier as script\n"
        "assert not any(name.startswith('automl_bench') for name in sys.modules)\n"
        "class Processor:\n"
        "    def __call__(self, images, return_tensors): return {'pixel_values': [numpy.asarray(images)]}\n"
        "examples = [script.Example(script.Path(path), 0) for path in sys.argv[3:]]\n"
        "pixels = [image for image, _ in map(script.Images(examples, Processor()).__getitem__, range(len(examples)))]\n"
        "numpy.savez(sys.argv[2], *pixels)\n"
    )
    target = job / "pixels.npz"
    subprocess.run(
        [sys.executable, "-I", "-c", script, str(job / "training"), str(target), *map(str, files.values())], check=True
    )
    arrays = np.load(target)
    names = list(files)
    return lambda name: np.asarray(arrays[f"arr_{names.index(name)}"])


def in_colour(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


@pytest.mark.parametrize("name", CASES)
def test_every_stage_sees_the_same_pixels(
    name: str, files: dict[str, Path], in_the_job: Callable[[str], Pixels], tmp_path: Path
) -> None:
    content, expected = CASES[name]
    assert np.array_equal(np.asarray(decode(content)), expected)
    assert np.array_equal(np.asarray(decode(files[name])), expected)
    assert np.array_equal(np.asarray(read_image(content)), expected), "a local model"
    assert np.array_equal(in_the_job(name), in_colour(expected)), "a training job"
    sample = Sample(hashlib.sha256(content).hexdigest(), files[name], len(content), look_at(content).media_type)
    (sent,) = prepare([sample], ImageSetting(format="png"), tmp_path)
    with Image.open(sent.path) as plain:
        assert plain.mode in {"L", "RGB", "P", "1"}
        assert np.array_equal(in_colour(np.asarray(decode(sent.path))), in_colour(expected)), "an upload"
        assert np.array_equal(np.asarray(plain.convert("RGB")), in_colour(expected)), "a service that decodes it simply"


@pytest.mark.parametrize("name", CASES)
def test_a_look_foretells_the_size_without_decoding(name: str) -> None:
    content, expected = CASES[name]
    look = look_at(content)
    assert (look.height, look.width) == expected.shape[:2]


def test_sixteen_bit_colour_and_sixteen_bit_grey_are_reduced_alike() -> None:
    wide = np.asarray(GREY).astype(np.uint16) * 256 + 200
    assert np.array_equal(np.asarray(decode(encoded(Image.fromarray(wide), "PNG"))), wide >> 8)


def test_a_range_that_fits_no_scale_is_stretched_and_what_is_no_number_counts_as_the_smallest() -> None:
    values = np.array([[-1000.0, 0.0], [1000.0, np.nan]], np.float32)
    assert np.asarray(decode(encoded(Image.fromarray(values), "TIFF"))).tolist() == [[0, 127], [255, 0]]


def test_the_limit_on_pixels_is_that_of_the_documentation_and_of_pillow() -> None:
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert f"{MOST_PIXELS:,} pixels" in page
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_text_is_no_picture() -> None:
    with pytest.raises(UndecodablePicture, match="is no image that can be read"):
        decode(b"hello")
