"""Rows of invented passengers: what a training set of a table looks like, with all that tables are troubled by."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path

from automl_bench.contract import Column, ColumnKind, LabelledSample, Modality, Sample, TrainingSet, Value

COLUMNS = (
    Column("ticket no.", ColumnKind.IDENTIFIER),
    Column("class", ColumnKind.CATEGORY),
    Column("Age", ColumnKind.NUMBER),
    Column("age", ColumnKind.NUMBER),
    Column("_sex", ColumnKind.CATEGORY),
    Column("label", ColumnKind.CATEGORY),
    Column("boarded", ColumnKind.DATE),
    Column("remark, if any", ColumnKind.TEXT),
)
LABELS = ("lost", "01")
"""One that the service's alphabet has, and one that a guess of types would change."""
NAMES = {
    "class": "class",
    "Age": "Age",
    "age": "column_4",
    "_sex": "column_5",
    "label": "column_6",
    "boarded": "boarded",
    "remark, if any": "column_8",
}
"""What the columns are called at the service; two of them collide in letter case, one with the label's own column."""


def passenger(number: int) -> tuple[dict[str, Value], str]:
    """Return a row and its label; the same number gives the same in every run."""
    drawn = random.Random(number)
    saved = number % 2 == 1
    woman = drawn.random() < (0.8 if saved else 0.2)
    row: dict[str, Value] = {
        "ticket no.": f"{number:05d}",
        "class": drawn.choice(("1st", "2nd", "3rd")),
        "Age": None if drawn.random() < 0.4 else round(drawn.uniform(1, 70), 1),
        "age": number % 70,
        "_sex": "female" if woman else "male",
        "label": drawn.random() < 0.5,
        "boarded": f"1912-04-{10 + number % 4}",
        "remark, if any": 'boat 7, said "hurry"\nand left' if saved and drawn.random() < 0.5 else "naïve ✓",
    }
    return row, LABELS[saved]


def sample_of(row: Mapping[str, Value]) -> Sample:
    """Return a row as the host hands it over."""
    content = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
    return Sample(hashlib.sha256(content).hexdigest(), Path(), len(content), "application/json", row=row)


def passengers(rows: int, begin: int = 0) -> list[LabelledSample]:
    """Return labelled rows, half of them of each label."""
    return [LabelledSample(sample_of(row), label) for row, label in map(passenger, range(begin, begin + rows))]


def training_table(rows: int = 1_000) -> TrainingSet:
    """Return a training set; every fifth row of a label is for validation."""
    items = passengers(rows)
    validation = [item for place, item in enumerate(items) if place // 2 % 5 == 4]
    train = [item for place, item in enumerate(items) if place // 2 % 5 != 4]
    return TrainingSet(
        "passengers",
        tuple(sorted(LABELS)),
        tuple(train),
        tuple(validation),
        modality=Modality.TABULAR,
        columns=COLUMNS,
        target="fate",
    )
