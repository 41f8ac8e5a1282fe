"""What has to stand beside scores: test sizes, what needs no learning, what is missing, answers off the list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.numbers_in_words import counted, number_of
from automl_bench.report.labels import Labelled, in_order
from automl_bench.report.tables import percent
from automl_bench.statistics.means import Point
from automl_bench.statistics.scores import wilson_interval


def test_sizes(named: Sequence[Labelled]) -> dict[Point, int]:
    """Return the test samples behind each point: of one fold, as all folds share them; the fewest where they differ."""
    sizes: dict[Point, int] = {}
    for one in named:
        count = one.row["test_samples"]
        if one.counts and count:
            key = (one.series, one.dataset, one.shots)
            sizes[key] = min(count, sizes.get(key, count))
    return sizes


def wilson_of(share: float, size: int | None) -> tuple[float, float] | None:
    """Return Wilson's interval of a mean accuracy over so many test samples, None where they are unknown."""
    return None if size is None else wilson_interval(share * size, size)


def baseline_notes(named: Sequence[Labelled]) -> list[str]:
    """Say for each dataset what needs no learning: always the most frequent label, and guessing."""
    notes = []
    for dataset in in_order(one.dataset for one in named):
        rows = [one.row for one in named if one.dataset == dataset and one.counts]
        majority = max((row["majority"] for row in rows if row["majority"] is not None), default=None)
        chance = max((row["chance"] for row in rows if row["chance"] is not None), default=None)
        words = [f"always the most frequent label scores {percent(majority)} %"] if majority is not None else []
        words += [f"guessing scores {percent(chance)} %"] if chance is not None else []
        if words:
            notes.append(f"{dataset}: {', '.join(words)}.")
    return notes


def missing_notes(named: Sequence[Labelled]) -> list[str]:
    """Say how many trials have no score, and how many failed samples stand in the scores."""
    without = [one for one in named if not one.counts]
    failed = sum(one.row["failed"] or 0 for one in named if one.counts)
    sent = sum(one.row["test_samples"] or 0 for one in named if one.counts)
    notes = []
    if without:
        of_all = f"{len(without)} of {number_of(len(named), 'trial')}"
        notes.append(
            of_all + counted(" [has|have] no complete score and [is|are] left out of the means.", len(without))
        )
    if failed:
        notes.append(f"{failed:,} of {number_of(sent, 'test sample')} got no answer; they count as wrong.")
    for source in in_order(one.row["source"] for one in named if one.row["trial_id"]):
        if source != "measured":
            whom = in_order(one.series for one in named if one.row["source"] == source)
            notes.append(f"{', '.join(whom)}: answers imported from {source}, not measured here.")
    return notes + off_list_notes(named)


def off_list_notes(named: Sequence[Labelled]) -> list[str]:
    """Name the answers that are no label of the dataset, by variant and dataset, and what they look like."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in named:
        if one.row["off_list"]:
            groups[one.series, one.dataset].append(one.row)
    notes = []
    for (series, dataset), rows in groups.items():
        count, near, empty = (sum(row[key] for row in rows) for key in ("off_list", "off_list_near", "off_list_empty"))
        sent = sum(row["test_samples"] for row in rows)
        what = [f"{near:,} differ from a label only in case, blanks or Unicode form"] if near else []
        what += [f"{empty:,} are empty or say that there is no answer"] if empty else []
        which = f" ({'; '.join(what)})" if what else ""
        examples = ", ".join(rows[0]["off_list_examples"])
        notes.append(
            f"{series} on {dataset}: {count:,} of {sent:,} answers are no label of the dataset{which}, for example"
            f" {examples}; they count as wrong and are no class."
        )
    return notes
