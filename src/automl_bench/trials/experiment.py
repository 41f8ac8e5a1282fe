"""What an experiment asks for, and the trials that follow from it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from automl_bench.ablations.images import ImageSetting
from automl_bench.contract import Json, ProviderDescription, Stage, Variant
from automl_bench.measurement.accuracy_pass import PassSettings
from automl_bench.measurement.load import LoadSettings
from automl_bench.store.records import StageRecord, StageStatus, TrialRecord

ID_DIGITS = 12

KEEP_TRAINED_HOURS = 24.0
"""How long uploads and trained models stay after their trial has failed, unless the experiment says otherwise."""


@dataclass(frozen=True, slots=True)
class ParallelPlan:
    """Which trials get a load run, and which kind.

    Attributes:
        enabled: Whether any does.
        settings: The load run.
        shots: Only trials of these shots; empty means all.
        folds: Only trials of these folds; empty means all.
    """

    enabled: bool = True
    settings: LoadSettings = field(default_factory=LoadSettings)
    shots: tuple[int | None, ...] = ()
    folds: tuple[int, ...] = (0,)

    def wants(self, trial: TrialRecord) -> bool:
        """Whether a trial gets a load run."""
        return (
            self.enabled
            and (not self.shots or trial.shots in self.shots)
            and (not self.folds or trial.fold in self.folds)
            and trial.repeat == 0
        )


@dataclass(frozen=True, slots=True)
class Experiment:
    """Providers × datasets × shots × folds × repeats.

    Attributes:
        name: Also the report's folder.
        datasets: Names in the workspace.
        providers: `provider` or `provider:variant`.
        shots: Samples per class; None means all.
        folds: Number of draws.
        repeats: Number of times each trial is run whole.
        seed: Seed of the draws.
        test_limit: Test samples to use, or None for the whole test set.
        images: The same re-encoding for every provider.
        invoke: How the accuracy pass is run.
        interleave: Whether the variants of one ablation are called in turn, image by image.
        parallel: Load runs.
        title: One line for the report.
        deadline_seconds: Longest wait for one operation, by stage; for invoke, longest time of all measuring.
        keep_trained_hours: How long uploads and trained models stay after their trial has failed.
        baseline: The one of `providers` that the others are compared with; empty to compare all pairs.
        use: How the service will be used, as `[use]` says; empty if it is not said.
    """

    name: str
    datasets: tuple[str, ...]
    providers: tuple[str, ...]
    shots: tuple[int | None, ...]
    folds: int = 1
    repeats: int = 1
    seed: int = 0
    test_limit: int | None = None
    images: ImageSetting = field(default_factory=ImageSetting)
    invoke: PassSettings = field(default_factory=PassSettings)
    interleave: bool = False
    parallel: ParallelPlan = field(default_factory=ParallelPlan)
    title: str = ""
    deadline_seconds: Mapping[Stage, float] = field(default_factory=dict)
    keep_trained_hours: float = KEEP_TRAINED_HOURS
    baseline: str = ""
    use: Mapping[str, float] = field(default_factory=dict)


def missing_stages(experiment: Experiment, trial: TrialRecord, stages: Iterable[StageRecord]) -> list[Stage]:
    """Return the measuring stages that a trial still lacks, given its stages so far."""
    wanted = [Stage.INVOKE, *([Stage.PARALLEL] if experiment.parallel.wants(trial) else [])]
    done = {record.stage for record in stages if record.status is StageStatus.DONE}
    return [stage for stage in wanted if stage not in done]


def trial_record(
    variant: Variant,
    *,
    dataset: str,
    fingerprint: str,
    shots: int | None,
    fold: int,
    repeat: int,
    seed: int,
    images: Mapping[str, Json],
    test_limit: int | None,
) -> TrialRecord:
    """Return a planned trial; its id is derived from its content, so that asking again continues it."""
    content: dict[str, Any] = {
        "provider": variant.provider,
        "variant": variant.name,
        "variant_settings": dict(variant.settings),
        "dataset": dataset,
        "fingerprint": fingerprint,
        "shots": shots,
        "fold": fold,
        "repeat": repeat,
        "seed": seed,
        "images": dict(images),
        "test_limit": test_limit,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return TrialRecord(
        trial_id=hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS],
        provider=variant.provider,
        variant=variant.name,
        dataset=dataset,
        fingerprint=fingerprint,
        shots=shots,
        fold=fold,
        repeat=repeat,
        seed=seed,
        variant_settings=dict(variant.settings),
        images=dict(images),
        test_limit=test_limit,
    )


SHARED = "stands_for_all_shots_and_folds"
"""Key of the accuracy pass's result of a trial whose variant learns from no sample."""


class Learning(StrEnum):
    """What a variant makes of the training samples."""

    NEEDED = "needed"
    """It cannot answer without them: it has no trial at 0 shots."""
    USED = "used"
    """It can answer without them, and answers otherwise with them."""
    NONE = "none"
    """Its answers do not depend on them: one trial, at 0 shots, stands for all shots and folds."""


def learning_of(description: ProviderDescription, variant: Variant) -> Learning:
    """Return what a variant makes of the training samples, as its provider declares."""
    if _holds(description.untrained_where, description, variant):
        return Learning.NONE
    return Learning.NEEDED if description.needs_training else Learning.USED


def computes_here(description: ProviderDescription, variant: Variant) -> bool:
    """Return whether a variant trains and serves on this machine, as its provider declares."""
    return description.on_this_machine or _holds(description.on_this_machine_where, description, variant)


def _holds(where: Mapping[str, Json] | None, description: ProviderDescription, variant: Variant) -> bool:
    """Return whether a variant has these settings, its declared defaults among them; None is held by none."""
    defaults = {setting.name: setting.default for setting in description.variant_settings or ()}
    return where is not None and all(
        str(variant.settings.get(name, defaults.get(name))).lower() == str(value).lower()
        for name, value in where.items()
    )


def expand(
    experiment: Experiment,
    variants: Sequence[Variant],
    fingerprints: Mapping[str, str],
    images: Mapping[str, Json],
    learning: Callable[[Variant], Learning] = lambda variant: Learning.NEEDED,
) -> Iterator[TrialRecord]:
    """Yield the experiment's trials: datasets, then shots, folds, repeats, and the variants innermost.

    The variants stand innermost so that those to be compared run next to each other in time. At 0 shots all folds are
    alike, so there is one; and a variant whose answers depend on no training sample has its only trial there, whichever
    shots are asked for.
    """
    seen: set[tuple[str, int, str]] = set()
    for dataset, shots, fold, repeat, variant in itertools.product(
        experiment.datasets, experiment.shots, range(experiment.folds), range(experiment.repeats), variants
    ):
        kind = learning(variant)
        if kind is Learning.NONE:
            if (dataset, repeat, str(variant)) in seen:
                continue
            seen.add((dataset, repeat, str(variant)))
            shots, fold = 0, 0  # its one trial
        elif shots == 0 and (fold or kind is Learning.NEEDED):
            continue
        yield trial_record(
            variant,
            dataset=dataset,
            fingerprint=fingerprints[dataset],
            shots=shots,
            fold=fold,
            repeat=repeat,
            seed=experiment.seed,
            images=images,
            test_limit=experiment.test_limit,
        )
