"""What rows are called in tables and figures: a variant's label, a dataset's label, a draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from automl_bench.statistics.means import Observation

ALL_DATASETS = "all datasets"
"""Stands for the dataset in rows and comparisons over datasets."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row with what it is called.

    Attributes:
        series: "provider:variant"; with a mark where one name stands for several configurations.
        dataset: The dataset's name; with a mark where one name stands for several contents.
        draw: Tells the draws of one point apart: seed and fold.
        row: The row.
        superseded: Whether its dataset had another content later: it is shown, but stands for no dataset in means
            and comparisons over datasets, where the name would count twice.
    """

    series: str
    dataset: str
    draw: Hashable
    row: Mapping[str, Any]
    superseded: bool = False

    @property
    def shots(self) -> int | None:
        """Labelled samples per class, or None for all."""
        return self.row["shots"]  # type: ignore[no-any-return]  # a row is a plain dict

    @property
    def counts(self) -> bool:
        """Whether the row has an accuracy that may enter means."""
        return bool(self.row["complete"]) and self.row["accuracy"] is not None


def labelled(rows: Iterable[Mapping[str, Any]]) -> list[Labelled]:
    """Name every row so that what was not set up alike is never averaged under one name."""
    rows = list(rows)
    configurations: dict[str, set[str]] = defaultdict(set)
    contents: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        configurations[_variant(row)].add(row["configuration"])
        if row["fingerprint"]:
            known = contents[row["dataset"]]
            known[row["fingerprint"]] = max(known.get(row["fingerprint"], ""), row["created_at"])
    latest = {name: max(known, key=lambda content: known[content]) for name, known in contents.items()}
    named = []
    for row in rows:
        series, dataset = _variant(row), row["dataset"]
        if len(configurations[series]) > 1:
            series = f"{series} [{row['configuration'][:4] or 'imported'}]"
        if len(contents[dataset]) > 1 and row["fingerprint"]:
            dataset = f"{dataset} [{row['fingerprint'][:4]}]"
        superseded = bool(row["fingerprint"]) and row["fingerprint"] != latest[row["dataset"]]
        named.append(Labelled(series, dataset, (row["seed"], row["fold"]), row, superseded))
    return named


def _variant(row: Mapping[str, Any]) -> str:
    imported = row["status"] == "imported" and row["variant"] == "imported"
    return row["provider"] if imported else f"{row['provider']}:{row['variant']}"


def baseline_label(named: Sequence[Labelled], wanted: str) -> str | None:
    """Return the label of the variant that an experiment's `[baseline]` names, or None if it has no row.

    Args:
        named: The rows.
        wanted: "provider:variant", or "provider" for the only variant of it that is named without one.
    """
    series = in_order(one.series for one in named)
    for name in series:
        if name == wanted or name.startswith(f"{wanted} ["):
            return name
    own = [name for name in series if name.partition(":")[0] == wanted]
    return own[0] if wanted and own else None


def observations(named: Iterable[Labelled], field: str = "accuracy") -> list[Observation]:
    """Return the numbers of one field of the rows that count.

    What learns from no sample has one draw: its copies at other folds are no evidence of how much draws differ.
    """
    return [
        Observation(one.series, one.dataset, one.shots, None if one.row.get("shared") else one.draw, one.row[field])
        for one in named
        if one.counts and one.row[field] is not None
    ]


def current(named: Iterable[Labelled]) -> list[Labelled]:
    """Return the rows whose dataset has not been replaced by another content of the same name."""
    return [one for one in named if not one.superseded]


def replaced_notes(named: Sequence[Labelled]) -> list[str]:
    """Name the datasets of which an earlier content is shown, but is in no mean over datasets."""
    return [
        f"{label} is an earlier content of a dataset that was replaced; it is in no mean over datasets."
        for label in in_order(one.dataset for one in named if one.superseded)
    ]


Value = TypeVar("Value", bound=Hashable)


def in_order(values: Iterable[Value]) -> list[Value]:
    """Return distinct values in the order they came."""
    return list(dict.fromkeys(values))


def shots_label(shots: int | None) -> str:
    """Return "5" or "all"."""
    return "all" if shots is None else str(shots)


def real_shots(named: Sequence[Labelled]) -> dict[str, float]:
    """Return, by dataset, the samples per class that "all" amounts to, where the rows know it."""
    sizes: dict[str, float] = {}
    for one in named:
        samples, classes = one.row["train_samples"], one.row["classes"]
        if one.shots is None and samples and classes:
            sizes[one.dataset] = samples / classes
    return sizes
