"""Predictions made anywhere: answers, matched with a dataset's test samples, stored as a trial's answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import Stage, Variant
from automl_bench.errors import UsageError
from automl_bench.report.importing import Cells, csv_lines
from automl_bench.report.rows import FROM
from automl_bench.store.ancestor_files import RESULTS_HEADER
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
    "cost": "What the answer cost, in US dollars; empty if unknown.",
    "label": "The true label; must be that of the dataset, and need not be there.",
    "error": "Why there is no answer; the sample then counts as failed.",
    "provider": "As --provider, which goes before it; one for the whole file. So are the next four.",
    "variant": "As --variant.",
    "dataset": "As --dataset.",
    "shots": "As --shots.",
    "fold": "As --fold.",
}
"""Columns of a file of predictions, in any order; `export --format predictions` writes all of them."""

ABOUT = ("provider", "variant", "dataset", "shots", "fold")
"""Columns that say the same in every line: who answered."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who answered, which a file may or may not say itself.

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


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of a file.

    Attributes:
        place: Where it stands in the file, as in "line 3".
        sample: Its content id, its path in the dataset, or its file name.
        predicted: The label, or None.
        confidence: 0 to 1, or None.
        seconds: How long it took; 0 if unknown.
        label: The true label as the file has it, or empty.
        error: Why there is no answer, or empty.
        usd: What it cost in US dollars, or None.
    """

    place: str
    sample: str
    predicted: str | None
    confidence: float | None = None
    seconds: float = 0.0
    label: str = ""
    error: str = ""
    usd: float | None = None


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


def read_predictions(path: Path) -> tuple[list[Answered], dict[str, str]]:
    """Read a CSV with `PREDICTION_COLUMNS`.

    Returns:
        The answers, and what the file says of `ABOUT`.

    Raises:
        UsageError: If a line is wrong, or the file holds the answers of several.
    """
    said: dict[str, str] = {}
    answers = []
    for line, cells in _lines(path, tuple(PREDICTION_COLUMNS), ("sample", "predicted")):
        for name in ABOUT:
            if cells.has(name) and said.setdefault(name, cells.text(name)) != cells.text(name):
                raise UsageError(
                    f"{path} line {line}: {name} is {cells.text(name)}, and {said[name]} in a line before.",
                    remedy=f"Write one file for each {name}.",
                )
        answers.append(
            Answered(
                f"line {line}",
                cells.text("sample"),
                cells.optional("predicted") or None,
                cells.number("confidence", high=1.0) if cells.has("confidence") else None,
                cells.number("seconds") if cells.has("seconds") else 0.0,
                cells.optional("label"),
                cells.optional("error"),
                cells.number("cost") if cells.has("cost") else None,
            )
        )
    return answers, said


def matched(
    path: Path, answers: Iterable[Answered], manifest: Manifest, origin: Origin
) -> tuple[TrialRecord, list[Invocation]]:
    """Match answers with the dataset's test samples.

    Args:
        path: The file they come from.
        answers: The answers.
        manifest: The dataset.
        origin: Who answered.

    Returns:
        The trial that the answers are stored under, and the answers.

    Raises:
        UsageError: If a sample is none of the test samples, or means several, or stands twice, or has another label.
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
    first_seen: dict[str, str] = {}
    calls = []
    for one in answers:
        found = samples.get(one.sample, [])
        if len(found) != 1:
            what = "is no test sample of" if not found else f"means {len(found)} test samples of"
            raise UsageError(
                f"{path} {one.place}: {one.sample!r} {what} {manifest.name}.",
                remedy="Name samples by content id or by their path in the dataset, as `export` writes them.",
            )
        (sample,) = found
        if sample in first_seen:
            raise UsageError(
                f"{path} {one.place}: repeats the sample of {first_seen[sample]}.", remedy="Delete one of them."
            )
        if one.label and one.label != labels[sample]:
            raise UsageError(
                f"{path} {one.place}: the label is {one.label!r}, and {labels[sample]!r} in {manifest.name}.",
                remedy="Import answers to this very dataset, or leave the column label out.",
            )
        first_seen[sample] = one.place
        calls.append(
            Invocation(
                trial.trial_id,
                sample,
                labels[sample],
                one.predicted,
                one.confidence,
                Outcome.FAILED if one.error else Outcome.OK,
                CallTiming(0, round(1e9 * one.seconds)),
                error=one.error,
                at=trial.created_at,
                usd=one.usd,
            )
        )
    return trial, calls


def store_predictions(
    store: Store, many: Sequence[tuple[TrialRecord, Sequence[Invocation]]], *, replace_old: bool = False
) -> None:
    """Store imported answers; a trial of the same point from predictions is refused, or replaced.

    Raises:
        UsageError: If answers of the same provider, variant, dataset, shots and fold are there and are to stay; then
            nothing is stored.
    """
    known = store.trials()
    old = [other for trial, _ in many for other in known if _must_go(trial, other, replace_old=replace_old)]
    for other in old:
        store.remove_imported_trials(str(other.variant_settings[FROM]), other.trial_id)
    for trial, calls in many:
        store.save_trial(trial)
        store.add_invocations(calls)
        store.finish_stage(StageRecord(trial.trial_id, Stage.INVOKE, StageStatus.DONE))
        store.set_trial_status(trial.trial_id, TrialStatus.DONE, "")


def _must_go(trial: TrialRecord, other: TrialRecord, *, replace_old: bool) -> bool:
    """Say whether another trial is of the same point and gives way.

    Raises:
        UsageError: If it is, and stays.
    """
    names = ("provider", "variant", "dataset", "fingerprint", "shots", "fold")
    if any(getattr(other, name) != getattr(trial, name) for name in names):
        return False
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
    return True


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
