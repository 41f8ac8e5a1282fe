"""One error of the first kind for everything a page claims: who is tested, against what, and the corrected p."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

LEVEL = 0.05
"""Chance of any false verdict on a page, whatever its number of comparisons."""


def holm(p_values: Sequence[float], *, among: int | None = None) -> list[float]:
    """Return Holm's adjusted p values, in the order given.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).

    Args:
        p_values: Raw p values.
        among: Size of the family if it has members that were not tested; at least `len(p_values)`.
    """
    return [adjusted for adjusted, _ in chained_holm([(p, None) for p in p_values], among=among)]


def chained_holm(
    chains: Sequence[tuple[float, float | None]], *, among: int | None = None
) -> list[tuple[float, float | None]]:
    """Return adjusted p values of pairs of claims, of which the second is only made if the first holds.

    All chains share the level equally. A rejected first claim hands its share to its second one; only when that is
    rejected too (or there is none), the share goes to the chains that are left. So a second claim costs the first ones
    nothing. It is the graphical procedure of F. Bretz, W. Maurer, W. Brannath, M. Posch, Statistics in Medicine 28
    (2009), which holds the family-wise error for any dependence; without second claims it is Holm's procedure.

    Args:
        chains: (p of the first claim, p of the second or None).
        among: Size of the family if it has chains that were not tested; at least `len(chains)`.

    Returns:
        The adjusted p values in the same order and form, at most 1.
    """
    left = len(chains) if among is None else among
    first = [1.0] * len(chains)
    second: list[float | None] = [None if p is None else 1.0 for _, p in chains]
    waiting = [(p, place, False) for place, (p, _) in enumerate(chains)]
    heapq.heapify(waiting)
    reached = 0.0
    while waiting:
        p, place, gated = heapq.heappop(waiting)
        reached = min(1.0, max(reached, left * p))
        if gated:
            second[place] = reached
        else:
            first[place] = reached
        follower = None if gated else chains[place][1]
        if follower is not None:
            heapq.heappush(waiting, (follower, place, True))
        else:
            left -= 1
    return list(zip(first, second, strict=True))


def pairs_among(variants: int, *, baseline: bool = False) -> int:
    """Return how many pairs could be compared: all of them, or everyone with one baseline named beforehand.

    Where only the leader is compared with the others, all pairs still count, as the leader is chosen by the same data.
    """
    return max(0, variants - 1) if baseline else variants * (variants - 1) // 2
