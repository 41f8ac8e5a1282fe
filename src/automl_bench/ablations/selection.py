"""Samples as objects: the training set of an ablation, the test set, any rows of a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.ablations.content import distinct_contents
from automl_bench.ablations.order import ranks
from automl_bench.ablations.plan import Plan, order_classes, plan_subsets
from automl_bench.contract import LabelledSample, Modality, Sample, TrainingSet
from automl_bench.datasets.columnar.content_file import samples_by_id
from automl_bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from automl_bench.datasets.manifest import Manifest

TEST_DRAW = -1
"""Stands in the place of the fold where a part of the test set is drawn: all folds share one test set."""


def training_set(manifest: Manifest, *, shots: int | None, fold: int, seed: int) -> TrainingSet:
    """Return one ablation as a plugin gets it.

    Args:
        manifest: The dataset, with all its columns.
        shots: Samples per class, training and validation together; None is all, 0 an empty set.
        fold: Which draw.
        seed: Seed of the experiment.

    Raises:
        NotEnoughShots: If a class has fewer samples.
        UsageError: If shots or fold is out of range.
    """
    if shots == 0:
        return _set_of(manifest, (), ())
    return training_set_of(manifest, plan_subsets(manifest, shots=[shots], fold=fold, seed=seed), shots)


def training_set_of(manifest: Manifest, plan: Plan, shots: int | None) -> TrainingSet:
    """Return one subset of a plan as a plugin gets it.

    Raises:
        NotEnoughShots: If a class has fewer samples.
    """
    subset = plan.subset(shots)
    return _set_of(
        manifest,
        labelled_samples(manifest, subset.train_rows),
        labelled_samples(manifest, subset.validation_rows),
    )


def subset_hash(drawn: TrainingSet) -> str:
    """Return a hash of what is in which half under which label: 16 hex digits, the same on every machine."""
    digest = hashlib.sha256()
    for half, samples in (("train", drawn.train), ("validation", drawn.validation)):
        for line in sorted(f"{half}\t{item.sample.sample_id}\t{item.label}" for item in samples):
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()[:16]


def _set_of(
    manifest: Manifest, train: tuple[LabelledSample, ...], validation: tuple[LabelledSample, ...]
) -> TrainingSet:
    return TrainingSet(
        dataset=manifest.name,
        labels=manifest.labels,
        train=train,
        validation=validation,
        modality=manifest.modality,
        columns=manifest.columns,
        target=manifest.card.target,
    )


def test_samples(
    manifest: Manifest,
    limit: int | None = None,  # noqa: PT028 - not a test of pytest's
    seed: int = 0,  # noqa: PT028
) -> list[tuple[Sample, str]]:
    """Return the test set with its labels, each content once, sorted by content id.

    Sorted so, classes come mixed: an accuracy that is shown while it is measured is not that of the first classes.

    Args:
        manifest: The dataset, with all its columns.
        limit: Most samples to return, for cheap experiments: each class keeps its share, and a smaller limit gives a
            part of what a larger one gives. None means all.
        seed: Seed of the draw under a limit; without one it changes nothing.

    Raises:
        UsageError: If the limit is not positive.
    """
    rows = rows_of_test(manifest, limit, seed)
    labels = manifest.table.column("label").take(rows).to_pylist()
    return sorted(zip(samples_of(manifest, rows), labels, strict=True), key=lambda pair: pair[0].sample_id)


test_samples.__test__ = False  # type: ignore[attr-defined] # pytest would collect it where a test module imports it


def rows_of_test(manifest: Manifest, limit: int | None = None, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return the rows of the test set, or of its part under a limit, ascending; int64, shape (n,).

    Raises:
        UsageError: If the limit is not positive.
    """
    import numpy as np

    if limit is not None and limit < 1:
        raise UsageError(f"a test set of {limit} samples was asked for.", remedy="Ask for at least 1.")
    contents = distinct_contents(manifest).test
    if limit is None or limit >= contents.rows.size:
        return contents.rows
    place = ranks(contents.words, contents.classes, manifest.labels, seed=seed, fold=TEST_DRAW)
    order, positions, counts = order_classes(contents, place, len(manifest.labels))
    # The j-th of a class of n stands at (j + ½)/n of its class: cutting all classes at one height keeps their shares.
    height = (2 * positions.astype(np.int64) + 1) / (2 * np.repeat(counts, counts))
    chosen = order[np.lexsort((place[order], height))[:limit]]
    return np.sort(contents.rows[chosen])


def samples_of(manifest: Manifest, rows: npt.NDArray[np.int64] | Sequence[int]) -> list[Sample]:
    """Return rows of a manifest as samples, without labels, in the order given.

    Raises:
        DatasetError: If the texts or rows of the dataset are not there any more, or are others.
    """
    import pyarrow as pa

    if manifest.modality is not Modality.IMAGE:
        return samples_by_id(manifest, manifest.table["sample_id"].take(pa.array(rows, pa.int64())).to_pylist())
    part = manifest.table.select(["sample_id", "path", "bytes", "media_type", "width", "height"])
    columns = part.take(pa.array(rows, pa.int64())).to_pydict()
    folder = manifest.folder
    return [
        Sample(sample_id, folder / path, size, media_type or "", width, height)
        for sample_id, path, size, media_type, width, height in zip(*columns.values(), strict=True)
    ]


def labelled_samples(manifest: Manifest, rows: npt.NDArray[np.int64] | Sequence[int]) -> tuple[LabelledSample, ...]:
    """Return rows of a manifest as samples with their labels, in the order given."""
    import pyarrow as pa

    labels = manifest.table.column("label").take(pa.array(rows, pa.int64())).to_pylist()
    return tuple(map(LabelledSample, samples_of(manifest, rows), labels))
