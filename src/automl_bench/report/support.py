"""What the data support: paired comparisons of variants, corrected together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from automl_bench.report.advice import advice, chance
from automl_bench.report.answers import Answers
from automl_bench.report.falls import falls
from automl_bench.report.labels import ALL_DATASETS, Labelled, current, in_order, observations
from automl_bench.report.verdicts import Comparison, Question, verdict
from automl_bench.report.watched import compare_points, is_watched, watched_notes
from automl_bench.statistics.contributions import Metric
from automl_bench.statistics.families import chained_holm, holm, pairs_among
from automl_bench.statistics.means import Estimate, Point, over_folds, shots_order, shots_words
from automl_bench.statistics.paired import FEWEST_DRAWS, Difference, Finding, ordered_pairs
from automl_bench.statistics.panels import (
    Equivalence,
    PanelDifference,
    equivalence,
    equivalence_of_interval,
    panel_difference,
    smallest_p,
)
from automl_bench.statistics.power import Family, draws_needed
from automl_bench.statistics.resampling import breakdown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench.store import Store

ROPE = 0.01
"""Half the width of the region in which two variants count as equal."""


@dataclass(frozen=True, slots=True)
class Support:
    """All comparisons of a page.

    Attributes:
        compared: The comparisons, by dataset and then over datasets.
        family: How the level was shared among them.
        notes: What a reader has to know: questions that cannot be answered, where the uncertainty comes from.
        falls: Learning curves that fall, in words.
        metric: What was compared.
    """

    compared: tuple[Comparison, ...]
    family: Family
    notes: tuple[str, ...]
    falls: tuple[str, ...] = ()
    metric: Metric = Metric.ACCURACY


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two variants on one dataset, A with the higher mean."""

    a: str
    b: str
    dataset: str
    shots: int | None
    found: Difference
    draw_sd: float | None
    table: NDArray[np.float64] = field(repr=False)
    watched: bool = False


@dataclass(frozen=True, slots=True)
class _Over:
    """Two variants over datasets, A with the higher mean."""

    a: str
    b: str
    shots: int | None
    found: PanelDifference
    equal: Equivalence | None


_Variances = Mapping[tuple[frozenset[str], str, int | None], float]
"""Sampling variance of a difference by pair, dataset and shots."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was paired on a page, before anything is said of it."""

    pairs: Sequence[_Pair]
    over: Sequence[_Over]
    family: Family
    rope: float | None = None
    metric: Metric = Metric.ACCURACY


def comparisons(
    store: Store,
    named: Sequence[Labelled],
    *,
    baseline: str | None = None,
    rope: float = ROPE,
    metric: Metric = Metric.ACCURACY,
    with_notes: bool = True,
) -> Support:
    """Compare variants on each dataset at the largest shots they share, then over datasets, all corrected together.

    Up to five variants: every pair. More: everyone against the one with the highest mean; the correction still counts
    every pair, as the data chose that one. With a baseline: everyone against it.

    Args:
        store: The results file.
        named: The rows.
        baseline: Label of the variant that the others are compared with; None for all pairs.
        rope: Half the width of the region in which two variants count as equal, as a share of 1.
        metric: The score that they are compared by; falls are those of accuracy.
        with_notes: Whether to say what the comparisons rest on; that takes a third of the time.
    """
    answers = Answers(store, metric)
    seen = gather(answers, named, baseline=baseline, rope=rope)
    notes = tuple(_notes(seen, answers, current(usable(named)))) if with_notes else ()
    fallen = falls(answers, named) if metric is Metric.ACCURACY else []
    return Support(settle(seen), seen.family, notes, tuple(one.words for one in fallen), metric)


def usable(named: Sequence[Labelled]) -> list[Labelled]:
    """Return the rows that have an accuracy."""
    return [one for one in named if one.counts]


