"""How often the trials of one draw give a sample the same answer: `repeats` in an experiment makes each so often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from automl_bench.report.labels import Labelled, shots_label
from automl_bench.report.tables import Table, percent
from automl_bench.statistics.scores import wilson_interval

if TYPE_CHECKING:
    from automl_bench.store import Store


def stabilities(store: Store, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the stability of each trial that was made more than once, by its id; `fields.STABILITY_FIELDS`.

    Args:
        store: The results file.
        rows: One row a trial.
    """
    draws: dict[Hashable, list[str]] = defaultdict(list)
    for row in rows:
        if row["trial_id"] and row["complete"]:
            draws[_draw(row)].append(row["trial_id"])
    found: dict[str, dict[str, Any]] = {}
    for trials in draws.values():
        told = stability([_answers(store, one) for one in trials]) if len(trials) > 1 else None
        if told is not None:
            found |= dict.fromkeys(trials, told)
    return found


def _draw(row: Mapping[str, Any]) -> Hashable:
    names = ("provider", "variant", "configuration", "dataset", "fingerprint", "shots", "fold", "seed")
    return tuple(row[name] for name in names)


def _answers(store: Store, trial_id: str) -> dict[int, str | None]:
    """Return the label that each sample was answered with, None for none, by the sample's key; failures left out."""
    calls = store.answer_columns(trial_id)
    shown = (*calls.names, None)  # -1 is the last one
    scored = calls.last & calls.answered
    return {
        sample: shown[place]
        for sample, place in zip(calls.sample[scored].tolist(), calls.predicted[scored].tolist(), strict=True)
    }


def stability(answers: Sequence[Mapping[int, str | None]]) -> dict[str, Any] | None:
    """Return how often repeated answers agree; None where no sample was answered in all trials.

    Args:
        answers: Of each trial, the answer by sample.
    """
    samples = set.intersection(*(set(one) for one in answers))
    if not samples:
        return None
    counts = [Counter(one[sample] for one in answers) for sample in samples]
    pairs = len(answers) * (len(answers) - 1)
    same = sum(len(one) == 1 for one in counts)
    low, high = wilson_interval(same, len(samples))
    return {
        "trials": len(answers),
        "samples": len(samples),
        "same": same,
        "same_low": low,
        "same_high": high,
        "agreement": fmean(sum(n * (n - 1) for n in one.values()) / pairs for one in counts),
    }


def stability_table(named: Sequence[Labelled]) -> Table:
    """Return how often repeated answers agree, one line for each draw that was made more than once."""
    heads = ("variant", "dataset", "shots", "fold", "trials", "samples", "all the same", "95 % CI", "two agree")
    cells, records = [], []
    for one in named:
        told = one.row.get("stability")
        if not told or one.row["repeat"]:
            continue
        low, high = percent(told["same_low"]), percent(told["same_high"])
        cells.append(
            (
                one.series,
                one.dataset,
                shots_label(one.shots),
                str(one.row["fold"]),
                str(told["trials"]),
                f"{told['samples']:,}",
                percent(told["same"] / told["samples"]),
                f"{low} to {high}",
                percent(told["agreement"]),
            )
        )
        records.append({"variant": one.series, "dataset": one.dataset, "shots": one.shots, **told})
    notes = (
        "all the same: share of the samples, in %, that every trial of the draw answered alike, with its Wilson"
        " interval; it falls with the number of trials.",
        "two agree: how often two of its trials give a sample the same answer, in %, whatever their number. A variant"
        " that is trained was trained anew each time.",
    )
    return Table("Repeated answers", heads, tuple(cells), tuple(records), notes if cells else ())
