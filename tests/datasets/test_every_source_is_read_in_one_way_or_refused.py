"""A table of what people have: each source gives exactly the classes and splits that it means, or a sentence."""

from __future__ import annotations

import io
import json
import os
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from odd_sources import Source, image_bytes

from automl_bench.datasets.importing import Imported, ImportOptions, import_dataset
from automl_bench.datasets.layouts import LAYOUTS, LayoutHints
from automl_bench.datasets.split_names import split_of
from automl_bench.errors import DatasetError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400)


def imported(path: Path, **options: object) -> Imported:
    hints = {name: options.pop(name) for name in list(options) if name in LayoutHints.__dataclass_fields__}
    settings = ImportOptions(hints=LayoutHints(**hints), **options)  # type: ignore[arg-type]
    return import_dataset("ds", path, path.parent / "data", settings)


def sizes(done: Imported) -> dict[str, tuple[int, int]]:
    counts = done.manifest.counts()
    return {label: (counts["train"][label], counts["test"][label]) for label in done.manifest.labels}


def refused(path: Path, **options: object) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        imported(path, **options)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    assert ".unpacking" not in str(caught.value), "it names a scratch folder"
    assert list((path.parent / "data").iterdir()) == [], "something was left behind"
    return caught.value


# --- what is read ----------------------------------------------------------------------------------------

Make = Callable[[Source], None]
DRAWN = {"cat": (4, 1), "dog": (4, 1)}
SPLIT = {"cat": (5, 2), "dog": (5, 2)}
LISTED = {"cat": (3, 1), "dog": (3, 1)}


def _splits(train: str, test: str) -> Make:
    def make(source: Source) -> None:
        source.tree(f"{train}/cat", f"{train}/dog")
        source.tree(f"{test}/cat", f"{test}/dog", count=2)

    return make


def _also(make: Make, *extra: Make) -> Make:
    def both(source: Source) -> None:
        for each in (make, *extra):
            each(source)

    return both


def _list(name: str, header: tuple[str, str], **format_: str) -> Make:
    return lambda source: source.list_of(name, [header, *source.labelled()], **format_)


def _file(path: str, content: bytes | str = "x") -> Make:
    return lambda source: void(source.put(path, content))


def _images(folder: str, count: int = 1) -> Make:
    return lambda source: void(source.images(folder, count))


def void(_: object) -> None:
    return None


def _tree(*folders: str) -> Make:
    return lambda source: source.tree(*folders)


def _kaggle_by_id(source: Source) -> None:
    source.list_of("labels.csv", [("id", "breed"), *((Path(p).stem, label) for p, label in source.labelled("train"))])
    source.images("test", 3)
    source.list_of("sample_submission.csv", [("id", "cat", "dog"), ("x", "0.5", "0.5")])


def _hub_metadata(ending: str) -> Make:
    def make(source: Source) -> None:
        for split, count in (("train", 10), ("test", 4)):
            rows = [(Path(path).name, label) for path, label in source.labelled(split, count)]
            if ending == "csv":
                source.list_of(f"{split}/metadata.csv", [("file_name", "label"), *rows])
            elif ending == "jsonl":
                lines = [json.dumps({"file_name": name, "label": label}) for name, label in rows]
                source.put(f"{split}/metadata.jsonl", "\n".join(lines))
            else:
                import pyarrow as pa
                from pyarrow import parquet

                columns = {"file_name": [name for name, _ in rows], "label": [label for _, label in rows]}
                parquet.write_table(pa.table(columns), source.root / split / "metadata.parquet")

    return make


def _roboflow_classes(source: Source) -> None:
    for split, count in (("train", 6), ("valid", 4), ("test", 4)):
        rows = [
            (Path(path).name, *(("1", "0") if label == "cat" else ("0", "1")))
            for path, label in source.labelled(split, count)
        ]
        source.list_of(f"{split}/_classes.csv", [("filename", " cat", " dog"), *rows])


