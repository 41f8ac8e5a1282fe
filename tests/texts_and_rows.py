"""Small datasets of texts and of rows as a plugin gets them, with test samples: what a provider's tests learn from."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from automl_bench.contract import (
    Column,
    ColumnKind,
    LabelledSample,
    Modality,
    Sample,
    TrainingSet,
    Value,
)

PARTS = {
    "offer": (
        ("Win", "Claim", "Get", "Earn"),
        ("a free prize", "cheap pills", "your cash bonus", "a loan"),
        ("now!!!", 'today, "risk-free"', "before midnight.\nClick, here"),
    ),
    'mail, "plain"': (
        ("Could you read", "I have changed", "Please check", "Thanks for"),
        ("the minutes", "my draft", "the travel plan", "our budget"),
        ("by Monday?", "and tell me; see you", "– Grüße"),
    ),
    "météo/2": (
        ("Rain in", "Sun over", "Fog near", "Snow in"),
        ("the north", "the hills", "the valley", "the coast"),
        ("until noon", "at 3 °C", "☂ and\twind"),
    ),
}
"""Beginnings, middles and ends of sentences by label."""

COLUMNS = (
    Column("sepal length (cm)", ColumnKind.NUMBER),
    Column("petal length (cm)", ColumnKind.NUMBER),
    Column("Bed, no.", ColumnKind.CATEGORY),
    Column("label", ColumnKind.CATEGORY),
    Column("seen", ColumnKind.DATE),
    Column("tag", ColumnKind.IDENTIFIER),
)
"""One is named as the field that holds labels in many formats."""


@dataclass(frozen=True, slots=True)
class SmallSet:
    """A training set and what it is tested on."""

    training: TrainingSet
    test: tuple[LabelledSample, ...]


def text_sample(text: str) -> Sample:
    """Return a text as the host gives it."""
    content = text.encode()
    return Sample(hashlib.sha256(content).hexdigest(), Path(), len(content), "text/plain", text=text)


def row_sample(row: dict[str, Value]) -> Sample:
    """Return a row as the host gives it."""
    bare = Sample("", Path(), 0, "application/json", row=row)
    content = bare.content()
    return Sample(hashlib.sha256(content).hexdigest(), Path(), len(content), "application/json", row=row)


def texts(shots: int = 5, tested: int = 4) -> SmallSet:
    """Return sentences of three labels, with quotes, newlines, tabs and letters beyond ASCII."""
    items = []
    for label, (beginnings, middles, ends) in PARTS.items():
        sentences = [f"{one} {two} {three}" for one, two, three in product(beginnings, middles, ends)]
        # In steps of seven, so that a few already hold every word.
        items += [LabelledSample(text_sample(sentences[7 * n % 48]), label) for n in range(shots + tested)]
    return _split(items, shots, Modality.TEXT)


def rows(shots: int = 5, tested: int = 4) -> SmallSet:
    """Return irises: numbers, categories, a date and identifiers like 01234; every seventh length is missing."""
    from sklearn.datasets import load_iris

    found = load_iris()
    items = []
    for species, name in enumerate(found.target_names):
        lengths = found.data[found.target == species][: shots + tested]
        for number, (sepal, _, petal, _) in enumerate(lengths.tolist()):
            row: dict[str, Value] = {
                "sepal length (cm)": sepal,
                "petal length (cm)": None if number % 7 == 6 else petal,
                "Bed, no.": f'bed "{number % 2}"',
                "label": None if number % 5 == 3 else "wild",
                "seen": f"2026-05-{number % 28 + 1:02}",
                "tag": f"{species}{number:04}",
            }
            items.append(LabelledSample(row_sample(row), str(name)))
    return _split(items, shots, Modality.TABULAR, COLUMNS)


def _split(items: Sequence[LabelledSample], shots: int, modality: Modality, columns: Sequence[Column] = ()) -> SmallSet:
    """Split as the host does: every fifth of the first k of a class is validation."""
    halves: dict[str, list[LabelledSample]] = {"train": [], "validation": [], "test": []}
    seen: dict[str, int] = {}
    for item in items:
        place = seen[item.label] = seen.get(item.label, 0) + 1
        halves["test" if place > shots else "validation" if place % 5 == 0 else "train"].append(item)
    training = TrainingSet(
        "small",
        tuple(sorted(seen)),
        tuple(halves["train"]),
        tuple(halves["validation"]),
        modality,
        tuple(columns),
        "species" if columns else "kind",
    )
    return SmallSet(training, tuple(halves["test"]))


def write_csv(small: SmallSet, path: Path) -> Path:
    """Write all samples of a set as a user's CSV file, the label in the last column, and return its path."""
    training = small.training
    names = [column.name for column in training.columns] or ["message"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, training.target])
        for item in (*training.train, *training.validation, *small.test):
            row = item.sample.row or {"message": item.sample.text}
            writer.writerow([*("" if row[name] is None else row[name] for name in names), item.label])
    return path
