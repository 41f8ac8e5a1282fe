"""Predictions made anywhere: a CSV of answers, matched with a dataset's test samples, stored as a trial's answers."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import Stage, Variant
from automl_bench.errors import UsageError
from automl_bench.report.importing import Cells, csv_lines
from automl_bench.report.rows import FROM
from automl_bench.store.ancestor_files import RESULTS_HEADER, THROUGHPUTS_HEADER
from automl_bench.store.records import (
    CallTiming,
    ImportedResult,
    Invocation,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)
from automl_bench.trials.experiment import trial_record

if TYPE_CHECKING:
    from automl_bench.datasets.manifest import Manifest
    from automl_bench.store import Store

PREDICTION_COLUMNS: Mapping[str, str] = {
    "sample": "The test sample: its content id (64 hex digits), its path in the dataset, or its file name. Required.",
    "predicted": "The label answered; empty for no answer. Required.",
    "confidence": "Confidence of that answer, 0 to 1; empty if unknown.",
    "seconds": "How long the answer took; empty if unknown.",
}
"""Columns of a file of predictions, in any order."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file of predictions does not say itself.

    Attributes:
        provider: Who answered.
        variant: Configuration of it.
        shots: Labelled samples per class it learnt from; None for all.
        fold: Which draw.
    """

    provider: str
    variant: str = "imported"
    shots: int | None = None
    fold: int = 0


def kind_of(path: Path) -> str:
    """Return "predictions", "answers" (the published benchmark's file of answers), or "results", by the header.

    Raises:
        UsageError: If it is a file that is only written, not read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return "results"  # whose reader says what is wrong
    if header == list(THROUGHPUTS_HEADER) or header[:2] == list(THROUGHPUTS_HEADER[:2]):
        raise UsageError(
            f"{path} holds throughputs, which have no place among imported results.",
            remedy="Import the files of answers (…-results-….csv) beside it.",
        )
    if header == list(RESULTS_HEADER):
        return "answers"
    return "predictions" if "sample" in header and "predicted" in header else "results"


def read_answers(path: Path, dataset: str, origin: Origin) -> ImportedResult:
    """Read a file of the published benchmark's kind: true and predicted class, but not which sample.

    Without samples it can be scored, but not compared image by image.

    Raises:
        UsageError: If a line is wrong.
    """
    right = total = 0
    truth = set()
    for _, cells in _lines(path, RESULTS_HEADER, ("actual_class", "predicted_class")):
        actual = cells.text("actual_class")
        truth.add(actual)
        total += 1
        right += cells.optional("predicted_class") == actual
    return ImportedResult(
        path.name,
        origin.provider,
        origin.variant,
        dataset,
        origin.shots,
        right / total,
        fold=origin.fold,
        classes=len(truth),
        test_samples=total,
    )


def read_predictions(path: Path, manifest: Manifest, origin: Origin) -> tuple[TrialRecord, list[Invocation]]:
    """Read predictions and match them with the dataset's test samples.

    Args:
        path: A CSV with `PREDICTION_COLUMNS`.
        manifest: The dataset.
        origin: Who answered.

    Returns:
        The trial that the answers are stored under, and the answers.

    Raises:
        UsageError: If a line is wrong, or a sample is none of the test samples, or means several, or stands twice.
    """
    samples = _test_samples(manifest)
    labels = dict(zip(*(manifest.table.column(name).to_pylist() for name in ("sample_id", "label")), strict=True))
    plain = trial_record(
        Variant(origin.provider, origin.variant, {FROM: path.name}),
        dataset=manifest.name,
        fingerprint=manifest.fingerprint,
        shots=origin.shots,
        fold=origin.fold,
        repeat=0,
        seed=0,
        images={},
        test_limit=None,
    )
    trial = replace(plain, status=TrialStatus.DONE, created_at=datetime.now(UTC).isoformat(timespec="seconds"))
    first_seen: dict[str, int] = {}
    calls = []
    for line, cells in _lines(path, tuple(PREDICTION_COLUMNS), ("sample", "predicted")):
        named = cells.text("sample")
        found = samples.get(named, [])
        if len(found) != 1:
            what = "is no test sample of" if not found else f"means {len(found)} test samples of"
            raise UsageError(
                f"{path} line {line}: {named!r} {what} {manifest.name}.",
                remedy="Name samples by content id or by their path in the dataset, as `export` writes them.",
            )
        if found[0] in first_seen:
            raise UsageError(
                f"{path} line {line}: repeats the sample of line {first_seen[found[0]]}.", remedy="Delete one of them."
            )
        first_seen[found[0]] = line
        seconds = cells.number("seconds") if cells.has("seconds") else 0.0
        calls.append(
            Invocation(
                trial.trial_id,
                found[0],
                labels[found[0]],
                cells.optional("predicted") or None,
                cells.number("confidence", high=1.0) if cells.has("confidence") else None,
                Outcome.OK,
                CallTiming(0, round(1e9 * seconds)),
                at=trial.created_at,
            )
        )
    return trial, calls


def store_predictions(
    store: Store, trial: TrialRecord, calls: Sequence[Invocation], *, replace_old: bool = False
) -> None:
    """Store imported answers; a trial of the same point from predictions is refused, or replaced.

    Raises:
        UsageError: If answers of the same provider, variant, dataset, shots and fold are there and are to stay.
    """
    for other in store.trials():
        same = all(
            getattr(other, name) == getattr(trial, name)
            for name in ("provider", "variant", "dataset", "fingerprint", "shots", "fold")
        )
        if not same:
            continue
        if FROM not in other.variant_settings:
            raise UsageError(
                f"{other.provider}:{other.variant} was measured here at this point.",
                remedy="Give the imported one another name with --variant.",
            )
        if not replace_old:
            raise UsageError(
                f"{other.provider}:{other.variant} is there from {other.variant_settings[FROM]}.",
                remedy="Import it again with --replace if it is a correction, or give another draw its own --fold.",
            )
        store.remove_imported_trials(str(other.variant_settings[FROM]), other.trial_id)
    store.save_trial(trial)
    store.add_invocations(calls)
    store.finish_stage(StageRecord(trial.trial_id, Stage.INVOKE, StageStatus.DONE))
    store.set_trial_status(trial.trial_id, TrialStatus.DONE, "")


def _test_samples(manifest: Manifest) -> dict[str, list[str]]:
    """Return every name of a test sample → the content ids it may mean."""
    names: dict[str, set[str]] = defaultdict(set)
    columns = (manifest.table.column(name).to_pylist() for name in ("sample_id", "path", "split"))
    for sample, path, split in zip(*columns, strict=True):
        if split == "test":
            for name in (sample, path, Path(path).name):
                names[name].add(sample)
    return {name: sorted(found) for name, found in names.items()}


def _lines(path: Path, known: Sequence[str], required: Sequence[str]) -> list[tuple[int, Cells]]:
    """Return (line number, cells) of a CSV with these columns.

    Raises:
        UsageError: If the file or a line is wrong.
    """

    def check(path: Path, header: list[str]) -> None:
        unknown = [name for name in header if name not in known]
        if unknown or not set(required) <= set(header):
            what = f"unknown column {unknown[0]!r}" if unknown else f"the header lacks {', '.join(required)}"
            raise UsageError(
                f"{path} line 1: {what}.",
                remedy=f"The first line must name {', '.join(required)}; known columns: {', '.join(known)}.",
            )

    found = [(line, Cells(path, line, cells)) for line, cells, _ in csv_lines(path, check)]
    if not found:
        raise UsageError(f"{path} has a header but no answers.", remedy="Add one line for each answer.")
    return found
