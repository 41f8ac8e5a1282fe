"""The options of `automl-bench parallel`, and how its result is shown."""

from __future__ import annotations

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
    from automl_bench.measurement.load import describe_load_run

    out = console()
    out.print(f"{trial.label}: {run.loop} load run {'VALID' if run.valid else 'INVALID'}", markup=False)
    for line in describe_load_run(run):
        out.print(f"  {line}", markup=False)
