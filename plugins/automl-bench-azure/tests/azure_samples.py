"""Invented mails and passengers: training sets of texts and of rows, with what both are troubled by."""

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
    Column("age", ColumnKind.NUMBER),
    Column("sex", ColumnKind.CATEGORY),
    Column("label", ColumnKind.CATEGORY),
    Column("boarded", ColumnKind.DATE),
    Column("remark", ColumnKind.TEXT),
)
FATES = ("01", "true")
"""Labels that a guess of types would change."""
KINDS = ("ham", "spam")

WORDS = {
    "ham": [
        "meeting",
        "notes",
        "attached",
        "see",
        "you",
        "on",
        "monday",
        "the",
        "patch",
        "builds",
        "now",
        "thanks",
        "for",
        "the",
        "review",
    ],
    "spam": [
        "free",
        "offer",
        "win",
        "money",
        "now",
        "click",
        "here",
        "limited",
        "prize",
        "guaranteed",
        "cash",
        "bonus",
    ],
}


def passenger(number: int) -> tuple[dict[str, Value], str]:
    """Return a row and its label; the same number gives the same in every run."""
    drawn = random.Random(number)
    saved = number % 2
    row: dict[str, Value] = {
        "ticket no.": f"{number:05d}",
        "class": drawn.choice(("1st", "2nd", "3rd")),
        "age": None if drawn.random() < 0.4 else drawn.randint(1, 70),
        "sex": "female" if drawn.random() < (0.2, 0.8)[saved] else "male",
        "label": drawn.random() < 0.5,
        "boarded": f"1912-04-{10 + number % 4}",
        "remark": 'boat 7, said "hurry"\nand left' if saved and drawn.random() < 0.5 else "naïve ✓",
    }
    return row, FATES[saved]


def row_sample(row: Mapping[str, Value]) -> Sample:
    """Return a row as the host hands it over."""
    content = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
    return Sample(hashlib.sha256(content).hexdigest(), Path(), len(content), "application/json", row=row)


def mail(number: int) -> tuple[str, str]:
    """Return a text and its label."""
    drawn = random.Random(number)
    kind = KINDS[number % 2]
    words = [drawn.choice(WORDS[kind if drawn.random() < 0.7 else drawn.choice(KINDS)]) for _ in range(12)]
    return f'No. {number}, «{" ".join(words[:6])}»\n"{" ".join(words[6:])}"', kind


def text_sample(text: str) -> Sample:
    """Return a text as the host hands it over."""
    content = text.encode()
    return Sample(hashlib.sha256(content).hexdigest(), Path(), len(content), "text/plain", text=text)


def passengers(count: int, begin: int = 0) -> list[LabelledSample]:
    """Return labelled rows, half of them of each label."""
    return [LabelledSample(row_sample(row), label) for row, label in map(passenger, range(begin, begin + count))]


def mails(count: int, begin: int = 0) -> list[LabelledSample]:
    """Return labelled texts, half of them of each label."""
    return [LabelledSample(text_sample(text), label) for text, label in map(mail, range(begin, begin + count))]


def drawn_from(items: list[LabelledSample], modality: Modality) -> TrainingSet:
    """Return a training set; every fifth sample of a label is for validation."""
    validation = tuple(item for place, item in enumerate(items) if place // 2 % 5 == 4)
    train = tuple(item for place, item in enumerate(items) if place // 2 % 5 != 4)
    labels = tuple(sorted({item.label for item in items}))
    columns = COLUMNS if modality is Modality.TABULAR else ()
    name = "passengers" if modality is Modality.TABULAR else "mails"
    return TrainingSet(name, labels, train, validation, modality=modality, columns=columns, target="fate")


def table(count: int = 120) -> TrainingSet:
    """Return a training set of rows."""
    return drawn_from(passengers(count), Modality.TABULAR)


def letters(count: int = 80) -> TrainingSet:
    """Return a training set of texts."""
    return drawn_from(mails(count), Modality.TEXT)
