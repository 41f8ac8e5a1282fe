"""What learning curves say: what more labels would bring, and how many one variant needs to match another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations

from automl_bench.report.labels import Labelled, in_order, observations
from automl_bench.statistics.learning_curves import FEWEST_SIZES, Curve, fit
from automl_bench.statistics.means import draw_means

MOST_SENTENCES = 12
"""Sentences on matching that a page holds."""


def curve_notes(named: Sequence[Labelled]) -> list[str]:
    """Say what doubling the labels should bring each variant, and how many labels match another one's best.

    "All" samples are no number of shots and are left out of the fit. Where the law fits poorly, that is said instead.
    """
    curves = fitted(named)
    notes = [_doubling(series, dataset, curve) for (series, dataset), curve in curves.items()]
    matching = []
    for dataset in in_order(dataset for _, dataset in curves):
        own = {series: curve for (series, where), curve in curves.items() if where == dataset}
        for a, b in permutations(own, 2):
            words = _matching(a, b, dataset, own[a], own[b])
            matching += [words] if words else []
    return notes + matching[:MOST_SENTENCES]


def fitted(named: Sequence[Labelled]) -> dict[tuple[str, str], Curve]:
    """Return (variant, dataset) → its learning curve, where there are enough sizes.

    "All" is no number of shots, 0 has no place on a power law, and what learns from no sample has no curve.
    """
    points = draw_means(observations([one for one in named if one.shots and not one.row.get("shared")]))
    values: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for (series, dataset, shots), draws in points.items():
        values[series, dataset] += [(float(shots or 0), value) for value in draws.values()]
    curves: dict[tuple[str, str], Curve] = {}
    for key, pairs in values.items():
        curve = fit(*zip(*pairs, strict=True))
        if curve is not None:
            curves[key] = curve
    return curves


def _doubling(series: str, dataset: str, curve: Curve) -> str:
    found = curve.doubling()
    if found is None:
        return (
            f"{series} on {dataset}: a power law explains {100 * max(0.0, curve.explained):.0f} % of the learning"
            " curve, too little to say what more labels would bring."
        )
    low, high = (100 * one for one in found)
    return (
        f"{series} on {dataset}: doubling the {curve.largest:g} labels a class should bring {low:.1f} to {high:.1f}"
        " points."
    )


def _matching(a: str, b: str, dataset: str, of_a: Curve, of_b: Curve) -> str | None:
    """Say how many labels B needs for the accuracy of A at the most labels of A, if B is behind there."""
    goal = of_a.band(of_a.largest)[0]
    if not of_a.usable or of_b.band(of_a.largest)[0] >= goal:
        return None
    found = of_b.labels_for(goal)
    if found is None:
        return None
    value, low, high = found
    return (
        f"On {dataset}, {b} needs about {value:.0f} labels a class to match {a} with {of_a.largest:g}"
        f" ({low:.0f} to {high:.0f})."
    )


CURVE_CAUTION = (
    f"Learning curves: a power law of the error, fitted from {FEWEST_SIZES} sizes on, with 95 % bands; followed to"
    " twice the largest size at the most."
)
"""Stands with the notes."""