def _two_lists(source: Source) -> None:
    source.list_of("train.csv", [("path", "label"), *source.labelled("img", 10)])
    source.list_of("test.csv", [("path", "label"), *source.labelled("img", 4)])


def _windows_list(source: Source) -> None:
    rows = [(path.replace("/", "\\"), label) for path, label in source.labelled()]
    source.list_of("labels.csv", [("path", "label"), *rows])


def _splits_in_paths(source: Source) -> None:
    rows = source.labelled("train", 10) + source.labelled("test", 4)
    source.list_of("labels.csv", [("path", "label"), *rows])


def _linked_class(source: Source) -> None:
    source.tree("a/dog")
    store = source.root.parent / "store"
    source.root, inside = store, source.root
    source.tree("cat")
    source.root = inside
    (inside / "a" / "cat").symlink_to(store / "cat")


def _link_circle(source: Source) -> None:
    source.tree("cat", "dog")
    (source.root / "cat" / "loop").symlink_to(source.root)
    (source.root / "all").symlink_to(source.root)


READ: dict[str, tuple[Make, dict[str, tuple[int, int]]]] = {
    "class folders": (_tree("cat", "dog"), DRAWN),
    "beside readme, licence, preview": (
        _also(_tree("cat", "dog"), _file("README.md"), _file("LICENSE"), _images(".")),
        DRAWN,
    ),
    "wrapper beside readme": (_also(_tree("dataset/cat", "dataset/dog"), _file("README.md"), _images(".")), DRAWN),
    "images beside docs": (_also(_tree("images/cat", "images/dog"), _file("docs/paper.pdf")), DRAWN),
    "repository": (
        _also(_tree("repo/images/cat", "repo/images/dog"), _file("repo/train.py"), _images("repo/docs")),
        DRAWN,
    ),
    "checkpoints": (_also(_tree("cat", "dog"), _images("cat/.ipynb_checkpoints")), DRAWN),
    "thumbnails": (_also(_tree("cat", "dog"), _images("cat/@eaDir/1.png"), _file("dog/Thumbs.db")), DRAWN),
    "macOS": (_also(_tree("cat", "dog"), _images("__MACOSX/cat"), _file("dog/._1.png"), _file(".DS_Store")), DRAWN),
    "another tool's tables": (
        _also(
            _tree("cat", "dog"), _file("manifest.csv", "filename,label\nx,y\n"), _file("labels.csv", "name,id\ncat,0\n")
        ),
        DRAWN,
    ),
    "captions in metadata.csv": (
        lambda s: s.list_of(
            "metadata.csv", [("file_name", "caption"), *((p, f"a {p}") for p in s.images("cat") + s.images("dog"))]
        ),
        DRAWN,
    ),
    "train and test": (_splits("train", "test"), SPLIT),
    "capitals": (_splits("TRAIN", "Test"), SPLIT),
    "training_set": (_splits("training_set/training_set", "test_set/test_set"), SPLIT),
    "seg_train": (_also(_splits("seg_train", "seg_test"), _images("seg_pred", 3)), SPLIT),
    "train and eval": (_splits("train", "eval"), SPLIT),
    "images in train": (_splits("train/images", "test/images"), SPLIT),
    "years": (_splits("train2017", "test2017"), SPLIT),
    "stray image in train": (_also(_splits("train", "test"), _images("train")), SPLIT),
    "unlabelled test": (_also(_tree("train/cat", "train/dog"), _images("test", 4)), DRAWN),
    "a copy inside": (_also(_splits("train", "test"), _splits("copy/train", "copy/test")), SPLIT),
    "fruits": (_also(_splits("Training", "Test"), _images("test-multiple_sizes", 3), _file("papers/p.pdf")), SPLIT),
    "eval beside test": (_also(_splits("train", "test"), _images("eval/cat")), {"cat": (6, 2), "dog": (5, 2)}),
    "splits in classes": (
        lambda s: (s.tree("cat/train", "dog/train"), s.tree("cat/test", "dog/test", count=2), None)[-1],
        SPLIT,
    ),
    "linked class": (_linked_class, DRAWN),
    "link circle": (_link_circle, DRAWN),
    "commas": (_list("labels.csv", ("path", "label")), LISTED),
    "semicolons": (_list("labels.csv", ("path", "label"), delimiter=";"), LISTED),
    "tabs in a .csv": (_list("labels.csv", ("path", "label"), delimiter="\t"), LISTED),
    "UTF-16": (_list("labels.csv", ("path", "label"), delimiter="\t", encoding="utf-16"), LISTED),
    "byte order mark": (_list("labels.csv", ("path", "label"), encoding="utf-8-sig"), LISTED),
    "image,label": (_list("labels.csv", ("image", "label")), LISTED),
    "filename,class": (_list("labels.csv", ("filename", "class")), LISTED),
    "capitals in the header": (_list("labels.csv", ("Path", "LABEL")), LISTED),
    "backslashes": (_windows_list, LISTED),
    "Kaggle's labels.csv": (_kaggle_by_id, LISTED),
    "two lists": (_two_lists, SPLIT),
    "splits in paths": (_splits_in_paths, SPLIT),
    "metadata.csv": (_hub_metadata("csv"), SPLIT),
    "metadata.jsonl": (_hub_metadata("jsonl"), SPLIT),
    "metadata.parquet": (_hub_metadata("parquet"), SPLIT),
    "_classes.csv": (_roboflow_classes, SPLIT),
}


