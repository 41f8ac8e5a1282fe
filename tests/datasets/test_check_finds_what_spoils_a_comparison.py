"""`data check`: leaks, copies, look-alikes, damaged and odd images, classes too small."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_bench.datasets.checks import CheckReport, Severity, as_json, check_dataset
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.manifest import Manifest, read_manifest
from automl_bench.datasets.near_duplicates import near_pairs

Tree = Callable[..., Path]


def texture(seed: int, side: int = 64) -> Image.Image:
    """Return an image with enough structure for a perceptual hash."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Manifest]:
    """Import a tree of textures: {folder/name: seed}."""

    def build(images: dict[str, int], **options: Any) -> Manifest:
        for name, seed in images.items():
            save(texture(seed), tmp_path / "t" / name)
        return import_dataset("ds", tmp_path / "t", tmp_path / "data", ImportOptions(**options)).manifest

    return build


def plain(extra: dict[str, int] | None = None) -> dict[str, int]:
    names = {
        f"{split}/{label}/{n}.png": hash_of(split, label, n)
        for split in ("train", "test")
        for label in "ab"
        for n in range(4)
    }
    return {**names, **(extra or {})}


def hash_of(split: str, label: str, number: int) -> int:
    return number + 10 * (label == "b") + 100 * (split == "test")


def found(report: CheckReport) -> dict[str, tuple[str, int]]:
    return {finding.check: (str(finding.severity), finding.count) for finding in report.findings}


def test_clean_dataset_has_no_findings(dataset: Callable[..., Manifest]) -> None:
    report = check_dataset(dataset(plain()), shots=(1, 4))
    assert report.findings == ()
    assert report.near_checked == report.samples == 16
    assert as_json(report)["ok"] is True


def test_content_in_train_and_test_is_a_leak(dataset: Callable[..., Manifest]) -> None:
    report = check_dataset(dataset(plain({"test/a/copy.png": 0})))
    assert found(report) == {"leak": ("leak", 1)}
    assert report.findings[0].items == (["test/a/copy.png", "train/a/0.png"],)
    assert as_json(report)["leak"] is True


def test_content_under_two_labels_is_an_error(dataset: Callable[..., Manifest]) -> None:
    report = check_dataset(dataset(plain({"train/b/copy.png": 0})))
    assert found(report) == {"two_labels": ("error", 1), "duplicates": ("warning", 1)}


def test_copy_within_a_split_is_a_warning(dataset: Callable[..., Manifest]) -> None:
    assert found(check_dataset(dataset(plain({"train/a/copy.png": 0})))) == {"duplicates": ("warning", 1)}


def test_reencoded_and_resized_copies_look_alike_and_are_told_apart_by_split(
    dataset: Callable[..., Manifest], tmp_path: Path
) -> None:
    save(texture(0).resize((90, 90), Image.Resampling.BICUBIC), tmp_path / "t" / "test" / "a" / "resized.png")
    save(texture(1), tmp_path / "t" / "train" / "a" / "jpeg.jpg", quality=80)
    report = check_dataset(dataset(plain()))
    assert found(report) == {"near_duplicates_across": ("warning", 1), "near_duplicates": ("warning", 1)}
    items = {finding.check: finding.items for finding in report.findings}
    assert items["near_duplicates_across"] == (["test/a/resized.png", "train/a/0.png"],)
    assert items["near_duplicates"] == (["train/a/1.png", "train/a/jpeg.jpg"],)


def test_truncated_image_is_an_error(dataset: Callable[..., Manifest], tmp_path: Path) -> None:
    for kind in ("png", "jpg", "gif"):
        buffer = io.BytesIO()
        texture(50).save(buffer, {"jpg": "JPEG"}.get(kind, kind.upper()))
        path = tmp_path / "t" / "train" / "a" / f"cut.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    report = check_dataset(dataset(plain()))
    assert found(report)["unreadable"] == ("error", 3)
    assert all("truncated or damaged" in item for item in report.findings[0].items)


