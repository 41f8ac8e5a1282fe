"""Tables as the service trains on them: one CSV with a header, the label and the half beside the columns.

What a column is stands in the training's *transformations*: a column without one is not used. An identifier says
nothing of rows not seen; it is not sent at all.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from automl_bench.contract import Column, ColumnKind, Json, ManifestEntry, ProviderManifest, TrainingSet, Value
from automl_bench.errors import RequestRefused
from automl_bench_vertex import columns as spelling
from automl_bench_vertex import labels
from automl_bench_vertex.columns import SPLIT, TARGET
from automl_bench_vertex.manifests import ML_USES, TRAINING, VALIDATION

MOST_COLUMNS = 1_000
"""Columns of a table, those of the label and the half included."""

TIME_FORMATS = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "%Y-%m-%d"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), "%Y-%m-%dT%H:%M:%S"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "%Y-%m-%d %H:%M:%S"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), ""),
)
"""Forms of dates, and what the service is told of each; its own default needs no word."""


@dataclass(frozen=True, slots=True)
class Table:
    """A training set as it goes up.

    Attributes:
        content: The CSV.
        names: The service's name of each column that is used.
        left_out: Columns that are not sent.
        transformations: What the training does with each column.
    """

    content: bytes
    names: Mapping[str, str]
    left_out: tuple[str, ...]
    transformations: list[dict[str, Json]]


def used_names(columns: Sequence[Column]) -> dict[str, str]:
    """Return the service's name of each column that is used; all columns have their part in the names."""
    names = spelling.names_of([column.name for column in columns])
    return {column.name: names[column.name] for column in columns if column.kind is not ColumnKind.IDENTIFIER}


def pack(training_set: TrainingSet) -> Table:
    """Write a training set as a table. No request.

    Raises:
        RequestRefused: If no column is left, there are too many, a half is empty, or a cell cannot be written.
    """
    names = used_names(training_set.columns)
    _check(training_set, names)
    halves = ((TRAINING, training_set.train), (VALIDATION, training_set.validation))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names.values(), TARGET, SPLIT])
    for use, item in ((use, item) for use, half in halves for item in half):
        cells = spelling.row_of(item.sample.row or {}, names)
        writer.writerow(
            [*("" if each is None else each for each in cells.values()), labels.to_service(item.label), use]
        )
    kinds = {column.name: column.kind for column in training_set.columns}
    items = [*training_set.train, *training_set.validation]
    return Table(
        text.getvalue().encode(),
        names,
        tuple(column.name for column in training_set.columns if column.name not in names),
        [
            transformation(name, kinds[column], ((item.sample.row or {}).get(column) for item in items))
            for column, name in names.items()
        ],
    )


def _check(training_set: TrainingSet, names: Mapping[str, str]) -> None:
    if not names:
        raise RequestRefused(
            f"{training_set.dataset} has no column to learn from: all of them are identifiers.",
            remedy="Say what they are: data import … --kind COLUMN=category.",
        )
    if len(names) + 2 > MOST_COLUMNS:
        raise RequestRefused(
            f"Vertex AI takes at most {MOST_COLUMNS:,} columns with the label and the half, and {training_set.dataset} "
            f"has {len(names):,} without them.",
            remedy="Leave some out: data import … --ignore COLUMN.",
        )
    if not training_set.validation:
        raise RequestRefused(
            "There is no validation half, which the training selects on.", remedy="Ask for at least 5 shots."
        )


def transformation(name: str, kind: ColumnKind, values: Iterable[Value]) -> dict[str, Json]:
    """Return what the training is told of a column. Rows with a missing number stay: without the flag they would go."""
    if kind is ColumnKind.NUMBER:
        return {"numeric": {"columnName": name, "invalidValuesAllowed": True}}
    if kind is ColumnKind.TEXT:
        return {"text": {"columnName": name}}
    if kind is ColumnKind.DATE:
        return _timestamp(name, values)
    return {"categorical": {"columnName": name}}


def _timestamp(name: str, values: Iterable[Value]) -> dict[str, Json]:
    dates = [str(value) for value in values if value is not None]
    for form, words in TIME_FORMATS:
        if all(form.fullmatch(each) for each in dates):
            told = {"timeFormat": words} if words else {}
            return {"timestamp": {"columnName": name, **told, "invalidValuesAllowed": True}}
    return {"auto": {"columnName": name}}  # dates of several forms: the service looks for itself


def describe(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """Describe rows as a table for an upload by hand; the host fills in the labels.

    What the columns are is not known here, so that identifiers are among them: give those no transformation.
    """
    first = next(iter(entries), None)
    names = spelling.names_of(list((first.sample.row if first else None) or {}))

    def line(entry: ManifestEntry) -> dict[str, Json]:
        cells = spelling.row_of(entry.sample.row or {}, names)
        return {**{name: value or "" for name, value in cells.items()}, TARGET: "", SPLIT: ML_USES[entry.split]}

    return ProviderManifest(rows=[line(entry) for entry in entries], label_at=(TARGET,), label_names=labels.Spelling())
