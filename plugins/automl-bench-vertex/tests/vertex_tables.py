"""What the stand-in learns from a table: its own reading of the CSV, by the training's transformations.

It is strict where Google's pages leave open what the service tolerates: cells are texts, every column is named, and a
column that has no transformation does not exist.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from vertex_routes import Refusal

LEAST_ROWS = 1_000
COLUMNS = (2, 1_000)
CLASSES = (2, 500)
RARE = 5
BINARY = ("maximize-au-roc", "maximize-au-prc")
"""Objectives that the service offers for two classes only."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
WORD = re.compile(r"\w+")
HALVES = ("training", "validation", "test")
TEXT_PLACES = 32
NEIGHBOURS = 15

Row = Mapping[str, str]


class BadTable(Exception):
    """A table on which a training fails; the message is the training's."""


def read_table(content: bytes) -> list[dict[str, str]]:
    """Read a CSV as the service does: header first, quotes as in RFC 4180.

    Raises:
        BadTable: If it is none, or has other columns than the service takes.
    """
    lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    header = lines[0] if lines else []
    wrong = [name for name in header if not NAME.fullmatch(name)]
    if wrong:
        raise BadTable(f"Invalid column name {wrong[0]!r}: letters, digits and underscores only.")
    if len({name.lower() for name in header}) != len(header):
        raise BadTable("Column names are not unique.")
    if not COLUMNS[0] <= len(header) <= COLUMNS[1]:
        raise BadTable(f"The table has {len(header)} columns.")
    ragged = next((number for number, line in enumerate(lines, start=1) if len(line) != len(header)), None)
    if ragged is not None:
        raise BadTable(f"Record {ragged} has another number of cells than the header.")
    return [dict(zip(header, line, strict=True)) for line in lines[1:]]


@dataclass(slots=True)
class Sets:
    """The rows by half, and how many had no half of the three names."""

    rows: dict[str, list[dict[str, str]]]
    dropped: int


def split(rows: Sequence[dict[str, str]], key: str) -> Sets:
    """Assign rows by a column; those with any other value are dropped without a word: the trap.

    Raises:
        BadTable: If a half is empty.
    """
    found: dict[str, list[dict[str, str]]] = {half: [] for half in HALVES}
    for row in rows:
        if row.get(key) in found:
            found[row[key]].append(row)
    if not found["training"] or not found["validation"]:
        raise BadTable("The training or the validation set is empty.")
    return Sets(found, len(rows) - sum(map(len, found.values())))


def check_table(rows: Sequence[Row], inputs: Any, key: str) -> None:
    """Hold a table to what the service trains on.

    Raises:
        BadTable: If it does not.
    """
    if len(rows) < LEAST_ROWS:
        raise BadTable(f"The dataset has {len(rows)} rows, and training requires at least {LEAST_ROWS:,}.")
    header = set(rows[0])
    if inputs.target_column not in header or key not in header:
        raise BadTable(f"There is no column {inputs.target_column!r} or {key!r}.")
    targets = {row[inputs.target_column] for row in rows}
    if "" in targets:
        raise BadTable("The target column has null values.")
    if not CLASSES[0] <= len(targets) <= CLASSES[1]:
        raise BadTable(f"The target column has {len(targets)} distinct values.")
    if len(targets) > 2 and inputs.optimization_objective in BINARY:
        raise BadTable(f"{inputs.optimization_objective} is for two classes.")
    used = [detail_of(each)[1].column_name for each in inputs.transformations]
    unknown = [name for name in used if name not in header]
    if unknown:
        raise BadTable(f"There is no column {unknown[0]!r}.")
    if {inputs.target_column, key} & set(used):
        raise BadTable("The target and the split column take no transformation.")
    if not used:
        raise BadTable("No column is used.")


def detail_of(transformation: Any) -> tuple[str, Any]:
    """Return the kind of a transformation and its settings."""
    kind = transformation._pb.WhichOneof("transformation_detail")
    if kind is None:
        raise Refusal("INVALID_ARGUMENT", "training_task_inputs: a transformation says nothing")
    return kind, getattr(transformation, kind)


