"""Ending an interleaved accuracy pass once the comparison asked for is decided, and saying what that saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from automl_bench.measurement.stopping import Decision, StoppingMonitor, StoppingRule, StopSettings, pairs_of
from automl_bench.numbers_in_words import number_of
from automl_bench.trials.price_records import table_of
from automl_bench.trials.pricing import CALL

if TYPE_CHECKING:
    from automl_bench.measurement.accuracy_pass import PassSummary
    from automl_bench.trials.trial import Trial

STOPPING = "stopping"
"""Key of the invoke stage's stored result."""


def stopping_monitor(trials: Sequence[Trial], settings: StopSettings | None) -> StoppingMonitor | None:
    """Return what watches a pass, or None where it runs to its end or has nothing to compare."""
    if settings is None or len(trials) < 2:
        return None
    against = next((one.record.trial_id for one in trials if _is(one, settings.against)), None)
    if settings.against is not None and against is None:
        return None
    pairs = pairs_of([trial.record.trial_id for trial in trials], against)
    return StoppingMonitor(StoppingRule(pairs, rope=settings.rope), len(trials[0].material.test))


def _is(trial: Trial, name: str | None) -> bool:
    if name is None:
        return False
    provider, _, variant = name.partition(":")
    description = trial.bound.provider.description
    return trial.record.provider == provider and trial.record.variant == (variant or description.default_variant)


def stopping_result(trial: Trial, summary: PassSummary, monitor: StoppingMonitor) -> dict[str, Any]:
    """Return what is stored of one trial of a watched pass.

    Returns:
        `answered` and `of` (samples), `calls_saved`, `usd_saved` (None where the price of a call is unknown), `level`,
        and `comparisons`: the fields of `Standing`, with `difference`, for each pair that the trial is part of.
    """
    saved = max(0, summary.total - summary.done)
    trial_id = trial.record.trial_id
    return {
        "answered": summary.done,
        "of": summary.total,
        "calls_saved": saved,
        "usd_saved": _usd(trial, saved),
        "level": monitor.rule.level,
        "comparisons": [
            asdict(standing) | {"difference": standing.difference, "decision": standing.decision.value}
            for standing in monitor.standings()
            if trial_id in (standing.first, standing.second)
        ],
    }


def _usd(trial: Trial, calls: int) -> float | None:
    table = table_of(trial.around.store.stages(trial.record.trial_id))
    price = next((one for one in table if one.item == CALL), None)
    if price is None:
        return 0.0 if table else None
    return None if price.usd is None else price.usd * calls


def early_stop_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say, one line a pass that ended early, what was decided and what was saved.

    Args:
        rows: Rows of `results --json`.
    """
    passes: dict[frozenset[str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row[STOPPING] and row[STOPPING]["calls_saved"]:
            passes.setdefault(frozenset([row["trial_id"], *row["interleaved_with"]]), []).append(row)
    return [_line(group) for group in passes.values()]


def _line(group: Sequence[Mapping[str, Any]]) -> str:
    first = group[0]
    names = {row["trial_id"]: f"{row['provider']}:{row['variant']}" for row in group}
    said = {(one["first"], one["second"]): _words(one, names) for row in group for one in row[STOPPING]["comparisons"]}
    calls = sum(row[STOPPING]["calls_saved"] for row in group)
    dollars = [row[STOPPING]["usd_saved"] for row in group]
    known = sum(one for one in dollars if one is not None)
    price = f"${known:.2f}" + (" and calls of unknown price" if None in dollars else "")
    shots = "all" if first["shots"] is None else first["shots"]
    return (
        f"{first['dataset']}, {shots} shots, fold {first['fold']}: ended after {first[STOPPING]['answered']} of "
        f"{first[STOPPING]['of']} test samples: {'; '.join(said.values())}. Saved {number_of(calls, 'call')} ({price})."
    )


def _words(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    first, second = names.get(one["first"], one["first"]), names.get(one["second"], one["second"])
    low, high = 100 * one["low"], 100 * one["high"]
    interval = f"{100 * one['difference']:+.1f} points [{low:+.1f}, {high:+.1f}], p = {max(one['p'], 1e-4):.2g}"
    match Decision(one["decision"]):
        case Decision.AHEAD | Decision.BEHIND:
            ahead, behind = (first, second) if one["difference"] > 0 else (second, first)
            return f"{ahead} is ahead of {behind} ({first} - {second}: {interval})"
        case Decision.EQUAL:
            return f"{first} and {second} are equal in practice ({interval})"
        case Decision.FUTILE:
            return f"{first} and {second} cannot be separated by this test set ({interval})"
        case _:
            return f"{first} and {second} are not decided ({interval})"
