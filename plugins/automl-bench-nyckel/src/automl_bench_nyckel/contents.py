"""What a sample's content is in a request: an image as a data URI, a text as it is, a row as the cells of its fields.

A function of tables has fields, one a column. Their types are exactly Number, Text and Image, so that a category, a
date, an identifier and a flag are texts. A missing cell is left out: what null, "" and NaN mean is not documented, and
NaN is no JSON.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence

from automl_bench.contract import Column, ColumnKind, Modality, Sample, TrainingSet, Value
from automl_bench.errors import RequestRefused

INPUTS = {Modality.IMAGE: "Image", Modality.TEXT: "Text", Modality.TABULAR: "Tabular"}
"""The service's word for what a function classifies."""

UNITS = {Modality.IMAGE: "images", Modality.TEXT: "texts", Modality.TABULAR: "rows"}

Cell = str | float | int
Content = str | dict[str, Cell]


def field_type(column: Column) -> str:
    """Return the type of a column's field."""
    return "Number" if column.kind is ColumnKind.NUMBER else "Text"


def content_of(sample: Sample, columns: Sequence[Column]) -> Content:
    """Return what stands under `data` in a request.

    Args:
        sample: The sample.
        columns: The columns of a table; other modalities have none.

    Returns:
        A data URI of the file's very bytes, the text, or the row's cells by column name.

    Raises:
        OSError: If a file cannot be read.
        RequestRefused: If the text is empty, or a number's cell holds something else.
    """
    if sample.row is not None:
        return cells(sample.row, columns)
    if sample.text is not None:
        if not sample.text.strip():
            raise empty([sample])
        return sample.text
    content = base64.b64encode(sample.path.read_bytes()).decode("ascii")
    return f"data:{sample.media_type or 'application/octet-stream'};base64,{content}"


def cells(row: Mapping[str, Value], columns: Iterable[Column]) -> dict[str, Cell]:
    """Return the cells of a row that are there, by column name.

    Raises:
        RequestRefused: If a number's cell holds something else.
    """
    found = ((column, _cell(row.get(column.name), column)) for column in columns)
    return {column.name: cell for column, cell in found if cell is not None}


def _cell(value: Value, column: Column) -> Cell | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if field_type(column) == "Text":
        return value if isinstance(value, str) else json.dumps(value)
    try:
        number = value if isinstance(value, int) else float(value)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise RequestRefused(
            f"The column {column.name!r} holds numbers and a cell is {str(value)[:60]!r}, which Nyckel's field of "
            "numbers cannot take.",
            remedy=f"Import the table with --kind {column.name}=category.",
        )
    return int(number) if isinstance(number, bool) else number


def require_sendable(training_set: TrainingSet) -> None:
    """Check, before any request, what can be seen of a training set without reading files.

    Raises:
        RequestRefused: If labels differ in white space around them only, if a text is empty, or if a number's cell
            holds something else.
    """
    bare: dict[str, str] = {}
    for label in training_set.labels:
        twin = bare.setdefault(label.strip(), label)
        if twin != label:
            raise RequestRefused(
                f"The labels {twin!r} and {label!r} differ only in white space around them, which Nyckel may not keep.",
                remedy="Rename one of them and import the dataset again.",
            )
    samples = [item.sample for item in (*training_set.train, *training_set.validation)]
    without = [sample for sample in samples if sample.text is not None and not sample.text.strip()]
    if without:
        raise empty(without)
    for sample in samples:
        if sample.row is not None:
            cells(sample.row, training_set.columns)


def empty(samples: Sequence[Sample]) -> RequestRefused:
    """Return the error for texts that hold nothing: what the service makes of one is not documented."""
    texts = "1 text is" if len(samples) == 1 else f"{len(samples)} texts are"
    return RequestRefused(
        f"{texts} empty, such as {samples[0].sample_id[:12]}, and Nyckel is not known to take one.",
        remedy="Leave empty texts out of the dataset; `data check` lists them.",
    )
