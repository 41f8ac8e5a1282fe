"""What the verbs print: how long a stage took, and what an accuracy pass found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_bench.cli.output import console

if TYPE_CHECKING:
    from automl_bench.store.records import StageRecord, TrialRecord


def times_words(record: StageRecord) -> str:
    """Return how long a stage took, as far as that is known."""
    parts = [f"{record.wall_seconds:.1f} s" if record.wall_seconds is not None else ""]
    if record.queue_seconds is not None:
        parts.append(f"queue {record.queue_seconds:.1f} s")
    if record.work_seconds is not None:
        parts.append(f"work {record.work_seconds:.1f} s")
    shown = ", ".join(part for part in parts if part)
    return f" ({shown})" if shown else ""


def stage_json(trial: TrialRecord, record: StageRecord) -> dict[str, Any]:
    """Return a stage for `--json`."""
    return {
        "trial_id": trial.trial_id,
        "stage": record.stage,
        "status": record.status,
        "wall_seconds": record.wall_seconds,
        "queue_seconds": record.queue_seconds,
        "work_seconds": record.work_seconds,
        "result": record.result,
    }


def print_accuracy(trial: TrialRecord, row: dict[str, Any]) -> None:
    """Print what an accuracy pass found, given the trial's row of `results --json`."""
    latency = row["latency_ms"]
    out = console()
    out.print(
        f"{trial.label}: accuracy {row['accuracy']:.2%} ({row['correct']} of {row['test_samples']}, "
        f"{row['failed']} failed), macro F1 {row['macro_f1']:.3f}",
        markup=False,
    )
    if latency["p50"] is not None:
        p95 = f", p95 {latency['p95']:.1f}" if latency["p95"] is not None else ""
        out.print(f"latency p50 {latency['p50']:.1f}{p95} ms (n = {latency['n']})", markup=False)
