"""Label suspects: samples marked by a reader, and the verdict with and without them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from automl_bench.errors import UsageError
from automl_bench.report.decision import Decision, decide
from automl_bench.report.importing import csv_lines
from automl_bench.report.labels import baseline_label, labelled
from automl_bench.report.rows import result_rows
from automl_bench.report.support import Support, comparisons
from automl_bench.report.support_tables import interval_words
from automl_bench.report.tables import Table

if TYPE_CHECKING:
    from automl_bench.store import Store

COLUMNS = ("dataset", "sample", "label")
"""Columns of a file of suspects; the label is for its reader and need not be there."""


@dataclass(frozen=True, slots=True)
class Without:
    """What changes when label suspects are left out.

    Attributes:
        samples: Suspects, by dataset.
        answers: Answers left out.
        before: The decision card with them.
        after: The decision card without them.
        table: Each comparison with and without.
    """

    samples: Mapping[str, int]
    answers: int
    before: Decision
    after: Decision
    table: Table

    @property
    def words(self) -> tuple[str, ...]:
        """The verdicts with and without, in sentences."""
        which = [next(one.answers for one in card.lines if one.key == "which") for card in (self.before, self.after)]
        count = ", ".join(f"{number:,} of {dataset}" for dataset, number in self.samples.items())
        changed = "The tiers stay the same." if _tiers(self.before) == _tiers(self.after) else "The tiers change."
        return (
            f"Label suspects left out: {count} ({self.answers:,} answers). {changed}",
            f"With them: {'; '.join(which[0])}",
            f"Without them: {'; '.join(which[1])}",
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "samples": dict(self.samples),
            "answers": self.answers,
            "decision": self.after.as_json(),
            "comparisons": list(self.table.records),
        }


def _tiers(card: Decision) -> dict[str, list[set[str]]]:
    return {dataset: [set(tier.names) for tier in own] for dataset, own in card.tiers.items()}


def read_suspects(path: Path, store: Store) -> dict[str, set[str]]:
    """Read a file of label suspects, as the page saves it: dataset → content ids.

    Raises:
        UsageError: If the file or a line is wrong, or names a dataset or a sample that nobody was asked for.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for trial in store.trials():
        known[trial.dataset] |= store.invoked_sample_ids(trial.trial_id)
    found: dict[str, set[str]] = defaultdict(set)
    for line, cells, _ in csv_lines(path, _check_header):
        dataset, sample = cells["dataset"], cells["sample"]
        if dataset not in known:
            names = ", ".join(sorted(known)) or "none yet"
            raise UsageError(
                f"{path} line {line}: there are no answers on a dataset {dataset!r}.", remedy=f"Datasets: {names}."
            )
        if sample not in known[dataset]:
            raise UsageError(
                f"{path} line {line}: nobody was asked for the sample {sample!r} of {dataset}.",
                remedy="Name samples by their content id, 64 hex digits, as the page's button saves them.",
            )
        found[dataset].add(sample)
    if not found:
        raise UsageError(f"{path} names no samples.", remedy="Mark some on the report's page and save them.")
    return dict(found)


def _check_header(path: Path, header: list[str]) -> None:
    if not {"dataset", "sample"} <= set(header) <= set(COLUMNS):
        raise UsageError(
            f"{path} line 1: the columns are {', '.join(header) or 'none'}.",
            remedy=f"The first line must be {','.join(COLUMNS)}; the page's button saves such a file.",
        )


def without(
    store: Store,
    suspects: Mapping[str, set[str]],
    before: Decision,
    support: Support,
    *,
    experiment: str | None,
    settings: Mapping[str, Any],
) -> Without:
    """Judge once more without the suspects, from a copy of the results file.

    Args:
        store: The results file.
        suspects: Dataset → content ids.
        before: The decision card with them.
        support: The comparisons with them.
        experiment: Name of the experiment, or None for everything.
        settings: Its settings as stored.
    """
    from automl_bench.store import open_store
    from automl_bench.store.partial_copy import copy_without

    with TemporaryDirectory(prefix="automl-bench-without-") as folder:
        copy = Path(folder) / "automl-bench.sqlite"
        removed = copy_without(store, copy, suspects)
        with open_store(copy, read_only=True) as rest:
            named = labelled(result_rows(rest, experiment))
            wanted = str(settings.get("baseline") or "")
            found = comparisons(rest, named, baseline=baseline_label(named, wanted) if wanted else None)
            after = decide(rest, named, found, settings=settings, experiment=experiment)
    counts = {dataset: len(samples) for dataset, samples in suspects.items()}
    return Without(counts, removed, before, after, _table(support, found))


def _table(before: Support, after: Support) -> Table:
    """Return every comparison with and without the suspects; a pair may have changed places."""
    later = {(frozenset((one.a, one.b)), one.dataset, one.question): one for one in after.compared}
    cells, records = [], []
    for one in before.compared:
        other = later.get((frozenset((one.a, one.b)), one.dataset, one.question))
        words = "not compared" if other is None else f"{100 * other.value:+.1f} {interval_words(other)}: {other.words}"
        cells.append(
            (
                one.where,
                one.question.value,
                f"{one.a} − {one.b}",
                f"{100 * one.value:+.1f} {interval_words(one)}: {one.words}",
                words if other is None or other.a == one.a else f"{other.a} − {other.b}: {words}",
            )
        )
        records.append(
            {
                "where": one.where,
                "question": one.question.value,
                "a": one.a,
                "b": one.b,
                "with": one.words,
                "without": None if other is None else other.words,
                "changed": other is None or other.words != one.words,
            }
        )
    heads = ("where", "question", "pair", "with the suspects", "without them")
    return Table("With and without label suspects", heads, tuple(cells), tuple(records))
