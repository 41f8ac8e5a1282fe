"""The decision card: what a reader wants to know first, as the same lines on the page and in the terminal.

`decide` makes it from a results file; `card_text` lays it out as plain text of a given width.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import in_one_piece, with_spaces
from automl_bench.report.candidates import Candidate, candidates
from automl_bench.report.card_answers import (
    Standing,
    better_than_guessing,
    cost_a_month,
    how_fast,
    how_sure,
    more_labels,
    next_steps,
    not_settled,
    still_running,
    training_words,
    what_it_cost,
    which_one,
)
from automl_bench.report.labels import Labelled, baseline_label, in_order, labelled, shots_label
from automl_bench.report.rows import Row, result_rows
from automl_bench.report.running_costs import ASSUMPTIONS, Use
from automl_bench.report.support import Support, comparisons
from automl_bench.report.tables import UNKNOWN, Table, milliseconds, percent, seconds
from automl_bench.report.tiers import Tier, tiers
from automl_bench.store.records import TrialStatus
from automl_bench.trials.pricing import dollars

if TYPE_CHECKING:
    from automl_bench.store import Store

NARROW = 72
"""Width in characters below which an answer stands below its question instead of beside it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One question of the card with its answers.

    Attributes:
        key: Stable name: "which", "sure", "month", "speed", "guessing", "training", "labels", "open", "next", "spent",
            "running".
        question: The question, as the page shows it.
        answers: One sentence each.
    """

    key: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision card.

    Attributes:
        lines: Questions and answers in the order to read.
        tiers: Dataset → its tiers, the best first.
        candidates: What each variant offers on each dataset.
        use: How the service will be used.
    """

    lines: tuple[Line, ...]
    tiers: Mapping[str, tuple[Tier, ...]]
    candidates: tuple[Candidate, ...]
    use: Use

    def as_json(self) -> dict[str, Any]:
        """Return the card as plain values; its fields are `DECISION_FIELDS`."""
        return {
            "lines": [{"key": one.key, "question": one.question, "answers": list(one.answers)} for one in self.lines],
            "tiers": {
                dataset: [{"variants": list(one.names), "note": one.note or None} for one in own]
                for dataset, own in self.tiers.items()
            },
            "candidates": [_record(one, self.use) for one in self.candidates],
            "use": {
                "calls_per_month": self.use.calls_per_month,
                "hours_per_day": self.use.hours_per_day,
                "label_usd": self.use.label_usd,
                "stated": self.use.stated,
            },
            "assumptions": list(ASSUMPTIONS),
        }


DECISION_FIELDS: Mapping[str, str] = {
    "lines": "Questions and answers of the card, in order: `key`, `question`, `answers`.",
    "tiers": "Dataset → its tiers, the best first: `variants` and `note`. Variants not separated share one.",
    "candidates": "What each variant offers on each dataset.",
    "use": "Calls a month, hours a day, price of a label that the costs are for; `stated` if the experiment says so.",
    "assumptions": "What the monthly costs leave out.",
}
"""Fields of `decision` in results.json."""

CANDIDATE_FIELDS: Mapping[str, str] = {
    "variant": "Label.",
    "dataset": "Dataset.",
    "shots": 'Labelled samples per class, or "all".',
    "accuracy": "Mean over draws, 0 to 1.",
    "low": "Lower end of Wilson's 95 % interval over test samples; null where their number is unknown.",
    "high": "Upper end of it.",
    "majority": "What always answering the most frequent label scores; null if unknown.",
    "beats_majority": "Whether low lies above majority; null if unknown.",
    "usd_month": "Dollars a month in use, as far as known; null if nothing is.",
    "usd_unknown": "Items of that which are unknown; with any, usd_month is a lower bound.",
    "p95_ms": "95th percentile under load; null if not measured.",
    "p95_load": "Which load.",
    "p95_valid": "Whether that load run is VALID; null where the accuracy pass stands for it.",
    "train_seconds": "Median time of a training; null if unknown.",
    "train_usd": "Median cost of a training; null if unknown.",
    "prices": "What the costs in use are computed from: `hour`, `plans`, `unknown`, `as_of`, `sources`, `invented`.",
}
"""Fields of each entry of `candidates`."""


def decision_of(store: Store, experiment: str | None = None, *, rows: Sequence[Row] | None = None) -> Decision:
    """Make the card of an experiment, or of everything in a results file.

    Args:
        store: The results file.
        experiment: Name of the experiment, or None.
        rows: Its rows, if they were read already; fewer rows make the card of those alone.

    Raises:
        UsageError: If there is no such experiment.
    """
    rows = result_rows(store, experiment) if rows is None else rows
    settings = settings_of(store, experiment)
    named = labelled(rows)
    wanted = str(settings.get("baseline") or "")
    baseline = baseline_label(named, wanted) if wanted else None
    support = comparisons(store, named, baseline=baseline, with_notes=False)
    return decide(store, named, support, settings=settings, experiment=experiment)


def settings_of(store: Store, experiment: str | None) -> Mapping[str, Any]:
    """Return the stored settings of an experiment; empty without one."""
    record = None if experiment is None else store.experiment(experiment)
    return {} if record is None else record.settings


def use_of(settings: Mapping[str, Any]) -> Use:
    """Read `[use]` from the stored settings of an experiment; the example where it says nothing."""
    said = settings.get("use")
    if not isinstance(said, Mapping) or not said:
        return Use()
    return Use(
        **{name: said[name] for name in ("calls_per_month", "hours_per_day", "label_usd") if name in said}, stated=True
    )


