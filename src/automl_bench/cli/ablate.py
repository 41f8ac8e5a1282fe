"""`automl-bench ablate`: write the nested training subsets of a dataset, or check those on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import quoted_command
from automl_bench.cli import completion
from automl_bench.cli.output import console, print_json, print_table, progress_bar
from automl_bench.errors import PluginError, UsageError
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.ablations.files import Written
    from automl_bench.ablations.provider_files import ManifestExporter
    from automl_bench.ablations.verification import Check
    from automl_bench.cli.session import Session
    from automl_bench.contract import Modality
    from automl_bench.datasets.manifest import Manifest


def ablate(
    dataset: Annotated[
        str,
        typer.Argument(
            help="Dataset, as `data list` shows it.",
            autocompletion=completion.datasets,
        ),
    ],
    shots: Annotated[
        str | None,
        typer.Option(
            help="Samples per class of each subset, as in 5,20,all. Default: 5,20,80,320,1280, as far as the "
            "smallest class reaches."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=1, help="Number of draws.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the order of each class.")] = 0,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="Write the format of this provider only; may be given again. Default: all installed."),
    ] = None,
    copy_folders: Annotated[
        bool,
        typer.Option(
            "--copy-folders",
            help="Also make training_uploads_K and val_uploads_K with the files, and uploads_PROVIDER with the objects "
            "that a provider's own files name.",
        ),
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Write nothing; check the files on disk.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Write the nested training subsets of a dataset, and each provider's own manifest of them.

    Each class has one seeded order; the subset of K shots is its first K, every fifth of them for validation. Files go
    to data/DATASET/ablations/. A provider that lacks a setting, such as its bucket, is left out and named. With
    --provider, the files of the other providers stay as they are. With --verify, every invariant is checked on the
    files on disk; exit code 4 if one is broken.

    \b
    Examples:
      automl-bench ablate pets
      automl-bench ablate pets --shots 5,20,all --folds 3
      automl-bench ablate pets --copy-folders
      automl-bench ablate pets --verify
    """
    from automl_bench.ablations.shots import parse_shots
    from automl_bench.cli.session import Session
    from automl_bench.contract import Modality
    from automl_bench.datasets.manifest import read_manifest
    from automl_bench.datasets.pixel_identity import find_copies

    session = Session()
    session.require_dataset(dataset)
    sizes = None if shots is None else parse_shots(shots)
    manifest = read_manifest(session.workspace.dataset(dataset))
    if verify:
        _verify(manifest, as_json=as_json)
        return
    if manifest.modality is Modality.IMAGE:
        with progress_bar(f"decoding {dataset}") as advance:
            find_copies(manifest, processes=os.cpu_count() or 1, progress=advance)
    if copy_folders and manifest.modality is not Modality.IMAGE:
        raise UsageError(
            f"{dataset} holds {manifest.modality} samples, which have no files to copy.",
            remedy="Leave --copy-folders out; the providers' own formats hold the samples.",
        )
    exporters, left_out = _exporters(session, provider, manifest.modality)
    write_subsets(session, manifest, sizes, folds, seed, exporters, left_out, copy=copy_folders, json=as_json)
    failed = [name for name in provider or () if name in left_out]
    if failed:
        raise PluginError(
            f"the format of {', '.join(sorted(failed))} could not be written.",
            remedy="The plain CSV files are complete; see the reason above.",
        )


def _exporters(
    session: Session, asked_for: list[str] | None, modality: Modality
) -> tuple[dict[str, ManifestExporter], dict[str, str]]:
    """Return what describes samples for each provider, and why other providers are left out."""
    found, errors = session.manifest_exporters(modality)
    left_out = {name: str(error) for name, error in errors.items()}
    left_out |= {name: str(failure.reason) for name, failure in session.registry.failures.items()}
    if not asked_for:
        return found, left_out
    for name in asked_for:
        if name in errors:
            raise errors[name]
        if name not in found:
            session.registry.load(name)  # says so if it is not installed or does not load
            raise UsageError(
                f"{name} has no manifest format of its own.",
                remedy=f"Leave --provider out; what {name} can do: {quoted_command('providers', 'show', name)}",
            )
    return {name: found[name] for name in asked_for}, {}


