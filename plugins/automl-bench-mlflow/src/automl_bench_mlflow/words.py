"""What a trial's row and an experiment become in MLflow: tags, parameters, metrics. No MLflow in here."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "automl_bench."
KIND = f"{PREFIX}kind"
TRIAL = f"{PREFIX}trial_id"
EXPERIMENT = f"{PREFIX}experiment"
WORKSPACE = f"{PREFIX}workspace"
STATUS = f"{PREFIX}status"
SENT = f"{PREFIX}sent"
"""Digest of the row that a run shows whole; without it, sending was cut short."""

ENDED = frozenset({"done", "failed", "infeasible", "interrupted"})
FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
STATUSES = {"done": FINISHED, "failed": FAILED, "infeasible": FAILED, "interrupted": KILLED}

MEASURES = (
    "accuracy", "accuracy_low", "accuracy_high", "accuracy_answered", "balanced_accuracy", "macro_f1", "micro_f1",
    "top3_accuracy", "top5_accuracy", "training_accuracy", "majority", "chance", "test_samples", "correct", "failed",
    "abstained", "off_list", "train_samples", "train_seconds", "predict_seconds",
)  # fmt: skip
NESTED = {
    "latency_ms": ("n", "p50", "p90", "p95", "p99", "mean"),
    "throughput": ("value", "low", "high"),
    "cost": ("usd", "train_usd", "serve_usd", "calls_usd", "train_hours", "serve_hours"),
}
SETTINGS = ("provider", "variant", "dataset", "shots", "fold", "repeat", "seed", "test_limit", "configuration")
LONGEST_VALUE = 5000
"""Characters of a tag or parameter; MLflow takes 6000 and 8000."""


def digest(row: Mapping[str, Any]) -> str:
    """Return what tells whether a row has changed since it was sent."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]


def step_of(row: Mapping[str, Any]) -> int:
    """Return the step of a row's metrics: labelled samples per class, as MLflow draws metrics over steps."""
    if row["shots"] is not None:
        return int(row["shots"])
    return (row["train_samples"] or 0) // max(row["classes"] or 1, 1)


def metrics_of(row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row's numbers; what is unknown is left out, and never 0."""
    found: dict[str, Any] = {name: row[name] for name in MEASURES}
    for outer, names in NESTED.items():
        values = row[outer] or {}
        found |= {outer if name == "value" else f"{outer}_{name}": values.get(name) for name in names}
    if (row["cost"] or {}).get("unknown"):
        found["cost_usd_at_least"] = found.pop("cost_usd")
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def params_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what a trial was asked for, with the settings of its variant."""
    found = {name: "all" if name == "shots" and row[name] is None else row[name] for name in SETTINGS}
    for outer in ("variant_settings", "images"):
        found |= {f"{outer}.{key}": value for key, value in (row[outer] or {}).items()}
    return {safe(name): _short(value) for name, value in found.items() if value is not None}


def tags_of(row: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells a trial's run apart, and where it was measured."""
    found = {
        KIND: "trial",
        TRIAL: row["trial_id"],
        STATUS: row["status"],
        f"{PREFIX}reason": row["reason"],
        f"{PREFIX}fingerprint": row["fingerprint"],
        f"{PREFIX}chosen": row["chosen"],
        f"{PREFIX}deviations": "; ".join(row["deviations"]),
        **environment_tags(environment),
    }
    return {name: _short(value) for name, value in found.items() if value not in (None, "")}


def environment_tags(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the machine and the versions, a tag each."""
    plain = {name: environment.get(name) for name in ("python", "platform", "processor", "cores")}
    versions = environment.get("packages") or {}
    ours = {name: version for name, version in versions.items() if name.startswith("automl-bench")}
    return {f"{PREFIX}environment.{name}": str(value) for name, value in {**plain, **ours}.items() if value is not None}


def curves(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, int]]:
    """Return the mean accuracy of every variant on every dataset over draws: name of a metric, value, step."""
    cells: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        if row["complete"] and row["accuracy"] is not None:
            name = safe(f"accuracy/{row['dataset']}/{row['provider']}.{row['variant']}")
            cells.setdefault((name, step_of(row)), []).append(row["accuracy"])
    return [(name, sum(values) / len(values), step) for (name, step), values in sorted(cells.items())]


def safe(name: str) -> str:
    """Return a name with what MLflow takes in names of metrics and parameters only."""
    return re.sub(r"[^\w\-./ ]", "_", name)[:250]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
