"""The options of `data import` that say how a source is to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.errors import UsageError

if TYPE_CHECKING:
    from automl_bench.datasets.columnar.options import ColumnOptions
    from automl_bench.datasets.layouts import LayoutHints

Layout = Annotated[
    str, typer.Option("--layout", help="How the data are laid out, if that is ambiguous; see the table.")
]
ListFile = Annotated[
    str, typer.Option("--list", metavar="FILE", help="The list to read, where a folder or archive has several.")
]
LabelsFrom = Annotated[
    str, typer.Option(metavar="[FILE:]COLUMN", help="Column with the labels, as in metadata.csv:label.")
]
SplitFolders = Annotated[
    str, typer.Option(metavar="SPLIT=FOLDER,…", help="Which folders are splits: train=training_set,test=eval.")
]
Group = Annotated[
    str,
    typer.Option(
        metavar="COLUMN|REGEX",
        help="What samples of one group share (patient, session, product): a column of the list or of the Parquet "
        "files, or an expression on paths whose first parenthesis is the group. No split and no subset then divides "
        "a group.",
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch the images that a list names by http or https addresses.")
]
Text = Annotated[str, typer.Option(metavar="COLUMN", help="Column with the texts: the data are texts.")]
Label = Annotated[str, typer.Option(metavar="COLUMN", help="Column with the labels of the texts.")]
Target = Annotated[str, typer.Option(metavar="COLUMN", help="Column to predict from the others: the data are a table.")]
Ignore = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Column of a table that is left out; may be repeated.")
]
Kind = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=KIND",
        help="Kind of a column of a table: number, category, text, date or identifier; may be repeated.",
    ),
]
Encoding = Annotated[str, typer.Option(help="Encoding of a text file, as in cp1252; found by default.")]
Delimiter = Annotated[str, typer.Option(help="What separates the cells of a CSV, or tab; found by default.")]
Sheet = Annotated[str, typer.Option(help="Sheet of an Excel workbook, where it has several.")]
MergeLabels = Annotated[
    bool, typer.Option("--merge-labels", help="Take labels that look alike ('cat', ' cat', 'Cat') for one class.")
]

_SPLITS = ("train", "validation", "test")


def with_layout_options(
    hints: LayoutHints, *, layout: str, list_file: str, labels_from: str, split_folders: str, group: str, download: bool
) -> LayoutHints:
    """Return hints with what the user said.

    Raises:
        UsageError: If an option cannot be understood.
    """
    from automl_bench.datasets.layouts import CHOICES

    if layout and layout not in CHOICES:
        raise UsageError(f"there is no layout {layout!r}.", remedy=f"Choose one of {', '.join(CHOICES)}.")
    file, _, column = labels_from.rpartition(":")
    if file and list_file and file != list_file:
        raise UsageError(f"--list names {list_file!r} and --labels-from {file!r}.", remedy="Name one list.")
    words = _split_words(split_folders)
    return replace(
        hints,
        layout=layout or hints.layout,
        list_file=list_file or file,
        label_column=column,
        split_words={**({} if words else hints.split_words), **words},
        splits_are_chosen=bool(words),
        group=group,
        download=download,
    )


def column_options(
    *,
    text: str,
    label: str,
    target: str,
    ignore: Sequence[str],
    kinds: Sequence[str],
    encoding: str,
    delimiter: str,
    sheet: str,
) -> ColumnOptions:
    """Return what the user said of the columns of texts and tables.

    Raises:
        UsageError: If the options do not go together or cannot be understood.
    """
    from automl_bench.contract import ColumnKind
    from automl_bench.datasets.columnar.options import ColumnOptions

    if text and target:
        raise UsageError("--text is for texts and --target for tables.", remedy="Give one of them.")
    if bool(text) != bool(label):
        given, missing = ("--text", "--label") if text else ("--label", "--text")
        raise UsageError(f"{given} was given without {missing}.", remedy=f"Add {missing} COLUMN.")
    if not target and (ignore or kinds):
        raise UsageError("--ignore and --kind are for tables.", remedy="Add --target COLUMN.")
    if not target and not text and (encoding or delimiter or sheet):
        raise UsageError(
            "--encoding, --delimiter and --sheet are for texts and tables.",
            remedy="Add --text COLUMN --label COLUMN, or --target COLUMN.",
        )
    found = {}
    for one in kinds:
        column, equals, kind = one.rpartition("=")
        if not equals or not column or kind not in set(ColumnKind):
            raise UsageError(
                f"--kind {one!r} is not COLUMN=KIND.",
                remedy=f"Write it as in --kind age=number; {', '.join(ColumnKind)}.",
            )
        found[column] = ColumnKind(kind)
    return ColumnOptions(
        text=text,
        label=label,
        target=target,
        ignore=tuple(ignore),
        kinds=found,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
    )


def _split_words(text: str) -> dict[str, str]:
    words = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        split, equals, folder = (piece.strip() for piece in part.partition("="))
        if not equals or not folder or split not in _SPLITS:
            raise UsageError(
                f"{part!r} in --split-folders is not SPLIT=FOLDER.",
                remedy="Write it as in --split-folders train=training_set,test=eval (or validation=…).",
            )
        words[folder.lower()] = split
    return words


def layout_table() -> str:
    """Return a table of every layout that is read, for `--help`; typer keeps its lines where `\\b` stands before it."""
    from automl_bench.datasets.layouts import LAYOUTS

    lines = []
    for name, layout in LAYOUTS.items():
        lines += [f"{name}: {layout.title}", *(f"    {line}" for line in layout.example), ""]
    return "\n".join(lines)
