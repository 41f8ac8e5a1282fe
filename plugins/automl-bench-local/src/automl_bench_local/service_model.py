"""The model that `automl-bench serve` serves: the trial's own while it exists, else one trained again on its samples.

A finished trial's teardown deletes its model. What is trained again is kept in `served/` of the provider's folder; it
may be deleted at any time.
"""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import quoted_command
from automl_bench.contract import Stage, Variant
from automl_bench.errors import ProviderError, TrainingFailed, UsageError
from automl_bench_local import folders, jobs
from automl_bench_local.description import NAME
from automl_bench_local.inside.records import CARD

if TYPE_CHECKING:
    from automl_bench.contract import TrainingSet
    from automl_bench.store import Store
    from automl_bench.store.records import TrialRecord

KEPT = "served"


def trained_trial(
    store: Store, dataset: str, shots: int | None, *, fold: int = 0, variant: str | None = None
) -> TrialRecord:
    """Return the latest trial of this provider that has been trained.

    Args:
        store: The results file.
        dataset: The dataset's name.
        shots: Labelled samples per class, or None for all.
        fold: Which draw of the subsets.
        variant: The variant's name; None where there is one only.

    Raises:
        UsageError: If there is none, or trials of several variants.
    """
    trained = {
        one.variant: one
        for one in store.trials(provider=NAME, dataset=dataset, variant=variant, shots=shots)
        if one.fold == fold and _was_trained(store, one.trial_id)
    }
    words = "all" if shots is None else str(shots)
    if not trained:
        what = f"{NAME}:{variant}" if variant else NAME
        asked = [what, dataset, words, *(["--fold", str(fold)] if fold else [])]
        raise UsageError(
            f"no trial of {what} has been trained on {dataset} at {words} shots, fold {fold}.",
            remedy=f"Train one: {quoted_command('upload', *asked)}, then {quoted_command('train', *asked)}.",
        )
    if len(trained) > 1:
        raise UsageError(
            f"several variants have been trained on {dataset} at {words} shots, fold {fold}: "
            f"{', '.join(sorted(trained))}.",
            remedy="Name one of them with --variant.",
        )
    return next(iter(trained.values()))


def _was_trained(store: Store, trial_id: str) -> bool:
    from automl_bench.store.records import StageStatus

    stage = store.stage(trial_id, Stage.TRAIN)
    return stage is not None and stage.status in (StageStatus.DONE, StageStatus.UNDONE)


def model_folder(
    store: Store,
    trial: TrialRecord,
    home: Path,
    *,
    samples: Callable[[], TrainingSet],
    computing: Callable[[], AbstractContextManager[None]],
    threads: int,
) -> tuple[Path, bool]:
    """Return the folder of a trial's model, and whether it had to be trained again.

    Args:
        store: The results file.
        trial: A trial that has been trained.
        home: The provider's folder.
        samples: Draws the trial's training set; called only if it is needed.
        computing: Waits for this machine's turn: nothing is trained while something is measured here.
        threads: Threads of the numeric libraries.

    Raises:
        TrainingFailed: If the variant cannot learn from the samples any more.
        ProviderError: If the folder cannot be written.
    """
    stage = store.stage(trial.trial_id, Stage.TRAIN)
    own = Path(str(stage.result.get("model", ""))) if stage is not None else Path()
    kept = home / KEPT / trial.trial_id
    for folder in (own, kept):
        if folder.is_absolute() and (folder / CARD).is_file():
            return folder, False
    try:
        drawn = samples()
        with computing():
            _train_again(trial, drawn, home, kept, threads)
    except OSError as error:
        raise ProviderError(f"The model cannot be kept in {kept}: {error.strerror or error}.") from error
    return kept, True


def _train_again(trial: TrialRecord, samples: TrainingSet, home: Path, kept: Path, threads: int) -> None:
    from threadpoolctl import threadpool_limits

    from automl_bench_local import training, training_sets

    draft = home / KEPT / f".{trial.trial_id}.{uuid.uuid4().hex[:8]}.new"
    prefix = f"automl-bench-{trial.trial_id}"
    variant = Variant(NAME, trial.variant, trial.variant_settings)
    draft.mkdir(parents=True)
    try:
        stored = training_sets.store_training_set(
            draft, f"{prefix}-{folders.TRAINING_SET}", samples, lambda done, total, unit: None
        )
        name = f"{prefix}-{folders.MODEL}"
        folder = jobs.prepare(draft, name, variant=variant, training_set=stored, seed=trial.seed, threads=threads)
        try:
            with threadpool_limits(threads), redirect_stdout(sys.stderr):
                training.train(folder, home, folders.read_json(folder / jobs.ORDER), 0.0)
        except (ValueError, TypeError, MemoryError, ImportError) as error:
            raise TrainingFailed(f"{trial.label} cannot be trained again: {' '.join(str(error).split())}.") from error
        shutil.rmtree(kept, ignore_errors=True)
        folder.rename(kept)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
