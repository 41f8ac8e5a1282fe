"""What a search may try: lists of values, and ranges to draw from. Nothing heavy is imported here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from automl_bench.contract import Json

LARGEST_SEARCH = 1000
"""Candidates of one search: each is fitted once a fold, and each one's score is kept."""

RANGE_KEYS = ("low", "high", "log")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two ends, drawn evenly, or evenly in their logarithm.

    Attributes:
        low: Smallest.
        high: Largest.
        log: Whether the logarithm is even.
        whole: Whether only whole numbers are drawn: both ends are.
    """

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A search over the parameters of a whole pipeline.

    Attributes:
        kind: "grid", every combination; or "random", combinations drawn with the experiment's seed.
        space: Values or range of each parameter, by its name in the pipeline.
        candidates: Combinations that a random search draws.
    """

    kind: str
    space: Mapping[str, Sequence[Json] | Range]
    candidates: int


class SpaceError(ValueError):
    """A wrong entry of a search: either what was wanted and got, or a fact with its remedy."""

    def __init__(self, key: str, *, wanted: str = "", got: Any = None, fact: str = "", remedy: str = "") -> None:
        super().__init__(key)
        self.key = key
        self.wanted = wanted
        self.got = got
        self.fact = fact
        self.remedy = remedy


def read_search(grid: Mapping[str, Any], kind: str, candidates: int) -> Search:
    """Understand a grid.

    Raises:
        SpaceError: If an entry is neither a list nor, for a random search, a range; or the grid is too large.
    """
    space = {str(name): _values(f"grid.{name}", values, kind) for name, values in grid.items()}
    if kind == "grid":
        size = math.prod(len(values) for values in space.values() if not isinstance(values, Range))
        if size > LARGEST_SEARCH:
            raise SpaceError(
                "grid",
                fact=f"has {size:,} combinations, and a search takes {LARGEST_SEARCH:,} at most",
                remedy='Give fewer values, or set search = "random".',
            )
    return Search(kind, space, candidates)


def _values(key: str, values: Any, kind: str) -> Sequence[Json] | Range:
    if isinstance(values, Mapping) and kind == "random":
        return _range(key, values)
    if not isinstance(values, list) or not values:
        also = " or a range such as {low = 0.01, high = 100, log = true}" if kind == "random" else ""
        raise SpaceError(key, wanted=f"a list of at least one value{also}", got=values)
    return list(values)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _range(key: str, table: Mapping[str, Any]) -> Range:
    low, high, log = table.get("low"), table.get("high"), table.get("log", False)
    if not _is_number(low) or not _is_number(high) or set(table) - set(RANGE_KEYS) or not isinstance(log, bool):
        raise SpaceError(key, wanted="a range such as {low = 0.01, high = 100, log = true}", got=dict(table))
    if not math.isfinite(low) or not math.isfinite(high) or low >= high or (log and low <= 0):
        above = " above 0" if log else ""
        raise SpaceError(key, wanted=f"a range with low{above} and below high", got=dict(table))
    return Range(low, high, log, isinstance(low, int) and isinstance(high, int))