def test_jpeg_without_its_end_is_truncated_although_it_decodes(
    dataset: Callable[..., Manifest], tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    texture(50).save(buffer, "JPEG")
    path = tmp_path / "t" / "train" / "a" / "cut.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue()[:-2])
    assert found(check_dataset(dataset(plain()))) == {"unreadable": ("error", 1)}


def test_jpeg_with_harmless_bytes_after_its_end_is_whole(dataset: Callable[..., Manifest], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    texture(50).save(buffer, "JPEG")
    path = tmp_path / "t" / "train" / "a" / "tail.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue() + b"\0" * 40)
    assert found(check_dataset(dataset(plain()))) == {}


def test_missing_empty_changed_and_unlisted_files_are_found(dataset: Callable[..., Manifest]) -> None:
    folder = dataset(plain()).folder
    (folder / "train/a/0.png").unlink()
    (folder / "train/a/1.png").write_bytes(b"")
    save(texture(999), folder / "train/a/2.png")
    shutil.copy(folder / "train/a/3.png", folder / "train/a/unlisted.png")
    report = check_dataset(read_manifest(folder))
    assert found(report) == {"unreadable": ("error", 2), "changed": ("error", 1), "unlisted": ("warning", 1)}
    assert report.findings[0].items == ("train/a/0.png is missing", "train/a/1.png is empty (0 bytes)")


def test_wrong_extension_animation_and_size_are_warnings(
    dataset: Callable[..., Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_bench.datasets.checks.HUGE_PIXELS", 10_000)
    root = tmp_path / "t" / "train" / "a"
    save(texture(60), root / "really-a-jpeg.png", format="JPEG")
    save(texture(61), root / "moving.gif", save_all=True, append_images=[texture(62)])
    save(texture(63, 128), root / "large.png")
    report = check_dataset(dataset(plain()))
    assert found(report) == {"wrong_extension": ("warning", 1), "animated": ("warning", 1), "huge": ("warning", 1)}
    assert "really-a-jpeg.png is image/jpeg" in str(report.findings)


def test_decompression_bomb_is_never_decoded(
    dataset: Callable[..., Manifest], tmp_path: Path, make_image: Callable[..., bytes]
) -> None:
    import struct
    import zlib

    content = bytearray(make_image(1))
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path = tmp_path / "t" / "train" / "a" / "bomb.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    begin = time.perf_counter()
    report = check_dataset(dataset(plain()))
    assert "too many pixels" in report.of(Severity.ERROR)[0].items[0]
    assert time.perf_counter() - begin < 5


def test_classes_too_small_for_the_shots_are_errors(dataset: Callable[..., Manifest]) -> None:
    report = check_dataset(dataset(plain({"train/a/more.png": 70})), shots=(4, 5, 80))
    assert found(report) == {"too_few_for_5": ("error", 1), "too_few_for_80": ("error", 2)}
    assert report.findings[0].items == ("b has 4",)


def test_imbalance_empty_splits_and_one_class_are_warnings(dataset: Callable[..., Manifest], tmp_path: Path) -> None:
    images = {f"train/a/{n}.png": n for n in range(20)} | {"train/b/0.png": 100, "test/a/0.png": 200}
    assert found(check_dataset(dataset(images))) == {"no_test": ("warning", 1), "imbalance": ("warning", 1)}
    one = import_dataset("one", tmp_path / "t" / "train", tmp_path / "data").manifest
    shutil.rmtree(tmp_path / "t" / "train" / "b")
    one = import_dataset("single", tmp_path / "t" / "train", tmp_path / "data").manifest
    assert "one_class" in found(check_dataset(one))


def test_tiny_images_are_not_compared_by_looks(make_tree: Tree, tmp_path: Path) -> None:
    manifest = import_dataset("ds", make_tree({"a": 10, "b": 10}), tmp_path / "data").manifest
    report = check_dataset(manifest)
    assert report.near_checked == 0
    assert "near_duplicates" not in found(report)


def test_grey_palette_alpha_and_sixteen_bit_images_are_hashed(tmp_path: Path) -> None:
    root = tmp_path / "t" / "a"
    save(texture(1).convert("L"), root / "grey.png")
    save(texture(2).convert("P"), root / "palette.png")
    save(texture(3).convert("RGBA"), root / "alpha.png")
    save(texture(4).convert("CMYK"), root / "cmyk.jpg")
    save(Image.fromarray(np.asarray(texture(5).convert("L"), np.uint16) * 257), root / "deep.png")
    report = check_dataset(import_dataset("ds", tmp_path / "t", tmp_path / "data").manifest)
    assert report.near_checked == 5
    assert not report.of(Severity.ERROR)


def test_several_processes_find_the_same(dataset: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_bench.datasets.image_inspection._FEW_IMAGES", 4)
    monkeypatch.setattr("automl_bench.datasets.image_inspection._IMAGES_PER_TASK", 3)
    manifest = dataset(plain({"test/a/copy.png": 0}))
    assert check_dataset(manifest, processes=2) == check_dataset(manifest, processes=1)


# --- pairs that look alike -------------------------------------------------------------------------------


def flipped(value: int, bits: tuple[int, ...]) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


@pytest.mark.parametrize("bits", [(), (0,), (63,), (0, 16, 48), (15, 16, 17), (1, 33, 62)])
def test_hashes_within_three_bits_are_always_found(bits: tuple[int, ...]) -> None:
    hashes = np.random.default_rng(0).integers(0, 2**63, 3000, dtype=np.uint64).tolist()
    hashes[2500] = flipped(hashes[100], bits)
    assert near_pairs(hashes, [0] * 3000).tolist() == [[100, 2500]]


def test_hashes_four_bits_apart_or_with_other_gradients_are_not_alike() -> None:
    assert near_pairs([0, 0b1111], [0, 0]).tolist() == []
    assert near_pairs([0, 0b1], [0, 0b1111]).tolist() == []
    assert near_pairs([], []).tolist() == []
    assert near_pairs([5], [5]).tolist() == []


def test_time_grows_about_linearly_even_if_all_images_are_blank() -> None:
    def seconds(number: int) -> float:
        chance = np.random.default_rng(1)
        half = chance.integers(0, 2**63, number // 2, dtype=np.uint64).tolist()
        gradients = chance.integers(0, 2**63, number, dtype=np.uint64).tolist()
        begin = time.perf_counter()
        near_pairs(half + [0] * (number - number // 2), gradients)
        return time.perf_counter() - begin

    small = min(seconds(20_000) for _ in range(3))
    large = min(seconds(160_000) for _ in range(3))
    assert large < 8 * small * 4, "eight times the images took far more than eight times as long"
