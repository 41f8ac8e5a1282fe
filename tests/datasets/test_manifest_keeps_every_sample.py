"""manifest.csv, classes.txt, dataset.toml: what is written is read back, and the fingerprint binds content."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_bench.contract import Modality
from automl_bench.datasets.manifest import (
    ManifestRow,
    fingerprint_of,
    manifest_schema,
    manifest_table,
    read_manifest,
    write_manifest,
)
from automl_bench.datasets.provenance import DatasetCard, read_card
from automl_bench.errors import DatasetError, DatasetNotFound, WorkspaceError

LABELS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


def row(number: int, label: str, split: str = "train", path: str | None = None) -> ManifestRow:
    sample_id = hashlib.sha256(str(number).encode()).hexdigest()
    return ManifestRow(sample_id, path or f"{split}/folder/{number}.png", split, label, 10 + number, 8, 9, "image/png")


def written(folder: Path, rows: list[ManifestRow], **card: object) -> Path:
    folder.mkdir(exist_ok=True)
    write_manifest(folder, manifest_table(rows), DatasetCard(name=folder.name, **card))  # type: ignore[arg-type]
    return folder


def test_rows_come_back_sorted_by_split_label_and_path(tmp_path: Path) -> None:
    rows = [row(3, "b"), row(2, "a"), row(1, "b", "test"), row(0, "a")]
    manifest = read_manifest(written(tmp_path / "tiny", rows))
    assert manifest.table.schema.equals(manifest_schema())
    assert [ManifestRow(**values) for values in manifest.table.to_pylist()] == sorted(
        rows, key=lambda r: (r.split, r.label, r.path)
    )
    assert manifest.name == "tiny"
    assert manifest.labels == ("a", "b")
    assert manifest.modality is Modality.IMAGE
    assert manifest.counts() == {"train": {"a": 2, "b": 1}, "test": {"a": 0, "b": 1}}


@given(labels=st.lists(LABELS, min_size=1, max_size=8, unique=True))
def test_any_printable_label_survives(labels: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = written(tmp_path_factory.mktemp("odd"), [row(i, label) for i, label in enumerate(labels)])
    manifest = read_manifest(folder)
    assert manifest.labels == tuple(sorted(labels))
    assert (folder / "classes.txt").read_text(encoding="utf-8") == "".join(f"{name}\n" for name in sorted(labels))
    assert manifest.card.counts["train"] == dict.fromkeys(labels, 1)


def test_labels_that_look_like_nulls_numbers_or_truth_values_stay_text(tmp_path: Path) -> None:
    odd = ["null", "NA", "NaN", "1", "01", "1.0", "true", "", " ", 'say "hi", twice']
    manifest = read_manifest(written(tmp_path / "odd", [row(i, label) for i, label in enumerate(odd) if label]))
    assert manifest.labels == tuple(sorted(label for label in odd if label))


def test_sizes_of_what_is_no_image_are_empty(tmp_path: Path) -> None:
    text = row(0, "a")._replace(width=None, height=None, media_type="text/plain")
    folder = written(tmp_path / "texts", [text])
    assert (folder / "manifest.csv").read_text().splitlines()[1].endswith(",10,,,text/plain")
    assert read_manifest(folder).table["width"].to_pylist() == [None]


def test_sizes_may_be_missing_in_some_rows(tmp_path: Path) -> None:
    sizes = [None if number % 3 == 1 else number for number in range(10, 30)]
    rows = [row(number, "a")._replace(width=size) for number, size in enumerate(sizes)]
    table = manifest_table(rows).sort_by("sample_id")
    assert table["width"].to_pylist() == [each.width for each in sorted(rows)]
    assert table["width"].null_count == sizes.count(None)


def test_fingerprint_is_the_digest_of_the_sorted_lines() -> None:
    rows = [row(i, label, split) for i, (label, split) in enumerate([("é", "train"), ("a,b", "test"), ("Z", "train")])]
    lines = sorted(f"{r.sample_id},{r.split},{r.label}" for r in rows)
    assert fingerprint_of(manifest_table(rows)) == hashlib.sha256("".join(f"{x}\n" for x in lines).encode()).hexdigest()


def test_fingerprint_ignores_order_and_paths_and_notices_labels_and_splits() -> None:
    rows = [row(i, "ab"[i % 2], "test" if i % 5 == 0 else "train") for i in range(50)]
    shuffled = [r._replace(path=f"elsewhere/{r.path}") for r in random.Random(1).sample(rows, len(rows))]
    print_of = fingerprint_of(manifest_table(rows))
    assert fingerprint_of(manifest_table(shuffled)) == print_of
    assert fingerprint_of(manifest_table([rows[0]._replace(label="b"), *rows[1:]])) != print_of
    assert fingerprint_of(manifest_table([rows[0]._replace(split="train"), *rows[1:]])) != print_of


def test_manifest_edited_by_hand_gets_the_fingerprint_of_what_it_now_says(tmp_path: Path) -> None:
    folder = written(tmp_path / "edited", [row(0, "cat"), row(1, "dog")])
    before = read_manifest(folder)
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("cat", "cow"))
    after = read_manifest(folder)
    assert after.fingerprint != before.fingerprint
    assert after.fingerprint == fingerprint_of(manifest_table([row(0, "cow"), row(1, "dog")]))


def test_card_keeps_all_it_is_given(tmp_path: Path) -> None:
    card = {
        "title": 'a "b" \\ c\x7f',
        "licence": "MIT",
        "source": "x",
        "seed": 7,
        "test_share": 0.25,
        "notes": ("n\n", "m"),
    }
    folder = written(tmp_path / "carded", [row(0, "a b")], **card)
    read = read_card(folder)
    assert read is not None
    assert {name: getattr(read, name) for name in card} == card
    assert read.fingerprint == read_manifest(folder).fingerprint


def test_dictionary_columns_share_one_dictionary_over_all_chunks(tmp_path: Path) -> None:
    rows = [row(i, f"class {i // 300:03d}") for i in range(30_000)]
    table = read_manifest(written(tmp_path / "large", rows)).table
    dictionaries = {tuple(chunk.dictionary.to_pylist()) for chunk in table["label"].chunks}
    assert table["label"].num_chunks > 1
    assert len(dictionaries) == 1


def test_missing_dataset_names_the_commands_that_bring_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match="no dataset 'nowhere'") as caught:
        read_manifest(tmp_path / "nowhere")
    assert "`automl-bench data import nowhere PATH`" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as a manifest"),
        ("a,b\n1,2\n", "has the columns a, b"),
        ("sample_id,path,split,label,bytes,width,height,media_type\n", "has no rows"),
        ("sample_id,path,split,label,bytes,width,height,media_type\nx,y,train,a,ten,1,1,image/png\n", "'ten'"),
        ("sample_id,path,split,label,bytes,width,height,media_type\nx,y,valid,a,10,1,1,image/png\n", "split 'valid'"),
        ("sample_id,path,split,label,bytes,width,height,media_type\nx,y,train\n", "cannot be read as a manifest"),
    ],
)
def test_damaged_manifest_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "manifest.csv").write_text(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.csv") in caught.value.message


@pytest.mark.parametrize("content", ["name = ", "seed = 'seven'", "modality = 'smell'", "counts = 3"])
def test_damaged_card_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset.toml").write_text(content)
    with pytest.raises(DatasetError) as caught:
        read_card(tmp_path)
    assert str(tmp_path / "dataset.toml") in caught.value.message


def test_full_disk_leaves_no_draft_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.csv.write_csv", full)
    with pytest.raises(WorkspaceError, match="No space left on device") as caught:
        written(tmp_path, [row(0, "a")])
    assert "Free some space" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_table_of_no_rows_has_the_schema() -> None:
    assert manifest_table([]).schema.equals(manifest_schema())
    assert isinstance(manifest_table([]), pa.Table)