def gather(
    answers: Answers, named: Sequence[Labelled], *, baseline: str | None = None, rope: float | None = None
) -> Gathered:
    """Pair what can be paired; arguments as of `comparisons`. Without a rope nothing is said about being equal."""
    pairs, single = _on_datasets(answers, usable(named), baseline)
    # Pairs that were compared on their dataset are not compared again for its share of the error over datasets.
    known = {(frozenset((one.a, one.b)), one.dataset, one.shots): one.found.variance for one in pairs}
    over = _over_datasets(answers, current(usable(named)), baseline, rope, known)
    variants = {name for one in over for name in (one.a, one.b)}
    most = max((len(one.found.datasets) for one in over), default=0)
    family = Family(single, pairs_among(len(variants), baseline=baseline is not None), most)
    return Gathered(pairs, over, family, rope, answers.metric)


def settle(seen: Gathered) -> tuple[Comparison, ...]:
    """Correct all comparisons of a page together and say what may be said of each."""
    return tuple(_words_on_datasets(seen) + _words_over_datasets(seen.over, seen.family))


def _on_datasets(answers: Answers, rows: Sequence[Labelled], baseline: str | None) -> tuple[list[_Pair], int]:
    """Return the pairs with common answers, and how many pairs count on all datasets together."""
    folds = over_folds(observations(rows, answers.metric))
    pairs, counted = [], 0
    for dataset in in_order(one.dataset for one in rows):
        here = [one for one in rows if one.dataset == dataset and one.row["trial_id"]]
        shots_of: dict[str, set[int | None]] = defaultdict(set)
        for one in here:
            shots_of[one.series].add(one.shots)
        top = {name: folds[name, dataset, max(many, key=shots_order)].mean for name, many in shots_of.items()}
        wanted = ordered_pairs(sorted(shots_of), top, baseline=baseline)
        found = [_pair(answers, here, a, b, shots_of[a] & shots_of[b]) for a, b in wanted]
        pairs += [one for one in found if one is not None]
        if any(one is not None for one in found):
            chosen_by_data = baseline is None and len(shots_of) > 1 and len(wanted) < pairs_among(len(shots_of))
            counted += pairs_among(len(shots_of)) if chosen_by_data else sum(one is not None for one in found)
    return pairs, counted


def _pair(answers: Answers, here: Sequence[Labelled], a: str, b: str, shared: set[int | None]) -> _Pair | None:
    if not shared:
        return None
    shots = max(shared, key=shots_order)
    own = [[one for one in here if one.series == name and one.shots == shots] for name in (a, b)]
    tables = answers.tables(*own)
    if tables is None:
        return None
    left, right = tables
    watched = any(map(is_watched, own))
    if (left - right).mean() < 0:
        a, b, left, right = b, a, right, left
    found = compare_points(left, right, watched=watched, draws_differ=shots is not None, metric=answers.metric)
    draws = (left - right).mean(axis=1)
    spread = float(draws.std(ddof=1)) if len(draws) > 1 else None
    return _Pair(a, b, here[0].dataset, shots, found, None if watched else spread, left - right, watched)


def _over_datasets(
    answers: Answers, rows: Sequence[Labelled], baseline: str | None, rope: float | None, seen: _Variances
) -> list[_Over]:
    """Compare dataset means over the datasets that both have, at the largest shots that most datasets share."""
    folds = over_folds(observations(rows, answers.metric))
    means: dict[tuple[str, int | None], dict[str, float]] = defaultdict(dict)
    for (series, dataset, shots), one in folds.items():
        means[series, shots][dataset] = one.mean
    if len({dataset for _, dataset, _ in folds}) < 2:
        return []
    found = []
    names = sorted({series for series, _ in means})
    overall = {n: fmean(one.mean for (series, _, _), one in folds.items() if series == n) for n in names}
    for a, b in ordered_pairs(names, overall, baseline=baseline):
        shared = {k: set(means[a, k]) & set(means[b, k]) for s, k in means if s == a and (b, k) in means}
        best = max((len(many) for many in shared.values()), default=0)
        if best < 2:
            continue
        shots = max((k for k, many in shared.items() if len(many) == best), key=shots_order)
        of_a, of_b = means[a, shots], means[b, shots]
        if fmean(of_a[name] - of_b[name] for name in shared[shots]) < 0:
            a, b, of_a, of_b = b, a, of_b, of_a
        within = _within(answers, rows, folds, (a, b), shots, shared[shots], seen)
        panel = panel_difference(of_a, of_b, within)
        assert panel is not None
        differences = [of_a[name] - of_b[name] for name in panel.datasets]
        equal = None if rope is None else equivalence(differences, rope=rope)
        found.append(_Over(a, b, shots, panel, equal))
    return found


