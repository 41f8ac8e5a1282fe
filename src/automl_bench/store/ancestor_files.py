"""The files of the benchmark this project descends from, so that its scripts and readers go on working.

`<dataset>-<provider>-results-<shots>.csv` and `image-classification-throughputs.csv`, as its README describes them and
its get_results.py reads them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_bench.border.cells import inert
from automl_bench.store.records import CallPhase, LoadRun, Outcome, TrialRecord
from automl_bench.store.store import Store
from automl_bench.toolkit.whole_files import replaced_file

RESULTS_HEADER = ("actual_class", "predicted_class", "confidence", "invoke_time")
THROUGHPUTS_FILE = "image-classification-throughputs.csv"
THROUGHPUTS_HEADER = (
    "service",
    "seconds",
    "calls",
    "ok",
    "calls_per_second",
    "concurrency",
    "loop",
    "valid",
    "dataset",
    "shots",
    "fold",
    "repeat",
    "load_run_id",
)


def export_results(
    store: Store,
    folder: Path,
    *,
    trials: Sequence[TrialRecord] | None = None,
    default_variants: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write one `<dataset>-<provider>-results-<shots>.csv` a trial that was invoked.

    A row is one test sample: true class, predicted class (empty if there was none), confidence (empty if unknown) and
    the service time of its request in seconds. A throttled request is no row, as its sample was asked again or is
    still to be asked; every other failure is a row with an empty prediction, so that it counts.

    Args:
        store: The store.
        folder: Folder to write to.
        trials: Which trials; by default all.
        default_variants: For each provider the variant that needs no mention in the file's name; "default" otherwise.

    Returns:
        The files written.

    Raises:
        WorkspaceError: A file cannot be written.
    """
    chosen = store.trials() if trials is None else list(trials)
    written: list[Path] = []
    for trial, name in zip(chosen, results_names(chosen, default_variants or {}), strict=True):
        rows = [
            (
                call.label,
                "" if call.predicted is None else call.predicted,
                "" if call.confidence is None else repr(call.confidence),
                f"{call.timing.service_ns / 1e9:.9f}",
            )
            for call in store.invocations(trial.trial_id, CallPhase.MEASURED)
            if call.outcome is not Outcome.THROTTLED
        ]
        if rows:
            written.append(_write(folder / name, RESULTS_HEADER, rows))
    return written


def results_names(
    trials: Sequence[TrialRecord], default_variants: Mapping[str, str], *, kind: str = "results"
) -> list[str]:
    """Return the file name of each trial, no two alike.

    `pets-local-results-5.csv`; with another variant than the default `pets-local-svc-results-5.csv`; fold and repeat
    other than 0 are added as `-fold1` and `-repeat1`, all samples are `all`. Where trials would still share a name
    (another seed, other settings), the later ones carry their trial id too.

    Args:
        trials: The trials.
        default_variants: As in `export_results`.
        kind: What the files hold.
    """
    names: list[str] = []
    taken: set[str] = set()
    for trial in trials:
        stem = f"{trial.dataset}-{service_name(trial, default_variants)}-{kind}-{_shots(trial)}"
        stem += f"-fold{trial.fold}" if trial.fold else ""
        stem += f"-repeat{trial.repeat}" if trial.repeat else ""
        stem = re.sub(r"[^\w.+-]", "_", stem)
        name = f"{stem}.csv"
        if name.casefold() in taken:
            name = f"{stem}-{trial.trial_id}.csv"
        taken.add(name.casefold())
        names.append(name)
    return names


def service_name(trial: TrialRecord, default_variants: Mapping[str, str]) -> str:
    """Return provider, or provider-variant where the variant is not the provider's default."""
    if trial.variant == default_variants.get(trial.provider, "default"):
        return trial.provider
    return f"{trial.provider}-{trial.variant}"


def export_throughputs(
    store: Store,
    folder: Path,
    *,
    trials: Sequence[TrialRecord] | None = None,
    default_variants: Mapping[str, str] | None = None,
) -> Path:
    """Write `image-classification-throughputs.csv`, one row a complete load run.

    Its first two columns are the ancestor's: service, and the seconds that all calls took. Seconds go from the first
    measured call sent to the last one received; calls_per_second is the successful calls in that time.

    Args:
        store: The store.
        folder: Folder to write to.
        trials: Which trials; by default all.
        default_variants: As in `export_results`.

    Returns:
        The file written; it holds only its header if there is no complete load run.

    Raises:
        WorkspaceError: The file cannot be written.
    """
    rows: list[Sequence[Any]] = []
    for trial in store.trials() if trials is None else trials:
        service = service_name(trial, default_variants or {})
        rows += [_throughput(store, trial, run, service) for run in store.load_runs(trial.trial_id, complete_only=True)]
    return _write(folder / THROUGHPUTS_FILE, THROUGHPUTS_HEADER, rows)


def _throughput(store: Store, trial: TrialRecord, run: LoadRun, service: str) -> tuple[Any, ...]:
    calls, ok, nanoseconds = store.load_run_extent(run.load_run_id)
    return (
        service,
        f"{nanoseconds / 1e9:.6f}" if calls else "",
        calls,
        ok,
        f"{ok / nanoseconds * 1e9:.3f}" if nanoseconds else "",
        run.settings.get("concurrency", ""),
        run.loop,
        "" if run.valid is None else str(run.valid).lower(),
        trial.dataset,
        _shots(trial),
        trial.fold,
        trial.repeat,
        run.load_run_id,
    )


def _shots(trial: TrialRecord) -> str:
    return "all" if trial.shots is None else str(trial.shots)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with replaced_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([inert(cell) for cell in row] for row in rows)
    return path
