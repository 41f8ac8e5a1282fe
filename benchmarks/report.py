"""What `results`, `compare` and `report` take at a million stored answers, beside the numbers of `results` in polars.

Usage: python benchmarks/report.py [ANSWERS ...]   (default: 250000 1000000, of 500 trials)
Each command runs in a process of its own; its wall time and largest resident memory are printed, and how time grows
with the number of answers. polars reads the same results file and computes accuracy, macro F1, outcomes and latency
quantiles by trial, in a process of its own, too.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from automl_bench.contract import Stage
from automl_bench.store import Store, open_store
from automl_bench.store.records import (
    CallTiming,
    ExperimentRecord,
    Invocation,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)

DATASETS, VARIANTS, FOLDS, SHOTS = 5, 4, 5, (5, 10, 20, 50, 100)
CLASSES = [f"class {number}" for number in range(10)]
SECONDS, MEBIBYTES = {"results": 3.0, "compare": 30.0, "report": 30.0}, 1024.0
PEER = 5.0
"""Largest ratio of processor time between `results` and the same numbers in polars, start-up of both included."""


def fill(store: Store, answers: int) -> None:
    """Store so many answers of finished trials."""
    trials = DATASETS * VARIANTS * FOLDS * len(SHOTS)
    images = answers // trials
    chance, ids = np.random.default_rng(0), []
    for d in range(DATASETS):
        samples = [hashlib.sha256(f"{d} {n}".encode()).hexdigest() for n in range(images)]
        labels = chance.integers(0, len(CLASSES), images)
        ease = chance.normal(1, 1, images)
        for v in range(VARIANTS):
            for shots in SHOTS:
                for fold in range(FOLDS):
                    trial_id = hashlib.sha256(f"{d} {v} {shots} {fold}".encode()).hexdigest()[:12]
                    store.save_trial(TrialRecord(trial_id, "local", f"v{v}", f"d{d}", f"{d}" * 64, shots, fold=fold))
                    right = ease + 0.05 * v + chance.normal(0, 0.5, images) > 0
                    told = np.where(right, labels, (labels + 1) % len(CLASSES))
                    calls = [
                        Invocation(
                            trial_id,
                            samples[n],
                            CLASSES[labels[n]],
                            CLASSES[told[n]],
                            0.9 if right[n] else 0.6,
                            Outcome.OK,
                            CallTiming(10_000 * n, 10_000 * n + 5_000_000 + n % 997),
                            at=f"{n:09}",
                        )
                        for n in range(images)
                    ]
                    store.add_invocations(calls)
                    store.finish_stage(StageRecord(trial_id, Stage.INVOKE, StageStatus.DONE))
                    store.set_trial_status(trial_id, TrialStatus.DONE, "")
                    ids.append(trial_id)
    store.save_experiment(ExperimentRecord("large", {}, tuple(ids)))


def timed(arguments: list[str], workspace: Path) -> tuple[float, float, float]:
    """Run a command in a process of its own; return seconds, seconds of processor time, and MiB."""
    environment = {**os.environ, "AUTOML_BENCH_WORKSPACE": str(workspace)}
    begun = time.perf_counter()
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


IN_POLARS = """
import sqlite3, sys
import polars as pl
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
frame = pl.read_database(
    "SELECT trial_key AS trial_id, label, predicted, outcome, service_ns FROM invocations WHERE phase = 2", connection
)
right = pl.col("label") == pl.col("predicted")
by_trial = frame.group_by("trial_id").agg(
    right.mean().alias("accuracy"),
    pl.len(),
    pl.col("outcome").value_counts(),
    *[(pl.col("service_ns").quantile(q) / 1e6).alias(f"p{q}") for q in (0.5, 0.95, 0.99)],
)
confusion = frame.group_by("trial_id", "label", "predicted").len()
of_class = confusion.group_by("trial_id", "label").agg(
    pl.col("len").filter(right).sum().alias("hits"), pl.col("len").sum().alias("all")
)
told = confusion.group_by("trial_id", "predicted").agg(pl.col("len").sum().alias("told"))
joined = of_class.join(told, left_on=["trial_id", "label"], right_on=["trial_id", "predicted"], how="left")
f1 = joined.group_by("trial_id").agg((2 * pl.col("hits") / (pl.col("all") + pl.col("told").fill_null(0))).mean())
print(by_trial.join(f1, on="trial_id").height)
"""
"""The numbers of `results` by trial (accuracy, macro F1, outcomes, latency quantiles), from the same results file."""


def main() -> None:
    """Print the table; exit with 1 if a command is beyond its bounds at the largest size."""
    sizes = [int(text) for text in sys.argv[1:]] or [250_000, 1_000_000]
    program = str(Path(sys.executable).parent / "automl-bench")
    commands = {
        "results": [program, "results"],
        "compare": [program, "compare", "local:v0", "local:v3"],
        "report": [program, "report", "large"],
    }
    failed = False
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            workspace = Path(folder)
            path = workspace / "results" / "automl-bench.sqlite"
            with open_store(path) as store:
                fill(store, size)
            taken = {}
            for name, arguments in {**commands, "polars": [sys.executable, "-c", IN_POLARS, str(path)]}.items():
                seconds, busy, memory = timed(arguments, workspace)
                taken[name] = busy
                beyond = seconds > SECONDS.get(name, 1e9) or memory > MEBIBYTES
                failed |= size == max(sizes) and name in commands and beyond
                print(
                    f"{size:>9,} answers  {name:8} {seconds:6.1f} s  {busy:6.1f} s of a processor  {memory:6.0f} MiB",
                    flush=True,
                )
            ratio = taken["results"] / taken["polars"]
            failed |= size == max(sizes) and ratio > PEER
            print(f"{size:>9,} answers  results / polars {ratio:.2f} (at most {PEER:g})")
    print(f"own memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