def _within(
    answers: Answers,
    rows: Sequence[Labelled],
    folds: Mapping[Point, Estimate],
    pair: tuple[str, str],
    shots: int | None,
    datasets: set[str],
    seen: _Variances,
) -> dict[str, float]:
    """Return the sampling variance of the difference within each dataset, where test samples are known."""
    known = {}
    for dataset in datasets:
        if (found := seen.get((frozenset(pair), dataset, shots))) is not None:
            known[dataset] = found
            continue
        own = [[o for o in rows if (o.series, o.dataset, o.shots) == (name, dataset, shots)] for name in pair]
        tables = answers.tables(*own)
        if tables is not None:
            watched = any(map(is_watched, own))
            known[dataset] = compare_points(*tables, watched=watched, metric=answers.metric).variance
            continue
        sizes = [min((o.row["test_samples"] or 0 for o in many), default=0) for many in own]
        if all(sizes):
            # Without the answers nothing is known of the pairing: as if the two had been asked other images.
            shares = [(folds[name, dataset, shots].mean * n + 1) / (n + 2) for name, n in zip(pair, sizes, strict=True)]
            known[dataset] = sum(share * (1 - share) / n for share, n in zip(shares, sizes, strict=True))
    return known


def _words_on_datasets(seen: Gathered) -> list[Comparison]:
    pairs, family = seen.pairs, seen.family
    chains = [
        (one.found.models.p, None if one.found.another_draw is None else one.found.another_draw.p) for one in pairs
    ]
    adjusted = chained_holm(chains, among=max(family.single, len(pairs)))
    share = family.single_share
    compared = []
    for one, (first, second) in zip(pairs, adjusted, strict=True):
        compared.append(_asked(one, Question.MODELS, one.found.models, min(1.0, first / share), seen))
        if one.found.another_draw is not None and second is not None:
            compared.append(_asked(one, Question.ANOTHER_DRAW, one.found.another_draw, min(1.0, second / share), seen))
    return compared


def _asked(one: _Pair, question: Question, finding: Finding, corrected: float, seen: Gathered) -> Comparison:
    words, separated = verdict(question, one.a, one.b, finding.low, finding.high, finding.p, corrected)
    found = one.found
    return Comparison(
        a=one.a,
        b=one.b,
        question=question,
        dataset=one.dataset,
        shots=one.shots,
        where=f"{one.dataset}, {shots_words(one.shots)}",
        value=found.value,
        low=finding.low,
        high=finding.high,
        p=finding.p,
        corrected=corrected,
        basis=f"{found.images:,} test samples × {found.draws} draw{'s' if found.draws > 1 else ''}"
        + (", could end early" if one.watched else ""),
        method=finding.method,
        words=words,
        separated=separated,
        advice="" if separated else advice(question, found, one.draw_sd, seen.family.level, seen.metric),
        equivalence=None
        if seen.rope is None or question is not Question.MODELS or one.watched
        else equivalence_of_interval(finding.low, finding.high, rope=seen.rope),
    )