@pytest.mark.parametrize("kind", READ)
def test_what_can_mean_one_thing_is_read(tmp_path: Path, kind: str) -> None:
    make, expected = READ[kind]
    make(Source(tmp_path / "in"))
    done = imported(tmp_path / "in")
    assert sizes(done) == expected
    assert done.account.seen == done.account.imported + sum(entry.count for entry in done.account.left_out)


def test_a_list_that_says_what_the_folders_say_does_not_lose_their_split(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    _splits("a/b/train", "a/b/test")(source)
    files = sorted(source.root.rglob("*.png"))
    rows = [(path.relative_to(source.root).as_posix(), path.parent.name) for path in files]
    source.list_of("labels.csv", [("path", "label"), *rows])
    assert sizes(imported(source.root)) == SPLIT
    moved = [(path, label, "train" if path.endswith(("1.png", "2.png")) else "test") for path, label in rows]
    source.list_of("labels.csv", [("path", "label", "split"), *moved])
    with pytest.raises(DatasetError, match="read in 2 ways"):
        imported(source.root, replace=True)


@pytest.mark.parametrize("kind", ["training_set", "metadata.csv", "Kaggle's labels.csv", "repository"])
def test_an_archive_is_read_like_its_folder(tmp_path: Path, kind: str) -> None:
    make, expected = READ[kind]
    source = Source(tmp_path / "in")
    make(source)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in sorted(source.root.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(source.root))
    assert sizes(imported(tmp_path / "in.zip")) == expected


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training_Set", "train"),
        ("seg_train", "train"),
        ("train2017", "train"),
        ("x_train", "train"),
        ("test1", "test"),
        ("test_images", "test"),
        ("VALID", "validation"),
        ("dev", "validation"),
        ("hold-out", "evaluation"),
        ("train station", ""),
        ("test tube", ""),
        ("trainee", ""),
        ("testimonials", ""),
        ("train_test", ""),
        ("images", ""),
        ("2019", ""),
    ],
)
def test_names_of_splits(name: str, split: str) -> None:
    assert split_of(name) == split


# --- what is refused -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    make: Make
    says: tuple[str, ...]
    option: str = ""
    chosen: dict[str, object] = field(default_factory=dict)
    gives: tuple[str, ...] = ()


def _yolo(source: Source) -> None:
    for path in source.images("train/images"):
        source.put(f"train/labels/{Path(path).stem}.txt", "0 .5 .5 .2 .2")


def _yolo_beside(source: Source) -> None:
    for path in source.images("a/cat") + source.images("a/dog"):
        source.put(path.replace(".png", ".txt"), "0 .5 .5 .2 .2\n")


