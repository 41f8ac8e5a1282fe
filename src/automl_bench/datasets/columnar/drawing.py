"""Draws the test split of texts and tables: the rule of `splitting.choose_test`, on columns instead of objects."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from automl_bench.datasets.content_ids import leading_words, mix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def choose_test_rows(
    ids: pa.Array, classes: npt.NDArray[np.int32], *, test_share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Return which rows are test samples.

    In each class the first `test_share` (rounded, at least one) of the seeded order of its contents. Copies of one
    content stay on one side; a content with several labels stays in train; every class keeps at least one content in
    train. Two contents whose first 64 bits agree count as one.

    Args:
        ids: Content id of each row.
        classes: Number of each row's label, shape (n,).
        test_share: Between 0 and 1.
        seed: Seed of the order.

    Returns:
        bool, shape (n,).
    """
    import numpy as np

    words, first, content, counts = np.unique(
        leading_words(ids), return_index=True, return_inverse=True, return_counts=True
    )
    own = classes[first]
    ambiguous = np.zeros(words.size, dtype=bool)
    ambiguous[content[classes != own[content]]] = True
    digest = hashlib.blake2b(f"test-split:{seed}".encode(), digest_size=8, person=b"automl-bench").digest()
    place = mix(words ^ np.uint64(int.from_bytes(digest, "big")))
    order = np.lexsort((place, own))
    order = order[~ambiguous[order]]
    chosen = np.zeros(words.size, dtype=bool)
    totals = np.bincount(classes)
    with_ambiguous = set(classes[ambiguous[content]].tolist())
    ends = np.searchsorted(own[order], np.arange(totals.size + 1))
    for label, total in enumerate(totals.tolist()):
        eligible = order[ends[label] : ends[label + 1]]
        most = eligible.size if label in with_ambiguous else eligible.size - 1
        if total == 0 or most < 1:
            continue
        eligible = eligible[:most]
        taken_before = np.cumsum(counts[eligible]) - counts[eligible]
        chosen[eligible[taken_before < max(1, round(test_share * total))]] = True
    return chosen[content]
