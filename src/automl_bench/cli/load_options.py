"""The options of `automl-bench parallel`, and how its result is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from automl_bench.cli.output import console
from automl_bench.errors import UsageError

if TYPE_CHECKING:
    from automl_bench.measurement.load import LoadSettings
    from automl_bench.store.records import LoadRun, TrialRecord


def load_settings(
    calls: int,
    concurrency: int,
    rate: float | None,
    duration: str | None,
    arrivals: str,
    sweep: str | None,
    seed: int,
    ignore_limits: bool,
) -> LoadSettings:
    """Return the load run that the options of `parallel` ask for.

    Raises:
        UsageError: If they contradict each other or have a wrong value.
    """
    from automl_bench.measurement.load import LoadSettings

    if rate is not None and sweep is not None:
        raise UsageError("--rate and --sweep exclude each other.", remedy="Give one of them.")
    if arrivals not in ("poisson", "constant"):
        raise UsageError(f"--arrivals is {arrivals!r}.", remedy="Give poisson or constant.")
    common: dict[str, Any] = {"seed": seed, "respect_limits": not ignore_limits, "arrivals": arrivals}
    seconds = _seconds(duration) if duration else None
    if sweep is not None:
        low, high = _range(sweep)
        if seconds is not None:
            common["duration_seconds"] = seconds
        return LoadSettings(loop="sweep", sweep_from=low, sweep_to=high, **common)
    if rate is not None:
        return LoadSettings(loop="open", rate=rate, duration_seconds=seconds or 60.0, **common)
    if seconds is not None:
        raise UsageError("--duration belongs to --rate or --sweep.", remedy="Add --rate, or give --calls.")
    return LoadSettings(loop="closed", calls=calls, concurrency=concurrency, **common)


def _seconds(text: str) -> float:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    for unit in ("ms", "s", "m", "h", ""):
        number = text.removesuffix(unit) if unit and text.endswith(unit) else (text if not unit else "")
        try:
            value = float(number) * units.get(unit, 1.0)
        except ValueError:
            continue
        if 0 < value < float("inf"):
            return value
    raise UsageError(f"--duration is {text!r}.", remedy="Give a time above 0, as in 60s, 5m or 1h.")


def _range(text: str) -> tuple[float, float]:
    low, separator, high = text.partition("..")
    try:
        bounds = float(low), float(high)
    except ValueError:
        bounds = (0.0, 0.0)
    if not separator or not 0 < bounds[0] < bounds[1]:
        raise UsageError(f"--sweep is {text!r}.", remedy="Give two rates per second, as in 1..100.")
    return bounds


def print_load_run(trial: TrialRecord, run: LoadRun) -> None:
    """Print a load run for people."""
    out = console()
    out.print(f"{trial.label}: {run.loop} load run {'VALID' if run.valid else 'INVALID'}", markup=False)
    for line in _sweep_lines(run.summary) if run.loop == "sweep" else _lines(run.summary):
        out.print(f"  {line}", markup=False)


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say what one loop measured, each number with its n and interval."""
    counts = ", ".join(f"{count} {name}" for name, count in summary["outcomes"].items() if count)
    yield f"{summary['n']} calls in {summary['seconds']:.1f} s: {counts}"
    yield f"throughput {_interval(summary['throughput'])} answers per second"
    if "offered_rate" in summary:
        late = summary["lateness_ms"]
        yield f"offered {summary['offered_rate']:.1f}, achieved {summary['achieved_rate']:.1f} per second"
        if late["p99"] is not None:
            yield f"sends late by p50 {late['p50']:.2f}, p99 {late['p99']:.2f}, at most {late['max']:.2f} ms"
    for kind in ("service", "response") if "offered_rate" in summary else ("service",):
        quantiles = summary[f"{kind}_ms"]
        cells = [f"{name} {_interval(quantiles[name])}" for name in ("p50", "p90", "p95", "p99") if name in quantiles]
        yield f"{kind} time in ms: {'; '.join(cells)}"
    little = summary.get("little")
    if little and little["throughput_times_mean"] is not None:
        yield (
            f"Little's law: throughput × mean time = {little['throughput_times_mean']:.2f} in flight, "
            f"counted {_number(little['mean_in_flight'])}, asked for {little['concurrency']}"
        )
    accuracy = summary["accuracy"]
    if accuracy["value"] is not None:
        yield f"accuracy under load {accuracy['value']:.1%} (n = {accuracy['n']})"
    yield f"client: {summary['client']['cpu_share']:.0%} of a core; new connections: {summary['connections']['new']}"


def _sweep_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    for step in summary.get("steps", ()):
        yield (
            f"{step['offered_rate']:8.1f} offered  {_number(step['achieved_rate']):>8} achieved per second, "
            f"p95 {_interval(step['response_ms']['p95'])} ms"
        )
    knee = summary["knee"]
    yield f"knee: {knee['cause']}. {knee['evidence']}"


def _interval(cell: Mapping[str, Any]) -> str:
    if cell.get("value") is None:
        return f"needs {cell['needs']} calls" if "needs" in cell else "unknown"
    if cell.get("low") is None or cell.get("high") is None:
        return f"{cell['value']:.1f}"
    return f"{cell['value']:.1f} ({cell['low']:.1f}–{cell['high']:.1f})"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"