def _voc(source: Source) -> None:
    for path in source.images("JPEGImages"):
        source.put(f"Annotations/{Path(path).stem}.xml", "<annotation/>")


def _disagreeing(source: Source) -> None:
    rows = [(path, "odd") for path in source.images("cat") + source.images("dog")]
    source.list_of("labels.csv", [("path", "label"), *rows])


def _several_label_columns(source: Source) -> None:
    rows = [(path, label, label.upper()) for path, label in source.labelled()]
    source.list_of("train.csv", [("image", "species", "breed"), *rows])


def _no_label_column(source: Source) -> None:
    rows = [(path, label, str(at)) for at, (path, label) in enumerate(source.labelled())]
    source.list_of("train.csv", [("image", "what", "number"), *rows])


def _several_hot(source: Source) -> None:
    source.list_of("_classes.csv", [("filename", "cat", "dog"), *((path, "1", "1") for path in source.images("img"))])


def _dangling_class(source: Source) -> None:
    source.tree("cat", "dog")
    (source.root / "fox").mkdir()
    (source.root / "fox" / "1.png").symlink_to("../.git/annex/objects/1.png")


ASKED = {
    "train and test without classes": Refusal(
        lambda s: s.tree("train", "test1"), ("no class folders", "'test1', 'train'"), "--layout outer-folders"
    ),
    "test beside classes": Refusal(
        lambda s: s.tree("cat", "dog", "test"), ("'test', named like a split",), "--split-folders"
    ),
    "one split beside another folder": Refusal(
        lambda s: s.tree("train/cat", "train/dog", "prueba/cat", "prueba/dog"),
        ("'train', named like a split, beside 'prueba'",),
        "--split-folders",
        {"split_words": {"train": "train", "prueba": "test"}, "splits_are_chosen": True},
        ("cat", "dog"),
    ),
    "a split of unknown name": Refusal(
        lambda s: s.tree("train/cat", "val/cat", "prueba/cat"),
        ("prueba has the same classes as the split folders",),
        "--split-folders test=prueba",
    ),
    "two test splits": Refusal(
        lambda s: s.tree("train/cat", "test/cat", "testing/cat"), ("several test splits",), "--split-folders"
    ),
    "years above classes": Refusal(
        lambda s: s.tree("2019/cat", "2019/dog", "2020/cat", "2020/dog"),
        ("'2019', '2020' or, one level down, 'cat', 'dog'",),
        "--layout inner-folders",
        {"layout": "inner-folders"},
        ("cat", "dog"),
    ),
    "uneven depth": Refusal(
        lambda s: s.tree("pictures of pets/cat", "pictures of pets/dog", "logo"),
        ("one level down",),
        "--layout outer-folders",
    ),
    "images and masks": Refusal(lambda s: s.tree("images", "masks"), ("hardly a class",), "--layout outer-folders"),
    "masks in classes": Refusal(
        lambda s: s.tree("cat/images", "cat/masks", "dog/images", "dog/masks"), ("'masks'",), "--layout outer-folders"
    ),
    "one folder beside images": Refusal(
        lambda s: (s.images(".", 8), s.images("old", 3), None)[-1],
        ("one folder, 'old'", "7 more files"),
        "--layout outer-folders",
        {"layout": "outer-folders"},
        ("old",),
    ),
    "one folder beside an archive": Refusal(_also(_tree("cat"), _file("more.zip")), ("beside more.zip",)),
    "one folder beside a table": Refusal(_also(_tree("cat"), _file("notes.csv", "a,b\n1,2\n")), ("beside notes.csv",)),
    "many loose images": Refusal(
        lambda s: (s.images(".", 20), s.tree("cat", "dog"), None)[-1], ("20 images beside the folders",)
    ),
    "list and folders disagree": Refusal(
        _disagreeing,
        ("read in 2 ways", "the list labels.csv ('odd')", "class folders ('cat', 'dog')"),
        "`--list labels.csv` or `--layout folders`",
        {"list_file": "labels.csv"},
        ("odd",),
    ),
    "several label columns": Refusal(
        _several_label_columns,
        ("species, breed",),
        "--labels-from train.csv:breed",
        {"list_file": "train.csv", "label_column": "breed"},
        ("CAT", "DOG"),
    ),
    "no label column": Refusal(
        _no_label_column,
        ("image, what, number",),
        "--labels-from train.csv:what",
        {"label_column": "what"},
        ("cat", "dog"),
    ),
    "several labels": Refusal(_several_hot, ("several labels (cat, dog)",)),
    "COCO": Refusal(
        _also(_tree("train", "valid"), _file("train/_annotations.coco.json", "{}")), ("object-detection export (COCO",)
    ),
    "COCO by content": Refusal(
        _also(_tree("cat", "dog"), _file("x.json", '{"images": [], "annotations": []}')), ("(COCO: x.json)",)
    ),
    "YOLO": Refusal(_yolo, ("object-detection export (YOLO",)),
    "YOLO beside the images": Refusal(_yolo_beside, ("object-detection export (YOLO",)),
    "Pascal VOC": Refusal(_voc, ("object-detection export (Pascal VOC",)),
    "WebDataset": Refusal(_also(_images(".", 2), _file("1.cls"), _file("2.cls")), ("WebDataset",)),
    "saved to disk": Refusal(_also(_file("train/data.arrow"), _file("train/state.json")), ("saved to disk",)),
    "CIFAR pickles": Refusal(_file("data_batch_1", b"\x80\2}q\0."), ("pickles",)),
    "empty class": Refusal(
        lambda s: (s.tree("cat", "dog"), (s.root / "fox").mkdir(), None)[-1], ("class 'fox'", "no images")
    ),
    "DICOM class": Refusal(_also(_tree("cat", "dog"), _file("fox/1.dcm")), ("class 'fox'", "fox/1.dcm")),
    "class of dangling links": Refusal(_dangling_class, ("class 'fox'", "links to files that do not exist")),
    "archives in a folder": Refusal(
        _also(_file("train.zip"), _file("test.zip")), ("archives only: test.zip, train.zip",)
    ),
    "flat": Refusal(_images(".", 5), ("no class folders", "5 images lie in it")),
    "table that names nothing": Refusal(
        _also(_images("img", 4), _file("labels.csv", "path,label\nx/1.png,a\n")), ("img", "hardly a class")
    ),
}


