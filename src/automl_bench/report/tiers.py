"""Tiers of a dataset: variants that the corrected verdicts do not separate stand together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from automl_bench.report.verdicts import Comparison, Question


@dataclass(frozen=True, slots=True)
class Tier:
    """Variants of one dataset that stand together.

    Attributes:
        names: Their labels, highest mean first.
        note: What has to be said of them: that they are not separated, or who is nevertheless behind whom.
    """

    names: tuple[str, ...]
    note: str = ""

    @property
    def words(self) -> str:
        """The tier in words, as "local:svc, nyckel (not separated)"."""
        names = ", ".join(self.names)
        return f"{names} ({self.note})" if self.note else names


def tiers(means: Mapping[str, float], compared: Iterable[Comparison], dataset: str) -> tuple[Tier, ...]:
    """Return the tiers of one dataset, the best first, from the verdicts on the models as trained here.

    Where all pairs were compared, every variant of a tier is ahead of every variant of the tiers below it; variants
    that are not separated share a tier, and so do all between them. Where all were compared with one variant only (a
    baseline, or the one with the highest mean), the tiers are those ahead of it, those not separated from it, and those
    behind it; among themselves they were not compared.

    Args:
        means: Variant → mean accuracy on this dataset.
        compared: The comparisons of the page.
        dataset: The dataset's label.
    """
    own = [one for one in compared if one.dataset == dataset and one.question is Question.MODELS]
    names = sorted(means, key=lambda name: (-means[name], name))
    pairs = {frozenset((one.a, one.b)): one for one in own}
    judged = [name for name in names if any(name in pair for pair in pairs)]
    alone = tuple(Tier((name,), "not compared") for name in names if name not in judged)
    if not judged:
        return (Tier(tuple(names), "" if len(names) == 1 else "not compared"),) if names else ()
    if len(pairs) < len(judged) * (len(judged) - 1) // 2:
        hubs = set.intersection(*(set(pair) for pair in pairs))
        if hubs:
            return (*_around(judged, min(hubs, key=names.index), pairs), *alone)
    return (*_all_pairs(judged, pairs), *alone)


def ahead_of(one: Comparison) -> tuple[str, str] | None:
    """Return (who is ahead, who is behind) by a comparison's verdict, or None where that is not settled."""
    if not one.separated:
        return None
    return (one.b, one.a) if one.high is not None and one.high < 0 else (one.a, one.b)


def _all_pairs(names: Sequence[str], pairs: Mapping[frozenset[str], Comparison]) -> list[Tier]:
    """Return the smallest groups of which each variant is ahead of every variant of the groups after it."""
    order = {pair: ahead_of(one) for pair, one in pairs.items()}
    parts: list[list[str]] = []
    for name in names:
        part = [name]
        # From the last group on: as soon as one member is not ahead of the newcomer, all groups from there on join it.
        joined = [
            place for place, group in enumerate(parts) if any(order[frozenset((o, name))] != (o, name) for o in group)
        ]
        if joined:
            part = [other for group in parts[min(joined) :] for other in group] + part
            parts = parts[: min(joined)]
        parts.append(part)
    return [Tier(tuple(part), _inside(part, order)) for part in parts]


def _inside(part: Sequence[str], order: Mapping[frozenset[str], tuple[str, str] | None]) -> str:
    """Say that a tier is not separated, and which pairs of it are all the same."""
    if len(part) == 1:
        return ""
    known = [found for pair, found in order.items() if found is not None and pair <= set(part)]
    words = [f"{ahead} ahead of {behind}" for ahead, behind in sorted(known, key=lambda two: part.index(two[0]))]
    return f"not separated, but {' and '.join(words)}" if words else "not separated"


def _around(names: Sequence[str], hub: str, pairs: Mapping[frozenset[str], Comparison]) -> list[Tier]:
    """Return those ahead of the one that all were compared with, those not separated from it, those behind it."""
    ahead: list[str] = []
    level, behind = [hub], list[str]()
    for name in names:
        if name == hub:
            continue
        order = ahead_of(pairs[frozenset((hub, name))])
        (level if order is None else ahead if order[0] == name else behind).append(name)
    level.sort(key=names.index)
    found = []
    for part, note in (
        (ahead, f"ahead of {hub}"),
        (level, f"not separated from {hub}" if len(level) > 1 else ""),
        (behind, f"behind {hub}"),
    ):
        if part:
            apart = "; not compared with each other" if len(part) > 2 - (hub not in part) else ""
            found.append(Tier(tuple(part), note + apart if note else ""))
    return found
