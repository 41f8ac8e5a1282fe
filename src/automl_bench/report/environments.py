"""Where variants trained and served: the environment of a trial, and variants × environments in one table."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from automl_bench.border.texts import clean
from automl_bench.numbers_in_words import number_of
from automl_bench.report.labels import Labelled, in_order, labelled, shots_label
from automl_bench.report.tables import UNKNOWN, Table, seconds
from automl_bench.statistics.means import shots_order
from automl_bench.statistics.quantiles import describe, minimum_n

ENVIRONMENT = "environment"
"""Key of a training's result under which a provider tells the environment that a variant had of its own."""

USUAL = "as usual"
MOST_NAMED = 12
"""Packages named in a note; of more, their number."""

HEADS = (
    "dataset",
    "shots",
    "variant",
    "where",
    "median training",
    "median predicting",
    "median F1 (micro)",
    "median start",
    "MB",
)


def told_environment(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a trial's environment from its training's result, or None for the usual one; `fields.ENVIRONMENT_FIELDS`.

    Args:
        result: What the provider told: what is missing or has another type is None or empty.
    """
    told = result.get(ENVIRONMENT)
    if not isinstance(told, Mapping):
        return None
    packages = told.get("packages")
    pools = told.get("blas")
    return {
        "where": _text(told.get("where")),
        "python": _text(told.get("python")),
        "packages": [f"{_text(name)} {_text(version)}" for name, version in sorted(packages.items())]
        if isinstance(packages, Mapping)
        else [],
        "blas": [_pool(one) for one in pools if isinstance(one, Mapping)] if isinstance(pools, list) else [],
        "threads": _number(told.get("threads")),
        "megabytes": _number(told.get("megabytes")),
        "build_seconds": _number(told.get("build_seconds")),
        "lock": _text(told.get("lock")),
    }


def environments_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return variants × where they ran, with medians over folds and repeats; no line where no variant says where."""
    named = [one for one in labelled(rows) if one.counts]
    if not any(one.row.get(ENVIRONMENT) for one in named):
        return Table("Versions and environments", HEADS, ())
    groups: dict[tuple[str, int | None, str, str], list[Labelled]] = defaultdict(list)
    for one in named:
        groups[one.dataset, one.shots, one.series, _where(one.row)].append(one)
    datasets, series = (in_order(values) for values in zip(*((one.dataset, one.series) for one in named), strict=True))
    cells, records = [], []
    notes = dict.fromkeys((_medians_note(),))
    for (dataset, shots, variant, where), many in sorted(
        groups.items(), key=lambda item: (datasets.index(item[0][0]), shots_order(item[0][1]), series.index(item[0][2]))
    ):
        training = _median([one.row["train_seconds"] for one in many])
        predicting = _median([one.row["predict_seconds"] for one in many])
        f1 = _median([one.row["micro_f1"] for one in many])
        start = _median([_start_seconds(one.row) for one in many])
        megabytes = (many[0].row.get(ENVIRONMENT) or {}).get("megabytes")
        cells.append(
            (
                dataset,
                shots_label(shots),
                variant,
                where,
                _words(training, seconds),
                _words(predicting, seconds),
                _words(f1, "{:.7f}".format),
                _words(start, seconds),
                UNKNOWN if megabytes is None else f"{megabytes:,.1f}",
            )
        )
        medians = {"train_seconds": training, "predict_seconds": predicting, "micro_f1": f1, "start_seconds": start}
        point = {"dataset": dataset, "shots": shots_label(shots), "variant": variant, "where": where}
        records.append({**point, **medians, "megabytes": megabytes})
        if told := many[0].row.get(ENVIRONMENT):
            notes[f"{variant}: {_versions(told)}."] = None
    return Table("Versions and environments", HEADS, tuple(cells), tuple(records), tuple(notes))


def _medians_note() -> str:
    least = minimum_n(0.5)
    return (
        "Medians over folds and repeats; n counts trials. In brackets the 95 % order-statistic interval,"
        f" from n = {least} on. Start: until the server answers."
    )


def _where(row: Mapping[str, Any]) -> str:
    told = row.get(ENVIRONMENT)
    return f"{told['where']}, Python {told['python']}" if told else USUAL


def _start_seconds(row: Mapping[str, Any]) -> float | None:
    stage = row["stages"].get("deploy") or {}
    found: float | None = stage.get("work_seconds")
    return stage.get("wall_seconds") if found is None else found


def _median(values: Sequence[float | None]) -> dict[str, Any]:
    """Return n, median and its interval; the ends are None where n is too small for one."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return {"n": 0, "median": None, "low": None, "high": None}
    cell = describe(known, (0.5,))["p50"]
    middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    return {"n": len(known), "median": middle, "low": cell.get("low"), "high": cell.get("high")}


def _words(found: Mapping[str, Any], word: Callable[[float], str]) -> str:
    if not found["n"]:
        return UNKNOWN
    ends = ""
    if found["high"] is not None:
        low = UNKNOWN if found["low"] is None else word(found["low"])
        ends = f" [{low}, {word(found['high'])}]"
    return f"{word(found['median'])}{ends} (n={found['n']})"


def _versions(told: Mapping[str, Any]) -> str:
    packages = told["packages"]
    named = ", ".join(packages) if len(packages) <= MOST_NAMED else number_of(len(packages), "package")
    parts = [f"Python {told['python']}", named, *told["blas"]]
    if told["threads"] is not None:
        parts.append(number_of(int(told["threads"]), "thread"))
    return "; ".join(part for part in parts if part)


def _pool(pool: Mapping[str, Any]) -> str:
    return " ".join(_text(pool[key]) for key in ("internal_api", "version") if pool.get(key) is not None)


def _text(value: Any) -> str:
    return clean(str(value)) if isinstance(value, str | int | float) else ""


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None