@pytest.mark.parametrize("kind", ASKED)
def test_what_can_mean_several_things_is_asked_about(tmp_path: Path, kind: str) -> None:
    case = ASKED[kind]
    case.make(Source(tmp_path / "in"))
    error = refused(tmp_path / "in")
    for part in case.says:
        assert part in error.message
    assert case.option in error.remedy
    if case.chosen:
        assert imported(tmp_path / "in", **case.chosen).manifest.labels == case.gives


# --- files that are not what they should be --------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says", "remedy"),
    [
        (LFS, "is a Git LFS pointer", "git lfs pull"),
        (HEIC, "is a HEIC image", "Convert it to JPEG"),
        (b"<!DOCTYPE html><title>404</title>", "is a web page", "Download it again"),
        (bytes(128) + b"DICM" + bytes(50), "is a DICOM file", "Convert it"),
        (b"\xff\x0a" + bytes(50), "is a JPEG XL file", "Convert it"),
        (b"", "is empty", "Remove or replace it"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(tmp_path: Path, content: bytes, says: str, remedy: str) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    source.put("dog/0.jpg", content)
    error = refused(tmp_path / "in")
    assert f"dog/0.jpg {says}" in error.message
    assert remedy in error.remedy
    done = imported(tmp_path / "in", skip_bad=True)
    (left,) = done.account.left_out
    assert (left.label, left.count) == ("dog", 1)


def test_a_class_never_vanishes_even_with_skip_bad(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    for number in range(3):
        source.put(f"fox/{number}.png", LFS)
    error = refused(tmp_path / "in", skip_bad=True)
    assert "class 'fox' has no image left of 3" in error.message
    assert "git lfs pull" in error.remedy


@pytest.mark.parametrize("name", ["data/train-00000-of-00001.parquet", "x.zip", "x.tar.gz", "labels.csv"])
def test_a_pointer_in_place_of_the_file_is_called_one(tmp_path: Path, name: str) -> None:
    path = Source(tmp_path / "in").put(name, LFS)
    assert "Git LFS pointer" in refused(tmp_path / "in" if "/" in name else path).message


@pytest.mark.parametrize(
    ("cell", "says", "remedy"),
    [
        ("gs://bucket/1.png", "lies in a bucket", "gcloud storage cp"),
        ("s3://bucket/1.png", "lies in a bucket", "aws s3 sync"),
        ("https://example.com/1.png", "is an address", "--download"),
        ("C:\\Users\\me\\1.png", "Windows machine", "relative"),
        ("IMG/1.PNG", "img/1.png' exists", "--skip-bad"),
        ("img/%31.png", "img/1.png' exists", "--skip-bad"),
    ],
)
def test_a_path_that_leads_elsewhere_is_explained(tmp_path: Path, cell: str, says: str, remedy: str) -> None:
    source = Source(tmp_path / "in")
    source.image("img/1.png")
    source.list_of("labels.csv", [("path", "label"), (cell, "cat"), ("img/1.png", "cat")])
    error = refused(tmp_path / "in" / "labels.csv")
    assert says in error.message
    assert "line 2" in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize("address", ["gs://bucket/folder", "s3://bucket/x.zip", "https://example.com/x.zip"])
def test_a_source_in_a_bucket_or_on_the_web_is_said(tmp_path: Path, address: str) -> None:
    with pytest.raises(DatasetError, match=address):
        import_dataset("ds", Path(address), tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.7z", b"7z\xbc\xaf\x27\x1c", "7z archive"),
        ("x.xlsx", b"PK\3\4", "Excel"),
        ("o.manifest", b"{}", "manifest of a cloud service"),
        ("v.jsonl", b'{"imageGcsUri": "gs://b/1.jpg"}', "manifest of a cloud service"),
        ("coco.json", b"{}", "COCO"),
        ("x.arrow", b"ARROW1", "Arrow file"),
        ("labels.csv", "path,label\nKäfer.png,x\n".encode("latin-1"), "line 2, is not UTF-8"),
        ("labels.csv", b"path,label,label\n1.png,a,b\n", "2 columns called 'label'"),
        ("labels.csv", b"TRAINING,gs://b/1.png,cat\n", "lies in a bucket"),
        ("labels.csv", b'path,label\n1.png,"a\nb"\n', "control character"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    assert says in refused(Source(tmp_path / "in").put(name, content)).message


# --- archives --------------------------------------------------------------------------------------------


def test_archives_are_known_by_their_content(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    with tarfile.open(tmp_path / "really_tar.zip", "w:gz") as tar:
        tar.add(source.root, ".")
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        for path in sorted(source.root.rglob("*.png")):
            archive.write(path, path.relative_to(source.root))
    assert sizes(imported(tmp_path / "really_tar.zip")) == DRAWN
    assert sizes(imported(tmp_path / "archive", replace=True)) == DRAWN


def _zip(path: Path, members: Iterable[tuple[bytes, bytes, int]]) -> Path:
    """Write a zip whose names are exactly these bytes, with these flags."""
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        for at, (name, content, _) in enumerate(members):
            archive.writestr(f"{at:03d}".ljust(len(name), "_"), content)
    data = plain.getvalue()
    for at, (name, _, flags) in enumerate(members):
        placeholder = f"{at:03d}".ljust(len(name), "_").encode()
        data = data.replace(placeholder, name)
        assert flags in (0, 0x800)
    path.write_bytes(data)
    return path


def test_names_without_the_utf8_flag_are_utf8_or_refused(tmp_path: Path) -> None:
    names = [f"{label}/{n}.png" for label in ("Käfer", "Fliege") for n in range(5)]
    utf8 = _zip(tmp_path / "u.zip", [(name.encode(), image_bytes(at), 0) for at, name in enumerate(names)])
    assert sizes(imported(utf8)) == {"Fliege": (4, 1), "Käfer": (4, 1)}
    other = _zip(tmp_path / "w.zip", [(name.encode("cp1252"), image_bytes(at), 0) for at, name in enumerate(names)])
    with pytest.raises(DatasetError, match="unknown code page"):
        import_dataset("other", other, tmp_path / "data")


def test_folder_entries_of_windows_zips_are_folders(tmp_path: Path) -> None:
    members = [(b"pets\\", b"", 0), (b"pets\\cat\\", b"", 0)]
    members += [
        (f"pets\\{label}\\{n}.png".encode(), image_bytes(n + 9 * at), 0)
        for at, label in enumerate(("cat", "dog"))
        for n in range(5)
    ]
    assert sizes(imported(_zip(tmp_path / "w.zip", members))) == DRAWN


def test_a_zip_with_a_password_says_so(tmp_path: Path) -> None:
    path = _zip(tmp_path / "e.zip", [(b"cat/1.png", image_bytes(1), 0)])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert f"{path} is encrypted" in refused(path).message


def test_messages_name_the_archive_and_its_member(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    source.put("dog/bad.png", "no image")
    source.put("dog/odd.xyz", "?")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in sorted(source.root.rglob("*.*")):
            archive.write(path, path.relative_to(source.root))
    assert f"{tmp_path / 'in.zip'}: dog/bad.png is no image" in refused(tmp_path / "in.zip").message
    done = imported(tmp_path / "in.zip", skip_bad=True)
    card = (done.manifest.folder / "dataset.toml").read_text()
    assert ".unpacking" not in card
    assert 'example = "dog/bad.png"' in card


def test_a_name_that_is_file_and_folder_is_refused(tmp_path: Path) -> None:
    members = [(b"cat/0.png", image_bytes(1), 0), (b"cat/0.png/inner.png", image_bytes(2), 0)]
    assert "as a file and as a folder" in refused(_zip(tmp_path / "x.zip", members)).message


# --- hub configurations ----------------------------------------------------------------------------------


def _shard(path: Path, start: int, count: int, label: str = "label", image: str = "image") -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": image_bytes(start + n), "path": f"{n}.png"} for n in range(count)]
    parquet.write_table(pa.table({image: images, label: ["cat" if n % 2 else "dog" for n in range(count)]}), path)


def test_configurations_of_a_hub_dataset_are_a_choice(tmp_path: Path) -> None:
    for configuration in ("full", "small"):
        for split, count in (("train", 8), ("test", 4)):
            _shard(tmp_path / "in" / "data" / configuration / f"{split}-00000-of-00001.parquet", 0, count)
    error = refused(tmp_path / "in")
    assert "several configurations" in error.message
    assert "full, small" in error.message
    assert str(tmp_path / "in" / "data" / "full") in error.remedy
    assert sizes(imported(tmp_path / "in" / "data" / "small")) == {"cat": (4, 2), "dog": (4, 2)}


def test_a_shard_with_other_columns_asks_for_the_label(tmp_path: Path) -> None:
    _shard(tmp_path / "in" / "train-00000-of-00001.parquet", 0, 8, "fine_label", "img")
    assert "--labels-from" in refused(tmp_path / "in").remedy
    assert sizes(imported(tmp_path / "in", label_column="fine_label")) == LISTED


def test_shards_beside_class_folders_are_two_readings(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.tree("cat", "dog")
    _shard(tmp_path / "in" / "train-00000-of-00001.parquet", 100, 8)
    error = refused(tmp_path / "in")
    assert "--layout parquet" in error.remedy
    assert "--layout folders" in error.remedy


# --- addresses -------------------------------------------------------------------------------------------


def test_web_addresses_are_fetched_with_download(tmp_path: Path, file_server: Any) -> None:
    file_server.files = {f"{n}.png": image_bytes(n) for n in range(8)}
    rows = [(f"{file_server.address}/{n}.png", "cat" if n % 2 else "dog") for n in range(8)]
    source = Source(tmp_path / "in")
    source.list_of("labels.csv", [("path", "label"), *rows])
    assert sizes(imported(tmp_path / "in" / "labels.csv", download=True)) == LISTED
    source.list_of("labels.csv", [("path", "label"), *rows, (f"{file_server.address}/gone.png", "cat")])
    with pytest.raises(DatasetError, match=r"gone\.png cannot be downloaded"):
        imported(tmp_path / "in" / "labels.csv", download=True, replace=True)
    done = imported(tmp_path / "in" / "labels.csv", download=True, replace=True, skip_bad=True)
    assert [(entry.reason, entry.count) for entry in done.account.left_out] == [("not_downloaded", 1)]


# --- the table in the docs -------------------------------------------------------------------------------

EXAMPLES: dict[str, tuple[Make, dict[str, object]]] = {
    "folders": (_splits("train", "test"), {}),
    "folders-with-splits": (READ["splits in classes"][0], {}),
    "outer-folders": (_tree("2019/cat", "2020/cat"), {"layout": "outer-folders"}),
    "inner-folders": (_tree("2019/cat", "2020/cat"), {"layout": "inner-folders"}),
    "list": (_list("labels.csv", ("path", "label")), {"layout": "list"}),
    "metadata": (_hub_metadata("csv"), {}),
    "kaggle": (_kaggle_by_id, {}),
    "one-hot": (_roboflow_classes, {}),
    "archive": (_tree("cat", "dog"), {}),
}
IMAGES_ELSEWHERE = {"parquet", "idx", "cifar10", "food-lists", "pets-lists", "cars-matlab", "own"}
ELSEWHERE = IMAGES_ELSEWHERE | {"texts", "table", "text-folders", "mail-folders"}
"""Layouts whose reading other modules of this folder test."""


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - ELSEWHERE))
def test_every_layout_of_the_table_is_read(tmp_path: Path, layout: str) -> None:
    make, options = EXAMPLES[layout]
    make(Source(tmp_path / "in"))
    path = tmp_path / "in"
    if layout == "archive":
        with tarfile.open(tmp_path / "in.tar", "w") as tar:
            tar.add(path, ".")
        path = tmp_path / "in.tar"
    assert "--group" in refused(path, group=r"no such (\d+)", **options).message
    assert imported(path, **options).manifest.table.num_rows > 0


def test_workspace_folders_are_no_source(tmp_path: Path) -> None:
    source = Source(tmp_path / "work")
    source.tree("cat", "dog")
    source.tree("data/other/train/fox", "results/plots")
    options = ImportOptions(own_folders=(tmp_path / "work" / "results",))
    done = import_dataset("ds", tmp_path / "work", tmp_path / "work" / "data", options)
    assert done.manifest.labels == ("cat", "dog")
    assert {(entry.reason, entry.example) for entry in done.account.left_out} == {("own_folder", "data")}
    assert done.account.by_reason()[done.account.left_out[0].reason][0].count == 2


@pytest.mark.skipif(os.name != "posix", reason="composed and decomposed names differ on POSIX only")
def test_composed_and_decomposed_class_names_are_merged_on_request(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    source.images("train/" + unicodedata.normalize("NFC", "Café"))
    source.images("test/" + unicodedata.normalize("NFD", "Café"), 2)
    source.images("train/Tee"), source.images("test/Tee", 2)
    assert any("look alike" in warning for warning in imported(tmp_path / "in").warnings)
    done = imported(tmp_path / "in", merge_labels=True, replace=True)
    assert sizes(done) == {unicodedata.normalize("NFC", "Café"): (5, 2), "Tee": (5, 2)}
