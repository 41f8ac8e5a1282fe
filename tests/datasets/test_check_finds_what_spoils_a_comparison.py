"""`data check`: leaks, copies, look-alikes, damaged and odd images, classes too small."""

from __future__ import annotations

import io
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_bench.datasets.account import Reason
from automl_bench.datasets.check_report import CheckReport, Severity, as_json
from automl_bench.datasets.checks import check_dataset
from automl_bench.datasets.decoding import DEEP, OTHER_COLOURS, TRANSPARENT, TURNED
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.manifest import Manifest, read_manifest
from automl_bench.datasets.near_duplicates import MOST_PAIRS, alike_pairs, describe, describe_all, outline
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import counted, number_of

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


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("share", [0.5, 0.999])
def test_truncated_image_is_an_error_in_import_and_check(
    dataset: Callable[..., Manifest], tmp_path: Path, kind: str, share: float
) -> None:
    buffer = io.BytesIO()
    texture(50).save(buffer, {"jpg": "JPEG"}.get(kind, kind.upper()))
    cut = buffer.getvalue()[: int(len(buffer.getvalue()) * share)]
    path = tmp_path / "t" / "train" / "a" / f"cut.{kind}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cut)
    with pytest.raises(DatasetError, match=r"cut\.\w+ (is truncated or damaged|is no image)"):
        dataset(plain())
    manifest = dataset(plain(), skip_bad=True)
    assert manifest.table.num_rows == 16
    (manifest.folder / "train/a/0.png").write_bytes(cut)
    assert found(check_dataset(manifest))["unreadable"] == ("error", 1)


