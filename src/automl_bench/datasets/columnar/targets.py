"""Labels of texts and tables: one spelling for 1 and 1.0, and no regression or multi-label under another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Modality
from automl_bench.datasets.columnar.cells import as_numbers
from automl_bench.datasets.similar_labels import similar_labels
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_FRACTIONS = 20
"""Different numbers with decimals, above which they are quantities and no classes."""
MOST_NUMBERS = 100
"""Different whole numbers, above which they may be quantities: if most stand in few rows."""
ROWS_PER_NUMBER = 5
SEPARATORS = ("|", ";")
"""What stands between labels where a cell has several."""
MOST_JOINED = 0.02
"""Share of labels with a separator, above which cells hold several labels."""


def whole_labels(labels: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str]:
    """Write classes that are whole numbers without decimals, where all are numbers: 1.0 is 1.

    Returns:
        The labels, and a note if any was changed.
    """
    import pyarrow.compute as pc

    with_zeros = r"^[+-]?\d+\.0+$"
    if not pc.any(pc.match_substring_regex(labels, with_zeros)).as_py():
        return labels, ""
    if not pc.all(pc.match_substring_regex(labels, r"^[+-]?\d+(?:\.0+)?$")).as_py():
        return labels, ""
    return pc.replace_substring_regex(labels, r"\.0+$", ""), "Labels such as 1.0 were written as 1."


def merged_labels(labels: pa.ChunkedArray) -> tuple[pa.ChunkedArray, list[str]]:
    """Give labels that look alike one spelling, the plainest, and say which."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.unique(labels).to_pylist()
    spelling: dict[str, str] = {}
    notes = []
    for same in similar_labels(found):
        spelling |= dict.fromkeys(same, same[0])
        notes.append(f"Merged {', '.join(map(repr, same[1:]))} into the class {same[0]!r}.")
    if spelling:
        places = pc.index_in(labels, value_set=pa.array(found))
        labels = pa.chunked_array([pa.array([spelling.get(one, one) for one in found]).take(places.combine_chunks())])
    return labels, notes


def refuse_other_tasks(labels: pa.ChunkedArray, target: str, modality: Modality) -> None:
    """Refuse regression (quantities) and multi-label (several labels in a cell).

    Raises:
        DatasetError: If it is one of them; names it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    different = pc.unique(labels)
    numbers = as_numbers(pa.chunked_array([different]), comma_decimals=False)
    if numbers is not None:
        fractions = not pa.types.is_integer(numbers.values.type)
        most = MOST_FRACTIONS if fractions else MOST_NUMBERS
        few_each = len(labels) < ROWS_PER_NUMBER * len(different) and len(different) > MOST_FRACTIONS
        if (len(different) > most and (fractions or few_each)) or few_each:
            raise DatasetError(
                f"the column {target!r} has {len(different):,} different numbers in {len(labels):,} rows, so this is "
                "regression: only classification is compared.",
                remedy="Choose a column of classes, or cut the numbers into classes, such as low, middle and high.",
            )
    for sign in SEPARATORS:
        joined = different.filter(pc.match_substring(different, sign)).to_pylist()
        rows = pc.sum(pc.match_substring(labels, sign)).as_py() or 0
        if rows < max(2, MOST_JOINED * len(labels)) or len(joined) < 2:
            continue
        parts = [part.strip() for label in joined for part in label.split(sign)]
        alone = set(different.to_pylist())
        if len(set(parts)) < len(parts) and sum(part in alone for part in parts) * 2 > len(parts):
            raise DatasetError(
                f"the column {target!r} has several labels in a cell, such as {joined[0]!r}, so this is multi-label: "
                f"only one label for each {'row' if modality is Modality.TABULAR else 'text'} is compared.",
                remedy="Give a column with one label in each row.",
            )
