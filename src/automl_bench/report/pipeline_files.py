"""What the steps of a pipeline hand to each other: one trial's answers as files, and the metrics and plots of many.

Nothing in these files is a time of day, and the answers carry no latency: a step that is repeated with the same result
writes the same bytes, so that DVC and make see that nothing changed.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.border.cells import inert, restored
from automl_bench.errors import RecordsError
from automl_bench.report.labels import shots_label
from automl_bench.report.prediction_files import final_predictions
from automl_bench.statistics.means import shots_order
from automl_bench.statistics.quality import per_class
from automl_bench.statistics.scores import score_pairs
from automl_bench.store.records import CallPhase, Outcome
from automl_bench.toolkit.whole_files import replaced_file

if TYPE_CHECKING:
    from automl_bench.store import Store

TRIAL, TEST, TRAIN = "trial.json", "test.csv", "train.csv"
COLUMNS = ("sample", "label", "predicted")

Answers = Counter[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Point:
    """One variant on one dataset with a number of shots: what is averaged over draws.

    Attributes:
        dataset: Name of the dataset.
        shots: Labelled samples per class; None for all.
        variant: The variant's name as files and metrics have it.
        folders: The folder of each draw's trial.
    """

    dataset: str
    shots: int | None
    variant: str
    folders: tuple[Path, ...]


def write_trial(store: Store, row: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write a finished trial: trial.json, test.csv with the answers, and train.csv if training samples were asked.

    Args:
        store: The results file.
        row: The trial's row of results.
        folder: Folder to write to.
    """
    names = ("provider", "variant", "dataset", "shots", "fold", "seed", "fingerprint", "train_samples", "chosen")
    card = {name: row[name] for name in names} | {"train_seconds": row["train_seconds"], "usd": row["cost"]["usd"]}
    test = [(one.sample, one.label, one.predicted) for one in final_predictions(store, row["trial_id"])]
    train = [
        (one.sample_id, one.label, one.predicted if one.outcome is Outcome.OK else None)
        for one in store.invocations(row["trial_id"], CallPhase.TRAINING)
    ]
    written = [
        _write_json(folder / TRIAL, card),
        _write_csv(folder / TEST, COLUMNS, sorted(test, key=lambda one: one[0])),
    ]
    if train:
        written.append(_write_csv(folder / TRAIN, COLUMNS, sorted(train, key=lambda one: one[0])))
    return written


def write_metrics(points: Sequence[Point], out: Path) -> list[Path]:
    """Write metrics/test.json and metrics/train.json, and plots/ with learning curves and confusions.

    Metrics are nested: dataset → shots → variant → measure. Accuracy, averages and classes are over the answers of all
    draws together.

    Args:
        points: What is averaged.
        out: Folder that gets metrics/ and plots/.

    Raises:
        RecordsError: If a trial's files are missing.
    """
    test: dict[str, Any] = {}
    train: dict[str, Any] = {}
    curves: dict[str, dict[int | None, dict[str, float]]] = {}
    widest: dict[tuple[str, str], tuple[int | None, Answers]] = {}
    for point in sorted(points, key=lambda one: (one.dataset, shots_order(one.shots), one.variant)):
        answers = _together(point, TEST)
        if not answers:
            raise RecordsError(f"there are no answers in {point.folders[0]}.", remedy="Run the step that writes it.")
        scores = measures(answers, len(point.folders))
        place = (point.dataset, shots_label(point.shots), point.variant)
        _nest(test, place, scores)
        _nest(train, place, _training(point))
        curves.setdefault(point.dataset, {}).setdefault(point.shots, {})[point.variant] = scores["accuracy"]
        widest[point.dataset, point.variant] = (point.shots, answers)
    written = [_write_json(out / "metrics" / "test.json", test), _write_json(out / "metrics" / "train.json", train)]
    for dataset, curve in curves.items():
        variants = sorted({name for cells in curve.values() for name in cells})
        rows = [(shots_label(shots), *(cells.get(name, "") for name in variants)) for shots, cells in curve.items()]
        written.append(_write_csv(out / curve_file(dataset), ("shots", *variants), rows))
    for (dataset, variant), (_, answers) in widest.items():
        rows = [(label, told or "") for (label, told), count in sorted(answers.items(), key=str) for _ in range(count)]
        written.append(_write_csv(out / confusion_file(dataset, variant), ("actual", "predicted"), rows))
    return written


def curve_file(dataset: str) -> str:
    """Return where the learning curves of a dataset are written."""
    return f"plots/accuracy/{dataset}.csv"


def confusion_file(dataset: str, variant: str) -> str:
    """Return where the answers of a variant with its most shots are written."""
    return f"plots/confusion/{dataset}-{variant}.csv"


def measures(answers: Answers, draws: int) -> dict[str, Any]:
    """Return accuracy, each class's scores, and their averages, as sklearn's classification_report has them.

    A class that no answer names has no precision; in the averages it counts as 0.
    """
    found = score_pairs(answers)
    classes = per_class(answers)
    total = sum(one.support for one in classes)
    averages = {}
    for name, weights in (
        ("macro avg", [1 / len(classes)] * len(classes)),
        ("weighted avg", [one.support / total for one in classes]),
    ):
        cells = {
            "precision": [one.precision or 0.0 for one in classes],
            "recall": [one.recall for one in classes],
            "f1": [one.f1 for one in classes],
        }
        averages[name] = {
            measure: sum(weight * value for weight, value in zip(weights, values, strict=True))
            for measure, values in cells.items()
        }
    by_class = {
        one.label: {
            **({} if one.precision is None else {"precision": one.precision}),
            "recall": one.recall,
            "f1": one.f1,
            "support": one.support // draws,
        }
        for one in classes
    }
    return {"accuracy": found.accuracy, "samples": total // draws, "draws": draws, **averages, "classes": by_class}


def _training(point: Point) -> dict[str, Any]:
    """Return what the training of a point took, and how it scores on its own samples where those were asked."""
    cards = [_read_json(folder / TRIAL) for folder in point.folders]
    found: dict[str, Any] = {}
    for name in ("train_samples", "train_seconds", "usd"):
        known = [card[name] for card in cards if card[name] is not None]
        if len(known) == len(cards):
            found[name.removeprefix("train_")] = sum(known) / len(known)
    if all((folder / TRAIN).is_file() for folder in point.folders):
        found |= measures(_together(point, TRAIN), len(point.folders))
    return found


def _together(point: Point, name: str) -> Answers:
    return Counter(answer for folder in point.folders for answer in _answers(folder / name))


def _answers(path: Path) -> Iterator[tuple[str, str | None]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield restored(row["label"]), restored(row["predicted"]) or None
    except (OSError, KeyError) as error:
        raise _missing(path) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _missing(path) from error
    return found


def _missing(path: Path) -> RecordsError:
    return RecordsError(f"{path} is missing or cannot be read.", remedy="Run the step that writes it again.")


def _nest(values: dict[str, Any], place: Sequence[str], value: Any) -> None:
    for key in place[:-1]:
        values = values.setdefault(key, {})
    values[place[-1]] = value


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    with replaced_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with replaced_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([inert(name) for name in columns])
        writer.writerows([["" if cell is None else inert(cell) for cell in row] for row in rows])
    return path
