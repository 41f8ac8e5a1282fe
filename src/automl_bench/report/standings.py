"""Where trials stand: their stages, who works on them, and totals of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Stage
from automl_bench.store.records import StageRecord, StageStatus, TrialRecord, TrialStatus

if TYPE_CHECKING:
    from automl_bench.store import Store

UNDER_WAY = (TrialStatus.RUNNING, TrialStatus.TEARING_DOWN)
ENDED = (TrialStatus.DONE, TrialStatus.FAILED, TrialStatus.INFEASIBLE)
"""A trial that stands so is not continued by the next `run`."""


def standings(store: Store, trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return each trial's standing, as `status --json` prints it."""
    stages: dict[str, list[StageRecord]] = {}
    for record in store.stages():
        stages.setdefault(record.trial_id, []).append(record)
    return [_standing(trial, stages.get(trial.trial_id, [])) for trial in trials]


def _standing(trial: TrialRecord, stages: Sequence[StageRecord]) -> dict[str, Any]:
    order = list(Stage)
    stages = sorted(stages, key=lambda record: order.index(record.stage))
    return {
        "trial_id": trial.trial_id,
        "trial": trial.label,
        "status": trial.status.value,
        "reason": trial.reason,
        "stages_done": [record.stage.value for record in stages if record.status in ("done", "undone")],
        "stages": [
            {
                "stage": record.stage.value,
                "status": record.status.value,
                "wall_seconds": record.wall_seconds,
                "queue_seconds": record.queue_seconds,
                "work_seconds": record.work_seconds,
                "message": record.message,
            }
            for record in stages
        ],
    }


def totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of trials by status, in the order in which a trial goes through them."""
    counts = Counter(row["status"] for row in rows)
    return {status.value: counts[status.value] for status in TrialStatus if counts[status.value]}


def totals_in_words(counts: Mapping[str, int]) -> str:
    """Return totals as a list: `3 done, 1 running`."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def doing(store: Store, trial: TrialRecord, row: Mapping[str, Any]) -> str:
    """Return in words what happens to a trial just now; empty if nothing does.

    Args:
        store: The results file.
        trial: The trial.
        row: Its standing.
    """
    if trial.status not in UNDER_WAY:
        return ""
    owner = store.living_owner(trial.trial_id)
    if owner is None:
        return "no process works on it; the next run continues it"
    running = [one["stage"] for one in row["stages"] if one["status"] == StageStatus.RUNNING]
    if trial.status is TrialStatus.TEARING_DOWN or not running:
        return trial.status.replace("_", " ")
    stage = running[-1]
    if stage != Stage.INVOKE:
        return str(stage)
    answered = store.answered(trial.trial_id)
    asked = "" if trial.test_limit is None else f" of at most {trial.test_limit:,}"
    return f"{stage}: {answered:,} test samples{asked} answered"
