"""`automl-bench data`: the data catalogue, and how data get into the workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import command_line
from automl_bench.cli import completion
from automl_bench.cli.checking import check
from automl_bench.cli.dataset_output import print_imported
from automl_bench.cli.exchanging import pull, push
from automl_bench.cli.importing import AsJson, Replace, Seed, SkipBad, TestShare, catalogue, import_own, import_progress
from automl_bench.cli.layout_options import layout_table
from automl_bench.cli.output import console, print_json, print_table
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.datasets.catalogue import CatalogueEntry
    from automl_bench.datasets.importing import Imported
    from automl_bench.datasets.provenance import DatasetCard

app = typer.Typer(no_args_is_help=True, help="Datasets: list, show, fetch, import, check, push, pull.")

Name = Annotated[
    str,
    typer.Argument(
        help="Dataset, as `data list` shows it.",
        autocompletion=completion.known_datasets,
    ),
]


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """List what is in the workspace and what the catalogue offers.

    \b
    Examples:
      automl-bench data list
      automl-bench data list --json
    """
    from automl_bench.datasets.checks import dataset_folders
    from automl_bench.datasets.provenance import DatasetCard, read_card

    workspace = Workspace.current()
    entries = catalogue(workspace)
    here = {path.name: read_card(path) or DatasetCard(path.name) for path in dataset_folders(workspace.data)}
    rows = [_summary(name, entries.get(name), here.get(name)) for name in sorted({*entries, *here})]
    if as_json:
        print_json({"datasets": rows})
        return
    print_table(
        ("dataset", "here", "classes", "train", "test", "licence", "where"),
        [
            (
                row["name"],
                "yes" if row["in_workspace"] else "",
                _number(row["classes"]),
                _number(row["train"]),
                _number(row["test"]),
                row["licence"],
                row["where"],
            )
            for row in rows
        ],
    )


def _number(value: int | None) -> int | str:
    return "" if value is None else value


def _summary(name: str, entry: CatalogueEntry | None, card: DatasetCard | None) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "name": name,
        "title": (card.title if card else "") or (entry.title if entry else ""),
        "licence": entry.licence if entry else (card.licence if card else ""),
        "in_workspace": card is not None,
        "in_catalogue": entry is not None,
        "where": entry.where if entry else "imported",
        "classes": entry.classes if entry else None,
        "train": entry.train if entry else None,
        "test": entry.test if entry else None,
        "fingerprint": card.fingerprint if card else None,
    }
    if card:
        summary["classes"] = len(card.counts.get("train", {})) or summary["classes"]
        summary["train"] = sum(card.counts.get("train", {}).values())
        summary["test"] = sum(card.counts.get("test", {}).values())
    return summary


@app.command("show")
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a dataset: licence, provenance, fingerprint, counts per split and class, where to get it.

    \b
    Examples:
      automl-bench data show pets
      automl-bench data show pets --json
    """
    from automl_bench.datasets.catalogue import find
    from automl_bench.datasets.manifest import read_manifest

    workspace = Workspace.current()
    entries = catalogue(workspace)
    folder = workspace.dataset(name)
    manifest = read_manifest(folder) if (folder / "manifest.csv").is_file() else None
    entry = entries.get(name) if manifest else find(entries, name)
    values = _summary(name, entry, manifest.card if manifest else None)
    values["catalogue"] = _entry_values(entry) if entry else None
    if manifest:
        counts = manifest.counts()
        values |= {
            "folder": str(folder),
            "modality": str(manifest.modality),
            "fingerprint": manifest.fingerprint,
            "source": manifest.card.source,
            "imported_at": manifest.card.imported_at,
            "seed": manifest.card.seed,
            "test_share": manifest.card.test_share,
            "notes": list(manifest.card.notes),
            "group": manifest.card.group,
            "target": manifest.card.target,
            "kinds": {column.name: str(column.kind) for column in manifest.columns},
            "account": manifest.card.account.as_values() if manifest.card.account else None,
            "counts": {label: {split: counts[split][label] for split in counts} for label in manifest.labels},
        }
    if as_json:
        print_json(values)
        return
    _print_values(values)


