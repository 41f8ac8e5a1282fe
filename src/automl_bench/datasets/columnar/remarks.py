"""What the user should look at after an import of texts or rows, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.datasets.groups import crossing_groups
from automl_bench.datasets.manifest import SPLITS, counts_of, in_split, labels_of
from automl_bench.datasets.similar_labels import similar_labels, told_apart
from automl_bench.numbers_in_words import counted

if TYPE_CHECKING:
    import pyarrow as pa


def remarks_on(table: pa.Table, *, is_table: bool) -> tuple[str, ...]:
    """Return what is odd about a manifest of texts or rows."""

    found = []
    leaks = len(contents_in_both_splits(table))
    if leaks:
        found.append(
            counted("{n} [content stands|contents stand] in both train and test", leaks) + ": scores would be too good."
        )
    crossing = crossing_groups(table)
    if crossing:
        found.append(
            counted("{n} [group has|groups have] samples in both train and test", len(crossing))
            + f" (for example {crossing[0]!r}): scores would be too good."
        )
    two_labels = len(contents_under_two_labels(table))
    if two_labels:
        found.append(
            counted("{n} [content stands|contents stand] under more than one label", two_labels)
            + (": keep a column that tells rows apart, if these are different cases." if is_table else ".")
        )
    names = labels_of(table)
    found += [
        f"The labels {', '.join(map(told_apart, same))} look alike and are different classes: add --merge-labels if "
        "they are one."
        for same in similar_labels(names)[:3]
    ]
    counts = counts_of(table, names)
    for split, samples in zip(SPLITS, ("training samples", "test samples"), strict=True):
        without = [label for label in names if not counts[split][label]]
        if without:
            named = ", ".join(map(repr, without[:3])) + ("…" if len(without) > 3 else "")
            found.append(counted(f"{{n}} [class has|classes have] no {samples}", len(without)) + f": {named}.")
    return tuple(found)


def contents_in_both_splits(table: pa.Table) -> pa.Array:
    """Return the ids of contents that are in train and in test."""
    import pyarrow.compute as pc

    train = table.filter(in_split(table, "train"))["sample_id"]
    test = table.filter(in_split(table, "test"))["sample_id"]
    return pc.unique(test.filter(pc.is_in(test, value_set=pc.unique(train))))


def contents_under_two_labels(table: pa.Table) -> pa.Array:
    """Return the ids of contents that have more than one label."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = table.select(["sample_id", "label"]).cast(pa.schema([("sample_id", pa.string()), ("label", pa.string())]))
    if pc.count_distinct(plain["sample_id"]).as_py() == plain.num_rows:
        return pa.array([], pa.string())
    pairs = plain.group_by(["sample_id", "label"]).aggregate([])
    counts = pairs.group_by("sample_id").aggregate([("label", "count")])
    return counts.filter(pc.greater(counts["label_count"], 1))["sample_id"].combine_chunks()