@dataclass(slots=True)
class _Encoder:
    """One column as numbers."""

    kind: str
    name: str
    form: str
    places: dict[str, int] = field(default_factory=dict)
    middle: float = 0.0
    spread: float = 1.0

    def learn(self, cells: Sequence[str]) -> None:
        if self.kind in ("numeric", "timestamp"):
            numbers = np.array([each for each in (self.number(cell) for cell in cells) if each is not None])
            if numbers.size:
                self.middle, self.spread = float(numbers.mean()), float(numbers.std()) or 1.0
        elif self.kind != "text":
            common = [value for value, count in Counter(cells).items() if count >= RARE]
            self.places = {value: place for place, value in enumerate(sorted(common))}

    def number(self, cell: str | None) -> float | None:
        if not cell:
            return None
        try:
            return self._moment(cell) if self.kind == "timestamp" else float(cell)
        except ValueError:
            return None

    def _moment(self, cell: str) -> float:
        return datetime.strptime(cell, self.form or "%Y-%m-%dT%H:%M:%SZ").timestamp()

    def vector(self, cell: str | None) -> npt.NDArray[np.float64]:
        if self.kind in ("numeric", "timestamp"):
            found = self.number(cell)
            return np.array([0.0, 1.0] if found is None else [(found - self.middle) / self.spread, 0.0])
        if self.kind == "text":
            bag = np.zeros(TEXT_PLACES)
            for word in WORD.findall((cell or "").lower()):
                bag[sum(word.encode()) % TEXT_PLACES] += 1.0
            return bag / (np.linalg.norm(bag) or 1.0)
        one = np.zeros(len(self.places) + 1)
        one[self.places.get(cell or "", len(self.places))] = 1.0
        return one


class LearnedTable:
    """A model: the nearest training rows vote.

    Args:
        rows: Rows of the training half.
        inputs: The training's inputs.

    Raises:
        BadTable: If no row is left to learn from.
    """

    def __init__(self, rows: Sequence[Row], inputs: Any) -> None:
        details = [detail_of(each) for each in inputs.transformations]
        strict = [
            settings.column_name
            for kind, settings in details
            if kind in ("numeric", "timestamp") and not settings.invalid_values_allowed
        ]
        self._encoders = [_Encoder(kind, each.column_name, getattr(each, "time_format", "")) for kind, each in details]
        by_name = {encoder.name: encoder for encoder in self._encoders}
        kept = [row for row in rows if all(by_name[name].number(row[name]) is not None for name in strict)]
        self.used = len(kept)
        if not kept:
            raise BadTable("The training set is empty.")
        for encoder in self._encoders:
            encoder.learn([row[encoder.name] for row in kept])
        self.labels = sorted({row[inputs.target_column] for row in kept})
        self._points = np.stack([self._point(row) for row in kept])
        self._classes = np.array([self.labels.index(row[inputs.target_column]) for row in kept])

    def _point(self, row: Mapping[str, str | None]) -> npt.NDArray[np.float64]:
        return np.concatenate([encoder.vector(row[encoder.name]) for encoder in self._encoders])

    def scores(self, given: Any) -> list[tuple[str, float]]:
        """Return every class and its score, in an order of the service's own.

        Raises:
            Refusal: If a column is missing or unknown, or a cell is no text.
        """
        columns = [encoder.name for encoder in self._encoders]
        if not isinstance(given, dict):
            raise Refusal("INVALID_ARGUMENT", "An instance is no object.")
        missing = [name for name in columns if name not in given]
        if missing:
            raise Refusal("INVALID_ARGUMENT", f"Column prefix: . Error: Missing struct property: {missing[0]}.")
        unknown = sorted(set(given) - set(columns))
        if unknown:
            raise Refusal("INVALID_ARGUMENT", f"Unknown column {unknown[0]!r}.")
        for name, value in given.items():
            if value is not None and not isinstance(value, str):
                raise Refusal("INVALID_ARGUMENT", f"Column prefix: {name}. Error: Type mismatch: not a string.")
        distances = np.linalg.norm(self._points - self._point(given), axis=1)
        nearest = self._classes[np.argsort(distances, kind="stable")[:NEIGHBOURS]]
        counts = np.bincount(nearest, minlength=len(self.labels)) + 0.5
        shares = counts / counts.sum()
        turn = len(distances) % len(self.labels) + 1
        order = [*range(len(self.labels))][::-1]
        order = order[turn:] + order[:turn]
        return [(self.labels[index], float(shares[index])) for index in order]
