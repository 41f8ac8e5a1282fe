"""The tables of a comparison: accuracy ± SEM, times, load runs, trials without a result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automl_bench.report.labels import (
    ALL_DATASETS,
    Labelled,
    current,
    in_order,
    labelled,
    observations,
    replaced_notes,
    shots_label,
)
from automl_bench.report.score_notes import baseline_notes, missing_notes, test_sizes, wilson_of
from automl_bench.report.tables import UNKNOWN, Table, milliseconds, percent, plus_minus, seconds
from automl_bench.statistics.means import (
    Estimate,
    constant_panel,
    medians,
    over_datasets,
    over_folds,
    panel_notes,
    shots_order,
    shots_words,
)

CONSTANT_PANEL = "same datasets throughout"
"""Stands there for the mean over the datasets that have every point."""

LOAD_PERCENTILES = ("p50", "p95", "p99")
"""Percentiles of response times in the table of load runs."""

LOAD_NOTE = (
    "Throughput counts answers per second, with its 95 % interval over time slices. p50 to p99: response time with its"
    " 95 % interval and n, from the scheduled moment in an open loop, from sending in a closed one; of a sweep, at the"
    " last rate before its knee."
)

SCORES = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "micro_f1": "Micro F1"}


def accuracy_table(rows: Iterable[Mapping[str, Any]], field: str = "accuracy") -> Table:
    """Return mean ± SEM in percent, per dataset and variant, one column for each number of shots.

    Within a dataset the SEM is over folds (repeats averaged first), across datasets it is over dataset means.

    Args:
        rows: Result rows.
        field: "accuracy", "macro_f1" or "micro_f1".
    """
    named = labelled(rows)
    seen = observations(named, field)
    series = in_order(one.series for one in named)
    datasets = in_order(one.dataset for one in named)
    shots = sorted({one.shots for one in named}, key=shots_order)
    folds = over_folds(seen)
    blocks: list[tuple[str, str, Mapping[tuple[str, int | None], Estimate]]] = [
        (dataset, "folds", {(s, k): one for (s, name, k), one in folds.items() if name == dataset})
        for dataset in datasets
    ]
    notes: list[str] = ["Each cell: mean ± SEM (standard deviation with n - 1, over √n), and n."]
    sizes = test_sizes(named) if field == "accuracy" else {}
    if sizes:
        notes.append("In brackets: Wilson's 95 % interval, from the number of test samples alone.")
    latest = observations(current(named), field)
    panel = over_datasets(latest)
    if len({one.dataset for one in latest}) > 1:
        blocks.append((ALL_DATASETS, "datasets", {key: one.estimate for key, one in panel.items()}))
        notes.append(
            f"n counts folds in a dataset's rows, datasets in the rows of {ALL_DATASETS}; repeats are averaged first."
        )
        gaps = panel_notes(latest)
        notes += gaps
        same = constant_panel(latest)
        if gaps and len(same) > 1:
            constant = over_datasets(latest, only=same)
            blocks.append((CONSTANT_PANEL, "datasets", {key: one.estimate for key, one in constant.items()}))
            notes.append(f"{CONSTANT_PANEL.capitalize()}: {', '.join(same)}.")
    else:
        notes.append("n counts folds; repeats are averaged first.")
    if any(one.sem is None for one in folds.values()):
        notes.append(f"± {UNKNOWN}: a single value has no SEM.")
    notes += replaced_notes(named) + missing_notes(named)
    if field == "accuracy":
        notes += baseline_notes(named)
    cells, records = [], []
    for dataset, unit, block in blocks:
        for name in series:
            found = [block.get((name, k)) for k in shots]
            ends = [
                None if one is None else wilson_of(one.mean, sizes.get((name, dataset, k)))
                for k, one in zip(shots, found, strict=True)
            ]
            if any(one is not None for one in found) or unit == "folds":
                cells.append((dataset, name, *(_cell(*both) for both in zip(found, ends, strict=True))))
            for k, one, end in zip(shots, found, ends, strict=True):
                if one is not None:
                    records.append(_record(dataset, name, k, field, unit, one, end))
    heads = ("dataset", "variant", *(shots_words(k) for k in shots))
    return Table(f"{SCORES[field]} (%)", heads, tuple(cells), tuple(records), tuple(notes))


def _cell(one: Estimate | None, ends: tuple[float, float] | None) -> str:
    if one is None:
        return UNKNOWN
    words = f"{plus_minus(one.mean, one.sem)} (n={one.n})"
    return words if ends is None else f"{words} [{percent(ends[0])}, {percent(ends[1])}]"


def _record(
    dataset: str,
    series: str,
    shots: int | None,
    field: str,
    unit: str,
    one: Estimate,
    ends: tuple[float, float] | None,
) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "variant": series,
        "shots": shots_label(shots),
        "measure": field,
        "mean": one.mean,
        "sem": one.sem,
        "low": one.low,
        "high": one.high,
        "sem_population": one.sem_population,
        "n": one.n,
        "n_counts": unit,
        "test_low": None if ends is None else ends[0],
        "test_high": None if ends is None else ends[1],
    }


def times_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return median training and prediction times over folds and repeats, and the median over trials of p50."""
    named = [one for one in labelled(rows) if one.row["train_seconds"] is not None or one.counts]
    groups: dict[tuple[str, str, int | None], list[Mapping[str, Any]]] = defaultdict(list)
    for one in named:
        groups[one.dataset, one.series, one.shots].append(one.row)
    cells, records = [], []
    kinds: set[str] = set()
    names = ("train_seconds", "predict_seconds", "p50_ms")
    for (dataset, series, shots), many in sorted(groups.items(), key=_group_order(named)):
        values = [{**row, "p50_ms": row["latency_ms"]["p50"]} for row in many]
        found = medians(values, names)
        kind = sorted({row["train_seconds_kind"] for row in many if row["train_seconds_kind"]})
        kinds.update(kind)
        n = [found.n.get(name, 0) for name in names]
        train, predict, p50 = (found.values.get(name) for name in names)
        cells.append(
            (
                dataset,
                series,
                shots_label(shots),
                _with_n(seconds(train), n[0]),
                "/".join(kind) or UNKNOWN,
                _with_n(seconds(predict), n[1]),
                _with_n(milliseconds(p50), n[2]),
            )
        )
        records.append(
            {
                "dataset": dataset,
                "variant": series,
                "shots": shots_label(shots),
                "median_train_seconds": train,
                "train_n": n[0],
                "train_kind": "/".join(kind),
                "median_predict_seconds": predict,
                "predict_n": n[1],
                "median_p50_ms": p50,
                "p50_n": n[2],
            }
        )
    notes = ["Medians over folds and repeats; n counts trials."]
    if "work" in kinds:
        notes.append("work: the time the provider says it worked.")
    if "wall" in kinds:
        notes.append("wall: begin to end as this machine saw it, waiting included.")
    if any(record["predict_n"] for record in records):
        notes.append("Predicting: the sum of the service times of one accuracy pass, one call at a time.")
    heads = ("dataset", "variant", "shots", "median training", "clock", "median predicting", "median latency (ms)")
    return Table("Times", heads, tuple(cells), tuple(records), tuple(notes))


