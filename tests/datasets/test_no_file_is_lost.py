"""Trees made at random, of splits, wrappers, loose files, lists and odd names: never a wrong class, never a lost file.

The oracle is the generator: it knows the class and the split of every image that it writes, how many files there are,
and whether the whole can mean one thing only.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from odd_sources import image_bytes

from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.provenance import read_card
from automl_bench.errors import DatasetError

CLASSES = (
    "cat",
    "dog",
    "Röntgen Bild",
    "a,b",
    'say "x"',
    "v1.0",
    "日本",
    "007",
    "no_label",
    "-rf",
    "CON",
    "x'y",
    "trainee",
)
SPLITS = (
    {},
    {"train": "train", "test": "test"},
    {"Training": "train", "Test": "test"},
    {"train": "train", "valid": "train", "test": "test"},
    {"training_set": "train", "test_set": "test"},
    {"seg_train": "train", "seg_test": "test"},
    {"train2017": "train", "val2017": "train", "test2017": "test"},
    {"train": "train", "eval": "test"},
    {"train": "train", "dev": "train", "holdout": "test"},
)
WRAPPERS = ("", "wrap", "pets v2/inner", "dataset", "images", "repo-main/data")
BESIDE = ("README.md", "LICENSE", "preview.png", ".DS_Store", "Thumbs.db", "notes", "x.heic", "data.yaml", "stats.csv")
INSIDE = (".DS_Store", "@eaDir/1.png/THUMB.jpg", ".cache/1.png", "notes.txt", "scan.dcm", "1.jpg_large", "Thumbs.db")
TRAPS = ("", "coco", "years", "masks", "split without classes", "one split", "other list", "loose majority", "emptied")


@dataclass(frozen=True)
class Plan:
    classes: tuple[str, ...]
    splits: dict[str, str]
    wrapper: str
    beside: tuple[str, ...]
    inside: tuple[str, ...]
    depth: int
    a_list: str
    unlabelled: bool
    dangling: bool
    trap: str


PLANS = st.builds(
    Plan,
    classes=st.lists(st.sampled_from(CLASSES), min_size=2, max_size=4, unique=True).map(tuple),
    splits=st.sampled_from(SPLITS),
    wrapper=st.sampled_from(WRAPPERS),
    beside=st.lists(st.sampled_from(BESIDE), unique=True, max_size=4).map(tuple),
    inside=st.lists(st.sampled_from(INSIDE), unique=True, max_size=3).map(tuple),
    depth=st.integers(0, 2),
    a_list=st.sampled_from(("", "agrees", "agrees", "part", "unrelated")),
    unlabelled=st.booleans(),
    dangling=st.booleans(),
    trap=st.sampled_from(("", "", "", *TRAPS)),
)


class Tree:
    """Writes a plan below a folder and remembers what each image means."""

    def __init__(self, plan: Plan, root: Path) -> None:
        self.plan = plan
        self.root = root
        self.top = root / plan.wrapper if plan.wrapper else root
        self.truth: dict[str, tuple[str, str]] = {}
        self.listed: list[tuple[str, str]] = []
        self.files = 0
        self.number = 0
        self.refuses = bool(plan.trap)
        self.write()

    def put(self, path: Path, content: bytes = b"x") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.files += 1

    def image(self, path: Path) -> bytes:
        self.number += 1
        content = image_bytes(self.number)
        self.put(path, content)
        return content

    def sample(self, folder: Path, label: str, split: str) -> None:
        path = folder / f"{self.number}.png"
        content = self.image(path)
        self.truth[hashlib.sha256(content).hexdigest()] = (label, split)
        self.listed.append((path.relative_to(self.root).as_posix(), label))

    def write(self) -> None:
        plan = self.plan
        for folder, split in plan.splits.items() or (("", ""),):
            for label in plan.classes:
                inside = self.top / folder / label / "/".join("deeper"[: plan.depth])
                for _ in range(3):
                    self.sample(inside, label, split)
        for name in plan.beside:
            self.image(self.top / name) if name.endswith(".png") else self.put(self.top / name)
        first = self.top / next(iter(plan.splits), "") / plan.classes[0]
        for name in plan.inside:
            self.put(first / name)
        if plan.dangling:
            (first / "gone.png").symlink_to("nowhere.png")
            self.files += 1
        if plan.unlabelled and plan.splits and "test" not in {folder.lower() for folder in plan.splits}:
            for name in ("1.png", "2.png"):
                self.image(self.top / "unlabelled pictures" / name)
        self.write_list()
        self.set_trap()

    def write_list(self) -> None:
        rows = {"agrees": self.listed, "part": self.listed[:4], "unrelated": [("x/1.png", "fox")]}.get(self.plan.a_list)
        if rows:
            self.table("labels.csv", rows)

    def table(self, name: str, rows: list[tuple[str, str]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows([("path", "label"), *rows])
        self.put(self.root / name, text.getvalue().encode())

    def set_trap(self) -> None:
        plan = self.plan
        first = self.top / next(iter(plan.splits), "")
        # A list of all images but those of the trap is the one sound reading: it says the label of each.
        unclear = plan.a_list != "agrees"
        if plan.trap == "coco":
            self.put(self.top / "instances_default.json", b'{"images": [], "annotations": []}')
        elif plan.trap == "years":
            for label in plan.classes:
                self.image(first / "2019" / label / "1.png")
                self.image(first / "2020" / label / "1.png")
            self.refuses = unclear
        elif plan.trap == "masks":
            self.image(first / plan.classes[0] / "masks" / "1.png")
            self.refuses = unclear
        elif plan.trap == "split without classes":
            self.image(self.top / "other" / "1.png")
            self.image(self.top / "test" / "1.png")
            self.refuses = unclear and not plan.splits
        elif plan.trap == "one split":
            for label in plan.classes:
                self.image(self.top / "prueba" / label / "1.png")
            self.refuses = unclear
        elif plan.trap == "other list":
            self.table("truth.csv", [(path, "other") for path, _ in self.listed])
        elif plan.trap == "loose majority":
            for number in range(len(self.truth) + 40):
                self.image(self.top / f"loose{number}.png")
            self.refuses = unclear and not plan.splits
        elif plan.trap == "emptied":
            self.put(first / "fox" / "1.dcm")


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(plan=PLANS)
@example(
    Plan(("cat", "dog"), {"train": "train", "test": "test"}, "wrap", (), (), 0, "", False, False, "loose majority")
)
@example(Plan(("cat", "dog"), {}, "wrap", (), (), 0, "", False, False, "loose majority"))
@example(Plan(("cat", "dog"), {}, "", (), (), 0, "part", False, False, "years"))
@example(Plan(("cat", "dog"), {}, "", (), (), 0, "agrees", False, False, "emptied"))
def test_a_tree_is_imported_as_it_was_meant_or_refused_whole(plan: Plan) -> None:
    check(plan)


@pytest.mark.simulation
@pytest.mark.timeout(300)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=PLANS)
def test_many_trees_are_imported_as_they_were_meant(plan: Plan) -> None:
    check(plan)


def check(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(plan, Path(folder) / "source")
        data = Path(folder) / "data"
        if tree.refuses:
            with pytest.raises(DatasetError) as caught:
                import_dataset("ds", tree.root, data)
            assert caught.value.remedy
            assert list(data.iterdir()) == []
            return
        done = import_dataset("ds", tree.root, data, ImportOptions(own_folders=(data,)))
        table = done.manifest.table
        rows = zip(table["sample_id"].to_pylist(), table["label"].to_pylist(), table["split"].to_pylist(), strict=True)
        found = {sample_id: (label, split if plan.splits else "") for sample_id, label, split in rows}
        assert found == tree.truth
        account = done.account
        read_as_list = "CSV" in done.layout
        assert account.imported == len(tree.truth)
        assert account.seen == tree.files - read_as_list
        assert account.seen == account.imported + sum(entry.count for entry in account.left_out)
        card = read_card(done.manifest.folder)
        assert card is not None
        assert card.account == account