def _words_over_datasets(over: Sequence[_Over], family: Family) -> list[Comparison]:
    attempted = family.over_possible or not family.single
    adjusted = holm([one.found.p for one in over], among=max(family.over, len(over)))
    compared = []
    for one, corrected in zip(over, adjusted, strict=True):
        panel, share = one.found, family.over_share
        corrected = min(1.0, corrected / share)
        words, separated = verdict(Question.DATASETS, one.a, one.b, panel.low, panel.high, panel.p, corrected)
        count = len(panel.datasets)
        if not attempted or smallest_p(count) >= 0.05:
            words, separated = f"{count} datasets cannot show who is ahead over datasets.", False
        compared.append(
            Comparison(
                a=one.a,
                b=one.b,
                question=Question.DATASETS,
                dataset=ALL_DATASETS,
                shots=one.shots,
                where=f"{ALL_DATASETS}, {shots_words(one.shots)}",
                value=panel.value,
                low=panel.low,
                high=panel.high,
                p=panel.p,
                corrected=corrected if attempted else None,
                basis=f"{count} datasets; {one.a} ahead on {panel.wins}"
                + (f", equal on {panel.ties}" if panel.ties else ""),
                method="Wilcoxon's exact signed-rank test over dataset means; Student t interval",
                words=words,
                separated=separated,
                advice="" if separated or count >= family.needed else f"at least {family.needed} datasets are needed",
                equivalence=one.equal,
            )
        )
    return compared


def _notes(seen: Gathered, answers: Answers, rows: Sequence[Labelled]) -> list[str]:
    pairs, family, notes = seen.pairs, seen.family, watched_notes(rows)
    for dataset in in_order(one.dataset for one in pairs):
        here = [one for one in pairs if one.dataset == dataset]
        fewest = min(one.found.draws for one in here)
        if here[0].shots is None:
            notes.append(
                f"{dataset}: all training samples were used, so every draw is the same and nothing is said about the"
                " methods on another one; that needs fewer shots than all."
            )
        elif fewest < FEWEST_DRAWS and not here[0].watched:
            have = f"{fewest} draw{'s' if fewest > 1 else ''}"
            notes.append(
                f"{dataset}: with {have} of the training subset nothing is said about the methods on another draw;"
                f" that needs at least {FEWEST_DRAWS}.{_draws_words(here, family)}"
            )
        parts = None if here[0].watched else breakdown([here[0].table])
        if parts is not None and len(parts.shares) > 1 and parts.words:
            notes.append(f"{dataset}, {here[0].a} − {here[0].b}: {parts.words}")
    if seen.over:
        notes += _over_notes(seen.over, family, answers, rows)
    return notes


def _draws_words(here: Sequence[_Pair], family: Family) -> str:
    """Say how many draws would show the first pair's difference, if two draws give an idea of their spread."""
    one = here[0]
    if not one.draw_sd or not one.found.value:
        return ""
    draws = draws_needed(one.draw_sd, abs(one.found.value), level=family.level)
    many = "more than 100" if draws is None else f"about {draws}"
    return f" Going by {one.found.draws} draws, {many} would show {one.a} ahead of {one.b}."


def _over_notes(over: Sequence[_Over], family: Family, answers: Answers, rows: Sequence[Labelled]) -> list[str]:
    first, notes = over[0], []
    count = family.datasets
    if not family.over_possible:
        pairs = f"{family.over} comparison{'s' if family.over > 1 else ''}"
        notes.append(
            f"Over datasets: the smallest p that {count} datasets can give is {smallest_p(count):.3f}, which is not"
            f" enough for {pairs}; {family.needed} datasets would do."
        )
    for one in over:
        if (equal := one.equal) is None:
            continue
        notes.append(
            f"Over {equal.datasets} datasets, {one.a} against {one.b}: behind {chance(equal.worse)}, equal within"
            f" {100 * equal.rope:g} point{'' if equal.rope == 0.01 else 's'} {chance(equal.equal)}, ahead"
            f" {chance(equal.better)} (Bayesian signed-rank test; not corrected, no verdict)."
        )
    tables = []
    for dataset in first.found.datasets:
        own = [
            [o for o in rows if (o.series, o.dataset, o.shots) == (n, dataset, first.shots)] for n in (first.a, first.b)
        ]
        found = answers.tables(*own)
        if found is not None:
            tables.append(found[0] - found[1])
    parts = breakdown(tables) if len(tables) == len(first.found.datasets) else None
    if parts is not None and parts.words:
        notes.append(f"Over datasets, {first.a} − {first.b}: {parts.words}")
    return notes