def _entry_values(entry: CatalogueEntry) -> dict[str, Any]:
    values = entry.model_dump(mode="python", exclude={"plugin", "name"}, exclude_defaults=True)
    values["download_bytes"] = entry.download_bytes
    values["where"] = entry.where
    return values


def _print_values(values: Mapping[str, Any]) -> None:
    entry = values["catalogue"] or {}
    rows = [(key, values[key]) for key in ("name", "title", "licence", "classes", "train", "test")]
    rows += [(key, values.get(key)) for key in ("folder", "fingerprint", "source", "imported_at", "test_share", "seed")]
    rows += [(key, values.get(key)) for key in ("modality", "target", "group")] + [("where", values["where"])]
    rows += [(key, entry.get(key)) for key in ("homepage", "citation", "hub", "import_only", "local_path")]
    rows += [("download", f"{source['url']}  {source.get('sha256', '')}") for source in entry.get("sources", ())]
    rows += [("note", note) for note in values.get("notes") or entry.get("notes", ())]
    print_table(("", ""), [(key, str(value)) for key, value in rows if value not in (None, "")])
    if values.get("kinds"):
        print_table(("column", "kind"), list(values["kinds"].items()))
    counts = values.get("counts")
    if counts:
        print_table(("class", "train", "test"), [(label, row["train"], row["test"]) for label, row in counts.items()])
    elif not values["in_workspace"]:
        console().print(f"Not in the workspace yet: {command_line('data', 'fetch', values['name'])}", markup=False)


@app.command("fetch")
def fetch_dataset(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Datasets, as `data list` shows them.",
            autocompletion=completion.known_datasets,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every dataset of the catalogue that can be fetched and is not here yet.")
    ] = False,
    given: Annotated[
        Path | None, typer.Option("--from", help="Folder or file that you already have, instead of downloading.")
    ] = None,
    mirror: Annotated[
        str,
        typer.Option(envvar="AUTOML_BENCH_MIRROR", help="Base address; files are MIRROR/DATASET/FILE."),
    ] = "",
    replace: Replace = False,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    test_share: TestShare = 0.2,
    keep_downloads: Annotated[bool, typer.Option("--keep-downloads", help="Keep the downloaded archives.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch datasets of the catalogue: download (again: go on), verify, lay out.

    Of several, those that are here already are skipped, and one that fails does not keep the others from coming.

    \b
    Examples:
      automl-bench data fetch beans
      automl-bench data fetch beans pets food
      automl-bench data fetch --all
      automl-bench data fetch fashion-mnist --from /usr/share/datasets/fashion-mnist
      automl-bench data fetch food --mirror https://mirror.example.com/data
    """
    from automl_bench.cli.fetching import fetch_several, wanted

    workspace = Workspace.current()
    chosen = wanted(names or [], catalogue(workspace), workspace.data, everything=everything, given=given)
    options = {"replace": replace, "skip_bad": skip_bad, "seed": seed, "test_share": test_share}

    def fetch_one(name: str) -> Imported:
        return _fetch(name, given=given, mirror=mirror, options=options, keep_downloads=keep_downloads)

    if len(chosen) == 1 and not everything:
        print_imported(fetch_one(chosen[0]), as_json)
    else:
        fetch_several(chosen, workspace.data, fetch_one, show=print_imported, replace=replace, as_json=as_json)


def fetch_into_workspace(name: str) -> None:
    """Fetch a dataset of the catalogue with all defaults, as `data fetch NAME` does."""
    print_imported(_fetch(name), False)


def _fetch(
    name: str,
    *,
    given: Path | None = None,
    mirror: str = "",
    options: Mapping[str, Any] | None = None,
    keep_downloads: bool = False,
) -> Imported:
    from automl_bench.datasets.catalogue import find
    from automl_bench.datasets.fetching import fetch
    from automl_bench.datasets.importing import ImportOptions

    workspace = Workspace.current()
    entry = find(catalogue(workspace), name)
    with import_progress() as progress:
        return fetch(
            entry,
            workspace.data,
            workspace.cache / "downloads",
            given=given,
            mirror=mirror,
            options=ImportOptions(**(options or {}), processes=os.cpu_count() or 1),
            keep_downloads=keep_downloads,
            progress=progress,
        )


app.command("import", epilog=layout_table())(import_own)
app.command("check")(check)
app.command("push")(push)
app.command("pull")(pull)
