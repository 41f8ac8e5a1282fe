"""Classes, confusions and confidence of each variant's models with the most shots, as tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.report.labels import Labelled, shots_label
from automl_bench.report.tables import UNKNOWN, Table, percent
from automl_bench.statistics.means import shots_order
from automl_bench.statistics.quality import CALIBRATION_N, acceptance, calibration, confusion, per_class

if TYPE_CHECKING:
    from automl_bench.store import Store

MOST_CLASSES = 3
"""Classes and confusions shown of each variant and dataset; results.json has all."""

CLASS_COLUMNS = ("label", "precision", "recall", "f1", "support", "claimed")
"""What a record of a class tells."""


@dataclass(frozen=True, slots=True)
class QualityTables:
    """Three tables; the records of the last two hold every class and every pair, the cells the most telling ones."""

    confidence: Table
    worst: Table
    confused: Table


def quality_tables(store: Store, named: Sequence[Labelled]) -> QualityTables:
    """Return what answers say beyond right and wrong, pooled over the folds of the most shots."""
    groups: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for one in named:
        if one.counts and one.row["trial_id"]:
            groups[one.series, one.dataset].append(one)
    confidence: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    shown_classes: list[dict[str, Any]] = []
    shown_pairs: list[dict[str, Any]] = []
    for (series, dataset), many in groups.items():
        shots = max((one.shots for one in many), key=shots_order)
        head: dict[str, Any] = {"variant": series, "dataset": dataset, "shots": shots_label(shots)}
        answered, sure, right = _answers(store, [one.row["trial_id"] for one in many if one.shots == shots])
        confidence.append(head | _confidence(sure, right, answered.total()))
        own = [head | {name: getattr(one, name) for name in CLASS_COLUMNS} for one in per_class(answered)]
        classes += own
        shown_classes += sorted(own, key=lambda one: (one["recall"], one["label"]))[:MOST_CLASSES]
        taken = [head | {"truth": a, "answer": b, "count": count} for (a, b), count in confusion(answered).items()]
        pairs += taken
        shown_pairs += [one for one in taken if one["truth"] != one["answer"]][:MOST_CLASSES]
    return QualityTables(
        _confidence_table(confidence), _classes_table(shown_classes, classes), _pairs_table(shown_pairs, pairs)
    )


def _answers(store: Store, trials: Sequence[str]) -> tuple[Counter[tuple[str, str | None]], Any, Any]:
    """Return how often what was answered, and of the answers with a confidence: confidence and whether it is right."""
    import numpy as np

    pairs: Counter[tuple[str, str | None]] = Counter()
    sure, right = [], []
    for trial_id in trials:
        calls = store.answer_columns(trial_id, confidence=True)
        assert calls.confidence is not None
        pairs.update(calls.pairs())
        told, confidence = calls.told(), calls.confidence[calls.last]
        known = np.isfinite(confidence) & (told >= 0)
        sure.append(confidence[known])
        right.append((told == calls.label[calls.last])[known])
    return pairs, np.concatenate(sure), np.concatenate(right)


def _confidence(sure: Any, right: Any, samples: int) -> dict[str, Any]:
    found, accept = calibration(sure, right), acceptance(sure, right, samples)
    return {
        "answers": found.n,
        "brier": found.brier,
        "log_loss": found.log_loss,
        "ece": found.ece,
        "ece_needs": CALIBRATION_N if found.ece is None else None,
        "accept_above": None if accept is None else accept.threshold,
        "accept_share": None if accept is None else accept.coverage,
        "accept_right": None if accept is None else accept.right,
        "accept_low": None if accept is None else accept.low,
        "accept_high": None if accept is None else accept.high,
        "accept_words": None if accept is None else accept.words,
    }


def _confidence_table(records: Sequence[Mapping[str, Any]]) -> Table:
    known = [one for one in records if one["answers"]]
    cells = tuple(
        (
            one["variant"],
            one["dataset"],
            one["shots"],
            f"{one['answers']:,}",
            f"{one['brier']:.3f}",
            f"{one['log_loss']:.3f}",
            f"needs {CALIBRATION_N} answers" if one["ece"] is None else percent(one["ece"]),
            one["accept_words"] or UNKNOWN,
        )
        for one in known
    )
    heads = (
        "variant",
        "dataset",
        "shots",
        "answers",
        "Brier",
        "log loss",
        "calibration error %",
        "what may be accepted",
    )
    notes = (
        "Of the confidence that a service tells with its answer. Brier and log loss: 0 is best. Calibration error: mean"
        " distance of confidence and share of right answers, over 15 bins of equal size.",
        "Accept: the threshold is chosen for 98 % right on four fifths of the answers and judged on the last fifth,"
        " five times over; a dash means that no threshold reaches it, or there are too few answers.",
    )
    return Table("Confidence", heads, cells, tuple(known), notes if cells else ())


def _classes_table(shown: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> Table:
    cells = tuple(
        (
            one["variant"],
            one["dataset"],
            one["label"],
            percent(one["recall"]),
            percent(one["precision"]),
            percent(one["f1"]),
            f"{one['support']:,}",
        )
        for one in shown
    )
    heads = (
        "variant",
        "dataset",
        "class",
        "found % (recall)",
        "right when named % (precision)",
        "F1 %",
        "test samples",
    )
    note = f"The {MOST_CLASSES} classes found least often, at the most shots; results.json has every class."
    return Table("Hardest classes", heads, cells, tuple(records), (note,) if cells else ())


def _pairs_table(shown: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> Table:
    cells = tuple(
        (
            one["variant"],
            one["dataset"],
            one["truth"],
            "no answer" if one["answer"] is None else one["answer"],
            f"{one['count']:,}",
        )
        for one in shown
    )
    note = f"The {MOST_CLASSES} most frequent errors, at the most shots; results.json has the whole confusion matrix."
    heads = ("variant", "dataset", "class", "taken for", "times")
    return Table("What is taken for what", heads, cells, tuple(records), (note,) if cells else ())
