"""What the user or the catalogue says of the columns of texts and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_bench.contract import ColumnKind, Modality


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """Which columns are what, and how their file is written. Empty means: find out, or not used.

    Attributes:
        text: Column with the texts.
        label: Column with the labels of texts.
        target: Column of a table that is to be predicted.
        ignore: Columns of a table that are left out.
        kinds: Kinds of columns that are not to be inferred.
        encoding: Encoding of the file, in Python's spelling.
        delimiter: What separates cells.
        sheet: Sheet of a workbook.
        drop: Rows to leave out: column to values.
        folder_labels: Labels of folders of texts that are not named like their class.
    """

    text: str = ""
    label: str = ""
    target: str = ""
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    drop: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """Whether texts or a table are meant."""
        return bool(self.text or self.target)

    @property
    def modality(self) -> Modality:
        """What one sample is."""
        from automl_bench.contract import Modality  # here, as the list of commands shows the layouts and needs no nouns

        return Modality.TABULAR if self.target else Modality.TEXT

    @property
    def labels_from(self) -> str:
        """The column with the labels."""
        return self.target or self.label
