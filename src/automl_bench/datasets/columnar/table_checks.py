"""What `data check` finds in tables: columns that say nothing or all, cells that are missing, rows that contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import ColumnKind
from automl_bench.datasets.check_report import Finding, Severity, findings_of
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
BINS = 64
"""Parts into which numbers are cut to be looked up like categories."""


def table_findings(manifest: Manifest, contents: pa.Table) -> list[Finding]:
    """Look at every column, and for rows that are the same but for their identifiers.

    Args:
        manifest: The dataset.
        contents: `samples.parquet`: id and cells of each content.
    """
    kinds = {column.name: column.kind for column in manifest.columns}
    columns = dict(zip(kinds, contents.columns[1:], strict=True))
    rows = contents.num_rows
    import pyarrow.compute as pc

    different = {name: pc.count_distinct(cells).as_py() for name, cells in columns.items()}
    constant = [name for name, count in different.items() if count <= 1]
    identifiers = [
        f"{name} ({different[name]:,} different)" for name, kind in kinds.items() if kind is ColumnKind.IDENTIFIER
    ]
    missing = {name: cells.null_count / rows for name, cells in columns.items() if cells.null_count}
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
        *_rare(kinds, columns),
        *_giving_away(manifest, contents, kinds, columns),
        *_contradicting(manifest, contents, kinds, columns),
    ]


def _rare(kinds: dict[str, ColumnKind], columns: dict[str, pa.ChunkedArray]) -> list[Finding]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for name, kind in kinds.items():
        if kind is not ColumnKind.CATEGORY or not pa.types.is_string(columns[name].type):
            continue
        counts = pc.value_counts(columns[name].drop_null())
        rare = counts.filter(pc.less(counts.field("counts"), RARE))
        if len(rare):
            first = min(rare.field("values").slice(0, 1000).to_pylist())
            found.append(f"{name} ({len(rare):,} of {len(counts):,}, for example {first!r})")
    text = f"{{n}} [column has|columns have] categories that stand in fewer than {RARE} rows"
    return findings_of("rare_categories", Severity.WARNING, text, found)


def _giving_away(
    manifest: Manifest, contents: pa.Table, kinds: dict[str, ColumnKind], columns: dict[str, pa.ChunkedArray]
) -> list[Finding]:
    """Find columns that alone predict the labels of the test split: each value's most frequent label in train is the answer."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = manifest.table
    places = pc.index_in(table["sample_id"], value_set=contents.column(0)).combine_chunks()
    label_of = {label: code for code, label in enumerate(manifest.labels)}
    labels = table["label"].combine_chunks()
    codes = np.array([label_of[one] for one in labels.dictionary.to_pylist()], np.int64)[np.asarray(labels.indices)]
    train = np.asarray(in_split(table, "train"))
    if not train.any() or train.all() or places.null_count:
        return []
    most = np.bincount(codes[train], minlength=len(label_of)).argmax()
    chance = float((codes[~train] == most).mean())
    rows = np.asarray(places)
    found = []
    for name, kind in kinds.items():
        if kind is ColumnKind.IDENTIFIER:
            continue
        cells = columns[name]
        is_number = not pa.types.is_string(cells.type)
        values = _binned(cells) if is_number else _coded(cells)
        right = _accuracy(values[rows], codes, train, len(label_of), int(most))
        if right >= GIVES_AWAY and 1 - right <= LEFT_OF_ERROR * (1 - chance):
            found.append(f"{name} (alone right on {right:.1%} of test rows; the most frequent label on {chance:.1%})")
    text = "{n} [column gives|columns give] the target away: leave out what is not known beforehand"
    return findings_of("gives_away", Severity.WARNING, text, found)


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


def _accuracy(
    values: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], train: npt.NDArray[np.bool_], classes: int, most: int
) -> float:
    """Return how often the label that is most frequent with a value in train is right in test."""
    import numpy as np

    size = int(values.max()) + 1
    if size * classes > 50_000_000:
        return 0.0
    counts = np.bincount(values[train] * classes + codes[train], minlength=size * classes).reshape(size, classes)
    answers = np.where(counts.any(axis=1), counts.argmax(axis=1), most)
    return float((answers[values[~train]] == codes[~train]).mean())


def _contradicting(
    manifest: Manifest, contents: pa.Table, kinds: dict[str, ColumnKind], columns: dict[str, pa.ChunkedArray]
) -> list[Finding]:
    """Find rows that are the same but for their identifiers and have different labels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    telling = [name for name, kind in kinds.items() if kind is not ColumnKind.IDENTIFIER]
    if not telling or len(telling) == len(kinds):  # without identifiers the ids of the rows say it already
        return []
    keys, _ = ids_of_rows(telling, [columns[name] for name in telling])
    places = pc.index_in(manifest.table["sample_id"], value_set=contents.column(0)).combine_chunks()
    pairs = pa.table({"key": keys.take(places), "label": manifest.table["label"].cast(pa.string())})
    counts = pairs.group_by(["key", "label"]).aggregate([]).group_by("key").aggregate([("label", "count")])
    several = counts.filter(pc.greater(counts["label_count"], 1))["key"]
    paths = manifest.table["path"].filter(pc.is_in(pairs["key"], value_set=several))
    text = "{n} [row has|rows have] the same cells as a row of another label, identifiers aside"
    return findings_of("contradicting_rows", Severity.WARNING, text, sorted(paths.to_pylist()))
