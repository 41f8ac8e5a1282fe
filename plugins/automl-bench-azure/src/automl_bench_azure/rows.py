"""Texts and tables as the service trains on them: an MLTable folder with one Parquet file, which leaves no type open.

Numbers are floats, everything else is text, a missing cell is null, and the label is text whatever it looks like. A
table of texts has exactly two columns: the service joins all columns but the label into one text. Identifiers say
nothing of rows not seen, and are not sent.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.contract import (
    Column,
    ColumnKind,
    Json,
    LabelledSample,
    ManifestEntry,
    Modality,
    ProviderManifest,
    Sample,
    TrainingSet,
    Value,
)
from automl_bench.errors import RequestRefused
from automl_bench_azure.naming import trial_folder
from automl_bench_azure.shipping import TRAIN, VALIDATION, Shipment
from automl_bench_azure.tables import LABEL_COLUMN

FILE = "rows.parquet"
TEXT_COLUMN = "text"

MLTABLE = f"""\
paths:
  - file: ./{FILE}
transformations:
  - read_parquet:
      include_path_column: false
"""

TYPES: Mapping[ColumnKind, str] = {
    ColumnKind.NUMBER: "Numeric",
    ColumnKind.CATEGORY: "Categorical",
    ColumnKind.TEXT: "Text",
    ColumnKind.DATE: "DateTime",
}
"""The service's word for each kind of column."""


def used(modality: Modality, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns that are sent."""
    if modality is Modality.TEXT:
        return (Column(TEXT_COLUMN, ColumnKind.TEXT),)
    return tuple(column for column in columns if column.kind is not ColumnKind.IDENTIFIER)


def target_of(names: Sequence[str]) -> str:
    """Return the name of the label's column: none of the others'."""
    target = LABEL_COLUMN
    while target in names:
        target += "_"
    return target


def cells(sample: Sample, columns: Sequence[Column]) -> list[Value]:
    """Return a sample's cells in the order of the columns, as they are stored and asked for.

    Raises:
        RequestRefused: If a text has a character that cannot be written.
    """
    if sample.text is not None:
        return [_text(sample.text)]
    row = sample.row or {}
    return [_cell(row.get(column.name), column.kind) for column in columns]


def _cell(value: Value, kind: ColumnKind) -> Value:
    if value is None:
        return None
    if kind is ColumnKind.NUMBER and not isinstance(value, str):
        return float(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(str(value))


def _text(text: str) -> str:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise RequestRefused(
            f"A text has a character that Azure ML's tables cannot hold: {text[:40]!r}.",
            remedy="Correct it in the source and import the dataset again.",
        )
    return text


def pack(datastore_uri: str, name: str, training_set: TrainingSet) -> Shipment:
    """Write both halves. No request.

    Raises:
        RequestRefused: If no column is left, or a cell cannot be written.
    """
    columns = used(training_set.modality, training_set.columns)
    if not columns:
        raise RequestRefused(
            f"{training_set.dataset} has no column to learn from: all of them are identifiers.",
            remedy="Say what they are: data import … --kind COLUMN=category.",
        )
    folder = trial_folder(name)
    halves = {TRAIN: training_set.train, VALIDATION: training_set.validation or training_set.train}
    files: dict[str, bytes] = {}
    for half, labelled in halves.items():
        files[f"{folder}{half}/{FILE}"] = encode(labelled, columns)
        files[f"{folder}{half}/MLTable"] = MLTABLE.encode()
    return Shipment(
        images={},
        files=files,
        folders={half: f"{datastore_uri}{folder}{half}/" for half in halves},
        validation_is_training=not training_set.validation,
    )


def encode(labelled: Sequence[LabelledSample], columns: Sequence[Column]) -> bytes:
    """Return one half as a Parquet file: the columns, and the label behind them."""
    import pyarrow
    from pyarrow import parquet

    lines = [cells(item.sample, columns) for item in labelled]
    names = [column.name for column in columns]
    arrays: list[Any] = [
        pyarrow.array(
            [line[place] for line in lines],
            type=pyarrow.float64() if column.kind is ColumnKind.NUMBER else pyarrow.string(),
        )
        for place, column in enumerate(columns)
    ]
    arrays.append(pyarrow.array([item.label for item in labelled], type=pyarrow.string()))
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays, names=[*names, target_of(names)]), file)
    return file.getvalue()


def about(training_set: TrainingSet) -> dict[str, Json]:
    """Return what later stages need to know of the columns."""
    columns = used(training_set.modality, training_set.columns)
    sent = {column.name for column in columns}
    return {
        "rows": len(training_set.train) + len(training_set.validation),
        "target": target_of([column.name for column in columns]),
        "column_types": {column.name: TYPES[column.kind] for column in columns},
        "numbers": [column.name for column in columns if column.kind is ColumnKind.NUMBER],
        "left_out": [column.name for column in training_set.columns if column.name not in sent],
    }


def describe(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """Describe texts or rows as a CSV with a header, from which the studio makes a table by hand.

    What the columns are is not known here, so that identifiers are among them: leave them out there.
    """
    first = next(iter(entries), None)
    names = [TEXT_COLUMN] if first is None or first.sample.text is not None else list(first.sample.row or {})
    target = target_of(names)

    def line(entry: ManifestEntry) -> dict[str, Json]:
        found = {TEXT_COLUMN: entry.sample.text} if entry.sample.text is not None else dict(entry.sample.row or {})
        return {**{name: "" if found.get(name) is None else found[name] for name in names}, target: ""}

    return ProviderManifest(rows=[line(entry) for entry in entries], label_at=(target,))
