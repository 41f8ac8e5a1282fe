"""The sentences of the decision card, each from the numbers and verdicts that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import quoted_command
from automl_bench.numbers_in_words import number_of
from automl_bench.report.candidates import Candidate
from automl_bench.report.curve_words import fitted
from automl_bench.report.labels import Labelled, in_order, observations, shots_label
from automl_bench.report.running_costs import Use
from automl_bench.report.tables import milliseconds, percent, points, seconds
from automl_bench.report.tiers import Tier
from automl_bench.report.verdicts import Comparison, Question
from automl_bench.statistics.means import over_folds
from automl_bench.statistics.paired import FEWEST_DRAWS
from automl_bench.store.records import TrialStatus
from automl_bench.trials.pricing import Cost, dollars, together

if TYPE_CHECKING:
    from automl_bench.report.support import Support

MOST_DATASETS = 3
"""Datasets with a sentence of their own on the card; the others are in the tables below it."""
MOST_OPEN = 2
"""Comparisons that are not settled and are named on the card."""
WORTH_A_LABEL = 0.01
"""Gain in accuracy from which more labels are called worth it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the answers are made from.

    Attributes:
        named: The rows with their labels.
        found: What each variant offers.
        tiers: Dataset → its tiers.
        support: The verdicts.
        use: How the service will be used.
        experiment: Name of the experiment, or None for everything.
    """

    named: Sequence[Labelled]
    found: Sequence[Candidate]
    tiers: Mapping[str, tuple[Tier, ...]]
    support: Support
    use: Use
    experiment: str | None

    def of(self, dataset: str) -> list[Candidate]:
        """Return the candidates on one dataset."""
        return [one for one in self.found if one.dataset == dataset]

    def asked(self, question: Question) -> list[Comparison]:
        """Return the comparisons that ask one question."""
        return [one for one in self.support.compared if one.question is question]

    @property
    def by_series(self) -> dict[str, list[Candidate]]:
        """Variant → what it offers on each dataset."""
        return {
            name: [one for one in self.found if one.series == name] for name in in_order(c.series for c in self.found)
        }

    @property
    def first(self) -> list[str]:
        """Variants that are in the first tier of every dataset, in the order of their mean accuracy."""
        tops = [set(own[0].names) for own in self.tiers.values() if own]
        common = set.intersection(*tops) if tops else set()
        means = {name: sum(one.accuracy for one in many) for name, many in self.by_series.items()}
        return sorted(common, key=lambda name: (-means[name], name))


def which_one(seen: Standing) -> tuple[str, ...]:
    """Return the pick, then the tiers of each dataset."""
    if not seen.found:
        return ("No trial has a complete score yet.",)
    words = []
    for dataset, own in list(seen.tiers.items())[:MOST_DATASETS]:
        shots = in_order(shots_label(one.shots) for one in seen.of(dataset))
        at = f" at {shots[0]} shots" if len(shots) == 1 else ""
        words.append(f"{dataset}{at}: {' · '.join(f'{n}: {tier.words}' for n, tier in enumerate(own, start=1))}")
    return (_pick(seen), *words, *_more(len(seen.tiers) - MOST_DATASETS))


def _pick(seen: Standing) -> str:
    first, count = seen.first, len(seen.tiers)
    place = "" if count == 1 else " on both datasets" if count == 2 else f" on all {count} datasets"
    if len(seen.by_series) == 1:
        return f"{next(iter(seen.by_series))}: the only one with results."
    if not first:
        return "No variant is in the first tier on every dataset: choose by dataset."
    if len(first) == 1:
        alone = all(len(own[0].names) == 1 for own in seen.tiers.values())
        return f"{first[0]}: most accurate{place}." if alone else f"{first[0]}: in the first tier{place}."
    if not seen.asked(Question.MODELS):
        return f"Open: {len(seen.by_series)} variants, and none were compared on the same test samples."
    months = {name: seen.by_series[name][0].running.month(seen.use) for name in first}
    names = f"{', '.join(first[:-1])} or {first[-1]}"
    least = min(first, key=lambda name: months[name].usd)
    known = not any(month.unknown for month in months.values())
    if known and sum(month.usd == months[least].usd for month in months.values()) == 1:
        return f"{names}: not separated{place}; {least} costs least in use."
    return f"{names}: not separated{place}; {first[0]} has the highest mean."


def how_sure(seen: Standing) -> tuple[str, ...]:
    """Say what the first place rests on."""
    asked, over = seen.asked(Question.MODELS), seen.asked(Question.DATASETS)
    across = (f"Over datasets: {sum(one.separated for one in over)} of {len(over)} pairs settled.",) if over else ()
    if not asked:
        return ("Not at all: no two variants have answered for the same test samples.", *across)
    words = []
    for dataset in list(seen.tiers)[:MOST_DATASETS]:
        own = [one for one in asked if one.dataset == dataset]
        if own:
            words.append(_sure_on(dataset, seen.tiers[dataset], own))
    words += across
    words.append("As trained here, the chance of any false verdict on this page is 5 % at most. " + _another_draw(seen))
    return tuple(words)


def _sure_on(dataset: str, tiers: Sequence[Tier], own: Sequence[Comparison]) -> str:
    settled = sum(one.separated for one in own)
    basis = own[0].basis
    if len(tiers) > 1:
        above, below = set(tiers[0].names), set(tiers[1].names)
        edge = [one for one in own if one.separated and {one.a, one.b} & above and {one.a, one.b} & below]
        if edge:
            one = min(edge, key=lambda one: abs(one.value))
            value, low, high = (abs(100 * end) if end is not None else None for end in (one.value, one.low, one.high))
            assert value is not None
            assert low is not None
            assert high is not None
            return (
                f"{dataset}: the first tier leads the second by {value:.1f} points or more"
                f" [{min(low, high):.1f}, {max(low, high):.1f}]; {settled} of {len(own)} pairs settled ({basis})."
            )
    return f"{dataset}: {settled} of {len(own)} pairs are settled ({basis})."


def _another_draw(seen: Standing) -> str:
    asked = seen.asked(Question.ANOTHER_DRAW)
    if not asked and all(one.shots is None for one in seen.found):
        return "All training samples were used, so there is no other draw of them."
    if not asked:
        return f"About another draw of the training samples nothing is said: that needs {FEWEST_DRAWS} folds."
    held = sum(one.separated for one in asked)
    return (
        f"That the order holds on another draw of the training samples, too, is shown for {held} of {len(asked)} pairs."
    )


def cost_a_month(seen: Standing) -> tuple[str, ...]:
    """Say what each variant costs in use."""
    months = {name: many[0].running.month(seen.use) for name, many in seen.by_series.items()}
    if not months:
        return ("No variant has a score yet.",)
    parts = []
    for name, many in seen.by_series.items():
        month = months[name]
        each = f" ({many[0].per_thousand(seen.use)} per 1,000)" if month.usd and not month.unknown else ""
        parts.append(f"{name} {month}{each}")
    example = "" if seen.use.stated else ", an example: set [use]"
    return (f"{seen.use.words}{example}: {' · '.join(parts)}.{_prices_words(seen)}",)


def _prices_words(seen: Standing) -> str:
    dates = [many[0].running.as_of for many in seen.by_series.values() if many[0].running.as_of]
    invented = [name for name, many in seen.by_series.items() if many[0].running.invented]
    words = f" Prices as read from {min(dates)} on." if dates else ""
    if invented:
        words += " Simulated prices, nobody bills them"
        words += "." if len(invented) == len(seen.by_series) else f": {', '.join(invented)}."
    return words


def how_fast(seen: Standing) -> tuple[str, ...]:
    """Say the p95 of each variant under load, the worst of its datasets."""
    by_load: dict[str, list[str]] = {}
    for name, many in seen.by_series.items():
        speeds = [one.speed for one in many if one.speed is not None]
        if not speeds:
            by_load.setdefault("not measured", []).append(name)
            continue
        under = [one for one in speeds if one.valid is not None] or speeds
        worst = max(under, key=lambda one: one.p95_ms)
        load = worst.load if worst.valid is not None else f"{worst.load}, no load run"
        mark = " (not VALID)" if worst.valid is False else ""
        by_load.setdefault(load, []).append(f"{name} {milliseconds(worst.p95_ms)} ms{mark}")
    if list(by_load) == ["not measured"]:
        return ("Not measured.",)
    parts = [f"{', '.join(names)} ({load})" for load, names in by_load.items()]
    return (f"95 of 100 answers within: {'; '.join(parts)}.",) if parts else ("Nothing was measured yet.",)


def better_than_guessing(seen: Standing) -> tuple[str, ...]:
    """Say by how much the best leads the most frequent label, and who is not shown to be better than it."""
    words = []
    for dataset in list(seen.tiers)[:MOST_DATASETS]:
        own = [one for one in seen.of(dataset) if one.lead is not None]
        if not own:
            words.append(f"{dataset}: not known, the true labels are not in the results.")
            continue
        best = max(own, key=lambda one: one.accuracy)
        assert best.lead is not None
        poor = [one.series for one in own if one.beats_majority is False]
        verb = "No" if len(poor) == len(own) else "Yes"
        side = "above" if best.lead >= 0 else "below"
        text = (
            f"{dataset}: {verb}, {best.series} with {percent(best.accuracy)} % is {points(abs(best.lead))} points"
            f" {side} always answering the most frequent label ({percent(best.majority)} %)"
        )
        text += f"; not shown to be better than that: {', '.join(poor)}" if poor else ""
        words.append(f"{text}.")
    return tuple(words) or ("No variant has a score yet.",)


def training_words(seen: Standing) -> tuple[str, ...]:
    """Say how long one training took and what it cost, the longest of the datasets."""
    parts = []
    for name, many in seen.by_series.items():
        timed = [one for one in many if one.train_seconds is not None]
        if not timed or not any(one.learns for one in many):
            parts.append(f"{name} {'unknown' if any(one.learns for one in many) else 'needs none'}")
            continue
        longest = max(timed, key=lambda one: one.train_seconds or 0.0)
        usd = "cost unknown" if longest.train_usd is None else dollars(longest.train_usd)
        parts.append(f"{name} {seconds(longest.train_seconds)} ({usd})")
    return (f"One training with the most shots: {' · '.join(parts)}.",) if parts else ("None has ended yet.",)


def more_labels(seen: Standing) -> tuple[str, ...]:
    """Say what doubling the labels should bring the first of each dataset that learns from them."""
    curves = fitted(seen.named)
    words = []
    for dataset, own in list(seen.tiers.items())[:MOST_DATASETS]:
        learning = {one.series for one in seen.of(dataset) if one.learns}
        ranked = [name for tier in own for name in tier.names]
        leader = next((name for name in ranked if name in learning), None)
        if leader is None:
            words.append(f"{dataset}: No, nothing here learns from labels.")
            continue
        where = dataset if leader == ranked[0] else f"{dataset} ({ranked[0]} learns from none)"
        curve = curves.get((leader, dataset))
        if curve is None:
            words.append(f"{where}: not known; that needs results with 3 numbers of shots.")
            continue
        gain = curve.doubling()
        if gain is None:
            words.append(f"{where}: not known beyond what was measured; {_last_step(seen, leader, dataset)}.")
            continue
        low, high = gain
        verdict = "Yes" if low >= WORTH_A_LABEL else "Hardly" if high < WORTH_A_LABEL else "Perhaps"
        span = f"{points(low)} to {points(high)}".replace("-", "−")
        text = f"{where}: {verdict}, doubling the {curve.largest:g} labels a class should bring {leader} {span} points"
        classes = next((one.classes for one in seen.of(dataset) if one.classes), None)
        if seen.use.label_usd is not None and classes:
            text += f", for {dollars(seen.use.label_usd * classes * curve.largest)} of labels"
        words.append(f"{text}.")
    return tuple(words) or ("No variant has a score yet.",)


def _last_step(seen: Standing, series: str, dataset: str) -> str:
    """Say what the last increase of the labels brought; there are two numbers of shots at least."""
    means = over_folds(observations([one for one in seen.named if one.shots is not None]))
    at = sorted(
        (shots, one.mean) for (name, where, shots), one in means.items() if (name, where) == (series, dataset) and shots
    )
    (fewer, before), (more, after) = at[-2:]
    change = f"{100 * (after - before):+.1f}".replace("-", "−")
    return f"from {fewer} to {more} labels a class {series} changed by {change} points"


def not_settled(seen: Standing) -> tuple[str, ...]:
    """Name what is not settled, the first tiers first, and what would settle it."""
    open_ = open_comparisons(seen)
    if not seen.asked(Question.MODELS):
        advice = in_order(one.advice for one in seen.asked(Question.DATASETS) if one.advice)
        over = f" Over datasets: {advice[0]}." if advice else ""
        return (f"Everything: no two variants have answered for the same test samples.{over}",)
    if not open_:
        return ("Nothing: every pair that was compared is separated, as trained here.",)
    decides = open_in_first_tier(seen)
    words = [] if decides else ["Nothing about the first place. Below it:"]
    for one in open_[:MOST_OPEN]:
        text = f"{one.a} or {one.b} on {one.dataset}"
        words.append(f"{text}: {one.advice}." if one.advice else f"{text}: no design within reach would settle it.")
    more = len(open_) - MOST_OPEN
    if more > 0:
        words.append(f"{more} more pair{'s are' if more > 1 else ' is'} not settled; the table below has them.")
    return tuple(words)


def open_comparisons(seen: Standing) -> list[Comparison]:
    """Return the comparisons on datasets that are not settled, those within first tiers first."""
    asked = [one for one in seen.asked(Question.MODELS) if not one.separated]
    tops = {dataset: set(own[0].names) for dataset, own in seen.tiers.items()}
    return sorted(asked, key=lambda one: not {one.a, one.b} <= tops.get(one.dataset, set()))


def open_in_first_tier(seen: Standing) -> list[Comparison]:
    """Return the comparisons that are not settled and of which one of the two may be the best."""
    tops = {dataset: set(own[0].names) for dataset, own in seen.tiers.items()}
    return [one for one in open_comparisons(seen) if {one.a, one.b} <= tops.get(one.dataset, set())]


def next_steps(seen: Standing, left: int) -> tuple[str, ...]:
    """Return the next command with what it is for; what costs money comes first."""
    name = seen.experiment
    rows = [one.row for one in seen.named if one.row["trial_id"]]
    failed = sum(row["status"] == TrialStatus.FAILED for row in rows)
    begun = sum(row["status"] in {TrialStatus.PLANNED, TrialStatus.RUNNING, TrialStatus.INTERRUPTED} for row in rows)
    if left:
        return (f"{quoted_command('teardown', '--all')} deletes what is left at providers.",)
    if name and failed:
        again = quoted_command("run", name, "--retry-failed")
        return (f"{again} tries the {failed} failed trial{'s' * (failed > 1)} again.",)
    if name and begun:
        return (f"{quoted_command('run', name)} goes on with {begun} trial{'s' * (begun > 1)}.",)
    if open_ := open_in_first_tier(seen):
        one = open_[0]
        return (
            f"{quoted_command('compare', one.a, one.b, '--dataset', one.dataset)} shows what is open;"
            " then add test samples or folds as said above.",
        )
    report = quoted_command("report", *([name] if name else []))
    if name and not seen.use.stated:
        return (f"State your own volume under [use] in the experiment, run it again, then {report}.",)
    settled = f"Settled: take {seen.first[0]}. " if len(seen.first) == 1 and len(seen.by_series) > 1 else ""
    return (f"{settled}{report} writes the page with the evidence.",)


def what_it_cost(seen: Standing) -> tuple[str, ...]:
    """Say what all trials together cost."""
    costs = [one.row["cost"] for one in seen.named if one.row["cost"] is not None]
    if not costs:
        return ("Nothing was spent here: the results were made elsewhere.",)
    total = together(Cost(cost["usd"] or 0.0, tuple(cost["unknown"])) for cost in costs)
    hours = sum(cost["wall_hours"] for cost in costs)
    invented = any(one.running.invented for one in seen.found)
    simulated = " in part simulated" if invented and not all(o.running.invented for o in seen.found) else " simulated"
    mark = f",{simulated}" if invented else ""
    trials, calls = number_of(len(costs), "trial"), number_of(sum(cost["calls"] for cost in costs), "call")
    return (f"{total}{mark}: {trials}, {calls}, {seconds(3600 * hours)} of waiting and working.",)


def still_running(
    trials: Iterable[str], entries: Sequence[tuple[str, float | None]], *, simulated: bool = False
) -> tuple[str, ...]:
    """Say whether anything runs or exists that costs money.

    Args:
        trials: Labels of trials that are under way.
        entries: (kind, dollars an hour or None) of what exists at providers.
        simulated: Whether nobody bills any of it.
    """
    under_way = list(trials)
    if not entries and not under_way:
        return ("No: no trial is under way, and nothing is left at a provider.",)
    words = []
    if entries:
        known = [usd for _, usd in entries if usd is not None]
        rate = f"{dollars(sum(known))} an hour" + (" + unknown" if len(known) < len(entries) else "")
        rate += " simulated" if simulated and any(known) else ""
        count = len(entries)
        words.append(
            f"Yes: {count} resource{'s' * (count > 1)} at providers, {rate}; {quoted_command('resources')} lists them."
        )
    if under_way:
        count = len(under_way)
        words.append(f"{count} trial{'s are' if count > 1 else ' is'} under way: {', '.join(under_way[:MOST_OPEN])}.")
    return tuple(words)


def _more(count: int) -> tuple[str, ...]:
    return (f"{count} more dataset{'s' * (count > 1)} below.",) if count > 0 else ()
