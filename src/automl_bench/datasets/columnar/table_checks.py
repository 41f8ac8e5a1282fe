"""What `data check` finds in tables: columns that say nothing or all, cells that are missing, rows that contradict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.contract import ColumnKind
from automl_bench.datasets.check_report import Finding, Severity, findings_of
from automl_bench.datasets.columnar.content_file import Contents
from automl_bench.datasets.columnar.identity import ids_of_rows
from automl_bench.datasets.manifest import in_split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from automl_bench.datasets.manifest import Manifest

OFTEN_MISSING = 0.3
"""Share of missing cells from which on a column is named."""
RARE = 5
"""Rows of a category below which it is rare."""
GIVES_AWAY = 0.98
"""Accuracy of one column alone, on the test split, from which on it gives the target away…"""
LEFT_OF_ERROR = 0.2
"""…if of the error of always answering the most frequent label at most this share is left."""
MOST_COUNTS = 20_000_000
"""Values times labels of a column that are counted; of a column with more nothing is said."""
BINS = 64
"""Parts into which numbers are cut to be looked up like categories."""


def table_findings(manifest: Manifest, contents: Contents) -> list[Finding]:
    """Look at every column, and for rows that are the same but for their identifiers.

    Args:
        manifest: The dataset.
        contents: The rows.
    """
    import pyarrow.compute as pc

    kinds = {column.name: column.kind for column in manifest.columns}
    places = pc.index_in(manifest.table["sample_id"], value_set=contents.ids())
    truth = _truth(manifest, places)
    different: dict[str, int] = {}
    missing: dict[str, float] = {}
    rare, giving_away = [], []
    for name, kind in kinds.items():
        cells = contents.column(name)
        different[name] = pc.count_distinct(cells).as_py()
        missing[name] = cells.null_count / contents.rows
        rare += _rare(name, kind, cells)
        giving_away += _giving_away(name, kind, cells, truth)
    constant = [name for name, count in different.items() if count <= 1]
    identifiers = [
        f"{name} ({different[name]:,} different)" for name, kind in kinds.items() if kind is ColumnKind.IDENTIFIER
    ]
    often = [f"{name} ({share:.0%})" for name, share in missing.items() if share >= OFTEN_MISSING]
    return [
        *findings_of("constant", Severity.WARNING, "{n} [column says|columns say] the same in every row", constant),
        *findings_of(
            "identifiers",
            Severity.WARNING,
            "{n} [column is an identifier|columns are identifiers], which [says|say] nothing of new rows: leave "
            "[it|them] out with --ignore",
            identifiers,
        ),
        *findings_of(
            "missing",
            Severity.WARNING,
            f"in {{n}} [column|columns] {OFTEN_MISSING:.0%} of the cells or more are missing",
            often,
        ),
        *findings_of(
            "rare_categories",
            Severity.WARNING,
            f"{{n}} [column has|columns have] categories that stand in fewer than {RARE} rows",
            rare,
        ),
        *findings_of(
            "gives_away",
            Severity.WARNING,
            "{n} [column gives|columns give] the target away: leave out what is not known beforehand",
            giving_away,
        ),
        *_contradicting(manifest, contents, kinds, places),
    ]


def _rare(name: str, kind: ColumnKind, cells: pa.ChunkedArray) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind is not ColumnKind.CATEGORY or not pa.types.is_string(cells.type):
        return []
    counts = pc.value_counts(cells.drop_null())
    rare = counts.filter(pc.less(counts.field("counts"), RARE))
    if not len(rare):
        return []
    first = min(rare.field("values").slice(0, 1000).to_pylist())
    return [f"{name} ({len(rare):,} of {len(counts):,}, for example {first!r})"]


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """The labels of the rows of a manifest.

    Attributes:
        rows: Place of each row's content.
        codes: Number of its label.
        train: Whether it is in train.
        classes: Number of labels.
        most: Number of the most frequent label in train.
        chance: How often that is right in test.
    """

    rows: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    train: npt.NDArray[np.bool_]
    classes: int
    most: int
    chance: float


def _truth(manifest: Manifest, places: pa.ChunkedArray) -> _Truth | None:
    """Return the labels, or None where a split is empty or a content is missing."""
    import numpy as np

    label_of = {label: code for code, label in enumerate(manifest.labels)}
    labels = manifest.table["label"].combine_chunks()
    codes = np.array([label_of[one] for one in labels.dictionary.to_pylist()], np.int64)[np.asarray(labels.indices)]
    train = np.asarray(in_split(manifest.table, "train"))
    if not train.any() or train.all() or places.null_count:
        return None
    most = int(np.bincount(codes[train], minlength=len(label_of)).argmax())
    rows = np.asarray(places.combine_chunks()).astype(np.int64)
    return _Truth(rows, codes, train, len(label_of), most, float((codes[~train] == most).mean()))


def _giving_away(name: str, kind: ColumnKind, cells: pa.ChunkedArray, truth: _Truth | None) -> list[str]:
    """Say how well a column alone predicts the test labels: each value's most frequent label in train is the answer."""
    import pyarrow as pa

    if truth is None or kind is ColumnKind.IDENTIFIER:
        return []
    values = _coded(cells) if pa.types.is_string(cells.type) else _binned(cells)
    right = _accuracy(values[truth.rows], truth)
    if right < GIVES_AWAY or 1 - right > LEFT_OF_ERROR * (1 - truth.chance):
        return []
    return [f"{name} (alone right on {right:.1%} of test rows; the most frequent label on {truth.chance:.1%})"]


