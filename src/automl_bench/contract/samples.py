"""Samples, training sets, manifests and the datasets that a plugin brings along."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from automl_bench.contract.vocabulary import Json, Modality

Value = str | float | int | bool | None
"""A cell of a table; None where it is missing. A date is its ISO 8601 text."""


class ColumnKind(StrEnum):
    """What a column of a table holds."""

    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"
    DATE = "date"
    IDENTIFIER = "identifier"
    """Different in nearly every row, so that it says nothing of rows not seen: names, row numbers, keys."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table that is learned from; the target is none of them."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample, without its label: this is all a plugin ever sees of a test sample.

    Attributes:
        sample_id: SHA-256 of the content as imported, 64 hex digits. Two copies of one image share it.
        path: The file to send. Where an experiment re-encodes images, this is the re-encoded file, and
            every provider gets the same one. A text or a row has no file of its own: then it is the empty path.
        size_bytes: Bytes of `content()`.
        media_type: For example "image/png"; "text/plain" for a text, "application/json" for a row.
        width: Pixels, or None where the modality has none.
        height: Pixels, or None.
        text: The text, where the modality is text.
        row: Cell by column, where the modality is tabular, in the order of the columns; never the target.
    """

    sample_id: str
    path: Path
    size_bytes: int
    media_type: str
    width: int | None = None
    height: int | None = None
    text: str | None = None
    row: Mapping[str, Value] | None = None

    def content(self) -> bytes:
        """Return the file's bytes, the text in UTF-8, or the row as a JSON object in UTF-8.

        Raises:
            OSError: If the file cannot be read.
        """
        if self.text is not None:
            return self.text.encode()
        if self.row is not None:
            return json.dumps(self.row, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class LabelledSample:
    """A training or validation sample with its label."""

    sample: Sample
    label: str


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One ablation as a plugin gets it: k labelled samples per class, four fifths of them for training.

    Attributes:
        dataset: Name of the dataset.
        labels: All labels of the dataset, sorted; the test set has no others.
        train: Samples to learn from.
        validation: Every fifth sample of each class, for the provider's own model selection. A provider that
            takes no validation set may train on both.
        modality: What one sample is.
        columns: Columns of a table, in the order of each row's cells; empty for other modalities.
        target: Name of the column that the labels come from, where a table or list of texts names it.
    """

    dataset: str
    labels: tuple[str, ...]
    train: tuple[LabelledSample, ...]
    validation: tuple[LabelledSample, ...]
    modality: Modality = Modality.IMAGE
    columns: tuple[Column, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A sample and the split it is in: "train", "validation" or "test"."""

    sample: Sample
    split: str


@dataclass(frozen=True, slots=True)
class ProviderManifest:
    """A provider's own list of samples. The host writes the file and fills in the labels: a plugin never sees one.

    Attributes:
        rows: One mapping per sample, in the order given; the label's place is left out or empty.
        label_at: Path of keys at which the host puts the label.
        file_format: "csv" or "jsonl".
        header: Whether a CSV starts with the column names.
        label_names: The provider's spelling of each label, where it differs. A provider that spells by a rule may give
            a mapping that works it out: the host asks it for each label once, in alphabetical order.
        destination: Where the rows' addresses begin, such as "gs://bucket/", if they name objects in a storage.
        objects: What follows it in each row's address: relative paths, one a row. `ablate --copy-folders` makes a
            folder of files of these names, ready to be copied to the destination as it is.
    """

    rows: Sequence[Mapping[str, Json]]
    label_at: tuple[str, ...]
    file_format: str = "csv"
    header: bool = True
    label_names: Mapping[str, str] = field(default_factory=dict)
    destination: str = ""
    objects: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset that a plugin brings along.

    Attributes:
        name: Name in the catalogue.
        path: Folder, archive, CSV or Parquet file that `data import` understands; or None if it is built.
        build: Writes such a folder or file into the empty folder it is given and returns its path; called at
            `data fetch` only, so that listing stays free of I/O.
        title: One line for the catalogue.
        licence: SPDX identifier or words.
        source: Where it comes from.
        modality: What one sample is.
    """

    name: str
    title: str
    licence: str
    source: str
    path: Path | None = None
    build: Callable[[Path], Path] | None = None
    modality: Modality = Modality.IMAGE
