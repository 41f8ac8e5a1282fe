"""The service times behind the latency tables and figures: pooled by variant and dataset, read from the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automl_bench.report.labels import Labelled, in_order, shots_label
from automl_bench.report.rows import PERCENTILES, latency_summary
from automl_bench.report.tables import Table, milliseconds
from automl_bench.statistics.means import shots_order
from automl_bench.statistics.quantiles import autocorrelated, describe
from automl_bench.store.records import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench.store import Store

PHASES = ("lookup", "connect", "tls", "send", "wait", "receive")
"""Where the milliseconds of one request go, in order; "wait" is until the first byte of the answer."""

POOLED = ("outcome", "service_ns", "new_connection", *(f"{name}_ns" for name in PHASES))
"""Columns of the invocations that are read."""


@dataclass(frozen=True, slots=True)
class LatencyPool:
    """Measured calls of one variant on one dataset, of its models with the most shots.

    Attributes:
        series: The variant's label.
        dataset: The dataset's label.
        shots: Shots of the models called.
        trials: Number of trials pooled.
        service_ms: Service times of the answered calls in the order sent, trial after trial; shape (n,).
        unanswered: Requests without an answer, by outcome; only outcomes that occurred.
        phases_ms: Mean of each of `PHASES` over the calls where all are known, or None where none is.
        phases_n: Number of those calls.
        new_connections: Calls that opened a connection, or None where that is unknown.
        round_trip_ms: Fastest TCP round trip to the endpoint's host around these calls; None where not probed.
        over_http: Whether the host sent all of these calls itself; None if unknown.
        dependent: Whether the calls of a single trial are autocorrelated; None where several are pooled.
        not_valid: Why the latencies of one or more of these trials may not be compared.
        chosen: What the trainings chose by themselves, or "".
        mixed: Whether other trials of this variant and dataset chose something else; they are pooled apart.
    """

    series: str
    dataset: str
    shots: int | None
    trials: int
    service_ms: NDArray[np.float64]
    unanswered: Mapping[str, int]
    phases_ms: Mapping[str, float] | None
    phases_n: int
    new_connections: int | None
    round_trip_ms: float | None
    over_http: bool | None
    dependent: bool | None
    not_valid: tuple[str, ...] = ()
    chosen: str = ""
    mixed: bool = False

    @property
    def name(self) -> str:
        """The variant's label, with what was chosen where that differs."""
        return f"{self.series} ({self.chosen or 'not told'})" if self.mixed else self.series


def latency_pools(store: Store, named: Sequence[Labelled]) -> list[LatencyPool]:
    """Read the calls of every variant and dataset, in the order of the rows; those without calls are left out.

    Args:
        store: The results file.
        named: The rows with their labels.
    """
    groups: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for one in named:
        if one.row["trial_id"] and one.row["latency_ms"]["n"]:
            groups[one.series, one.dataset].append(one)
    pools = []
    for many in groups.values():
        shots = max((one.shots for one in many), key=shots_order)
        top = [one for one in many if one.shots == shots]
        choices = in_order(one.row["chosen"] or "" for one in top)
        for choice in choices:
            own = [one for one in top if (one.row["chosen"] or "") == choice]
            pool = _pool(own, store.invocation_columns([one.row["trial_id"] for one in own], only=POOLED))
            pools.append(replace(pool, chosen=choice, mixed=len(choices) > 1))
    return pools


