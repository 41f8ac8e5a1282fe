"""What a reader of one layout hands to the import: labels, and a stream of samples not yet placed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from automl_bench.datasets.account import LeftOut
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import counted


class Incoming(NamedTuple):
    """One sample before it is placed.

    Attributes:
        name: File name it should get; made safe and unique later.
        label: Exact class name.
        split: "train", "test", or "" where the split is still to be drawn.
        path: File to read, or "" if `data` holds the content.
        data: Content, for samples that come out of a larger file.
        where: How an error message names it.
        group: What it belongs to with others (a patient, a session), or "".
    """

    name: str
    label: str
    split: str
    path: str = ""
    data: bytes = b""
    where: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All samples that a reader found.

    Attributes:
        layout: What was recognised, for people: "class folders", "CSV"…
        labels: All labels, in any order.
        has_split: Whether every sample has its split.
        count: Number of samples if known before they are read.
        samples: Starts the stream; the order must depend on names and content only, never on directory order.
        notes: What a reader of the dataset should know.
        left_out: Files of the source that are no samples.
        columns: Columns of a list that were not used, with the number of different values in each.
        group_candidates: Those of them that look as if they named groups.
        grouped: Whether the samples carry their groups.
    """

    layout: str
    labels: tuple[str, ...]
    has_split: bool
    count: int | None
    samples: Callable[[], Iterator[Incoming]]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    columns: tuple[tuple[str, int], ...] = ()
    group_candidates: tuple[str, ...] = ()
    grouped: bool = False


def pooled_split(found: str) -> str:
    """Return "train" for training and validation, "test" for test."""
    return "test" if found == "test" else "train"


def split_notes(found: set[str], counts: Mapping[str, int] | None = None) -> tuple[bool, tuple[str, ...]]:
    """Decide from the splits that a source names whether it comes split, and say what was done with validation.

    Args:
        found: Subset of {"train", "validation", "test"}; empty where none is named.
        counts: Samples by split, for the note.

    Returns:
        Whether the split is given, and the notes.

    Raises:
        DatasetError: If there is a test split and nothing to train on.
    """
    if found == {"test"}:
        raise DatasetError(
            "there is a test split but nothing to train on.", remedy="Add the training samples beside it."
        )
    notes = []
    if "validation" in found:
        number = counted(" ({n} [sample|samples])", counts["validation"]) if counts else ""
        notes.append(
            f"The validation split{number} was pooled with train: each ablation draws its own validation half."
        )
    if found and "test" not in found:
        notes.append("The source has no test split: one was drawn from all samples.")
    return "test" in found, tuple(notes)
