"""Subsets nest, splits share nothing, groups stay whole, and how rows were written changes nothing."""

from __future__ import annotations

import csv
import io
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_bench.ablations.plan import plan_subsets
from automl_bench.ablations.selection import test_samples as drawn_test
from automl_bench.ablations.selection import training_set
from automl_bench.contract import Modality
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest

Row = tuple[str, str, str, str]
"""Number, word, label, group."""

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs", "Cc")), max_size=12)
rows = st.lists(
    st.tuples(
        st.one_of(st.integers(-999, 999).map(str), st.floats(-1e6, 1e6).map(repr), st.just("")),
        cells,
        st.sampled_from(("red", "blue", "grün")),
        st.integers(0, 9).map(lambda number: f"g{number}"),
    ),
    min_size=24,
    max_size=60,
)
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(table: Sequence[Row], order: Sequence[int], encoding: str, delimiter: str) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    names = ("size", "word", "label", "group")
    writer.writerows([[one[at] for at in order] for one in (names, *table)])
    return buffer.getvalue().encode(encoding)


def imported(
    table: Sequence[Row],
    modality: Modality = Modality.TABULAR,
    *,
    order: Sequence[int] = (0, 1, 2, 3),
    encoding: str = "utf-8",
    delimiter: str = ",",
    group: str = "",
) -> Manifest:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "a.csv"
        source.write_bytes(written(table, order, encoding, delimiter))
        ignored = () if group else ("group",)
        told = ColumnOptions(target="label", ignore=ignored, delimiter=delimiter)
        if modality is Modality.TEXT:
            told = ColumnOptions(text="word", label="label", delimiter=delimiter)
        hints = LayoutHints(columns=told, group=group)
        manifest = import_dataset("d", source, Path(folder) / "data", ImportOptions(hints=hints)).manifest
        if modality is Modality.TABULAR:
            require_blind(manifest)
        return manifest


def require_blind(manifest: Manifest) -> None:
    """No test row has the target among its cells."""
    for sample, _ in drawn_test(manifest):
        assert sample.row is not None
        assert "label" not in sample.row
        assert set(sample.row) == {column.name for column in manifest.columns}


def splits_of(manifest: Manifest) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for sample, split in zip(manifest.table["sample_id"].to_pylist(), manifest.table["split"].to_pylist(), strict=True):
        found[split].add(sample)
    return found


@quick
@given(rows, st.sampled_from((Modality.TABULAR, Modality.TEXT)))
def test_no_content_is_in_both_splits_and_subsets_nest(table: list[Row], modality: Modality) -> None:
    table = [row for row in table if row[1].strip()] + [("1", f"w{n}", "red", "g") for n in range(9)]
    manifest = imported(table, modality)
    sides = splits_of(manifest)
    assert not sides["train"] & sides["test"]
    plan = plan_subsets(manifest, shots=(), fold=1, seed=5)
    most = min(plan.class_sizes.values())
    inner: set[int] = set()
    inner_validation: set[int] = set()
    for shots in range(1, most + 1):
        subset = plan.subset(shots)
        train, validation = set(subset.train_rows.tolist()), set(subset.validation_rows.tolist())
        assert inner <= train
        assert inner_validation <= validation
        labels = Counter(manifest.table["label"].take([*train, *validation]).to_pylist())
        assert set(labels.values()) == {shots}
        inner, inner_validation = train, validation


@quick
@given(rows)
def test_every_class_keeps_its_share_of_the_test_split(table: list[Row]) -> None:
    table = [(f"{number}.5", word, label, group) for number, (_, word, label, group) in enumerate(table)]
    counts = imported(table).counts()
    for label, tested in counts["test"].items():
        total = tested + counts["train"][label]
        if total > 1:
            assert tested == max(1, min(round(0.2 * total), total - 1))


@quick
@given(rows)
def test_no_group_is_divided(table: list[Row]) -> None:
    manifest = imported(table, group="group")
    sides: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(manifest.table["group"].to_pylist(), manifest.table["split"].to_pylist(), strict=True):
        sides[group].add(split)
    assert all(len(split) == 1 for split in sides.values())


@quick
@given(
    rows,
    st.randoms(use_true_random=False),
    st.permutations((0, 1, 2, 3)),
    st.sampled_from((("utf-8-sig", ","), ("utf-16", ";"), ("utf-16-le", "\t"), ("utf-8", "|"))),
)
def test_row_order_column_order_and_encoding_change_nothing(
    table: list[Row], random: object, order: tuple[int, ...], form: tuple[str, str]
) -> None:
    table = [(size, word.replace("|", "").replace(";", ""), label, group) for size, word, label, group in table]
    shuffled = list(table)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    encoding, delimiter = form
    one, other = imported(table), imported(shuffled, order=order, encoding=encoding, delimiter=delimiter)
    assert one.fingerprint == other.fingerprint
    assert one.card.kinds == {name: other.card.kinds[name] for name in one.card.kinds}
    plans = [plan_subsets(manifest, shots=(), fold=0, seed=3) for manifest in (one, other)]
    ids = [
        manifest.table["sample_id"].take(plan.rows).to_pylist()
        for manifest, plan in zip((one, other), plans, strict=True)
    ]
    assert ids[0] == ids[1]


def test_a_row_that_is_added_moves_nobody_else() -> None:
    table = [(f"{n}.25", f"word {n % 5}", ("red", "blue")[n % 2], "g") for n in range(60)]
    before = imported(table)
    after = imported([*table, ("999.25", "word 1", "red", "g")])
    order = [
        manifest.table["sample_id"].take(plan_subsets(manifest, shots=(), fold=0, seed=0).rows).to_pylist()
        for manifest in (before, after)
    ]
    tested = splits_of(after)["test"] - splits_of(before)["test"]
    kept = [one for one in order[1] if one in order[0]]
    assert kept == [one for one in order[0] if one not in tested]


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.TABULAR])
def test_what_was_changed_since_the_import_is_refused(modality: Modality, tmp_path: Path) -> None:
    from pyarrow import parquet

    from automl_bench.errors import DatasetError

    table = [(f"{n}", f"word {n}", ("red", "blue")[n % 2], "g") for n in range(30)]
    source = tmp_path / "a.csv"
    source.write_bytes(written(table, (0, 1, 2, 3), "utf-8", ","))
    told = ColumnOptions(target="label") if modality is Modality.TABULAR else ColumnOptions(text="word", label="label")
    manifest = import_dataset("d", source, tmp_path / "data", ImportOptions(hints=LayoutHints(columns=told))).manifest
    file = manifest.folder / "samples.parquet"
    content = parquet.read_table(file)
    words = content["word"].to_pylist()
    parquet.write_table(content.set_column(content.column_names.index("word"), "word", [[*words[1:], words[0]]]), file)
    with pytest.raises(DatasetError, match="its content has changed"):
        training_set(manifest, shots=5, fold=0, seed=0)