def _with_n(words: str, n: int) -> str:
    return f"{words} (n={n})" if n else UNKNOWN


def _group_order(named: Sequence[Labelled]) -> Any:
    datasets = {name: place for place, name in enumerate(in_order(one.dataset for one in named))}
    series = {name: place for place, name in enumerate(in_order(one.series for one in named))}
    return lambda item: (datasets[item[0][0]], series[item[0][1]], shots_order(item[0][2]))


def load_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return every load run: throughput with its interval, failures beside it, and whether it is VALID and why not."""
    cells, records = [], []
    incomplete = 0
    for one in labelled(rows):
        for run in one.row["load_runs"]:
            verdict = run_verdict(run)
            incomplete += not run["complete"]
            summary = run["summary"]
            outcomes = summary.get("outcomes") or {}
            calls = summary.get("n")
            wrong = sum(count for name, count in outcomes.items() if name != "ok")
            throughput = summary.get("throughput") or {}
            cells.append(
                (
                    one.series,
                    one.dataset,
                    shots_label(one.shots),
                    load_words(run),
                    UNKNOWN if calls is None else f"{calls:,}",
                    rate_words(throughput),
                    *(_response(run, name) for name in LOAD_PERCENTILES),
                    f"{wrong:,}" if outcomes else UNKNOWN,
                    verdict,
                )
            )
            records.append(
                {
                    "variant": one.series,
                    "dataset": one.dataset,
                    "shots": shots_label(one.shots),
                    "trial_id": one.row["trial_id"],
                    **{key: run[key] for key in ("load_run_id", "loop", "complete", "valid", "reasons", "settings")},
                    "calls": calls,
                    "throughput": throughput.get("value"),
                    "throughput_low": throughput.get("low"),
                    "throughput_high": throughput.get("high"),
                    "response_ms": {name: dict(response_cell(run, name)) for name in LOAD_PERCENTILES},
                    "outcomes": dict(outcomes),
                }
            )
    notes = [LOAD_NOTE] if cells else []
    if incomplete:
        notes.append(f"{incomplete} of {len(cells)} runs were cut short; they are in no figure and no mean.")
    heads = (
        *("variant", "dataset", "shots", "load", "calls", "answers/s"),
        *(f"{name} ms" for name in LOAD_PERCENTILES),
        *("no answer", "verdict"),
    )
    return Table("Load runs", heads, tuple(cells), tuple(records), tuple(notes))


def response_cell(run: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a percentile of a load run's response times as its summary has it; empty where there is none.

    A sweep has a percentile for each rate; the one of the last rate before its knee stands for it.
    """
    summary = run["summary"]
    if run["loop"] == "sweep":
        good = [step for step in summary.get("steps") or () if not step.get("knee")]
        summary = good[-1] if good else {}
    cell = (summary.get("response_ms") or {}).get(name)
    return cell if isinstance(cell, Mapping) else {}


