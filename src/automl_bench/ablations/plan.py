"""Planning: every class of a dataset in its seeded order, from which each subset is the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl_bench.ablations import shots as sizes
from automl_bench.ablations.content import Contents, distinct_contents
from automl_bench.ablations.group_halves import interleaved, validation_mask
from automl_bench.ablations.order import ranks
from automl_bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from automl_bench.datasets.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """The rows of one ablation.

    Attributes:
        shots: Samples per class, or None for all.
        train_rows: Rows of the manifest to learn from, by class and then by place in its order; int64, shape (n,).
        validation_rows: Rows for validation, ordered alike.
    """

    shots: int | None
    train_rows: npt.NDArray[np.int64]
    validation_rows: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All training samples of a dataset, each class in the order of one fold.

    Attributes:
        dataset: Name of the dataset.
        labels: The class names, sorted.
        shots: The sizes that were asked for, sorted; None, for all, is last.
        fold: Which draw.
        seed: The experiment's seed.
        rows: Row of the manifest of each sample, by class and then by place; int64, shape (n,).
        positions: Place of each in its class's order, from 0; int32, shape (n,).
        classes: Index into `labels` of each; int32, shape (n,).
        class_sizes: Distinct training samples by label.
        notes: What was left out and why, one sentence each.
        validation: Whether each is for validation, where groups decide that; None means every fifth. bool, shape (n,).
    """

    dataset: str
    labels: tuple[str, ...]
    shots: tuple[int | None, ...]
    fold: int
    seed: int
    rows: npt.NDArray[np.int64] = field(repr=False)
    positions: npt.NDArray[np.int32] = field(repr=False)
    classes: npt.NDArray[np.int32] = field(repr=False)
    class_sizes: Mapping[str, int] = field(repr=False)
    notes: tuple[str, ...] = ()
    validation: npt.NDArray[np.bool_] | None = field(default=None, repr=False)

    def subset(self, shots: int | None) -> Subset:
        """Return the first `shots` of each class, every fifth of them for validation (with groups: see group_halves).

        Raises:
            NotEnoughShots: If a class has fewer.
            UsageError: If `shots` is not positive.
        """
        sizes.in_order([shots])
        sizes.require_shots(self.class_sizes, shots, self.dataset)
        rows, validation = self.rows, self.validation
        if validation is None:
            validation = self.positions % sizes.VALIDATION_EVERY == sizes.VALIDATION_EVERY - 1
        if shots is not None:
            inside = self.positions < shots
            rows, validation = rows[inside], validation[inside]
        return Subset(shots, rows[~validation], rows[validation])

    def subsets(self) -> Iterable[Subset]:
        """Return the subset of each size that was asked for, smallest first."""
        return (self.subset(size) for size in self.shots)


def plan_subsets(manifest: Manifest, *, shots: Sequence[int | None], fold: int, seed: int) -> Plan:
    """Put each class of a dataset into its seeded order, and check that every size asked for is there.

    Samples whose content is also in the test set are left out, as are repeated contents; `Plan.notes` says so.

    Args:
        manifest: The dataset; of its table only sample_id, split and label are read (and path where a content repeats).
        shots: Samples per class of each subset; None is all. Empty if the sizes are chosen later (`default_shots`).
        fold: Which draw; 0 or more.
        seed: Seed of the experiment.

    Raises:
        NotEnoughShots: If a class has fewer samples than asked for.
        UsageError: If a size or the fold is out of range.
        DatasetError: If a content id is malformed.
    """
    if fold < 0:
        raise UsageError(f"fold {fold} was asked for.", remedy="Folds are counted from 0.")
    wanted = sizes.in_order(shots)
    contents = distinct_contents(manifest)
    train = contents.train
    place = ranks(train.words, train.classes, manifest.labels, seed=seed, fold=fold)
    order, positions, counts = order_classes(train, place, len(manifest.labels))
    groups = contents.train_groups
    validation = None
    if groups is not None:
        mask = validation_mask(train.classes[order], [groups[at] for at in order.tolist()], seed=seed, fold=fold)
        turns = interleaved(counts.tolist(), mask)
        order, validation = order[turns], mask[turns]
    plan = Plan(
        dataset=manifest.name,
        labels=manifest.labels,
        shots=wanted,
        fold=fold,
        seed=seed,
        rows=train.rows[order],
        positions=positions,
        classes=train.classes[order],
        class_sizes=dict(zip(manifest.labels, counts.tolist(), strict=True)),
        notes=contents.notes,
        validation=validation,
    )
    for size in wanted:
        sizes.require_shots(plan.class_sizes, size, manifest.name)
    return plan


def default_shots(plan: Plan) -> tuple[tuple[int | None, ...], str]:
    """Return the default sizes that every class of a plan has, and one sentence if they stop early.

    Raises:
        NotEnoughShots: If a class has no training sample at all.
    """
    sizes.require_shots(plan.class_sizes, None, plan.dataset)
    return sizes.fitting_shots(plan.class_sizes, plan.dataset)


def order_classes(
    contents: Contents, place: npt.NDArray[np.uint64], class_count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Sort samples by class and then by rank; equal ranks by the full content id.

    Args:
        contents: The samples, each content once.
        place: Their ranks.
        class_count: Number of classes, those without samples included.

    Returns:
        Indices into `contents` in the new order; the place of each inside its class; the size of each class.
    """
    import numpy as np

    # One integer sort instead of two: the class in the top bits, the leading bits of the rank in the rest.
    bits = max(1, (class_count - 1).bit_length())
    keys = place >> np.uint64(bits)
    keys |= contents.classes.astype(np.uint64) << np.uint64(64 - bits)
    order = np.argsort(keys)
    keys = keys[order]
    equal = np.flatnonzero(keys[1:] == keys[:-1])
    if equal.size:
        _settle_ties(order, equal, place, contents)
    del keys
    counts = np.bincount(contents.classes, minlength=class_count)
    begins = np.cumsum(counts) - counts
    positions = (np.arange(order.size) - np.repeat(begins, counts)).astype(np.int32)
    return order, positions, counts


def _settle_ties(
    order: npt.NDArray[np.int64],
    equal: npt.NDArray[np.int64],
    place: npt.NDArray[np.uint64],
    contents: Contents,
) -> None:
    """Sort each run of equal keys by the whole rank, then by the full content id, in place."""
    import numpy as np

    breaks = np.flatnonzero(np.diff(equal) > 1) + 1
    for run in np.split(equal, breaks):
        begin, end = int(run[0]), int(run[-1]) + 2
        tied = sorted(order[begin:end].tolist(), key=lambda index: (int(place[index]), contents.sample_id(index)))
        order[begin:end] = tied