def _pool(chosen: Sequence[Labelled], calls: Mapping[str, Any]) -> LatencyPool:
    import numpy as np

    first = chosen[0]
    trips = [ms for one in chosen for ms in (one.row["round_trip_ms"] or {}).values() if ms is not None]
    sent_by_host = {one.row["over_http"] for one in chosen}

    good = calls["outcome"] == Outcome.OK.value
    service = calls["service_ns"][good] / 1e6
    phases = np.stack([calls[f"{name}_ns"][good] for name in PHASES], axis=1) / 1e6
    known = phases[~np.isnan(phases).any(axis=1)]
    fresh = calls["new_connection"][good]
    others, counts = np.unique(calls["outcome"][~good].astype(str), return_counts=True)
    return LatencyPool(
        series=first.series,
        dataset=first.dataset,
        shots=first.shots,
        trials=len(chosen),
        service_ms=service,
        unanswered={str(name): int(count) for name, count in zip(others, counts, strict=True)},
        phases_ms=dict(zip(PHASES, known.mean(axis=0).tolist(), strict=True)) if len(known) else None,
        phases_n=len(known),
        new_connections=None if np.isnan(fresh).all() else int(np.nansum(fresh)),
        round_trip_ms=min(trips, default=None),
        over_http=False if False in sent_by_host else (True if True in sent_by_host else None),
        dependent=autocorrelated(describe(service, PERCENTILES, in_order=True)) if len(chosen) == 1 else None,
        not_valid=_reasons(chosen),
    )


def _reasons(chosen: Sequence[Labelled]) -> tuple[str, ...]:
    verdicts = [one.row["latency_verdict"] or {} for one in chosen]
    return tuple(reason["words"] for verdict in verdicts for reason in verdict.get("reasons", ()))


def latency_table(pools: Sequence[LatencyPool]) -> Table:
    """Return percentiles with their order-statistic intervals, the calls without an answer beside them."""
    cells, records = [], []
    for pool in pools:
        summary = latency_summary(pool.service_ms)
        unanswered = sum(pool.unanswered.values())
        cells.append(
            (
                pool.name,
                pool.dataset,
                shots_label(pool.shots),
                f"{summary['n']:,}",
                ", ".join(f"{count} {name}" for name, count in pool.unanswered.items()) or "0",
                *(_percentile(summary, name) for name in ("p50", "p90", "p95", "p99")),
                milliseconds(summary["mean"]),
                milliseconds(pool.round_trip_ms),
            )
        )
        records.append(
            {
                "variant": pool.series,
                "chosen": pool.chosen or None,
                "dataset": pool.dataset,
                "shots": shots_label(pool.shots),
                "trials": pool.trials,
                **summary,
                "unanswered": unanswered,
                "new_connections": pool.new_connections,
                "round_trip_ms": pool.round_trip_ms,
                "over_http": pool.over_http,
                "phases_ms": None if pool.phases_ms is None else dict(pool.phases_ms),
                "not_valid": list(pool.not_valid),
            }
        )
    notes = []
    if cells:
        notes.append(
            "Service time (sent to received) of the answered calls of the accuracy pass, one at a time, in ms,"
            " with 95 % order-statistic intervals; models with the most shots, all their folds and repeats together."
        )
    if any(pool.round_trip_ms is not None for pool in pools):
        notes.append(
            "round trip: the fastest TCP connect to the endpoint's host, for telling network and service apart."
        )
    if mixed := in_order(pool.series for pool in pools if pool.mixed):
        notes.append(f"{', '.join(mixed)}: the trainings chose different models (in brackets), which are not pooled.")
    if inside := [f"{pool.name} on {pool.dataset}" for pool in pools if pool.over_http is False]:
        notes.append(f"{', '.join(inside)}: called through the provider's own client, whose time is included.")
    notes += [
        f"{pool.name} on {pool.dataset}: these latencies are not VALID. {' '.join(pool.not_valid)}"
        for pool in pools
        if pool.not_valid
    ]
    dependent = [f"{pool.name} on {pool.dataset}" for pool in pools if pool.dependent]
    if dependent:
        notes.append(
            f"The calls of {', '.join(dependent)} are autocorrelated: a block bootstrap gives a much wider interval."
        )
    heads = ("variant", "dataset", "shots", "calls", "no answer", "p50", "p90", "p95", "p99", "mean", "round trip")
    return Table("Latency (ms)", heads, tuple(cells), tuple(records), tuple(notes))


def _percentile(summary: Mapping[str, Any], name: str) -> str:
    if summary[name] is None:
        return f"needs {summary['needs'][name]:,} calls"
    low, high = summary["intervals"][name]
    return f"{milliseconds(summary[name])} [{milliseconds(low)}, {milliseconds(high)}]"