def decide(
    store: Store,
    named: Sequence[Labelled],
    support: Support,
    *,
    settings: Mapping[str, Any] | None = None,
    experiment: str | None = None,
) -> Decision:
    """Make the card.

    Args:
        store: The results file.
        named: The rows with their labels.
        support: Their comparisons; tiers rest on these verdicts alone.
        settings: The experiment's settings as stored; `[use]` is read from them.
        experiment: Its name, for the next command.
    """
    found = candidates(store, named)
    use = use_of(settings or {})
    tiers_of = {
        dataset: tiers({one.series: one.accuracy for one in found if one.dataset == dataset}, support.compared, dataset)
        for dataset in in_order(one.dataset for one in found)
    }
    seen = Standing(named, found, tiers_of, support, use, experiment)
    own = {one.row["trial_id"] for one in named if one.row["trial_id"]}
    entries = [entry for entry in store.ledger(open_only=True) if entry.trial_id in own]
    left = [(entry.kind, entry.hourly_usd) for entry in entries]
    invented = {one.row["trial_id"] for one in named if (one.row["cost"] or {}).get("simulated")}
    unbilled = all(entry.trial_id in invented for entry in entries)
    under_way = [
        f"{one.series} on {one.dataset}"
        for one in named
        if one.row["status"] in {TrialStatus.RUNNING, TrialStatus.TEARING_DOWN}
    ]
    lines = (
        Line("which", "Which one?", which_one(seen)),
        Line("sure", "How sure?", how_sure(seen)),
        Line("month", "What does it cost a month?", cost_a_month(seen)),
        Line("speed", "How fast under load?", how_fast(seen)),
        Line("guessing", "Better than guessing?", better_than_guessing(seen)),
        Line("training", "How long to train?", training_words(seen)),
        Line("labels", "Worth more labels?", more_labels(seen)),
        Line("open", "What is not settled?", not_settled(seen)),
        Line("next", "What next?", next_steps(seen, sum(usd != 0.0 for _, usd in left))),
        Line("spent", "What did this cost?", what_it_cost(seen)),
        Line("running", "Still running?", still_running(under_way, left, simulated=unbilled)),
    )
    return Decision(lines, tiers_of, tuple(found), use)


def card_text(decision: Decision, width: int = 80) -> list[str]:
    """Lay the card out as plain text, no line longer than the width unless a single word is.

    Names and commands are never broken inside; where the terminal is wide enough, answers stand beside the questions.

    Args:
        decision: The card.
        width: Characters of a line.
    """
    margin = max(len(one.question) for one in decision.lines) + 2
    beside = width >= NARROW
    indent = " " * (margin if beside else 2)
    wrapped = []
    for one in decision.lines:
        if not beside:
            wrapped.append(one.question)
        for place, text in enumerate(one.answers):
            head = one.question.ljust(margin) if beside and place == 0 else indent
            lines = textwrap.wrap(
                in_one_piece(text),
                max(width, 20),
                initial_indent=head,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            wrapped += map(with_spaces, lines)
    return wrapped


def candidates_table(decision: Decision) -> Table:
    """Return what each variant offers as a table, the best tier of each dataset first."""
    use = decision.use
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for dataset, own in decision.tiers.items():
        for number, tier in enumerate(own, start=1):
            places |= {(dataset, name): (number, place) for place, name in enumerate(tier.names)}
    datasets = list(decision.tiers)
    ordered = sorted(
        decision.candidates, key=lambda one: (datasets.index(one.dataset), places[one.dataset, one.series])
    )
    cells = tuple(
        (
            one.dataset,
            str(places[one.dataset, one.series][0]),
            one.series,
            shots_label(one.shots),
            percent(one.accuracy) + ("" if one.low is None else f" [{percent(one.low)}, {percent(one.high)}]"),
            "—" if one.lead is None else f"{100 * one.lead:+.1f}".replace("-", "−"),
            str(one.per_thousand(use)).replace("$", ""),
            str(one.running.month(use)).replace("$", "") + (" simulated" if one.running.invented else ""),
            "—" if one.speed is None else milliseconds(one.speed.p95_ms),
            "—" if one.speed is None else one.speed.load,
            seconds(one.train_seconds),
            _training_usd(one),
        )
        for one in ordered
    )
    heads = (
        *("dataset", "tier", "variant", "shots", "accuracy %", "above most frequent label"),
        *("$ per 1,000 calls", "$ a month", "p95 ms", "load", "training", "training $"),
    )
    notes = (
        f"Costs for {use.words}{'' if use.stated else ' (an example; [use] in the experiment states yours)'}.",
        "Tiers from the corrected verdicts: variants that are not separated share one.",
        *ASSUMPTIONS,
    )
    return Table("What each offers", heads, cells, tuple(_record(one, use) for one in ordered), notes if cells else ())


def _training_usd(one: Candidate) -> str:
    if not one.learns:
        return UNKNOWN
    return "unknown" if one.train_usd is None else dollars(one.train_usd).replace("$", "")


def _record(one: Candidate, use: Use) -> dict[str, Any]:
    month = one.running.month(use).as_json()
    return {
        "variant": one.series,
        "dataset": one.dataset,
        "shots": shots_label(one.shots),
        "accuracy": one.accuracy,
        "low": one.low,
        "high": one.high,
        "majority": one.majority,
        "beats_majority": one.beats_majority,
        "usd_month": month["usd"],
        "usd_unknown": month["unknown"],
        "p95_ms": None if one.speed is None else one.speed.p95_ms,
        "p95_load": None if one.speed is None else one.speed.load,
        "p95_valid": None if one.speed is None else one.speed.valid,
        "train_seconds": one.train_seconds,
        "train_usd": one.train_usd,
        "prices": one.running.as_json(),
    }