def test_jpeg_without_its_end_is_truncated(dataset: Callable[..., Manifest], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    texture(50).save(buffer, "JPEG")
    path = tmp_path / "t" / "train" / "a" / "cut.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue()[:-2])
    with pytest.raises(DatasetError, match="its end is missing"):
        dataset(plain())


def test_damage_that_only_decoding_shows_is_found_at_import(dataset: Callable[..., Manifest], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    texture(50).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    at = content.index(b"IDAT")
    content[at + 4 : at + 40] = bytes(36)  # no deflate stream any more, under a checksum that is right
    length = struct.unpack_from(">I", content, at - 4)[0]
    content[at + 4 + length : at + 8 + length] = struct.pack(">I", zlib.crc32(content[at : at + 4 + length]))
    path = tmp_path / "t" / "train" / "a" / "broken.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.png is truncated or damaged"):
        dataset(plain())
    assert dataset(plain(), skip_bad=True).table.num_rows == 16


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
    content = bytearray(make_image(1))
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path = tmp_path / "t" / "train" / "a" / "bomb.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"more than 178,956,970 pixels, too many to be decoded safely"):
        dataset(plain())
    manifest = dataset(plain(), skip_bad=True)
    (manifest.folder / "train/a/0.png").write_bytes(content)
    report = check_dataset(manifest)
    assert "too many to be decoded safely" in report.of(Severity.ERROR)[0].items[0]


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


def test_copies_of_images_under_24_pixels_are_found(dataset: Callable[..., Manifest], tmp_path: Path) -> None:
    for number in range(6):
        save(texture(number, 12), tmp_path / "t" / "train" / "a" / f"tiny{number}.png")
    turned = texture(3, 12).transpose(Image.Transpose.ROTATE_90)
    save(turned, tmp_path / "t" / "test" / "a" / "turned.png")
    report = check_dataset(dataset({"train/b/0.png": 70, "test/b/0.png": 71}))
    assert report.near_checked == report.samples
    items = {finding.check: finding.items for finding in report.findings}
    assert items["near_duplicates_across"] == (["test/a/turned.png", "train/a/tiny3.png"],)


def test_every_kind_of_image_takes_part_and_what_services_may_decode_otherwise_is_said(tmp_path: Path) -> None:
    root = tmp_path / "t" / "a"
    save(texture(1).convert("L"), root / "grey.png")
    save(texture(2).convert("P"), root / "palette.png")
    save(texture(3).convert("RGBA"), root / "alpha.png")
    save(texture(4).convert("CMYK"), root / "cmyk.jpg")
    save(Image.fromarray(np.asarray(texture(5).convert("L"), np.uint16) * 257), root / "deep.png")
    save(texture(6), root / "turned.jpg", exif=turned_exif(6))
    report = check_dataset(import_dataset("ds", tmp_path / "t", tmp_path / "data").manifest)
    assert report.near_checked == 6
    assert not report.of(Severity.ERROR)
    differing = next(one for one in report.findings if one.check == "decoded_differently")
    assert differing.count == 4
    assert all(f"1 {oddity}" in differing.summary for oddity in (TURNED, DEEP, OTHER_COLOURS, TRANSPARENT))


def test_an_example_names_a_few_of_many_copies(dataset: Callable[..., Manifest]) -> None:
    report = check_dataset(dataset(plain({f"train/a/copy{number}.png": 0 for number in range(6)})))
    copies = next(one for one in report.findings if one.check == "duplicates")
    assert copies.examples == ("train/a/0.png = train/a/copy0.png = train/a/copy1.png and 4 more",)
    assert len(copies.items[0]) == 7


def test_images_of_a_size_unlike_the_others_are_named(tmp_path: Path) -> None:
    for number in range(8):
        save(texture(number, 64 + number), tmp_path / "t" / "a" / f"{number}.png")
    save(texture(8).crop((0, 0, 1, 1)), tmp_path / "t" / "a" / "dot.png")
    save(texture(9).resize((600, 20)), tmp_path / "t" / "a" / "strip.png")
    report = check_dataset(import_dataset("ds", tmp_path / "t", tmp_path / "data").manifest)
    odd = next(one for one in report.findings if one.check == "odd_size")
    assert odd.severity is Severity.WARNING
    assert sorted(item.partition("/a/")[2] for item in odd.items) == [
        "dot.png has 1 × 1 pixels",
        "strip.png has 600 × 20 pixels",
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1 file that is"), (2, "2 files that are"), (1200, "1,200 files that are")]
)
def test_sentences_are_right_for_one_and_for_many(number: int, text: str) -> None:
    assert counted("{n} [file that is|files that are]", number) == text
    assert number_of(number, "file that is", "files that are") == text
    assert number_of(number, "shot").endswith(" shot" if number == 1 else " shots")
    for reason in Reason:
        assert not set("[|]") & set(reason.phrase_for(number))


def turned_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_deep_images_that_differ_do_not_look_alike(tmp_path: Path) -> None:
    for number in range(9):
        deep = Image.fromarray(np.asarray(texture(number).convert("L"), np.uint16) * 257)
        save(deep, tmp_path / "t" / "ab"[number % 2] / f"{number}.png")
    report = check_dataset(import_dataset("ds", tmp_path / "t", tmp_path / "data").manifest)
    assert not {"near_duplicates", "near_duplicates_across", "pixel_leak"} & found(report).keys()


def test_same_pixels_in_other_files_are_a_leak_two_labels_or_duplicates(
    dataset: Callable[..., Manifest], tmp_path: Path
) -> None:
    save(texture(0), tmp_path / "t" / "test" / "a" / "same.bmp")
    save(texture(1), tmp_path / "t" / "train" / "a" / "same.png", compress_level=0)
    save(texture(2), tmp_path / "t" / "train" / "b" / "same.webp", lossless=True)
    report = check_dataset(dataset(plain()))
    assert found(report) == {
        "pixel_leak": ("leak", 1),
        "pixels_two_labels": ("error", 1),
        "pixel_duplicates": ("warning", 2),
    }
    assert report.findings[0].items == (["test/a/same.bmp", "train/a/0.png"],)


def test_several_processes_find_the_same(dataset: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_bench.datasets.image_inspection._FEW_IMAGES", 4)
    monkeypatch.setattr("automl_bench.datasets.image_inspection._IMAGES_PER_TASK", 3)
    manifest = dataset(plain({"test/a/copy.png": 0}))
    assert check_dataset(manifest, processes=2) == check_dataset(manifest, processes=1)


# --- pairs that look alike -------------------------------------------------------------------------------


def photo(seed: int, side: int = 96) -> Image.Image:
    """Return a picture with detail of many sizes, as photos have: amplitude falls with frequency."""
    chance = np.random.default_rng(seed)
    spectrum = chance.normal(size=(side, side)) / (1 + np.add.outer(np.arange(side), np.arange(side)))
    frequencies = np.cos(np.pi * np.outer(np.arange(side) + 0.5, np.arange(side)) / side)
    values = frequencies @ spectrum @ frequencies.T
    return Image.fromarray(np.clip(128 + 45 * values / values.std(), 0, 255).astype(np.uint8)).convert("RGB")


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(io.BytesIO(buffer.getvalue()))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{f"turned {each.name}": lambda image, each=each: image.transpose(each) for each in Image.Transpose},  # type: ignore[misc]
    "half": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "double": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "JPEG 60": compressed,
    "darker": lambda image: image.point(lambda value: value * 0.75),
    "trimmed by 5 %": lambda image: image.crop((2, 2, image.width - 2, image.height - 2)),
    "turned, half, JPEG": lambda image: compressed(image.transpose(Image.Transpose.ROTATE_270).resize((48, 48))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_others(change: str) -> None:
    images = [photo(seed) for seed in range(60)]
    copies = [CHANGES[change](image) for image in images[:40]]
    pairs = alike_pairs([describe(image) for image in images + copies]).tolist()
    right = [pair for pair in pairs if pair[1] - pair[0] == 60]
    assert len(right) >= 38, "at least 95 %"
    assert len(pairs) == len(right), "no other pair"


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (200, 40), (31, 90), (7, 7)])
def test_a_picture_and_its_mirrored_and_turned_copies_have_one_description_up_to_signs(size: tuple[int, int]) -> None:
    picture = photo(3, side=200).resize(size)
    upright = np.abs(np.frombuffer(describe(picture), np.float16).reshape(2, 8, 8))
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90):
        turned = np.abs(np.frombuffer(describe(picture.transpose(turn)), np.float16).reshape(2, 8, 8))
        expected = upright.transpose(0, 2, 1) if turn is Image.Transpose.ROTATE_90 else upright
        np.testing.assert_allclose(turned, expected, atol=0.02)


