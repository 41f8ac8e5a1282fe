"""`automl-bench data import`: how data get into the workspace, and the options that it shares with `data fetch`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli.dataset_output import print_imported
from automl_bench.cli.layout_options import (
    Delimiter,
    Download,
    Encoding,
    Group,
    Ignore,
    Kind,
    Label,
    LabelsFrom,
    Layout,
    ListFile,
    MergeLabels,
    Sheet,
    SplitFolders,
    Target,
    Text,
    column_options,
    with_layout_options,
)
from automl_bench.cli.output import progress_bar
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.datasets.catalogue import CatalogueEntry
    from automl_bench.datasets.layouts import LayoutHints

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a dataset of that name; the old one stays if this fails.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out files that are not images, and say how many.")]
Seed = Annotated[int, typer.Option(help="Seed of the test split, where none is given.")]
TestShare = Annotated[float, typer.Option(help="Share of each class for the test split, where none is given.")]


def catalogue(workspace: Workspace) -> dict[str, CatalogueEntry]:
    """Return the catalogue of the workspace and of the plugins."""
    from automl_bench.datasets.catalogue import load
    from automl_bench.providers.host import dataset_sources

    return load(workspace.config_files("datasets"), dataset_sources())


@contextmanager
def import_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a bar, and give the function that moves it."""
    with progress_bar("preparing") as advance:

        def report(what: str, done: int, total: int | None) -> None:
            advance(done, total, what)

        yield report


def import_own(
    name: Annotated[str, typer.Argument(help="Name for the dataset.")],
    path: Annotated[
        Path,
        typer.Argument(
            help="Class folders, a list (path,label[,split]), zip, tar, Parquet or IDX files; or a dataset of the hub: "
            "hf://OWNER/DATASET\\[/CONFIG]\\[@REVISION]."
        ),
    ],
    replace: Replace = False,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    test_share: TestShare = 0.2,
    link: Annotated[
        bool, typer.Option("--link", help="Hard-link instead of copying; then never edit the originals in place.")
    ] = False,
    test_split: Annotated[str, typer.Option(help="Name of the split that is the test set.")] = "test",
    layout: Layout = "",
    list_file: ListFile = "",
    labels_from: LabelsFrom = "",
    split_folders: SplitFolders = "",
    group: Group = "",
    text: Text = "",
    label: Label = "",
    target: Target = "",
    ignore: Ignore = None,
    kind: Kind = None,
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    sheet: Sheet = "",
    merge_labels: MergeLabels = False,
    download: Download = False,
    licence: Annotated[str, typer.Option(help="Licence, as an SPDX identifier or words.")] = "",
    title: Annotated[str, typer.Option(help="One line that describes it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Import your own labelled images, texts or tables. A test split is drawn where none is given.

    What can be read in more than one way is refused, with the option that chooses. Every file is counted: imported, or
    left out for a reason.

    \b
    Examples:
      automl-bench data import pets ~/pictures/pets
      automl-bench data import parts labels.csv --licence proprietary
      automl-bench data import intel archive.zip
      automl-bench data import flowers flowers.tar.gz --test-share 0.3 --seed 7
      automl-bench data import scans scans/ --split-folders train=training_set,test=eval
      automl-bench data import lungs lungs/labels.csv --group patient_id
      automl-bench data import leaves leaves/ --labels-from metadata.csv:species
      automl-bench data import mnist hf://ylecun/mnist
      automl-bench data import mails mails.csv --text message --label folder
      automl-bench data import loans loans.csv --target repaid --ignore customer_id --kind postcode=category
    """
    from dataclasses import replace as with_values

    from automl_bench.datasets.hub import import_from_hub, is_hub_address, parse_address
    from automl_bench.datasets.importing import ImportOptions, import_dataset
    from automl_bench.datasets.layouts import LayoutHints

    workspace = Workspace.current()
    entry = catalogue(workspace).get(name)
    hints = with_layout_options(
        _known_hints(entry) if entry else LayoutHints(),
        layout=layout,
        list_file=list_file,
        labels_from=labels_from,
        split_folders=split_folders,
        group=group,
        download=download,
    )
    columns = column_options(
        text=text,
        label=label,
        target=target,
        ignore=ignore or (),
        kinds=kind or (),
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
    )
    if columns.asked:
        hints = with_values(hints, columns=columns)
    if test_split != "test":
        hints = with_values(hints, test_split=test_split)
    options = ImportOptions(
        test_share=test_share,
        seed=seed,
        link=link,
        replace=replace,
        skip_bad=skip_bad,
        merge_labels=merge_labels,
        own_folders=(workspace.results, workspace.reports, workspace.cache),
        title=title or (entry.title if entry else ""),
        licence=licence or (entry.licence if entry else "not stated"),
        hints=hints,
        processes=os.cpu_count() or 1,
    )
    with import_progress() as progress:
        if is_hub_address(str(path)):
            address, downloads = parse_address(str(path)), workspace.cache / "downloads"
            imported = import_from_hub(name, address, workspace.data, downloads, options, progress=progress)
        else:
            imported = import_dataset(name, path, workspace.data, options, progress=progress)
    workspace.mark()
    print_imported(imported, as_json)


def _known_hints(entry: CatalogueEntry) -> LayoutHints:
    """Return what the catalogue knows of a dataset that the user has in another layout, perhaps."""
    from dataclasses import replace as with_values

    from automl_bench.contract import Modality

    return entry.hints if entry.modality is Modality.TEXT else with_values(entry.hints, layout="")


def import_into_workspace(name: str, path: Path, *, text: str = "", label: str = "", target: str = "") -> None:
    """Import data, as `data import NAME PATH` does with these options and all its other defaults."""
    import_own(name, path, text=text, label=label, target=target)
