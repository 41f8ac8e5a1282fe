"""`data fetch`: each layout of the catalogue, on small archives of exactly that layout, served over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from automl_bench.contract import DatasetSource
from automl_bench.datasets.catalogue import CatalogueEntry, Download, load
from automl_bench.datasets.fetching import fetch
from automl_bench.datasets.importing import Imported, ImportOptions
from automl_bench.errors import ChecksumMismatch, DatasetError, MissingDependency, MissingSecret, UsageError

CONFIGS = Path(__file__).parents[2] / "configs" / "datasets"
CATALOGUE = load({path.stem: path for path in CONFIGS.glob("*.toml")})
Images = Callable[..., bytes]


def tar_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def fetch_small(file_server: Any, tmp_path: Path) -> Callable[..., Imported]:
    """Fetch a catalogue entry whose sources are replaced by small files served under its own file names."""

    def run(name: str, contents: Mapping[str, bytes], **changes: object) -> Imported:
        entry = CATALOGUE[name]
        sources = []
        for source in entry.sources:
            content = contents[source.file_name]
            file_server.files[f"up/{source.file_name}"] = content
            sources.append(
                source.model_copy(
                    update={
                        "url": f"{file_server.address}/up/{source.file_name}",
                        "bytes": len(content),
                        "sha256": hashlib.sha256(content).hexdigest(),
                    }
                )
            )
        entry = entry.model_copy(update={"sources": tuple(sources), **changes})
        return fetch(entry, tmp_path / "data", tmp_path / "downloads")

    return run


def sizes(imported: Imported) -> dict[str, tuple[int, int]]:
    counts = imported.manifest.counts()
    return {label: (counts["train"][label], counts["test"][label]) for label in imported.manifest.labels}


def test_beans_three_zips(fetch_small: Callable[..., Imported], tmp_path: Path, make_image: Images) -> None:
    def part(split: str, start: int, each: int) -> bytes:
        names = [f"{split}/{label}/{label}_{split}.{n}.jpg" for label in ("bean_rust", "healthy") for n in range(each)]
        return zip_of({f"{split}/": b"", **{n: make_image(start + i, "JPEG") for i, n in enumerate(names)}})

    contents = {
        "train.zip": part("train", 0, 5),
        "validation.zip": part("validation", 50, 2),
        "test.zip": part("test", 90, 3),
    }
    imported = fetch_small("beans", contents, classes=2, train=14, test=6)
    assert sizes(imported) == {"bean_rust": (7, 3), "healthy": (7, 3)}
    assert imported.warnings == ()
    assert any("validation split (4 samples) was pooled" in note for note in imported.manifest.card.notes)
    assert imported.manifest.card.licence == "MIT"
    assert "train.zip" in imported.manifest.card.source
    assert not (tmp_path / "downloads" / "beans").exists()


def test_food_json_lists(fetch_small: Callable[..., Imported], make_image: Images) -> None:
    files = {
        f"food-101/images/{c}/{n}.jpg": make_image(n + 10 * (c == "waffles"), "JPEG")
        for c in ("apple_pie", "waffles")
        for n in range(5)
    }
    lists = {
        split: {c: [f"{c}/{n}" for n in numbers] for c in ("apple_pie", "waffles")}
        for split, numbers in (("train", range(4)), ("test", range(4, 5)))
    }
    meta = {f"food-101/meta/{split}.json": json.dumps(value).encode() for split, value in lists.items()}
    imported = fetch_small("food", {"food-101.tar.gz": tar_of({**files, **meta, "food-101/README.txt": b"x"})})
    assert sizes(imported) == {"apple_pie": (4, 1), "waffles": (4, 1)}
    assert "The catalogue says 101 classes, but 2 are here." in imported.warnings


def test_pets_annotation_lists(fetch_small: Callable[..., Imported], make_image: Images) -> None:
    names = [f"{breed}_{n}" for breed in ("Abyssinian", "american_pit_bull_terrier") for n in range(1, 5)]
    images = {f"images/{name}.jpg": make_image(i, "JPEG") for i, name in enumerate(names)}
    images["images/Abyssinian_100.mat"] = b"no image"

    def lines(wanted: list[str]) -> bytes:
        return "".join(f"{name} 1 1 1\n" for name in wanted).encode()

    annotations = {
        "annotations/README": b"x",
        "annotations/list.txt": b"#Image CLASS-ID SPECIES BREED ID\n" + lines(names),
        "annotations/trainval.txt": lines([n for n in names if not n.endswith("4")]),
        "annotations/test.txt": lines([n for n in names if n.endswith("4")]),
        "annotations/trimaps/Abyssinian_1.png": make_image(99),
    }
    imported = fetch_small("pets", {"images.tar.gz": tar_of(images), "annotations.tar.gz": tar_of(annotations)})
    assert sizes(imported) == {"Abyssinian": (3, 1), "american_pit_bull_terrier": (3, 1)}


def cars_files(make_image: Images) -> dict[str, bytes]:
    names = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]

    def mat(**values: object) -> bytes:
        buffer = io.BytesIO()
        savemat(buffer, values)
        return buffer.getvalue()

    def annotations(count: int, start: int) -> np.ndarray:  # type: ignore[type-arg]
        kind = [(n, "O") for n in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
        rows = [(1, 2, 3, 4, n % 2 + 1, f"{n + 1:05d}.jpg") for n in range(count)]
        return np.array([rows], dtype=kind)[0][None, :]

    meta = mat(class_names=np.array([names], dtype=object))
    devkit = {"devkit/cars_meta.mat": meta, "devkit/cars_train_annos.mat": mat(annotations=annotations(6, 0))}
    return {
        "cars_train.tgz": tar_of({f"cars_train/{n + 1:05d}.jpg": make_image(n, "JPEG") for n in range(6)}),
        "cars_test.tgz": tar_of({f"cars_test/{n + 1:05d}.jpg": make_image(n + 50, "JPEG") for n in range(4)}),
        "car_devkit.tgz": tar_of(devkit),
        "cars_test_annos_withlabels.mat": mat(annotations=annotations(4, 50)),
    }


def test_cars_matlab_annotations(fetch_small: Callable[..., Imported], make_image: Images) -> None:
    imported = fetch_small("cars", cars_files(make_image))
    assert sizes(imported) == {"AM General Hummer SUV 2000": (3, 2), "Ram C/V Cargo Van Minivan 2012": (3, 2)}
    assert (imported.manifest.folder / "train" / "Ram C%2FV Cargo Van Minivan 2012").is_dir()


def test_cars_of_one_training_image_are_read_too(fetch_small: Callable[..., Imported], make_image: Images) -> None:
    contents = cars_files(make_image)
    buffer = io.BytesIO()
    savemat(buffer, {"annotations": np.array([[(1, "00001.jpg")]], dtype=[("class", "O"), ("fname", "O")])})
    contents["cars_test_annos_withlabels.mat"] = buffer.getvalue()
    assert sum(test for _, test in sizes(fetch_small("cars", contents)).values()) == 1


def test_fashion_mnist_idx(fetch_small: Callable[..., Imported]) -> None:
    def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        return gzip.compress(head + array.tobytes())

    pixels = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    labels = np.arange(40, dtype=np.uint8) % 10
    imported = fetch_small(
        "fashion-mnist",
        {
            "train-images-idx3-ubyte.gz": idx(pixels[:30]),
            "train-labels-idx1-ubyte.gz": idx(labels[:30]),
            "t10k-images-idx3-ubyte.gz": idx(pixels[30:]),
            "t10k-labels-idx1-ubyte.gz": idx(labels[30:]),
        },
    )
    assert sizes(imported)["T-shirt/top"] == (3, 1)
    assert len(imported.manifest.labels) == 10


def test_cifar10_binary(fetch_small: Callable[..., Imported]) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (60, 3073), np.uint8)
    rows[:, 0] = np.arange(60) % 10
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    files = {f"cifar-10-batches-bin/{name}.bin": rows[i * 10 : i * 10 + 10].tobytes() for i, name in enumerate(names)}
    imported = fetch_small("cifar10", {"cifar-10-binary.tar.gz": tar_of(files)})
    assert set(sizes(imported).values()) == {(5, 1)}


def test_hub_parquet_shards(file_server: Any, tmp_path: Path, make_image: Images) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sources = []
    for split, start in (("train", 0), ("test", 20)):
        buffer = io.BytesIO()
        images = [{"bytes": make_image(start + n), "path": f"{n}.png"} for n in range(4)]
        meta = {"info": {"features": {"label": {"names": ["rust", "ok"], "_type": "ClassLabel"}}}}
        table = pa.table({"image": images, "label": [0, 1, 0, 1]}).replace_schema_metadata(
            {"huggingface": json.dumps(meta)}
        )
        pq.write_table(table, buffer)
        name = f"{split}-00000-of-00001.parquet"
        file_server.files[name] = buffer.getvalue()
        sources.append(
            Download(url=f"{file_server.address}/{name}", sha256=hashlib.sha256(buffer.getvalue()).hexdigest())
        )
    entry = CatalogueEntry(name="hubset", title="T", licence="MIT", layout="parquet", sources=tuple(sources))
    imported = fetch(entry, tmp_path / "data", tmp_path / "downloads")
    assert sizes(imported) == {"ok": (2, 2), "rust": (2, 2)}


# --- interruptions, mirrors, given files -----------------------------------------------------------------


def beans(make_image: Images) -> dict[str, bytes]:
    return {
        f"{split}.zip": zip_of(
            {f"{split}/{c}/{n}.png": make_image(hash((split, c, n)) % 10**9) for c in "ab" for n in range(3)}
        )
        for split in ("train", "validation", "test")
    }


def test_fetch_goes_on_in_the_middle_of_an_archive(
    fetch_small: Callable[..., Imported], file_server: Any, make_image: Images
) -> None:
    contents = beans(make_image)
    file_server.break_after["up/train.zip"] = [200]
    assert sizes(fetch_small("beans", contents)) == {"a": (6, 3), "b": (6, 3)}
    assert ("up/train.zip", "bytes=200-") in file_server.requests


def test_changed_archive_is_refused_and_leaves_nothing(
    fetch_small: Callable[..., Imported], file_server: Any, tmp_path: Path, make_image: Images
) -> None:
    contents = beans(make_image)

    class Changing(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> bytes:
            return b"other" if name == "up/test.zip" else super().__getitem__(name)

    file_server.files = Changing()
    with pytest.raises(ChecksumMismatch, match=r"test\.zip"):
        fetch_small("beans", contents)
    assert list((tmp_path / "data").iterdir()) == []


def test_mirror_serves_all_files_of_a_dataset(file_server: Any, tmp_path: Path, make_image: Images) -> None:
    contents = beans(make_image)
    file_server.files = {f"pub/beans/{name}": content for name, content in contents.items()}
    sources = tuple(source.model_copy(update={"bytes": None, "sha256": ""}) for source in CATALOGUE["beans"].sources)
    entry = CATALOGUE["beans"].model_copy(update={"sources": sources})
    imported = fetch(entry, tmp_path / "data", tmp_path / "dl", mirror=f"{file_server.address}/pub/")
    assert sizes(imported) == {"a": (6, 3), "b": (6, 3)}
    with pytest.raises(UsageError, match="no web address"):
        fetch(entry, tmp_path / "data2", tmp_path / "dl", mirror="/mnt/mirror")


def test_given_archives_replace_the_download(tmp_path: Path, make_image: Images) -> None:
    (tmp_path / "mine").mkdir()
    for name, content in beans(make_image).items():
        (tmp_path / "mine" / name).write_bytes(content)
    imported = fetch(CATALOGUE["beans"], tmp_path / "data", tmp_path / "dl", given=tmp_path / "mine")
    assert sizes(imported) == {"a": (6, 3), "b": (6, 3)}
    assert any("differs from the published file: train.zip" in note for note in imported.manifest.card.notes)
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["test.zip", "train.zip", "validation.zip"]


def test_given_unpacked_folder_replaces_the_download(tmp_path: Path, make_tree: Callable[..., Path]) -> None:
    tree = make_tree({"train/a": 3, "test/a": 2})
    imported = fetch(CATALOGUE["beans"], tmp_path / "data", tmp_path / "dl", given=tree)
    assert sizes(imported) == {"a": (3, 2)}
    assert len(list(tree.rglob("*.png"))) == 5, "the user's own files were moved"


def test_given_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        fetch(CATALOGUE["beans"], tmp_path / "data", tmp_path / "dl", given=tmp_path / "nowhere")


def test_existing_dataset_is_refused_before_the_download(
    fetch_small: Callable[..., Imported], file_server: Any, tmp_path: Path, make_image: Images
) -> None:
    (tmp_path / "data" / "beans").mkdir(parents=True)
    with pytest.raises(DatasetError, match="already a dataset"):
        fetch_small("beans", beans(make_image))
    assert file_server.requests == []


@pytest.mark.parametrize(
    ("layout", "files", "message"),
    [
        ("food-lists", {"a/b/x.jpg": b"x"}, "has no meta/train.json"),
        ("food-lists", {"meta/train.json": b"[1]", "meta/test.json": b"{}"}, "no map of classes"),
        (
            "food-lists",
            {"meta/train.json": b'{"a": ["../../../x"]}', "meta/test.json": b'{"a": ["a/1"]}'},
            "outside it",
        ),
        ("food-lists", {"meta/train.json": b'{"a": ["a/1"]}', "meta/test.json": b"{}"}, "no training or no test"),
        (
            "pets-lists",
            {"annotations/trainval.txt": b"nounderscore 1 1 1\n", "annotations/test.txt": b""},
            "names no class",
        ),
        ("cars-matlab", {"devkit/cars_meta.mat": b"junk"}, "no MATLAB 5 file"),
    ],
)
def test_archive_of_another_layout_is_refused(
    file_server: Any, tmp_path: Path, layout: Any, files: dict[str, bytes], message: str
) -> None:
    file_server.files["x.tar.gz"] = tar_of(files)
    source = Download(url=f"{file_server.address}/x.tar.gz")
    entry = CatalogueEntry(name="odd", title="T", licence="x", layout=layout, sources=(source,))
    with pytest.raises(DatasetError, match=message):
        fetch(entry, tmp_path / "data", tmp_path / "dl")
    assert list((tmp_path / "data").iterdir()) == []


# --- plugins, Kaggle, import-only ------------------------------------------------------------------------


def test_plugin_brings_a_folder(tmp_path: Path, make_tree: Callable[..., Path]) -> None:
    tree = make_tree({"train/a": 3, "test/a": 1})
    source = DatasetSource(name="mini", title="Mini", licence="MIT", source="here", path=tree)
    imported = fetch(load({}, [source])["mini"], tmp_path / "data", tmp_path / "dl")
    assert sizes(imported) == {"a": (3, 1)}
    assert (imported.manifest.card.title, imported.manifest.card.licence) == ("Mini", "MIT")
    assert len(list(tree.rglob("*.png"))) == 4, "the plugin's own files were moved"


def test_plugin_builds_a_dataset(tmp_path: Path, make_image: Images) -> None:
    def build(folder: Path) -> Path:
        (folder / "built" / "a").mkdir(parents=True)
        for number in range(5):
            (folder / "built" / "a" / f"{number}.png").write_bytes(make_image(number))
        return folder / "built"

    source = DatasetSource(name="made", title="M", licence="MIT", source="here", build=build)
    imported = fetch(load({}, [source])["made"], tmp_path / "data", tmp_path / "dl")
    assert sizes(imported) == {"a": (4, 1)}
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["made"]


def test_dataset_of_an_absent_plugin_names_the_pip_line(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency) as caught:
        fetch(CATALOGUE["digits"], tmp_path / "data", tmp_path / "dl")
    assert "pip install 'automl-bench[local]'" in caught.value.remedy


def test_import_only_dataset_says_why(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="source could not be identified") as caught:
        fetch(CATALOGUE["clothing"], tmp_path / "data", tmp_path / "dl")
    assert "data import clothing" in caught.value.remedy


class FakeKaggle(types.ModuleType):
    """Stands in for kaggle.api.kaggle_api_extended."""

    def __init__(self, content: bytes = b"", *, credentials: bool = True, failure: Exception | None = None) -> None:
        super().__init__("kaggle.api.kaggle_api_extended")

        class KaggleApi:
            def authenticate(self) -> None:
                if not credentials:
                    print("Could not find kaggle.json")
                    sys.exit(1)

            def dataset_download_files(self, dataset: str, path: str, **_: object) -> None:
                print("Dataset URL: https://www.kaggle.com/datasets/" + dataset)
                if failure:
                    raise failure
                Path(path, dataset.split("/")[1] + ".zip").write_bytes(content)

        self.KaggleApi = KaggleApi


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch) -> Callable[[types.ModuleType | None], None]:
    def install(module: types.ModuleType | None) -> None:
        monkeypatch.setitem(sys.modules, "kaggle", types.ModuleType("kaggle"))
        monkeypatch.setitem(sys.modules, "kaggle.api", types.ModuleType("kaggle.api"))
        monkeypatch.setitem(sys.modules, "kaggle.api.kaggle_api_extended", module)  # type: ignore[arg-type]

    return install


def test_intel_kaggle_zip(
    kaggle: Callable[..., None], tmp_path: Path, make_image: Images, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        f"{s}/{s}/{c}/{n}.jpg"
        for s, k in (("seg_train", 4), ("seg_test", 2))
        for c in ("forest", "sea")
        for n in range(k)
    ]
    names += [f"seg_pred/seg_pred/{n}.jpg" for n in range(3)]
    kaggle(FakeKaggle(zip_of({name: make_image(i, "JPEG") for i, name in enumerate(names)})))
    imported = fetch(CATALOGUE["intel"], tmp_path / "data", tmp_path / "dl")
    assert sizes(imported) == {"forest": (4, 2), "sea": (4, 2)}
    assert any("seg_pred" in note for note in imported.manifest.card.notes)
    assert capsys.readouterr().out == "", "Kaggle's chatter must not reach stdout"


def test_xrays_kaggle_zip(kaggle: Callable[..., None], tmp_path: Path, make_image: Images) -> None:
    names = [
        f"chest_xray/{s}/{c}/{s}{n}.jpeg"
        for s, k in (("train", 4), ("val", 1), ("test", 2))
        for c in ("NORMAL", "PNEUMONIA")
        for n in range(k)
    ]
    doubled = [f"chest_xray/{name}" for name in names] + ["chest_xray/__MACOSX/chest_xray/._x.jpeg"]
    content = zip_of({name: make_image(i % len(names), "JPEG") for i, name in enumerate(names + doubled)})
    kaggle(FakeKaggle(content))
    imported = fetch(CATALOGUE["xrays"], tmp_path / "data", tmp_path / "dl")
    assert sizes(imported) == {"NORMAL": (5, 2), "PNEUMONIA": (5, 2)}


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (None, MissingDependency),
        (FakeKaggle(credentials=False), MissingSecret),
        (FakeKaggle(failure=ValueError("403 - Forbidden")), DatasetError),
    ],
)
def test_without_kaggle_the_error_says_how_to_do_it_by_hand(
    kaggle: Callable[..., None], tmp_path: Path, module: types.ModuleType | None, kind: type[Exception]
) -> None:
    kaggle(module)
    with pytest.raises(kind) as caught:
        fetch(CATALOGUE["intel"], tmp_path / "data", tmp_path / "dl")
    remedy = caught.value.remedy  # type: ignore[attr-defined]
    assert "https://www.kaggle.com/datasets/puneet6060/intel-image-classification" in remedy
    assert "automl-bench data import intel" in remedy
    assert list((tmp_path / "data").iterdir()) == []


def test_options_reach_the_import(tmp_path: Path, make_tree: Callable[..., Path]) -> None:
    source = DatasetSource(name="mini", title="Mini", licence="MIT", source="here", path=make_tree({"a": 10}))
    options = ImportOptions(test_share=0.5, seed=3)
    imported = fetch(load({}, [source])["mini"], tmp_path / "data", tmp_path / "dl", options=options)
    assert sizes(imported) == {"a": (5, 5)}
    assert imported.manifest.card.seed == 3
