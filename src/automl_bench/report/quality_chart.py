"""Quality against labels, cost and speed: three panels of one chart, with the variants that nothing beats filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from automl_bench.report.blocks import Chart
from automl_bench.report.candidates import Candidate
from automl_bench.report.labels import in_order, shots_label
from automl_bench.report.running_costs import Use
from automl_bench.report.svg import LinearScale, LogScale, Picture, axes, legend, series_look, tick_words
from automl_bench.report.tables import milliseconds, percent
from automl_bench.report.tiers import Tier
from automl_bench.statistics.learning_curves import FARTHEST, POOREST_FIT, Curve
from automl_bench.statistics.means import shots_order
from automl_bench.trials.pricing import dollars

MOST_CHARTS = 4
"""Datasets with a chart of their own; the tables have all."""
BAND_STEPS = 16
"""Pieces of the edge of a band."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a candidate stands from left to right, and in which words.

    Attributes:
        title: What the axis shows.
        values: Place in the list of candidates → value; those without one are left out.
        words: Value → words at a tick.
        curves: Variant → its learning curve, where the panel shows them.
        followed: How far the curves are followed, in labels a class.
    """

    title: str
    values: Mapping[int, float]
    words: Mapping[float, str]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    followed: float = 0.0

    def end_of(self, curve: Curve) -> float:
        """Return up to how many labels a class a curve is drawn."""
        return max(curve.largest, min(self.followed, FARTHEST * curve.largest))

    @property
    def reach(self) -> tuple[float, ...]:
        """All values that the panel has room for."""
        return (*self.values.values(), *map(self.end_of, self.curves.values())) or (1.0,)


def quality_charts(
    found: Sequence[Candidate],
    tiers: Mapping[str, tuple[Tier, ...]],
    use: Use,
    curves: Mapping[tuple[str, str], Curve],
) -> list[Chart]:
    """Return a chart for each of the first datasets.

    Args:
        found: What each variant offers at each number of shots.
        tiers: Dataset → its tiers at the most shots.
        use: How the service will be used.
        curves: (variant, dataset) → its learning curve; those that fit poorly are not drawn.
    """
    series = sorted({one.series for one in found})
    charts = []
    for number, dataset in enumerate(list(tiers)[:MOST_CHARTS]):
        own = [one for one in found if one.dataset == dataset]
        fitting = {name: one for (name, where), one in curves.items() if where == dataset and one.usable}
        charts.append(_chart(f"quality-{number}", dataset, own, tiers[dataset], use, series, fitting))
    return charts


def unbeaten(own: Sequence[Candidate], tiers: Sequence[Tier], use: Use) -> set[str]:
    """Return the variants that no other one beats: as good, as cheap and as fast, and better in one of these.

    As good is one that stands in no lower tier and has no lower mean, so that neither a difference that the data do
    not show nor variants that were never compared count against anyone. A variant without a price or a speed beats
    nobody and is beaten by nobody.

    Args:
        own: The candidates at their most shots.
        tiers: The tiers of their dataset.
        use: How the service will be used.
    """
    place = {name: number for number, tier in enumerate(tiers) for name in tier.names}
    known = {}
    for one in own:
        month = one.running.month(use)
        if one.speed is not None and not month.unknown:
            known[one.series] = (place[one.series], -one.accuracy, month.usd, one.speed.p95_ms)
    beaten = {
        name
        for name, mine in known.items()
        if any(
            other != mine and all(theirs <= ours for theirs, ours in zip(other, mine, strict=True))
            for other in known.values()
        )
    }
    return {one.series for one in own} - beaten


def _chart(
    name: str,
    dataset: str,
    own: Sequence[Candidate],
    tiers: Sequence[Tier],
    use: Use,
    series: Sequence[str],
    curves: Mapping[str, Curve],
) -> Chart:
    top = {one.series: one for one in own}
    for one in own:
        if shots_order(one.shots) > shots_order(top[one.series].shots):
            top[one.series] = one
    front = unbeaten(list(top.values()), tiers, use)
    panels = _panels(own, use, curves)
    ends = [100 * (one.low if one.low is not None else one.accuracy) for one in own]
    highs = [100 * (one.high if one.high is not None else one.accuracy) for one in own]
    highs += [100 * one.band(panels[0].end_of(one))[0] for one in curves.values()]
    low, high = max(0.0, min(ends) - 2), min(100.0, max(highs) + 2)
    if high - low < 5:
        low, high = max(0.0, high - 5), min(100.0, low + 5)
    label = _label(dataset, list(top.values()), use)
    names = [one for one in series if one in top]

    def drawn(picture: Picture, place: int, left: float, right: float, top_: float, bottom: float) -> None:
        panel = panels[place]
        x = LogScale(panel.reach, left, right)
        y = LinearScale(low, high, bottom, top_)
        ticks = [(value, panel.words.get(value) or tick_words(value)) for value in (list(panel.words) or x.ticks())]
        axes(picture, x, y, title=panel.title, x_words=ticks, y_words=left < 60)
        for one in names:
            if one in panel.curves:
                curve = panel.curves[one]
                _band(picture, curve, panel.end_of(curve), x, y, series_look(series.index(one))[0])
        for one in names:
            _variant(picture, panel, x, y, [(n, c) for n, c in enumerate(own) if c.series == one], series, one in front)

    wide = Picture(1160, 330 + 22 * (-(-len(names) // 4)))
    for place in range(len(panels)):
        left = 44 + place * 376
        drawn(wide, place, left, left + 344, 30, 282)
    shown = [(one, series.index(one), one in front) for one in names]
    legend(wide, shown, x=44, y=326, columns=4, step=284)
    narrow = Picture(360, 3 * 270 + 20 + 20 * len(names))
    for place in range(len(panels)):
        drawn(narrow, place, 36, 352, 30 + 270 * place, 236 + 270 * place)
    legend(narrow, shown, x=8, y=828, columns=1, step=340)
    return Chart(
        name,
        f"Quality, labels, cost and speed: {dataset}",
        _caption(own, use, bool(curves)),
        wide.done("wide", label),
        narrow.done("narrow", label),
    )


def _panels(own: Sequence[Candidate], use: Use, curves: Mapping[str, Curve]) -> list[Panel]:
    numbers = [one.shots for one in own if one.shots is not None]
    beyond = 2 * max(numbers, default=1)
    below = min((one for one in numbers if one), default=1) / 2  # where 0 stands, which a log axis has not
    shots = {n: float(beyond if one.shots is None else one.shots or below) for n, one in enumerate(own)}
    words = {shots[n]: shots_label(one.shots) for n, one in enumerate(own)}
    cost = {n: one.per_thousand(use).usd for n, one in enumerate(own) if not one.running.month(use).unknown}
    speed = {n: one.speed.p95_ms for n, one in enumerate(own) if one.speed is not None}
    # "All" has no number, so nothing is followed to where it stands.
    farthest = max(numbers, default=1) * (1.0 if any(one.shots is None for one in own) else FARTHEST)
    return [
        Panel("accuracy (%) by labels a class", shots, words, curves, farthest),
        Panel("by dollars per 1,000 calls", cost, {}),
        Panel("by p95 in ms", speed, {}),
    ]


def _band(picture: Picture, curve: Curve, end: float, x: LogScale, y: LinearScale, colour: str) -> None:
    """Fill the 95 % band of a learning curve, paler beyond what was measured."""
    for first, last, kind in ((curve.smallest, curve.largest, "band"), (curve.largest, end, "band beyond")):
        if last <= first:
            continue
        places = [first * (last / first) ** (step / BAND_STEPS) for step in range(BAND_STEPS + 1)]
        bands = [curve.band(one)[1:] for one in places]
        inside = [[y.at(min(max(100 * one, y.low), y.high)) for one in pair] for pair in bands]
        at = [x.at(one) for one in places]
        upper = [(left, pair[1]) for left, pair in zip(at, inside, strict=True)]
        lower = [(left, pair[0]) for left, pair in zip(at, inside, strict=True)]
        picture.area([*upper, *reversed(lower)], f"{kind} {colour}")


def _variant(
    picture: Picture,
    panel: Panel,
    x: LogScale,
    y: LinearScale,
    own: Sequence[tuple[int, Candidate]],
    series: Sequence[str],
    in_front: bool,
) -> None:
    """Draw one variant's points, the one of the most shots large, joined by a thin line."""
    known = [(panel.values[n], one) for n, one in own if n in panel.values]
    known.sort(key=lambda item: shots_order(item[1].shots))
    if not known:
        return
    place = series.index(known[0][1].series)
    colour, shape = series_look(place)
    shift = 2.2 * (place - (len(series) - 1) / 2)  # so that error bars do not cover each other
    spots = [(x.at(value) + shift, y.at(100 * one.accuracy)) for value, one in known]
    picture.line(spots, f"thin {colour}")
    for (at, up), (_, one) in zip(spots, known, strict=True):
        last = one is known[-1][1]
        if one.low is not None and one.high is not None:
            picture.line([(at, y.at(100 * one.low)), (at, y.at(100 * one.high))], f"bar {colour}")
        fill = "dot" if in_front else "dot hollow"
        picture.marker(at, up, shape, f"{fill} {colour}", radius=6 if last else 3.2, title=_words(one))


