"""What `results import` takes in, told by the file itself: results, answers, predictions, throughputs, promptfoo's."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.errors import UsageError
from automl_bench.report.importing import Cells, csv_lines, read_results
from automl_bench.report.predictions import (
    Answered,
    Origin,
    matched,
    read_answers,
    read_predictions,
    store_predictions,
)
from automl_bench.report.promptfoo_files import SAMPLE, is_promptfoo, read_promptfoo
from automl_bench.store.ancestor_files import RESULTS_HEADER, THROUGHPUTS_HEADER
from automl_bench.store.records import ImportedResult, ImportedRun

if TYPE_CHECKING:
    from automl_bench.store import Store

PUBLISHED_CALLS, PUBLISHED_CONCURRENCY = 1000, 10
"""What the benchmark of 2023 did for each line of its file of throughputs, which has two columns."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says of a file; it goes before what the file says.

    Attributes:
        provider: Who answered; None if not given, as all others.
        variant: Configuration of it.
        dataset: The dataset.
        shots: Shots as a text, a number or "all".
        fold: Which draw.
        sample_variable: Variable of promptfoo's tests that names the sample.
    """

    provider: str | None = None
    variant: str | None = None
    dataset: str | None = None
    shots: str | None = None
    fold: int | None = None
    sample_variable: str = SAMPLE

    def after(self, said: dict[str, str]) -> Given:
        """Return the same, with what a file says where the user does not."""
        fold = said.get("fold")
        if self.fold is None and fold is not None and not fold.isdecimal():
            raise UsageError(f"fold is {fold!r} in the file, not a whole number.", remedy="Write it as in 0.")
        return Given(
            self.provider or said.get("provider"),
            self.variant or said.get("variant"),
            self.dataset or said.get("dataset"),
            self.shots or said.get("shots"),
            self.fold if self.fold is not None or fold is None else int(fold),
            self.sample_variable,
        )

    def origin(self, file: Path, what: str) -> tuple[Origin, str]:
        """Return who answered, and the dataset.

        Raises:
            UsageError: If it is not known.
        """
        if self.provider is None or self.dataset is None:
            raise UsageError(
                f"{file} holds {what}, but does not say whose and of which dataset.",
                remedy="Add --provider NAME --dataset NAME, and --variant, --shots, --fold where they apply.",
            )
        return Origin(self.provider, self.variant or "imported", read_shots(self.shots or "all"), self.fold or 0), (
            self.dataset
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an import.

    Attributes:
        what: "results", "predictions" or "throughputs".
        found: How many the file holds.
        new: How many of them were not there yet.
    """

    what: str
    found: int
    new: int


def read_shots(text: str) -> int | None:
    """Return shots, None for "all".

    Raises:
        UsageError: If it is neither a number nor "all".
    """
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"shots are {text!r}, not a number of samples.", remedy='Give a whole number, or "all".')
    return int(text)


def take_in(file: Path, given: Given, *, data: Path, store: Callable[[], Store], replace_old: bool = False) -> Taken:
    """Read a file, all of it, and then store what it holds; a wrong line leaves everything as it was.

    Args:
        file: The file.
        given: What the user says of it.
        data: Folder of the datasets.
        store: Opens the results file.
        replace_old: Whether it takes the place of results of the same point.

    Raises:
        UsageError: If the file is wrong, or says too little.
    """
    kind = kind_of(file)
    if kind in ("predictions", "promptfoo"):
        many = _promptfoo(file, given) if kind == "promptfoo" else [_own(file, given)]
        from automl_bench.datasets.manifest import read_manifest

        ready = [matched(file, answers, read_manifest(data / name), origin) for answers, origin, name in many]
        with store() as opened:
            store_predictions(opened, ready, replace_old=replace_old)
        count = sum(len(calls) for _, calls in ready)
        return Taken("predictions", count, count)
    if kind == "throughputs":
        runs = read_throughputs(file, given)
        with store() as opened:
            return Taken("throughputs", len(runs), opened.add_imported_runs(runs))
    if kind == "answers":
        origin, dataset = given.after(_from_name(file, data)).origin(file, "answers")
        results = [read_answers(file, dataset, origin)]
    else:
        results = read_results(file)
    with store() as opened:
        _require_not_measured(opened, results)
        return Taken("results", len(results), opened.add_imported(results, replace=replace_old))


def kind_of(path: Path) -> str:
    """Return "promptfoo", "predictions", "answers", "throughputs" (the published benchmark's files), or "results"."""
    if is_promptfoo(path):
        return "promptfoo"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return "results"  # whose reader says what is wrong
    if header == list(RESULTS_HEADER):
        return "answers"
    if header[:2] == list(THROUGHPUTS_HEADER[:2]):
        return "throughputs"
    return "predictions" if "sample" in header and "predicted" in header else "results"


