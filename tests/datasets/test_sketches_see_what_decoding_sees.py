"""`data check` decodes most JPEGs at a fraction of their size: what it says is what decoding them in full would say."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_bench.datasets.image_inspection import Inspected, inspect_all, sketch_all
from automl_bench.datasets.near_duplicates import LEAST_COSINE, describe

SIDES = ((64, 64), (65, 97), (130, 71), (250, 187), (1100, 640))


def photo(seed: int, size: tuple[int, int] = (130, 98)) -> Image.Image:
    """Return broad structure with fine noise on it, as in a photo."""
    chance = np.random.default_rng(seed)
    broad = Image.fromarray(chance.integers(0, 256, (9, 9, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = chance.normal(0, 8, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(broad) + noise, 0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)  # type: ignore[arg-type]
    return file.getvalue()


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def equal_ones(images: Sequence[Inspected]) -> set[frozenset[str]]:
    """Return the sets of paths that have one pixel id, where these are several."""
    groups: dict[str, set[str]] = defaultdict(set)
    for image in images:
        groups[image.pixel_id].add(image.path)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


def write_all(folder: Path, files: dict[str, bytes]) -> list[str]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return list(files)


def test_files_with_equal_pixels_are_the_same_ones_and_the_others_stay_sketches(tmp_path: Path) -> None:
    plain, blocks = photo(0), Image.fromarray(np.kron(np.arange(64).reshape(8, 8) * 3, np.ones((16, 16))).astype("u1"))
    decoded = Image.open(io.BytesIO(jpeg(plain)))
    as_png, as_mpo = io.BytesIO(), io.BytesIO()
    decoded.save(as_png, "PNG")
    plain.save(as_mpo, "MPO", save_all=True, append_images=[photo(9)])
    files = {
        "plain.jpg": jpeg(plain),
        "copy.jpg": jpeg(plain),
        "with a comment.jpg": jpeg(plain, comment="the same picture"),
        "other entropy code.jpg": jpeg(plain, optimize=True),
        "in several scans.jpg": jpeg(plain, progressive=True),
        "as two pictures.jpg": as_mpo.getvalue(),
        "without loss.png": as_png.getvalue(),
        "stored upside down.jpg": jpeg(blocks.transpose(Image.Transpose.ROTATE_180), exif=oriented(3)),
        "upright.jpg": jpeg(blocks),
        "stored lying.jpg": jpeg(blocks.transpose(Image.Transpose.ROTATE_90), exif=oriented(6)),
        "other quality.jpg": jpeg(plain, quality=60),
        "grey.jpg": jpeg(plain.convert("L")),
        "printed.jpg": jpeg(photo(2, (90, 90)).convert("CMYK")),
        **{f"own {number}.jpg": jpeg(photo(number, (100 + number, 80))) for number in range(3, 9)},
    }
    paths = write_all(tmp_path, files)
    sketched, whole = sketch_all(tmp_path, paths), inspect_all(tmp_path, paths)
    found = equal_ones(sketched)
    assert found == equal_ones(whole)
    assert {len(group) for group in found} == {3, 7}
    assert [image.path for image in sketched if image.is_sketched] == ["printed.jpg", *paths[-6:]]


@pytest.mark.parametrize("size", SIDES, ids=str)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_sketch_is_described_nearly_as_the_whole_picture_is(
    tmp_path: Path, size: tuple[int, int], orientation: int
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo(1, size), exif=oriented(orientation)))
    (image,) = sketch_all(tmp_path, ["a.jpg"])
    assert image.is_sketched
    sketch = np.frombuffer(image.description, np.float16).astype(float).reshape(2, 8, 8)
    whole = np.frombuffer(describe(photo(1, size)), np.float16).astype(float).reshape(2, 8, 8)
    assert (sketch * whole).sum(axis=(1, 2)).min() > LEAST_COSINE + 0.01, "described as it is stored"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
def test_damage_is_told_as_by_decoding_in_full(tmp_path: Path, options: dict[str, object]) -> None:
    content = jpeg(photo(4), **options)
    chance = np.random.default_rng(0)
    files = {f"cut at {at}.jpg": content[:at] for at in range(0, len(content), len(content) // 40)}
    for number, at in enumerate(chance.integers(2, len(content), 120).tolist()):
        files[f"changed {number}.jpg"] = content[:at] + bytes([chance.integers(256)]) + content[at + 1 :]
    paths = write_all(tmp_path, files)
    sketched, whole = sketch_all(tmp_path, paths), inspect_all(tmp_path, paths)
    assert [(image.path, image.problem) for image in sketched] == [(image.path, image.problem) for image in whole]
    assert sum(bool(image.problem) for image in whole) > 40
    assert sum(not image.problem for image in whole) > 40


def test_small_jpegs_are_decoded_in_full(tmp_path: Path) -> None:
    (tmp_path / "small.jpg").write_bytes(jpeg(photo(5, (63, 200))))
    (image,) = sketch_all(tmp_path, ["small.jpg"])
    assert not image.is_sketched
    assert image.description
