"""`automl-bench data push` and `pull`: datasets shared by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli import completion
from automl_bench.cli.importing import AsJson
from automl_bench.cli.output import console, print_json, progress_bar
from automl_bench.numbers_in_words import number_of
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.datasets.exchange import Exchanged

WhereArgument = Annotated[
    str,
    typer.Argument(metavar="WHERE", help="Folder, s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH."),
]


def push(
    name: Annotated[str, typer.Argument(help="Dataset of the workspace.", autocompletion=completion.datasets)],
    where: WhereArgument,
    as_json: AsJson = False,
) -> None:
    """Bring a dataset to a folder or an object storage, by content: what is there already is not sent again.

    Every file is held against the manifest first. The list of files comes last, so that others see a whole dataset or
    none. Storages need `pip install 'automl-bench[remote]'`.

    \b
    Examples:
      automl-bench data push pets /mnt/shared/datasets
      automl-bench data push pets s3://our-bucket/datasets
    """
    from automl_bench.datasets.exchange import push as push_dataset
    from automl_bench.datasets.shelves import open_shelf

    folder = Workspace.current().dataset(name)
    with progress_bar(f"push {name}") as advance:
        done = push_dataset(folder, open_shelf(where), advance)
    _print(done, "sent", as_json)


def pull(
    name: Annotated[str, typer.Argument(help="Dataset, by its name there.")],
    where: WhereArgument,
    fingerprint: Annotated[
        str, typer.Option(metavar="DIGITS", help="Beginning of its fingerprint, where there are several versions.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Bring a dataset from where `data push` brought it; only files that are missing or damaged here are fetched.

    Every content is verified. A pull that was stopped goes on with the same command, and a dataset takes its name only
    when it is whole. Other data of the name stay as they are: exit code 4.

    \b
    Examples:
      automl-bench data pull pets /mnt/shared/datasets
      automl-bench data pull pets s3://our-bucket/datasets --fingerprint 3f9a1c0b
    """
    from automl_bench.datasets.exchange import pull as pull_dataset
    from automl_bench.datasets.shelves import open_shelf

    workspace = Workspace.current()
    workspace.dataset(name)  # a name that could lead out of data/ is refused
    with progress_bar(f"pull {name}") as advance:
        done = pull_dataset(name, workspace.data, open_shelf(where), fingerprint=fingerprint, progress=advance)
    _print(done, "fetched", as_json)


def _print(done: Exchanged, verb: str, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print_json(asdict(done))
        return
    moved = f"{done.moved:,} {verb} ({done.moved_bytes:,} bytes)"
    console().print(f"{done.dataset} {done.fingerprint[:12]}: {number_of(done.files, 'file')}, {moved}", markup=False)
