"""What a report says, in which order: points, tables and figures under headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automl_bench.numbers_in_words import counted, number_of
from automl_bench.report.accuracy_figures import accuracy_figure, difference_figure, ranks_figure, training_figure
from automl_bench.report.blocks import Chart, Widget
from automl_bench.report.break_even import break_even_widget, break_even_words
from automl_bench.report.candidates import Candidate, candidates
from automl_bench.report.costs import cost_table
from automl_bench.report.curve_words import CURVE_CAUTION, curve_notes, fitted
from automl_bench.report.decision import Decision, candidates_table, decide
from automl_bench.report.drawing import Drawing, looks
from automl_bench.report.environments import environments_table
from automl_bench.report.evidence import evidence_widget
from automl_bench.report.further_scores import further_table
from automl_bench.report.labels import Labelled, baseline_label, current, in_order, observations
from automl_bench.report.latency import LatencyPool, latency_pools, latency_table
from automl_bench.report.latency_figures import box_figure, distribution_figure, phases_figure
from automl_bench.report.load_figures import RATE_FIGURE, rate_figure, timeline_figure
from automl_bench.report.quality_chart import quality_charts
from automl_bench.report.quality_tables import QualityTables, quality_tables
from automl_bench.report.repeated import stability_table
from automl_bench.report.rows import Row
from automl_bench.report.speed_charts import latency_charts, sweep_charts
from automl_bench.report.summary import (
    CONSTANT_PANEL,
    accuracy_table,
    load_table,
    times_table,
    trials_table,
    unscored_table,
)
from automl_bench.report.support import Support, comparisons
from automl_bench.report.support_tables import support_table
from automl_bench.report.tables import Table, plus_minus
from automl_bench.report.unanswered import unanswered_table
from automl_bench.report.used import usage_table
from automl_bench.report.verdicts import Question
from automl_bench.statistics.means import over_datasets, over_folds, shots_order

if TYPE_CHECKING:
    from pathlib import Path

    from automl_bench.store import Store

MOST_NAMED = 5
"""Variants named in a sentence."""

MOST_TRIALS = 200
"""Trials listed one by one; results.csv has them all."""

READING = (
    "accuracy: right answers / test samples sent. Samples without an answer, after all attempts, count as wrong.",
    "shots: labelled samples per class; one fifth of them is for validation. Subsets of one fold are nested.",
    "fold: another seeded draw of the training subset. repeat: the same trial once more.",
    "SEM: standard deviation (with n - 1) / √n. ± 1 SEM is no 95 % interval: that is ± 4.3 SEM with n=3."
    " Averaged over datasets it mixes how hard the datasets are with how good the variants are.",
    "service time: from the first byte sent to the last byte received. response time: from the scheduled moment.",
    "A percentile is given only with enough calls to bound it: 5 for p50, 29 for p90, 59 for p95, 299 for p99.",
    "A load run is VALID, or its reasons stand beside it. Numbers of a run that is not VALID are not to be compared.",
)
"""Words a reader needs, one sentence each."""


Block = Table | Drawing | Chart | Widget
"""What a section holds."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything a report shows, computed once."""

    named: Sequence[Labelled]
    pools: Sequence[LatencyPool]
    verdicts: Support
    accuracy: Table
    macro_f1: Table
    quality: QualityTables
    further: Table
    times: Table
    environments: Table
    latency: Table
    loads: Table
    support: Table
    cost: Table
    unscored: Table
    unanswered: Table
    trials: Table
    decision: Decision
    offers: Sequence[Candidate]
    evidence: Widget | None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    Attributes:
        name: Its anchor.
        title: Its heading.
        points: Sentences that stand first.
        blocks: Tables and figures.
    """

    name: str
    title: str
    points: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


def find(
    store: Store,
    named: Sequence[Labelled],
    rows: Sequence[Row],
    *,
    settings: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    data: Path | None = None,
) -> Findings:
    """Compute what the report shows.

    Args:
        store: The results file.
        named: The rows with their labels.
        rows: The rows.
        settings: The experiment's settings as stored: the variant that the others are compared with, and the use.
        experiment: Its name.
        data: Folder of the datasets, for thumbnails of samples.
    """
    pools = latency_pools(store, named)
    baseline = str((settings or {}).get("baseline") or "")
    compared = comparisons(store, named, baseline=baseline_label(named, baseline) if baseline else None)
    return Findings(
        named=named,
        pools=pools,
        verdicts=compared,
        accuracy=accuracy_table(rows),
        macro_f1=accuracy_table(rows, "macro_f1"),
        quality=quality_tables(store, named),
        further=further_table(rows),
        times=times_table(rows),
        environments=environments_table(rows),
        latency=latency_table(pools),
        loads=load_table(rows),
        support=support_table(compared),
        cost=cost_table(rows),
        unscored=unscored_table(rows),
        unanswered=unanswered_table(rows),
        trials=trials_table(rows),
        decision=decide(store, named, compared, settings=settings, experiment=experiment),
        offers=candidates(store, named, every_shots=True),
        evidence=evidence_widget(store, named, data, experiment),
    )


def all_drawings(findings: Findings) -> list[Drawing]:
    """Draw every figure for which there are data."""
    named, pools = findings.named, findings.pools
    look = looks([one.series for one in named])
    drawn = (
        accuracy_figure(named, look),
        difference_figure(findings.verdicts.compared),
        _ranks(named),
        training_figure(named, look),
        box_figure(pools, named, look),
        distribution_figure(pools, look),
        phases_figure(pools),
        rate_figure(named, look),
        timeline_figure(named, look),
    )
    return [one for one in drawn if one is not None]


def _ranks(named: Sequence[Labelled]) -> Drawing | None:
    """Draw mean ranks at the most shots at which the most datasets are shared."""
    means = over_datasets(observations(current(named)))
    if not means:
        return None
    most = max(len(one.datasets) for one in means.values())
    shots = max((k for (_, k), one in means.items() if len(one.datasets) == most), key=shots_order)
    chosen = {name: set(one.datasets) for (name, k), one in means.items() if k == shots}
    folds = over_folds(observations(current(named)))
    scores = {name: {d: folds[name, d, shots].mean for d in datasets} for name, datasets in chosen.items()}
    return ranks_figure(scores, shots)


def page_sections(
    findings: Findings, drawings: Sequence[Drawing], settings: Mapping[str, Any], environment: Mapping[str, Any]
) -> list[Section]:
    """Return the sections in reading order; one without content is left out, failures and limits never are."""
    by_name = {drawing.name: drawing for drawing in drawings}

    def blocks(*wanted: str | Table) -> tuple[Block, ...]:
        found = [by_name.get(one) if isinstance(one, str) else one for one in wanted]
        return tuple(one for one in found if one is not None and not (isinstance(one, Table) and not one.rows))

    scored = any(one.counts for one in findings.named)
    curves = curve_notes(findings.named)
    f1 = findings.macro_f1 if any(one.row["macro_f1"] is not None for one in findings.named if one.counts) else None
    parts = [
        Section(
            "quality",
            "Quality, labels, cost and speed",
            (),
            (*_charts(findings), *blocks(candidates_table(findings.decision))),
        ),
        _use(findings),
        Section("short", "In short", _short(findings)),
        Section(
            "accuracy",
            "Accuracy",
            (*curves, CURVE_CAUTION) if curves else (),
            blocks("accuracy_by_shots", findings.accuracy) if scored else (),
        ),
        Section(
            "support",
            "What the data support",
            _caution(findings),
            blocks("differences", findings.support, "critical_difference"),
        ),
        Section("f1", "F1", (), blocks(replace(f1, notes=f1.notes[:2])) if f1 is not None else ()),
        Section(
            "classes",
            "Classes and confidence",
            (),
            blocks(
                findings.further,
                stability_table(findings.named),
                findings.quality.confidence,
                findings.quality.worst,
                findings.quality.confused,
            ),
        ),
        Section("answers", "Answers, sample by sample", (), () if findings.evidence is None else (findings.evidence,)),
        Section("times", "Training and prediction times", (), blocks("training_time", findings.times)),
        Section("environments", "Versions and environments", (), blocks(findings.environments)),
        Section(
            "latency",
            "Latency",
            (),
            (
                *latency_charts(findings.pools, findings.named),
                *blocks("latency_and_throughput", findings.latency, "latency_distribution", "where_the_time_goes"),
            ),
        ),
        Section(
            "load",
            "Load runs",
            (),
            (*sweep_charts(findings.named), *blocks(findings.loads, RATE_FIGURE, "load_timeline")),
        ),
        Section("cost", "Cost", (), blocks(findings.cost, usage_table(findings.named))),
        Section("failures", "Failures", _failures(findings), blocks(findings.unscored, findings.unanswered)),
        Section("trials", "Every trial", *_every_trial(findings.trials)),
        Section("deviations", "Deviations", _deviations(findings, settings)),
        Section("settings", "Settings", (), blocks(_key_values("Settings as resolved", settings))),
        Section("environment", "Environment", (), blocks(_where(environment))),
        Section("reading", "How to read this", READING),
    ]
    return [part for part in parts if part.points or part.blocks]


def _where(environment: Mapping[str, Any]) -> Table:
    """Return the environment without the packages that nothing at work asked for; results.json has them."""
    shown = {name: value for name, value in environment.items() if name != "other_packages"}
    return _key_values("Where it was measured", shown)


def _use(findings: Findings) -> Section:
    widget = break_even_widget(findings.decision)
    points = break_even_words(findings.decision) if findings.decision.candidates else ()
    return Section("use", "What use will cost", points, () if widget is None else (widget,))


def _charts(findings: Findings) -> list[Chart]:
    decision = findings.decision
    return quality_charts(findings.offers, decision.tiers, decision.use, fitted(findings.named))


def _short(findings: Findings) -> tuple[str, ...]:
    named = findings.named
    series, datasets = in_order(one.series for one in named), in_order(one.dataset for one in named)
    scored = sum(one.counts for one in named)
    points = [
        f"{number_of(len(series), 'variant')} on {number_of(len(datasets), 'dataset')}: "
        f"{number_of(len(named), 'result')}, {scored} with a complete score."
        if named
        else "There are no results yet."
    ]
    points += _best(findings.accuracy)
    points += [one.words for one in findings.verdicts.compared if one.question is Question.DATASETS and one.separated]
    points += findings.verdicts.falls
    invalid = [record for record in findings.loads.records if record["complete"] and not record["valid"]]
    if invalid:
        complete = sum(record["complete"] for record in findings.loads.records)
        points.append(f"Load runs that are not VALID: {len(invalid)} of {complete}; the reasons stand below.")
    return tuple(points)


def _best(accuracy: Table) -> list[str]:
    """Say for each dataset which variants have the highest means at the most shots, best first."""
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for record in accuracy.records:
        if record["dataset"] != CONSTANT_PANEL:
            blocks.setdefault(record["dataset"], []).append(record)
    points = []
    for dataset, records in blocks.items():
        most = max((one["shots"] for one in records), key=_shots_size)
        ranked = sorted((one for one in records if one["shots"] == most), key=lambda one: -one["mean"])
        words = ", ".join(f"{r['variant']} {plus_minus(r['mean'], r['sem'])} (n={r['n']})" for r in ranked[:MOST_NAMED])
        more = f" and {len(ranked) - MOST_NAMED} more" if len(ranked) > MOST_NAMED else ""
        points.append(f"Accuracy on {dataset} at {most} shots (%): {words}{more}.")
    return points


def _shots_size(shots: str) -> float:
    return float("inf") if shots == "all" else float(shots)


def _caution(findings: Findings) -> tuple[str, ...]:
    if not findings.verdicts.compared:
        return ("No two variants have answered for the same test samples, so nothing can be compared in pairs.",)
    return (
        "Bars of ± 1 SEM that overlap do not show that two variants are equal, and bars that do not overlap do not show"
        " that they differ: both come from the same samples, so the difference sample by sample is what counts.",
    )


def _failures(findings: Findings) -> tuple[str, ...]:
    named = findings.named
    without = len(findings.unscored.rows)
    words = counted(" [has|have] no complete score; [it is|they are] in no mean.", without)
    points = [f"{without} of {len(named)} results{words}"] if without else []
    if named and not without:
        points.append(counted("[The only result has|All {n} results have] a complete score.", len(named)))
    for name in in_order(one.series for one in named):
        own = [one.row for one in named if one.series == name and one.row["trial_id"] and one.row["test_samples"]]
        sent = sum(row["test_samples"] for row in own)
        failed, abstained = sum(row["failed"] for row in own), sum(row["abstained"] for row in own)
        throttled = sum(row["calls"]["throttled"] for row in own)
        if own:
            points.append(
                f"{name}: {failed:,} of {number_of(sent, 'test sample')} without an answer, "
                f"{abstained:,} answered without a label (both count as wrong); "
                f"{number_of(throttled, 'request')} throttled and asked again."
            )
    return tuple(points)


def _every_trial(trials: Table) -> tuple[tuple[str, ...], tuple[Block, ...]]:
    if not trials.rows:
        return (), ()
    points: tuple[str, ...] = ()
    if len(trials.rows) > MOST_TRIALS:
        points = (f"The first {MOST_TRIALS} of {len(trials.rows):,}; results.csv has them all.",)
    return points, (replace(trials, rows=trials.rows[:MOST_TRIALS]),)


def _deviations(findings: Findings, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what was not the same for all: what a provider was given apart, and how it used the validation half."""
    found: dict[str, list[str]] = {}
    for one in findings.named:
        for text in one.row["deviations"]:
            found.setdefault(text, []).append(one.series)
    points = [f"{', '.join(in_order(who))}: {text}" for text, who in found.items()]
    policies = settings.get("split_policies")
    if isinstance(policies, Mapping):
        points += [f"{name}: {policy}" for name, policy in policies.items()]
    if not found:
        points.insert(0, "Every provider was given the same bytes: no deviation was recorded.")
    return tuple(points)


def _key_values(title: str, values: Mapping[str, Any]) -> Table:
    """Return nested settings as a table of two columns."""
    rows = tuple((name, text) for name, text in _flat_words(values))
    return Table(title, ("name", "value"), rows)


def _flat_words(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            if all(not isinstance(item, (Mapping, list)) for item in value.values()) and len(value) > 8:
                found.append((name, ", ".join(f"{inner} {item}" for inner, item in value.items())))
            else:
                found += _flat_words(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            found.append((name, ", ".join("all" if item is None else str(item) for item in value) or "none"))
        elif isinstance(value, Mapping) or value is None or value == "":
            found.append((name, "not set"))
        else:
            found.append((name, str(value)))
    return found
