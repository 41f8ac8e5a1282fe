"""What trainings tried before they chose: the candidates of a search or of a choice, as providers tell them.

They were scored on parts of the training set that were held out, never on the test set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.border.texts import clean
from automl_bench.contract import Stage
from automl_bench.report.labels import labelled, shots_label
from automl_bench.report.tables import UNKNOWN, Table
from automl_bench.store import Store

CANDIDATES = "candidates"
LOWER_IS_BETTER = frozenset({"log_loss"})
NOTE = "Scores are of held-out parts of the training set; the test set was not seen. Best first within a trial."


def candidates_table(store: Store, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line for each candidate of each training among result rows, the best of a training first."""
    records: list[dict[str, Any]] = []
    cells: list[tuple[str, ...]] = []
    for one in labelled(rows):
        for found in _of_trial(store, one.row["trial_id"]):
            point = {
                name: one.row[name]
                for name in ("provider", "variant", "dataset", "shots", "fold", "repeat", "seed", "trial_id")
            }
            records.append({**point, **found})
            cells.append(
                (
                    one.series,
                    one.dataset,
                    shots_label(one.shots),
                    str(one.row["fold"]),
                    found["candidate"],
                    found["measure"].replace("_", " "),
                    _score(found["measure"], found["score"]),
                    _score(found["measure"], found["sd"]),
                    UNKNOWN if found["folds"] is None else str(found["folds"]),
                    "chosen" if found["chosen"] else "",
                )
            )
    heads = ("variant", "dataset", "shots", "fold", "candidate", "measure", "score", "SD", "parts", "")
    return Table("Candidates of the trainings", heads, tuple(cells), tuple(records), (NOTE,) if cells else ())


def _of_trial(store: Store, trial_id: str) -> list[dict[str, Any]]:
    """Return a training's candidates, checked; what is no candidate is left out."""
    training = next((one for one in store.stages(trial_id) if one.stage is Stage.TRAIN), None) if trial_id else None
    told = None if training is None else training.result.get(CANDIDATES)
    read = [_read(entry) for entry in told] if isinstance(told, list) else []
    return sorted((one for one in read if one is not None), key=_rank)


def _read(entry: Any) -> dict[str, Any] | None:
    if not isinstance(entry, Mapping) or _number(entry.get("score")) is None:
        return None
    folds = entry.get("folds")
    return {
        "candidate": clean(str(entry.get("candidate", ""))),
        "measure": clean(str(entry.get("measure", "score"))),
        "score": _number(entry["score"]),
        "sd": _number(entry.get("sd")),
        "folds": folds if type(folds) is int else None,
        "chosen": entry.get("chosen") is True,
    }


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _rank(one: Mapping[str, Any]) -> tuple[float, bool]:
    return one["score"] if one["measure"] in LOWER_IS_BETTER else -one["score"], not one["chosen"]


def _score(measure: str, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{100 * value:.1f} %" if measure == "accuracy" else f"{value:.3f}"
