"""Are the answers of a trial that was run again those that were recorded? Held against each other one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from automl_bench.store import Store
from automl_bench.store.records import CallPhase, Invocation, Outcome, TrialRecord
from automl_bench.trials.environment import SUBSET

TOLERANCE = 1e-6
"""How far a confidence may move for answers to count as alike: sums in another order move one by less."""

SHOWN = 5
"""Answers that differ, as examples."""


class Likeness(StrEnum):
    """How near the answers of a repeated trial are to the recorded ones."""

    IDENTICAL = "identical"
    """Every label and every confidence, to the last bit."""
    WITHIN_TOLERANCE = "within tolerance"
    """Every label; confidences moved by no more than the tolerance."""
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """A sample that was answered otherwise.

    Attributes:
        sample_id: The sample.
        recorded: Label and confidence as recorded.
        here: The same now; (None, None) where there is no answer.
    """

    sample_id: str
    recorded: tuple[str | None, float | None]
    here: tuple[str | None, float | None]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What came of one trial.

    Attributes:
        trial: The trial.
        likeness: How near its answers are.
        samples: Samples compared.
        other_labels: Samples with another label.
        moved: Samples with the same label and another confidence.
        largest: The largest move of a confidence among them.
        other_subset: Whether it learned from another training subset.
        examples: Some of the samples with another label, or a confidence that moved too far.
    """

    trial: TrialRecord
    likeness: Likeness
    samples: int
    other_labels: int
    moved: int
    largest: float
    other_subset: bool
    examples: tuple[OtherAnswer, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return {
            "trial_id": self.trial.trial_id,
            "trial": self.trial.label,
            "result": self.likeness.value,
            "samples": self.samples,
            "other_labels": self.other_labels,
            "moved": self.moved,
            "largest": self.largest,
            "other_subset": self.other_subset,
            "examples": [
                {"sample_id": one.sample_id, "recorded": list(one.recorded), "here": list(one.here)}
                for one in self.examples
            ],
        }


def compare_trial(trial: TrialRecord, recorded: Store, here: Store, tolerance: float = TOLERANCE) -> Repeated:
    """Hold the answers of a trial in two results files against each other.

    Args:
        trial: The trial, which has one id in both.
        recorded: The file that was recorded.
        here: The file of the repetition.
        tolerance: How far a confidence may move.

    Returns:
        How near they are, over the samples that were answered when it was recorded.
    """
    before, now = _answers(recorded, trial.trial_id), _answers(here, trial.trial_id)
    other, moves, far = [], [], []
    for sample_id, (label, confidence) in before.items():
        told, sure = now.get(sample_id, (None, None))
        answer = OtherAnswer(sample_id, (label, confidence), (told, sure))
        if sample_id not in now or told != label or (sure is None) is not (confidence is None):
            other.append(answer)
        elif sure is not None and confidence is not None and sure != confidence:
            moves.append(abs(sure - confidence))
            if moves[-1] > tolerance:
                far.append(answer)
    subsets = _subset(recorded, trial.trial_id), _subset(here, trial.trial_id)
    other_subset = "" not in subsets and len(set(subsets)) > 1
    if other or far or other_subset:
        likeness = Likeness.DIFFERS
    else:
        likeness = Likeness.WITHIN_TOLERANCE if moves else Likeness.IDENTICAL
    return Repeated(
        trial=trial,
        likeness=likeness,
        samples=len(before),
        other_labels=len(other),
        moved=len(moves),
        largest=max(moves, default=0.0),
        other_subset=other_subset,
        examples=tuple((*other, *far)[:SHOWN]),
    )


def has_answers(store: Store, trial: TrialRecord) -> bool:
    """Whether a trial was answered, so that there is something to repeat."""
    return bool(store.invoked_sample_ids(trial.trial_id))


def _answers(store: Store, trial_id: str) -> Mapping[str, tuple[str | None, float | None]]:
    """Return label and confidence by sample, of the last request for each, where that was answered."""
    last: dict[str, Invocation] = {}
    for row in store.invocations(trial_id, CallPhase.MEASURED):
        if row.sample_id not in last or row.attempt > last[row.sample_id].attempt:
            last[row.sample_id] = row
    answered = {sample_id: row for sample_id, row in last.items() if row.outcome is Outcome.OK}
    return {sample_id: (row.predicted, row.confidence) for sample_id, row in answered.items()}


def _subset(store: Store, trial_id: str) -> str:
    """Return the hash of a trial's training subset, or "" where none was recorded."""
    return next((str(one.result[SUBSET]) for one in store.stages(trial_id) if SUBSET in one.result), "")