def write_subsets(
    session: Session,
    manifest: Manifest,
    sizes: tuple[int | None, ...] | None,
    folds: int,
    seed: int,
    exporters: dict[str, ManifestExporter],
    left_out: dict[str, str],
    *,
    copy: bool,
    json: bool,
) -> None:
    """Write the subsets of a dataset, the formats of these providers, and print what was written."""
    from automl_bench.ablations.files import write
    from automl_bench.ablations.selection import samples_of
    from automl_bench.ablations.upload_folders import copy_folders, copy_objects
    from automl_bench.datasets.unchanged import require_unchanged

    with progress_bar(f"subsets of {manifest.name}") as advance:
        advance(0, None)
        require_unchanged(manifest.folder, samples_of(manifest, range(manifest.table.num_rows)))
        written = write(manifest, shots=sizes, folds=folds, seed=seed, exporters=exporters)
        folders: dict[str, tuple[int, int]] = {}
        if copy:
            folders |= copy_folders(manifest, shots=written.shots, folds=folds, seed=seed)
            folders |= copy_objects(manifest, written.objects)
    left_out |= {failure.provider: failure.reason for failure in written.failures}
    failures = dict(left_out)
    if json:
        print_json(_as_json(manifest, written, folders, failures))
    else:
        _show(manifest, written, folders)
    for name, reason in sorted(failures.items()):
        console(stderr=True).print(f"no files in the format of {name}: {reason}", markup=False)


def _as_json(
    manifest: Manifest, written: Written, folders: dict[str, tuple[int, int]], failures: dict[str, str]
) -> dict[str, Any]:
    from automl_bench.ablations.shots import spell

    return {
        "dataset": manifest.name,
        "fingerprint": manifest.fingerprint,
        "folder": str(written.folder),
        "seed": written.seed,
        "folds": written.folds,
        "shots": [spell(size) for size in written.shots],
        "counts": list(written.counts),
        "files": list(written.files),
        "providers": {name: list(files) for name, files in written.providers.items()},
        "failures": failures,
        "upload_folders": {name: {"linked": linked, "copied": copied} for name, (linked, copied) in folders.items()},
        "destinations": {f"uploads_{name}": objects.destination for name, objects in written.objects.items()},
        "notes": list(written.notes),
    }


def _show(manifest: Manifest, written: Written, folders: dict[str, tuple[int, int]]) -> None:
    columns = ("shots", "fold", "training", "validation")
    rows = [(row["shots"], row["fold"], row["train"], row["validation"]) for row in written.counts]
    print_table(
        columns,
        rows,
        title=f"{manifest.name}: {number_of(len(manifest.labels), 'class', 'classes')}, seed {written.seed}",
    )
    out = console()
    for note in written.notes:
        out.print(note, markup=False)
    for name, files in written.providers.items():
        out.print(f"format of {name}: {number_of(len(files), 'file')}, {files[0]} …", markup=False)
    for name, (linked, copied) in folders.items():
        objects = written.objects.get(name.removeprefix("uploads_"))
        where = f"; copy what is in it to {objects.destination}" if objects else ""
        out.print(
            f"{name}: {number_of(linked, 'hard link')}, {number_of(copied, 'copy', 'copies')}{where}",
            markup=False,
        )
    out.print(f"{number_of(len(written.files), 'file')} in {written.folder}", markup=False)


def _verify(manifest: Manifest, *, as_json: bool) -> None:
    from automl_bench.ablations.verification import first_violation, verify

    checks = verify(manifest)
    if as_json:
        print_json({"dataset": manifest.name, "holds": all(check.holds for check in checks), "checks": _listed(checks)})
    else:
        columns = ("invariant", "fold", "shots", "holds")
        rows = [
            (check.invariant, "" if check.fold is None else check.fold, check.shots, "yes" if check.holds else "NO")
            for check in checks
        ]
        print_table(columns, rows, title=f"{manifest.name}: invariants of the subsets on disk")
    error = first_violation(manifest.name, checks)
    if error is not None:
        raise error


def _listed(checks: list[Check]) -> list[dict[str, Any]]:
    return [
        {
            "invariant": check.invariant,
            "fold": check.fold,
            "shots": check.shots,
            "holds": check.holds,
            "violation": check.violation,
        }
        for check in checks
    ]
