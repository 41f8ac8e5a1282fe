"""The options of `data import` that say how a source is to be read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.errors import UsageError

if TYPE_CHECKING:
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