def _own(file: Path, given: Given) -> tuple[Sequence[Answered], Origin, str]:
    answers, said = read_predictions(file)
    return answers, *given.after(said).origin(file, "predictions")


def _promptfoo(file: Path, given: Given) -> list[tuple[Sequence[Answered], Origin, str]]:
    found = read_promptfoo(file, given.sample_variable)
    if given.variant is not None and len(found) > 1:
        raise UsageError(
            f"{file} holds the answers of {len(found)} variants: {', '.join(found)}.",
            remedy="Leave --variant out: each becomes a variant of its own name.",
        )
    return [
        (answers, *given.after({"provider": "promptfoo", "variant": name}).origin(file, "predictions"))
        for name, answers in found.items()
    ]


_NAME = re.compile(r"(?P<point>.+)-results-(?P<shots>\d+|all)(?:-fold(?P<fold>\d+))?(?:-repeat\d+)?(?:-[0-9a-f]{12})?")


def _from_name(file: Path, data: Path) -> dict[str, str]:
    """Return what the name of a file of answers says: `<dataset>-<provider>-results-<shots>.csv`.

    Where several cuts are possible, the one whose dataset is in the data folder counts; where that is none or several,
    nothing is said.
    """
    found = _NAME.fullmatch(file.stem)
    if found is None:
        return {}
    parts = found["point"].split("-")
    cuts = [("-".join(parts[:place]), "-".join(parts[place:])) for place in range(1, len(parts))]
    known = [cut for cut in cuts if (data / cut[0]).is_dir()] if len(cuts) > 1 else cuts
    if len(known) != 1:
        return {}
    dataset, service = known[0]
    provider, _, variant = service.partition("-")
    said = {"dataset": dataset, "provider": provider, "shots": found["shots"], "fold": found["fold"] or "0"}
    return said | ({"variant": variant} if variant else {})


def read_throughputs(file: Path, given: Given) -> list[ImportedRun]:
    """Read the published benchmark's file of throughputs: its own two columns, or all that `export` writes.

    Raises:
        UsageError: If a line is wrong, or the dataset is not known.
    """
    runs = []
    for _, cells, columns in _throughput_lines(file):
        own = len(columns) > 2
        if own and not cells.has("seconds"):
            continue  # a run without a measured call
        said = {name: cells.optional(name) for name in ("dataset", "shots", "fold") if cells.has(name)}
        provider, _, variant = cells.text("service").partition("-")
        said |= {"provider": provider} | ({"variant": variant} if variant else {})
        origin, dataset = given.after(said).origin(file, "throughputs")
        calls = cells.whole("calls", low=1) if own else PUBLISHED_CALLS
        ok = cells.whole("ok") if own else calls
        seconds = cells.number("seconds")
        if seconds <= 0 or ok > calls:
            cells.refuse("seconds are 0" if seconds <= 0 else f"ok is {ok}, more than the {calls} calls")
        valid = cells.optional("valid").lower()
        runs.append(
            ImportedRun(
                file.name,
                origin.provider,
                origin.variant,
                dataset,
                origin.shots,
                origin.fold,
                seconds,
                calls,
                ok,
                (cells.whole("concurrency") if cells.has("concurrency") else None) if own else PUBLISHED_CONCURRENCY,
                cells.optional("loop") or "closed",
                valid == "true" if valid in ("true", "false") else None,
            )
        )
    if not runs:
        raise UsageError(f"{file} has a header but no throughputs.", remedy="Add one line for each load run.")
    return runs


def _throughput_lines(file: Path) -> list[tuple[int, Cells, list[str]]]:
    def check(path: Path, header: list[str]) -> list[str]:
        if header not in (list(THROUGHPUTS_HEADER), list(THROUGHPUTS_HEADER[:2])):
            raise UsageError(
                f"{path} line 1: is not the header of a file of throughputs.",
                remedy=f"Write {','.join(THROUGHPUTS_HEADER[:2])}, or {','.join(THROUGHPUTS_HEADER)}.",
            )
        return header

    return [(line, Cells(file, line, cells), header) for line, cells, header in csv_lines(file, check)]


def _require_not_measured(store: Store, results: Sequence[ImportedResult]) -> None:
    """Refuse a result of a point that answers are stored for: the two would count as two draws."""
    points = {(one.provider, one.variant, one.dataset, one.shots, one.fold) for one in store.trials()}
    for one in results:
        if (one.provider, one.variant, one.dataset, one.shots, one.fold) in points:
            raise UsageError(
                f"{one.provider}:{one.variant} on {one.dataset}, fold {one.fold} is there with its answers already.",
                remedy="Give the imported one another variant: --variant NAME, or in the column variant.",
            )
