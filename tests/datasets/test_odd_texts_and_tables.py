"""Every odd file of texts or rows is imported rightly, or refused with one sentence and its remedy, exit code 4."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from odd_tables import ODD, Odd
from pyarrow import parquet

from automl_bench.ablations.selection import samples_of
from automl_bench.contract import ColumnKind
from automl_bench.datasets.account import Reason
from automl_bench.datasets.columnar.content_file import CONTENT_NAME
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.groups import crossing_groups
from automl_bench.datasets.importing import Imported, ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.errors import AutomlBenchError, DatasetError, UsageError


def import_odd(odd: Odd, folder: Path) -> Imported:
    source = folder / odd.name
    if callable(odd.make):
        odd.make(source)
    else:
        source.write_bytes(odd.make)
    kinds = {name: ColumnKind(kind) for name, kind in odd.asked.get("kinds", {}).items()}
    columns = ColumnOptions(**{**odd.asked, "kinds": kinds})
    hints = LayoutHints(columns=columns, group=odd.group)
    return import_dataset("odd", source, folder / "data", ImportOptions(hints=hints))


@pytest.mark.parametrize("name", [name for name, odd in ODD.items() if not odd.error])
def test_it_is_imported(name: str, tmp_path: Path) -> None:
    odd = ODD[name]
    imported = import_odd(odd, tmp_path)
    manifest = imported.manifest
    assert manifest.table.num_rows == odd.rows
    assert imported.account.seen == imported.account.imported + sum(one.count for one in imported.account.left_out)
    assert odd.says in " ".join(manifest.card.notes)
    assert {name: str(kind) for name, kind in manifest.card.kinds.items() if name in odd.kinds} == dict(odd.kinds)
    assert not odd.labels or manifest.labels == odd.labels
    assert crossing_groups(manifest.table) == []
    samples = samples_of(manifest, range(odd.rows))
    assert all(sample.size_bytes == len(sample.content()) for sample in samples)
    if manifest.card.target and manifest.columns:
        assert all(manifest.card.target not in (sample.row or {}) for sample in samples)


@pytest.mark.parametrize("name", [name for name, odd in ODD.items() if odd.error])
def test_it_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(AutomlBenchError) as caught:
        import_odd(ODD[name], tmp_path)
    error = caught.value
    told = f"{error.message} {error.remedy}"
    assert ODD[name].error in told
    assert error.remedy
    assert "\n" not in told
    assert error.exit_code == ODD[name].code
    assert not (tmp_path / "data" / "odd").exists()


def test_a_dataset_of_ours_is_taken_over_as_it_is(tmp_path: Path) -> None:
    first, table = import_odd(ODD["groups"], tmp_path).manifest, ColumnOptions(target="label")
    second = import_dataset("copy", first.folder, tmp_path / "data").manifest
    assert second.fingerprint == first.fingerprint
    assert second.table.equals(first.table)
    assert (second.columns, second.card.target, second.card.group) == (first.columns, "label", "patient")
    assert samples_of(second, range(5)) == samples_of(first, range(5))
    (first.folder / "notes.txt").write_text("by hand")
    told = import_dataset("told", first.folder, tmp_path / "data", ImportOptions(hints=LayoutHints(columns=table)))
    assert told.manifest.fingerprint == first.fingerprint
    assert [(one.reason, one.example) for one in told.account.left_out] == [(Reason.NO_SAMPLE, "notes.txt")]
    others = (LayoutHints(group="x"), LayoutHints(layout="folders"), LayoutHints(columns=ColumnOptions(target="x")))
    for hints in others:
        with pytest.raises(UsageError, match="stay as they were imported"):
            import_dataset("again", first.folder, tmp_path / "data", ImportOptions(hints=hints))


def test_a_dataset_of_ours_that_was_changed_is_refused(tmp_path: Path) -> None:
    first = import_odd(ODD["plain"], tmp_path).manifest
    contents = parquet.read_table(first.folder / CONTENT_NAME)
    changed = contents.set_column(2, "colour", pa.array(["green"] * contents.num_rows))
    for table in (contents.slice(1), changed):
        parquet.write_table(table, first.folder / CONTENT_NAME)
        with pytest.raises(DatasetError, match="is damaged"):
            import_dataset("copy", first.folder, tmp_path / "data")


def test_json_that_is_nested_without_end_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"path": "a.png", "label": "x"}\n' + '{"path": ' * 50_000 + "\n")
    for hints in (LayoutHints(), LayoutHints(columns=ColumnOptions(target="label"))):
        with pytest.raises(DatasetError, match="line 2"):
            import_dataset("rows", path, tmp_path / "data", ImportOptions(hints=hints))


def test_there_are_enough_of_them() -> None:
    assert len(ODD) >= 40
