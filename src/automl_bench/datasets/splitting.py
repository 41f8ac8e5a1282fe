"""Draws a test split where a dataset comes without: stratified, seeded, and independent of names and order."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl_bench.datasets.manifest import GROUP, sorted_table, string_array
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import pyarrow as pa


def order_key(sample_id: str, seed: int) -> bytes:
    """Return a sample's place in the seeded order: a keyed hash of its content, so adding samples moves nobody else."""
    return hashlib.blake2b(sample_id.encode(), key=f"test-split:{seed}".encode(), digest_size=16).digest()


def choose_test(samples: list[tuple[str, str]], *, test_share: float, seed: int) -> set[str]:
    """Choose which contents are test samples.

    In each class the first `test_share` (rounded, at least one sample if the class has two different contents) of the
    seeded order. Copies of one content stay on one side; a content with several labels stays in train, as no answer to
    it could be called right; every class keeps at least one content in train.

    Args:
        samples: (sample_id, label) of every sample, copies included.
        test_share: Between 0 and 1.
        seed: Seed of the order.

    Returns:
        The sample ids of the test split.
    """
    copies: dict[str, list[str]] = defaultdict(list)
    for sample_id, label in samples:
        copies[label].append(sample_id)
    counted = [Counter(ids) for ids in copies.values()]
    seen: set[str] = set()
    ambiguous: set[str] = set()
    for counts in counted:
        ambiguous |= seen & counts.keys()
        seen |= counts.keys()
    chosen: set[str] = set()
    for counts in counted:
        quota = max(1, round(test_share * counts.total()))
        eligible = sorted((i for i in counts if i not in ambiguous), key=lambda i: order_key(i, seed))
        most = len(eligible) if len(eligible) < len(counts) else len(eligible) - 1
        taken = 0
        for sample_id in eligible[:most]:
            if taken >= quota:
                break
            chosen.add(sample_id)
            taken += counts[sample_id]
    return chosen


def choose_test_by_group(
    samples: Sequence[tuple[str, str]], groups: Sequence[str], *, test_share: float, seed: int
) -> set[str]:
    """Choose which contents are test samples, so that no group has samples on both sides.

    What shares a group or a content goes together. In the seeded order, such a bundle goes to test if no class then
    has more than `test_share` there; a class that still has none, and at least two bundles, gives the smallest one that
    leaves each of its classes something to train on. Bundles with a content that has several labels stay in train.

    Args:
        samples: (sample_id, label) of every sample, copies included.
        groups: Each sample's group, "" for none.
        test_share: Between 0 and 1.
        seed: Seed of the order.

    Returns:
        The sample ids of the test split.
    """
    bundles = _bundles([sample_id for sample_id, _ in samples], groups)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    ids: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[str]] = defaultdict(set)
    for (sample_id, label), bundle in zip(samples, bundles, strict=True):
        sizes[bundle][label] += 1
        ids[bundle].add(sample_id)
        labels[sample_id].add(label)
    total: Counter[str] = Counter(label for _, label in samples)
    single = [b for b in sizes if not any(len(labels[sample_id]) > 1 for sample_id in ids[b])]
    order = sorted(single, key=lambda bundle: (order_key(bundle, seed), bundle))
    taken: Counter[str] = Counter()
    chosen: set[str] = set()

    def take(bundle: str) -> None:
        chosen.add(bundle)
        taken.update(sizes[bundle])

    for bundle in order:
        quota = {label: round(test_share * total[label]) for label in sizes[bundle]}
        if all(taken[label] + count <= quota[label] for label, count in sizes[bundle].items()):
            take(bundle)
    for label in sorted(total):
        if taken[label]:
            continue
        fitting = [
            bundle
            for bundle in order
            if bundle not in chosen
            and label in sizes[bundle]
            and all(taken[other] + count < total[other] for other, count in sizes[bundle].items())
        ]
        if fitting:
            take(min(fitting, key=lambda bundle: sizes[bundle][label]))
    return {sample_id for bundle in chosen for sample_id in ids[bundle]}


def _bundles(ids: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return a name for each sample that is the same for all that share a group or a content, directly or not."""
    parent: dict[str, str] = {}

    def top(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    for sample_id, group in zip(ids, groups, strict=True):
        if group:
            first, second = sorted((top(f"i{sample_id}"), top(f"g{group}")))
            parent[second] = first
    return [top(f"i{sample_id}") for sample_id in ids]


def draw_test_split(
    table: pa.Table, folder: Path, *, test_share: float, seed: int, copies: Mapping[str, str] = MappingProxyType({})
) -> pa.Table:
    """Move the chosen samples of a freshly placed dataset from `train/` to `test/`.

    Args:
        table: As `intake.take_in` returned it; all rows are in "train".
        folder: The dataset folder.
        test_share: Share of each class, between 0 and 1.
        seed: Seed of the draw.
        copies: Sample ids of different files with the same pixels → the one that stands for all of them; they stay on
            one side.

    Returns:
        The table with the new splits and paths.

    Raises:
        WorkspaceError: If a file cannot be moved.
    """
    ids = [copies.get(sample_id, sample_id) for sample_id in table["sample_id"].to_pylist()]
    made: set[str] = set()
    samples = list(zip(ids, table["label"].to_pylist(), strict=True))
    if GROUP in table.column_names:
        groups = [group or "" for group in table[GROUP].to_pylist()]
        chosen = choose_test_by_group(samples, groups, test_share=test_share, seed=seed)
    else:
        chosen = choose_test(samples, test_share=test_share, seed=seed)
    splits = ["test" if sample_id in chosen else "train" for sample_id in ids]
    paths = [
        _moved(folder, path, made) if split == "test" else path
        for split, path in zip(splits, table["path"].to_pylist(), strict=True)
    ]
    schema = table.schema
    for name, column in (("split", string_array(splits).dictionary_encode()), ("path", string_array(paths))):
        table = table.set_column(schema.get_field_index(name), schema.field(name), column)
    return sorted_table(table)


def _moved(folder: Path, path: str, made: set[str]) -> str:
    """Move a file from `train/` to `test/` and return its new path; `made` are the class folders that exist there."""
    target = "test" + path.removeprefix("train")
    parent = target.rpartition("/")[0]
    try:
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        os.rename(f"{folder}/{path}", f"{folder}/{target}")  # noqa: PTH104 - a Path each would cost more than the move
    except OSError as error:
        raise cannot("move", folder / path, error) from error
    return target
