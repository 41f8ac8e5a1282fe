"""Which half a sample is in where samples belong to groups: train and validation of a subset share no group.

The rule, for the training samples of one fold:

1. Groups are put in a seeded order (a keyed hash of seed, fold and the group's name).
2. One after the other, a group goes to validation if no class then has more than a fifth of its samples there.
3. A class that still has none there, and at least two groups, gives the smallest group that leaves each of its classes
   something to train on.
4. Within a class, samples for training and for validation keep their seeded order, and every fifth place goes to
   validation as long as there are samples for it. The k-shot subset is the first k places: subsets nest, and so do
   both halves. Where the groups are large, a subset has more or less than a fifth for validation.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from automl_bench.ablations.order import PERSON
from automl_bench.ablations.shots import VALIDATION_EVERY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt


def validation_mask(
    classes: npt.NDArray[np.int32], groups: Sequence[str], *, seed: int, fold: int
) -> npt.NDArray[np.bool_]:
    """Say for each sample whether its group is in the validation half.

    Args:
        classes: Index of each sample's class, shape (n,).
        groups: Each sample's group; a sample without one ("") is a group of its own.
        seed: Seed of the experiment.
        fold: Which draw.

    Returns:
        bool, shape (n,).
    """
    import numpy as np

    members: dict[str, list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        members[f"g{group}" if group else f"s{at}"].append(at)
    sizes = {group: _by_class(classes, rows) for group, rows in members.items()}
    order = sorted(sizes, key=lambda group: (_key(group, seed, fold), group))
    total: dict[int, int] = dict(enumerate(np.bincount(classes).tolist()))
    chosen = _within_the_share(sizes, order, total)
    chosen |= _for_classes_without(sizes, order, total, chosen)
    mask = np.zeros(len(classes), dtype=bool)
    for group in chosen:
        mask[members[group]] = True
    return mask


def _key(group: str, seed: int, fold: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{fold}\0{group}".encode(), digest_size=16, person=PERSON).digest()


def _by_class(classes: npt.NDArray[np.int32], rows: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in rows:
        code = int(classes[row])
        counts[code] = counts.get(code, 0) + 1
    return counts


def _within_the_share(sizes: dict[str, dict[int, int]], order: Sequence[str], total: dict[int, int]) -> set[str]:
    taken = dict.fromkeys(total, 0)
    chosen = set()
    for group in order:
        if all(taken[code] + count <= total[code] // VALIDATION_EVERY for code, count in sizes[group].items()):
            chosen.add(group)
            for code, count in sizes[group].items():
                taken[code] += count
    return chosen


def _for_classes_without(
    sizes: dict[str, dict[int, int]], order: Sequence[str], total: dict[int, int], chosen: set[str]
) -> set[str]:
    added: set[str] = set()
    left = dict(total)
    for group in chosen:
        for code, count in sizes[group].items():
            left[code] -= count
    for code in sorted(total):
        if left[code] < total[code] or total[code] < VALIDATION_EVERY:
            continue
        fitting = [
            group
            for group in order
            if group not in chosen | added
            and code in sizes[group]
            and all(left[other] > count for other, count in sizes[group].items())
        ]
        if fitting:
            smallest = min(fitting, key=lambda group: sizes[group][code])
            added.add(smallest)
            for other, count in sizes[smallest].items():
                left[other] -= count
    return added


def interleaved(counts: Sequence[int], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the order in which every fifth sample of a class is for validation, as long as there is one.

    Args:
        counts: Number of samples of each class; they stand class by class.
        mask: Whether each is for validation, shape (n,).

    Returns:
        Indices into the samples, class by class, shape (n,).
    """
    import numpy as np

    parts = []
    begin = 0
    for count in counts:
        own = np.arange(begin, begin + count)
        train, validation = own[~mask[begin : begin + count]], own[mask[begin : begin + count]]
        after = np.arange(1, len(validation) + 1) * (VALIDATION_EVERY - 1) - 0.5  # one after each four for training
        places = np.concatenate([np.arange(len(train)), after])
        parts.append(np.concatenate([train, validation])[np.argsort(places, kind="stable")])
        begin += count
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
