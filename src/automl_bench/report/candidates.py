"""What each variant offers on each dataset: accuracy, speed under load, cost of use, training. Numbers, no words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from automl_bench.report.labels import Labelled
from automl_bench.report.running_costs import RunningCosts, Use, running_costs
from automl_bench.report.score_notes import test_sizes, wilson_of
from automl_bench.report.summary import load_words, response_cell
from automl_bench.statistics.means import shots_order
from automl_bench.trials.price_records import table_of
from automl_bench.trials.pricing import Cost

if TYPE_CHECKING:
    from automl_bench.store import Store


@dataclass(frozen=True, slots=True)
class Speed:
    """The 95th percentile of how long answers take.

    Attributes:
        p95_ms: In milliseconds.
        low_ms: Lower end of its 95 % interval, or None.
        high_ms: Upper end, or None.
        calls: Calls it rests on.
        load: Under which load, in words.
        valid: Whether the load run is VALID; None where none was made and the accuracy pass stands for it.
    """

    p95_ms: float
    low_ms: float | None
    high_ms: float | None
    calls: int
    load: str
    valid: bool | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant on one dataset, trained with its most shots.

    Attributes:
        series: The variant's label.
        dataset: The dataset's label.
        shots: Labelled samples per class; None for all.
        accuracy: Mean over draws, 0 to 1.
        low: Lower end of Wilson's 95 % interval over test samples, or None.
        high: Upper end, or None.
        tests: Test samples, or None.
        draws: Draws averaged.
        classes: Classes, or None.
        majority: What always answering the most frequent label scores, or None.
        speed: How fast, or None.
        train_seconds: Median training time, or None.
        train_usd: Median cost of a training, or None.
        running: What its use costs.
        learns: Whether it learns from samples; what does not needs no training.
    """

    series: str
    dataset: str
    shots: int | None
    accuracy: float
    low: float | None
    high: float | None
    tests: int | None
    draws: int
    classes: int | None
    majority: float | None
    speed: Speed | None
    train_seconds: float | None
    train_usd: float | None
    running: RunningCosts
    learns: bool = True

    @property
    def lead(self) -> float | None:
        """Accuracy above the most frequent label, as a share of 1."""
        return None if self.majority is None else self.accuracy - self.majority

    @property
    def beats_majority(self) -> bool | None:
        """Whether the whole interval lies above the most frequent label; None where that cannot be said."""
        return None if self.majority is None or self.low is None else self.low > self.majority

    def per_thousand(self, use: Use) -> Cost:
        """Return what a thousand calls come to, hours and fees of the month shared among them."""
        month = self.running.month(use)
        return Cost(1000 * month.usd / use.calls_per_month if use.calls_per_month else 0.0, month.unknown)


def candidates(store: Store, named: Sequence[Labelled], *, every_shots: bool = False) -> list[Candidate]:
    """Return what each variant offers on each dataset, in the order of the rows; those without a score are left out.

    Args:
        store: The results file.
        named: The rows with their labels.
        every_shots: Whether to return one for each number of shots, with the speed measured at it, instead of the most.
    """
    groups: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for one in named:
        groups[one.series, one.dataset].append(one)
    sizes = test_sizes(named)
    prices: dict[str, RunningCosts] = {}
    found = []
    for (series, dataset), many in groups.items():
        scored = [one for one in many if one.counts]
        if not scored:
            continue
        if series not in prices:
            prices[series] = _running(store, many)
        # What learns from no sample was called once, for all shots.
        once = all(one.row.get("shared") for one in many)
        shots = sorted({one.shots for one in scored}, key=shots_order)
        for k in shots if every_shots else shots[-1:]:
            own = [one for one in scored if one.shots == k]
            loaded = [one for one in many if one.shots == k] if every_shots and not once else many
            called = scored if once else own
            found.append(_candidate(own, called, loaded, sizes.get((series, dataset, k)), prices[series]))
    return found


def _candidate(
    own: Sequence[Labelled],
    called: Sequence[Labelled],
    loaded: Sequence[Labelled],
    tests: int | None,
    running: RunningCosts,
) -> Candidate:
    """Return what the trials of one variant, dataset and number of shots offer.

    Args:
        own: Those with a score.
        called: Those whose accuracy pass tells how fast single calls are.
        loaded: Those whose load runs count.
        tests: Test samples, or None.
        running: What the use of the variant costs.
    """
    first, rows = own[0], [one.row for one in own]
    accuracy = _mean_over_draws(own)
    ends = wilson_of(accuracy, tests) or (None, None)
    return Candidate(
        series=first.series,
        dataset=first.dataset,
        shots=first.shots,
        accuracy=accuracy,
        low=ends[0],
        high=ends[1],
        tests=tests,
        draws=len({one.draw for one in own}),
        classes=max((row["classes"] for row in rows if row["classes"]), default=None),
        majority=max((row["majority"] for row in rows if row["majority"] is not None), default=None),
        speed=_speed([one.row for one in loaded], [one.row for one in called]),
        train_seconds=_median(row["train_seconds"] for row in rows),
        train_usd=_median(None if row["cost"] is None else row["cost"]["train_usd"] for row in rows),
        running=running,
        learns=not all(row.get("shared") for row in rows),
    )


def _mean_over_draws(own: Sequence[Labelled]) -> float:
    """Average repeats first, then draws."""
    draws: dict[Any, list[float]] = defaultdict(list)
    for one in own:
        draws[one.draw].append(one.row["accuracy"])
    return fmean(fmean(many) for many in draws.values())


def _running(store: Store, many: Sequence[Labelled]) -> RunningCosts:
    """Read the price table that was kept with the latest trial which has one."""
    for one in sorted(many, key=lambda one: str(one.row["created_at"]), reverse=True):
        if one.row["trial_id"] and (table := table_of(store.stages(one.row["trial_id"]))):
            told = (one.row.get("usage") or {}).get("usd_per_1000")
            return running_costs(table, None if told is None else told / 1000)
    return running_costs(())


def _speed(rows: Iterable[Mapping[str, Any]], scored: Sequence[Mapping[str, Any]]) -> Speed | None:
    """Return the p95 under load: of an open loop where there is one, else of a closed one; VALID runs go first."""
    runs = [speed for row in rows for run in row["load_runs"] if (speed := _of_run(run)) is not None]
    if runs:
        return max(runs, key=lambda one: (bool(one[1].valid), one[0]))[1]
    slowest = [row["latency_ms"] for row in scored if row["latency_ms"]["p95"] is not None]
    if not slowest:
        return None
    one = max(slowest, key=lambda latency: float(latency["p95"]))
    low, high = one["intervals"]["p95"]
    return Speed(one["p95"], low, high, one["n"], "one call at a time", None)


def _of_run(run: Mapping[str, Any]) -> tuple[int, Speed] | None:
    """Return (how much the kind of run tells, its p95), or None where it has none."""
    words, rank = load_words(run), {"open": 2, "closed": 1}.get(run["loop"], 0)
    cell = response_cell(run, "p95")
    if not run["complete"] or cell.get("value") is None:
        return None
    if run["loop"] == "sweep":
        rate = next(step["rate"] for step in reversed(run["summary"]["steps"]) if not step.get("knee"))
        words = f"open loop, {rate:.3g}/s asked"
    speed = Speed(cell["value"], cell.get("low"), cell.get("high"), cell.get("n", 0), words, bool(run["valid"]))
    return rank, speed


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
