"""What answers used: tokens, dollars, served model, how they ended; and trials that stand for all shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.report.labels import Labelled, shots_label
from automl_bench.report.tables import Table
from automl_bench.store.answer_columns import ToldUsd

if TYPE_CHECKING:
    from automl_bench.store import Store

KINDS = ("input", "cached", "output", "reasoning")


def used(store: Store, trial_id: str, told: ToldUsd) -> dict[str, Any] | None:
    """Return what the measured answers of a trial used, or None where none says so; `fields.USAGE_FIELDS`."""
    sums = store.usage_sums(trial_id)
    if not sums.answers:
        return None
    return {
        "answers": sums.answers,
        **{f"{kind}_tokens": sums.tokens.get(kind) for kind in KINDS},
        "usd_per_1000": 1000 * told.usd / told.telling if told.telling else None,
        "models": dict(sums.models),
        "endings": dict(sums.endings),
    }


def with_shared(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows, and behind each one that stands for all shots and folds its copies at the others' points.

    A copy has the scores and the trial of its row, and neither costs, calls nor latencies of its own: those are told,
    and paid for, once.
    """
    points: dict[tuple[Any, ...], list[tuple[int | None, int]]] = {}
    for row in rows:
        if row["trial_id"] and not row.get("shared"):
            own = points.setdefault(_kin(row), [])
            if (point := (row["shots"], row["fold"])) not in own:
                own.append(point)
    found = []
    for row in rows:
        found.append(row)
        if row.get("shared"):
            taken = [point for point in points.get(_kin(row), ()) if point != (row["shots"], row["fold"])]
            found += [_copy(row, shots, fold) for shots, fold in taken]
    return found


def _kin(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["dataset"], row["fingerprint"], row["seed"], row["test_limit"]


def _copy(row: dict[str, Any], shots: int | None, fold: int) -> dict[str, Any]:
    return {
        **row,
        "shots": shots,
        "fold": fold,
        "train_samples": None,
        "predict_seconds": None,
        "latency_ms": {**row["latency_ms"], "n": 0, **dict.fromkeys(("p50", "p90", "p95", "p99", "mean"))},
        "calls": dict.fromkeys(row["calls"], 0),
        "cold_ms": [],
        "stages": {},
        "cost": None,
        "throughput": None,
        "load_runs": [],
        "usage": None,
        "stability": None,
        "unanswered": [],
        "deviations": [],
    }


def usage_table(named: Sequence[Labelled]) -> Table:
    """Return what the answers of each trial used, one line a trial that says so."""
    heads = (
        "variant",
        "dataset",
        "shots",
        "fold",
        "answers",
        "tokens in",
        "cached",
        "tokens out",
        "$ per 1,000",
        "model",
        "how answers ended",
    )
    cells, records = [], []
    for one in named:
        usage = one.row.get("usage")
        if not usage:
            continue
        count = usage["answers"]
        usd = usage["usd_per_1000"]
        cells.append(
            (
                one.series,
                one.dataset,
                "any" if one.row.get("shared") else shots_label(one.shots),
                "any" if one.row.get("shared") else str(one.row["fold"]),
                f"{count:,}",
                *(_mean(usage[f"{kind}_tokens"], count) for kind in ("input", "cached", "output")),
                "unknown" if usd is None else f"{usd:,.4g}",
                _counts(usage["models"]),
                _counts(usage["endings"]),
            )
        )
        records.append({"variant": one.series, "dataset": one.dataset, "shots": one.shots, **usage})
    notes = (
        "tokens: means of the measured answers; cached ones are among those in, those of a reasoning among those out.",
        "$ per 1,000: as the service says, else by tokens at the prices of the day. More than one model: it changed.",
    )
    return Table("What the answers used", heads, tuple(cells), tuple(records), notes if cells else ())


def _mean(total: int | None, count: int) -> str:
    return "–" if total is None else f"{total / count:,.1f}"


def _counts(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} × {count:,}" for name, count in counts.items()) or "–"