def test_pictures_described_together_are_described_as_alone() -> None:
    pictures = [photo(seed, side=side) for seed, side in enumerate((40, 20, 40, 300, 20, 40))]
    together = describe_all([outline(picture) for picture in (*pictures, Image.new("L", (40, 40), 90))])
    for picture, description in zip(pictures, together, strict=False):
        alone, shared = (np.frombuffer(each, np.float16) for each in (describe(picture), description))
        np.testing.assert_allclose(shared, alone, atol=0.002)
    assert together[-1] == b"", "blank"


def test_blank_images_are_not_described_and_few_images_have_no_pairs() -> None:
    assert describe(Image.new("RGB", (50, 40), "teal")) == b""
    assert alike_pairs([]).tolist() == []
    assert alike_pairs([describe(photo(1))]).tolist() == []


def test_many_images_that_are_all_alike_give_a_bounded_number_of_pairs() -> None:
    description = describe(photo(1))
    pairs = alike_pairs([description] * 2_000)
    assert len(pairs) == MOST_PAIRS


def test_among_many_images_nearly_all_pairs_are_found_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [photo(seed, side=48) for seed in range(400)]
    descriptions = [describe(image) for image in images + [compressed(image) for image in images]]
    with_all = alike_pairs(descriptions).tolist()
    monkeypatch.setattr("automl_bench.datasets.near_duplicates._COMPARED_WITH_ALL", 100)
    in_cells = alike_pairs(descriptions).tolist()
    assert len(with_all) >= 400
    assert len(in_cells) >= 0.99 * len(with_all)
    assert all(pair in with_all for pair in in_cells)
    assert alike_pairs(descriptions, threads=3).tolist() == in_cells, "whichever thread comes first"


def test_comparisons_of_many_images_grow_less_than_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def count(views: Any, rows: Any, columns: Any) -> list[Any]:
        compared.append(len(rows) * len(columns))
        return []

    monkeypatch.setattr("automl_bench.datasets.near_duplicates._close_pairs", count)
    chance = np.random.default_rng(0)
    done = {}
    for number in (6_000, 24_000):
        compared.clear()
        spectra = chance.normal(size=(number, 2, 64)).astype(np.float16) / 8
        alike_pairs([each.tobytes() for each in spectra])
        done[number] = sum(compared)
    assert done[24_000] < 10 * done[6_000], "16 times as many for the square"
    assert done[24_000] < 2 * 24_000**2 / 4, "each with all and with all centres"