def _coded(cells: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return a number for each category, 0 where it is missing."""
    import numpy as np
    import pyarrow.compute as pc

    coded = cells.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(coded.indices, -1)).astype(np.int64) + 1


def _binned(cells: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the part of each number, 0 where it is missing; few different numbers are parts of their own."""
    import numpy as np
    import pyarrow as pa

    numbers = np.asarray(cells.cast(pa.float64()).combine_chunks().to_numpy(zero_copy_only=False))
    there = ~np.isnan(numbers)
    different = np.unique(numbers[there])
    if different.size > BINS:
        different = np.unique(np.quantile(numbers[there], np.linspace(0, 1, BINS)))
    parts = np.zeros(numbers.size, np.int64)
    parts[there] = np.searchsorted(different, numbers[there]) + 1
    return parts


def _accuracy(values: npt.NDArray[np.int64], truth: _Truth) -> float:
    """Return how often the label that is most frequent with a value in train is right in test."""
    import numpy as np

    size, train, classes = int(values.max()) + 1, truth.train, truth.classes
    if size * classes > MOST_COUNTS:
        return 0.0
    counts = np.bincount(values[train] * classes + truth.codes[train], minlength=size * classes)
    counts = counts.reshape(size, classes)
    answers = np.where(counts.any(axis=1), counts.argmax(axis=1), truth.most)
    return float((answers[values[~train]] == truth.codes[~train]).mean())


def _contradicting(
    manifest: Manifest, contents: Contents, kinds: dict[str, ColumnKind], places: pa.ChunkedArray
) -> list[Finding]:
    """Find rows that are the same but for their identifiers and have different labels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    telling = [name for name, kind in kinds.items() if kind is not ColumnKind.IDENTIFIER]
    if not telling or len(telling) == len(kinds):  # without identifiers the ids of the rows say it already
        return []
    keys = pa.concat_arrays([ids_of_rows(telling, [part.column(n) for n in telling])[0] for part in contents.steps()])
    pairs = pa.table({"key": pa.chunked_array([keys]).take(places), "label": manifest.table["label"].cast(pa.string())})
    counts = pairs.group_by(["key", "label"]).aggregate([]).group_by("key").aggregate([("label", "count")])
    several = counts.filter(pc.greater(counts["label_count"], 1))["key"]
    paths = manifest.table["path"].filter(pc.is_in(pairs["key"], value_set=several))
    text = "{n} [row has|rows have] the same cells as a row of another label, identifiers aside"
    return findings_of("contradicting_rows", Severity.WARNING, text, sorted(paths.to_pylist()))
