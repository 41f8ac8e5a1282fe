"""Each provider's own manifest: the plugin describes rows, the host writes the label, and failures stay apart."""

from __future__ import annotations

import csv
import json

import pytest

from automl_bench.ablations import files
from automl_bench.contract import ProviderManifest
from automl_bench.errors import RequestRefused


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def pets(place, numbered):
    return place(numbered(cat=10, dog=10), numbered("test ", cat=3, dog=2), name="pets")


def write_with(manifest, export, **more):
    return files.write(manifest, shots=[5], exporters={"acme": export}, **more)


def test_a_csv_gets_its_label_in_the_column_the_plugin_left_empty(pets):
    def export(dataset, entries):
        rows = [
            {"use": entry.split.upper(), "label": "", "uri": f"gs://b/{entry.sample.sample_id}"} for entry in entries
        ]
        return ProviderManifest(rows=rows, label_at=("label",), label_names={"cat": "Cat!"})

    written = write_with(pets, export)
    header, *rows = read_csv(written.folder / "pets_train_5_acme.csv")
    own = files.read_rows(written.folder / "pets_train_5.csv")
    names = {"cat": "Cat!", "dog": "dog"}
    assert header == ["use", "label", "uri"]
    assert rows == [["TRAIN", names[label], f"gs://b/{sample_id}"] for _, label, sample_id in own]
    assert {row[0] for row in read_csv(written.folder / "pets_val_5_acme.csv")[1:]} == {"VALIDATION"}
    assert [row[0] for row in read_csv(written.folder / "pets_test_acme.csv")[1:]] == ["TEST"] * 5


def test_a_label_column_that_was_left_out_comes_last_and_a_header_may_be_absent(pets):
    def export(dataset, entries):
        return ProviderManifest(rows=[{"uri": "x"} for _ in entries], label_at=("label",), header=False)

    rows = read_csv(write_with(pets, export).folder / "pets_train_5_acme.csv")
    assert rows == [["x", "cat"]] * 4 + [["x", "dog"]] * 4


def test_json_lines_get_their_label_at_a_nested_place(pets):
    def export(dataset, entries):
        rows = [{"image": "x", "annotation": {"kind": "single"}, "labels": {"split": entry.split}} for entry in entries]
        return ProviderManifest(rows=rows, label_at=("annotation", "value", "name"), file_format="jsonl")

    written = write_with(pets, export)
    assert written.providers["acme"][1] == "pets_train_5_acme.jsonl"
    lines = (written.folder / "pets_train_5_acme.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {
        "image": "x",
        "annotation": {"kind": "single", "value": {"name": "cat"}},
        "labels": {"split": "train"},
    }
    assert len(lines) == 8


def test_a_plugin_sees_no_label_of_any_sample(place):
    secret = {"hidden-a": [f"text {n}" for n in range(5)], "hidden-b": [f"words {n}" for n in range(5)]}
    folders = {"hidden-a": "0", "hidden-b": "1"}
    manifest = place(secret, {"hidden-a": ["judge"]}, class_folders=folders)
    seen = []

    def export(dataset, entries):
        seen.extend(entries)
        return ProviderManifest(rows=[{} for _ in entries], label_at=("label",))

    write_with(manifest, export)
    assert len(seen) == 1 + 8 + 2
    assert "hidden" not in repr(seen)


def test_every_fold_has_its_files(pets):
    def export(dataset, entries):
        return ProviderManifest(rows=[{} for _ in entries], label_at=("label",))

    names = write_with(pets, export, folds=2).providers["acme"]
    assert [name for name in names if "fold1" in name] == ["pets_train_5_fold1_acme.csv", "pets_val_5_fold1_acme.csv"]


def breaks(*_):
    raise RuntimeError("boom")


def refuses(*_):
    raise RequestRefused("no bucket is set.", remedy="Set one.")


def late(dataset, entries):
    if entries and entries[0].split == "validation":
        raise RuntimeError("too late")
    return ProviderManifest(rows=[{} for _ in entries], label_at=("label",))


def answering(**changes):
    def export(dataset, entries):
        given = {"rows": [{"uri": "x"} for _ in entries], "label_at": ("label",)}
        return ProviderManifest(**(given | {key: make(entries) for key, make in changes.items()}))

    return export


@pytest.mark.parametrize(
    ("export", "reason"),
    [
        (breaks, "raised RuntimeError: boom"),
        (refuses, "no bucket is set. Set one."),
        (late, "too late"),
        (lambda *_: None, "returned NoneType"),
        (answering(rows=lambda entries: [{}]), "returned 1 rows for"),
        (answering(rows=lambda entries: [{"label": "cat"} for _ in entries]), "filled in the label's place"),
        (answering(rows=lambda entries: [{f"c{n}": 1} for n, _ in enumerate(entries)]), "different columns"),
        (answering(label_at=lambda _: ()), "where the label belongs"),
        (answering(label_at=lambda _: ("a", "b")), "one level of columns"),
        (answering(file_format=lambda _: "xml"), "'xml'"),
        (answering(label_names=lambda _: {"cat": "x", "dog": "x"}), "two labels alike"),
        (answering(label_names=lambda _: {"cat": "dog"}), "two labels alike"),
        (
            answering(
                rows=lambda entries: [{"a": "text"} for _ in entries],
                label_at=lambda _: ("a", "b"),
                file_format=lambda _: "jsonl",
            ),
            "on the way to the label",
        ),
    ],
)
def test_a_provider_that_fails_is_reported_and_hurts_no_other(pets, export, reason):
    written = files.write(pets, shots=[5], exporters={"bad": export, "good": answering()})
    (failure,) = written.failures
    assert failure.provider == "bad"
    assert reason in failure.reason
    assert len(written.providers["good"]) == 3
    assert not list(written.folder.glob("*_bad.*"))
    assert "bad" not in written.providers


class Shouting(dict):
    """Works each label's spelling out, and remembers what it was asked."""

    def __init__(self, asked):
        super().__init__()
        self.asked = asked

    def get(self, label, default=None):
        self.asked.append(label)
        return label.upper()


def test_a_spelling_that_is_worked_out_is_asked_for_each_label_once_and_in_order(pets):
    asked = []

    def export(dataset, entries):
        asked.append("a file")
        return ProviderManifest(rows=[{"uri": "x"} for _ in entries], label_at=("label",), label_names=Shouting(asked))

    written = write_with(pets, export)
    rows = read_csv(written.folder / "pets_test_acme.csv")[1:]
    assert {label for _, label in rows} == {"CAT", "DOG"}
    assert asked == ["a file", "cat", "dog"] * 3, "the order of the samples would tell each one's label"
