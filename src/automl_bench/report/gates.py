"""Conditions on results for continuous integration: a number against a bound, or who is ahead."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.errors import UsageError
from automl_bench.report.comparing import compare, rows_of
from automl_bench.report.labels import labelled, shots_label
from automl_bench.report.rows import result_rows

if TYPE_CHECKING:
    from automl_bench.store import Store

GATE_FIELDS: Mapping[str, str] = {
    "condition": "The condition as given.",
    "holds": "Whether it holds, which fails the check.",
    "found": "What it was judged by, in words.",
}
"""Fields of each entry of `results check --json`."""

MEASURES: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "accuracy": lambda row: row["accuracy"],
    "balanced_accuracy": lambda row: row["balanced_accuracy"],
    "macro_f1": lambda row: row["macro_f1"],
    "p50_ms": lambda row: row["latency_ms"]["p50"],
    "p95_ms": lambda row: row["latency_ms"]["p95"],
    "train_seconds": lambda row: row["train_seconds"],
    "usd": lambda row: None if row["cost"] is None or row["cost"]["unknown"] else row["cost"]["usd"],
}
"""What can be compared with a number: name → value of a row, None if unknown."""

SHARES = frozenset({"accuracy", "balanced_accuracy", "macro_f1"})
"""Measures that are averaged over folds; of the others the median counts."""

_BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SHAPE = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*(?:(<=|>=|<|>)\s*(\S+)\s*)?")
_REMEDY = "Write it as in 'accuracy(local:svc, digits, 20) < 0.9' or 'behind(new, old)'."


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that fails a check.

    Attributes:
        text: As given.
        name: A measure, "ahead" or "behind".
        arguments: Variant, dataset, shots; for "ahead" and "behind" the two, and perhaps dataset and shots.
        bound: "<", "<=", ">" or ">=", or empty.
        number: What the measure is held against.
    """

    text: str
    name: str
    arguments: tuple[str, ...]
    bound: str = ""
    number: float = 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition, whether it holds, and by what it was judged."""

    condition: str
    holds: bool
    found: str

    def as_json(self) -> dict[str, Any]:
        """Return it with the fields of `GATE_FIELDS`."""
        return {"condition": self.condition, "holds": self.holds, "found": self.found}


def read_gate(text: str) -> Gate:
    """Read a condition.

    Raises:
        UsageError: If it is none.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise UsageError(f"{text!r} is no condition.", remedy=_REMEDY)
    name, inner, bound, number = shape.groups()
    arguments = tuple(part.strip() for part in inner.split(","))
    if name in ("ahead", "behind"):
        if bound or not 2 <= len(arguments) <= 4 or not all(arguments):
            raise UsageError(f"{text!r}: {name} takes two variants, perhaps a dataset and shots.", remedy=_REMEDY)
        return Gate(text, name, arguments)
    if name not in MEASURES:
        known = ", ".join([*MEASURES, "ahead", "behind"])
        raise UsageError(f"{text!r}: there is no measure {name!r}.", remedy=f"Known: {known}.")
    if len(arguments) != 3 or not all(arguments):
        raise UsageError(f"{text!r}: {name} takes a variant, a dataset and shots.", remedy=_REMEDY)
    try:
        held_against = float(number)
    except (TypeError, ValueError):
        raise UsageError(f"{text!r} compares with no number.", remedy=_REMEDY) from None
    if name in SHARES and not 0 <= held_against <= 1:
        raise UsageError(f"{text!r}: {name} is 0 to 1.", remedy=f"Write {held_against / 100:g} for {held_against:g} %.")
    return Gate(text, name, arguments, bound, held_against)


def judge(store: Store, gate: Gate) -> Judged:
    """Say whether a condition holds.

    Raises:
        UsageError: If there are no results to judge it by.
    """
    if gate.name in ("ahead", "behind"):
        return _order(store, gate)
    variant, dataset, shots = gate.arguments
    named = labelled(result_rows(store))
    label, rows = rows_of(store, variant, named)
    chosen = [
        one
        for one in rows
        if one.counts and dataset in (one.dataset, one.row["dataset"]) and shots_label(one.shots) == shots
    ]
    values = [value for value in (MEASURES[gate.name](one.row) for one in chosen) if value is not None]
    if not values:
        raise UsageError(
            f"{gate.text!r} cannot be judged: {label} has no {gate.name} on {dataset} at {shots} shots.",
            remedy=f"{quoted_command('results', '--trials')} lists what there is.",
        )
    value = fmean(values) if gate.name in SHARES else median(values)
    return Judged(gate.text, _BOUNDS[gate.bound](value, gate.number), f"{value:.4g} (n={len(values)})")


def _order(store: Store, gate: Gate) -> Judged:
    a, b, dataset, shots = (*gate.arguments, None, None)[:4]
    assert a is not None
    assert b is not None
    found = compare(store, a, b, dataset=dataset, shots=shots)
    winner = found.a if gate.name == "ahead" else found.b
    holds = any(one.separated and one.a == winner for one in found.support.compared)
    return Judged(gate.text, holds, found.answer)