def _words(one: Candidate) -> str:
    ends = "" if one.low is None else f" [{percent(one.low)}, {percent(one.high)}]"
    speed = "" if one.speed is None else f", p95 {milliseconds(one.speed.p95_ms)} ms ({one.speed.load})"
    return f"{one.series}, {shots_label(one.shots)} shots: {percent(one.accuracy)} %{ends}{speed}"


def _label(dataset: str, top: Sequence[Candidate], use: Use) -> str:
    parts = []
    for one in top:
        month = one.running.month(use)
        cost = "cost unknown" if month.unknown else f"{dollars(one.per_thousand(use).usd)} per 1,000 calls"
        speed = "speed not measured" if one.speed is None else f"p95 {milliseconds(one.speed.p95_ms)} ms"
        parts.append(f"{one.series} {percent(one.accuracy)} %, {cost}, {speed}")
    return f"Accuracy on {dataset} against labels, cost and speed: {'; '.join(parts)}."


def _caption(own: Sequence[Candidate], use: Use, banded: bool) -> str:
    unpriced = in_order(one.series for one in own if one.running.month(use).unknown)
    unloaded = any(one.speed is not None and one.speed.valid is None for one in own)
    words = (
        "Large points: the most shots; small ones: fewer. Bars: 95 % intervals over test samples. Filled: no other"
        " variant is in as good a tier with as high a mean, as cheap and as fast. Costs for "
        f"{use.words}. Points are moved a little sideways so that bars do not cover each other."
    )
    if banded:
        words += (
            " Shaded: 95 % band of a learning curve, a power law of the error over draws, where it explains"
            f" {100 * POOREST_FIT:.0f} % or more of it; paler beyond the labels that were measured."
        )
    if unpriced:
        words += f" Not in the middle panel, as a price is unknown: {', '.join(unpriced)}."
    if unloaded:
        words += " Where a point had no load run, its p95 is of one call at a time."
    return words