def _response(run: Mapping[str, Any], name: str) -> str:
    """Return "12.3 [11.9, 12.8] n=1,000", or how many calls it needs."""
    cell = response_cell(run, name)
    if cell.get("value") is None:
        return f"needs {cell['needs']:,} calls" if cell.get("needs") else UNKNOWN
    low, high = (UNKNOWN if cell.get(end) is None else milliseconds(cell[end]) for end in ("low", "high"))
    return f"{milliseconds(cell['value'])} [{low}, {high}] n={cell.get('n', 0):,}"


def run_verdict(run: Mapping[str, Any]) -> str:
    """Return "VALID", "INVALID: reasons", "INCOMPLETE", or "not judged" of a run made elsewhere."""
    if not run["complete"]:
        return "INCOMPLETE"
    if run["valid"] is None:
        return "not judged"
    knee = run["summary"].get("knee")
    found = f": {knee['cause']}. {knee['evidence']}" if isinstance(knee, Mapping) else ""
    return f"VALID{found}" if run["valid"] else f"INVALID: {' '.join(run['reasons'])}".rstrip(": ")


def load_words(run: Mapping[str, Any]) -> str:
    """Say in words what a load run did: "closed loop, 10 in flight"."""
    settings = run["settings"]
    if run["loop"] == "closed":
        return f"closed loop, {settings.get('concurrency', '?')} in flight"
    rate = settings.get("rate")
    if run["loop"] == "sweep":
        return f"sweep, {settings['sweep_from']:.3g} to {settings['sweep_to']:.3g}/s"
    return f"{run['loop']} loop" if rate is None else f"{run['loop']} loop, {rate:g}/s asked"


def rate_words(throughput: Mapping[str, Any]) -> str:
    """Return "27.9 [27.1, 28.6]", or the mark for unknown."""
    value, low, high = (throughput.get(key) for key in ("value", "low", "high"))
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if low is None or high is None else f"{value:,.1f} [{low:,.1f}, {high:,.1f}]"


def trials_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return one line a trial: scores, failures beside them, times."""
    named = labelled(rows)
    cells = tuple(
        (
            f"{one.series} ({one.row['chosen']})" if one.row["chosen"] else one.series,
            one.dataset,
            shots_label(one.shots),
            str(one.row["fold"]),
            str(one.row["repeat"]),
            one.row["status"]
            if one.row["complete"] or not one.row["test_samples"]
            else f"{one.row['status']}, partial",
            _count(one.row["test_samples"]),
            _count(one.row["failed"]),
            _count(one.row["abstained"]),
            _count(one.row["off_list"]),
            _accuracy(one.row),
            percent(one.row["macro_f1"]),
            percent(one.row["micro_f1"]),
            seconds(one.row["train_seconds"]),
            seconds(one.row["predict_seconds"]),
            *(latency_words(one.row["latency_ms"], name) for name in ("p50", "p95", "p99")),
        )
        for one in named
    )
    heads = (
        *(
            "variant",
            "dataset",
            "shots",
            "fold",
            "repeat",
            "status",
            "test samples",
            "failed",
            "abstained",
            "off list",
        ),
        *(
            "accuracy %",
            "macro F1 %",
            "micro F1 %",
            "training",
            "predicting",
            "p50 ms",
            "p95 ms",
            "p99 ms",
        ),
    )
    notes = (
        "accuracy = right answers / test samples sent, with Wilson's 95 % interval over test samples; failed and"
        " abstained ones, and answers that are no label of the dataset (off list), count as wrong.",
        *baseline_notes(named),
    )
    return Table("Trials", heads, cells, tuple(one.row for one in named), notes)


def _accuracy(row: Mapping[str, Any]) -> str:
    if row["accuracy_low"] is None:
        return percent(row["accuracy"])
    return f"{percent(row['accuracy'])} [{percent(row['accuracy_low'])}, {percent(row['accuracy_high'])}]"


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def latency_words(latency: Mapping[str, Any], name: str) -> str:
    """Return a percentile of a latency summary, or how many calls it needs."""
    value = latency[name]
    if value is not None:
        return milliseconds(value)
    return f"needs {latency['needs'][name]:,} calls" if latency["n"] else UNKNOWN


def unscored_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return the trials that have no complete score, with the reason; an imported load run never has one."""
    named = [one for one in labelled(rows) if not one.counts and one.row["status"] != "imported"]
    cells = tuple(
        (
            one.series,
            one.dataset,
            shots_label(one.shots),
            str(one.row["fold"]),
            str(one.row["repeat"]),
            one.row["status"],
            one.row["reason"] or UNKNOWN,
        )
        for one in named
    )
    heads = ("variant", "dataset", "shots", "fold", "repeat", "status", "reason")
    return Table("Trials without a score", heads, cells, tuple(one.row for one in named))
