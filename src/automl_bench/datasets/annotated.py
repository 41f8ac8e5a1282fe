"""Reads the published layouts in which lists, not folders, say which image is what: food-101, pets, cars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from automl_bench.datasets.class_folders import check_label
from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.errors import DatasetError
from automl_bench.toolkit.answers import read_json
from automl_bench.toolkit.whole_files import cannot

_DOWNLOAD_AGAIN = "Download it again."


def _beneath(root: Path, *parts: str) -> Path:
    """Return the first folder at or below `root` (three levels) that has the given file."""
    for depth in range(3):
        for folder in sorted(root.glob("/".join(["*"] * depth)) if depth else [root]):
            if folder.joinpath(*parts).is_file():
                return folder
    raise DatasetError(f"{root} has no {'/'.join(parts)}.", remedy=_DOWNLOAD_AGAIN)


def _listed(layout: str, samples: Sequence[tuple[str, str, str]], root: Path) -> Listing:
    """Make the listing of (path below root, label, split)."""
    folder = root.resolve()
    for path, label, _ in samples:
        check_label(label, str(root))
        if not (folder / path).resolve().is_relative_to(folder):
            raise DatasetError(f"{root} lists {path!r}, which lies outside it.", remedy=_DOWNLOAD_AGAIN)
    if not {split for _, _, split in samples} >= {"train", "test"}:
        raise DatasetError(f"{root} lists no training or no test images.", remedy=_DOWNLOAD_AGAIN)

    def stream() -> Iterator[Incoming]:
        for path, label, split in samples:
            yield Incoming(Path(path).name, label, split, path=str(root / path), where=path)

    labels = tuple(dict.fromkeys(label for _, label, _ in samples))
    return Listing(layout, labels, True, len(samples), stream)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text.", remedy=_DOWNLOAD_AGAIN) from error
    except OSError as error:
        raise cannot("read", path, error) from error


def read_food_lists(root: Path) -> Listing:
    """List food-101: `meta/{train,test}.json` map each class to `<class>/<number>`, a JPEG below `images/`.

    Raises:
        DatasetError: If a list is missing or is not such a map.
    """
    root = _beneath(root, "meta", "train.json")
    samples = []
    for split in ("train", "test"):
        path = root / "meta" / f"{split}.json"
        try:
            lists = read_json(_text(path))
            samples += [(f"images/{image}.jpg", label, split) for label, images in lists.items() for image in images]
        except (ValueError, AttributeError, TypeError) as error:
            raise DatasetError(f"{path} is no map of classes to images: {error}.", remedy=_DOWNLOAD_AGAIN) from error
    return _listed("food-101 lists", samples, root)


def read_pets_lists(root: Path) -> Listing:
    """List Oxford-IIIT Pets: `annotations/{trainval,test}.txt`, lines `<image> <class> <species> <breed>`.

    The class is the image's name before its last underscore: `Abyssinian_100` → `Abyssinian`.

    Raises:
        DatasetError: If a list is missing or a line has another form.
    """
    root = _beneath(root, "annotations", "trainval.txt")
    samples = []
    for name, split in (("trainval.txt", "train"), ("test.txt", "test")):
        path = root / "annotations" / name
        for number, line in enumerate(_text(path).splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            image = line.split()[0]
            label, underscore, _ = image.rpartition("_")
            if not underscore or not label:
                raise DatasetError(f"{path}, line {number}: {image!r} names no class.", remedy=_DOWNLOAD_AGAIN)
            samples.append((f"images/{image}.jpg", label, split))
    return _listed("Oxford pets lists", samples, root)


def read_cars_matlab(root: Path) -> Listing:
    """List Stanford Cars: MATLAB files with the struct array `annotations` (fields fname and class, counted from 1).

    Training: `devkit/cars_train_annos.mat`, images in `cars_train/`. Test: `cars_test_annos_withlabels.mat`, images in
    `cars_test/`. Names: `devkit/cars_meta.mat`, cell array `class_names`.

    Raises:
        DatasetError: If a file is missing or has other fields.
    """
    root = _beneath(root, "devkit", "cars_meta.mat")
    names = [str(name) for name in _matlab(root / "devkit" / "cars_meta.mat", "class_names")]
    test = root / "cars_test_annos_withlabels.mat"
    test = test if test.is_file() else root / "devkit" / test.name
    samples = []
    for split, path in (("train", root / "devkit" / "cars_train_annos.mat"), ("test", test)):
        for row in _matlab(path, "annotations"):
            number = int(getattr(row, "class", 0))
            image = str(getattr(row, "fname", ""))
            if not image or not 1 <= number <= len(names):
                raise DatasetError(f"{path} has an annotation without image or known class.", remedy=_DOWNLOAD_AGAIN)
            samples.append((f"cars_{split}/{image}", names[number - 1], split))
    return _listed("Stanford cars annotations", samples, root)


def _matlab(path: Path, variable: str) -> Sequence[Any]:
    import numpy as np
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False, variable_names=[variable])
    except (MatReadError, ValueError, TypeError, NotImplementedError, EOFError) as error:
        raise DatasetError(f"{path} is no MATLAB 5 file: {error}.", remedy=_DOWNLOAD_AGAIN) from error
    except OSError as error:
        raise cannot("read", path, error) from error
    if variable not in content:
        raise DatasetError(f"{path} has no variable {variable!r}.", remedy=_DOWNLOAD_AGAIN)
    return list(np.atleast_1d(content[variable]))
