"""Each provider's own list of samples, written by the host: a plugin describes the rows and never sees a label."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.ablations.blinding import blind, has_file
from automl_bench.ablations.file_names import stem
from automl_bench.ablations.plan import plan_subsets
from automl_bench.ablations.selection import rows_of_test, samples_of
from automl_bench.contract import ManifestEntry, ProviderManifest, Sample
from automl_bench.errors import AutomlBenchError, ContractViolation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from automl_bench.datasets.manifest import Manifest

ManifestExporter = Callable[[str, Sequence[ManifestEntry]], ProviderManifest]
"""Called with the dataset's name and the samples of one file; returns them in the provider's form, without labels."""

ENDINGS = {"csv": ".csv", "jsonl": ".jsonl"}


@dataclass(frozen=True, slots=True)
class ProviderFailure:
    """A provider whose own format could not be made.

    Attributes:
        provider: Its name.
        reason: One sentence.
    """

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class Objects:
    """What has to lie in a provider's storage before it can read its files.

    Attributes:
        destination: Where the addresses in the files begin.
        files: File by object name.
    """

    destination: str
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderFiles:
    """What was written for the providers.

    Attributes:
        names: Names of the files by provider.
        objects: By provider, for those that read from a storage.
        failures: What failed.
    """

    names: Mapping[str, tuple[str, ...]]
    objects: Mapping[str, Objects]
    failures: tuple[ProviderFailure, ...]


BLIND_FOLDER = "test_files"
"""Folder below the dataset's: test files whose names do not tell a plugin the label."""


def write_provider_files(
    manifest: Manifest,
    folder: Path,
    exporters: Mapping[str, ManifestExporter],
    shots: Sequence[int | None],
    *,
    folds: int,
    seed: int,
) -> ProviderFiles:
    """Write `<dataset>_test_<provider>` and, for each size and fold, its training and validation file.

    A provider that fails hurts none of the others; none of its files stays.

    Args:
        manifest: The dataset, with all its columns.
        folder: Where to write.
        exporters: By provider.
        shots: Sizes.
        folds: Number of draws.
        seed: Seed of the order.

    Raises:
        OSError: If a file cannot be written: that is the disk's failure and not a provider's.
    """
    made: dict[str, tuple[str, ...]] = {}
    failures: dict[str, str] = {}
    names: dict[str, list[str]] = {provider: [] for provider in exporters}
    objects: dict[str, Objects] = {}
    for name, split, rows in _parts(manifest, shots, folds, seed) if exporters else ():
        samples = samples_of(manifest, rows)
        if split == "test":
            samples = blind(samples, manifest.folder / BLIND_FOLDER)
        entries = [ManifestEntry(_seen_from(manifest, sample), split) for sample in samples]
        labels = manifest.table.column("label").take(rows).to_pylist()
        for provider, export in exporters.items():
            if provider in failures:
                continue
            try:
                described = _described(provider, export, manifest.name, entries)
                lines = list(labelled_rows(provider, described, labels))
                _add_objects(provider, described, samples, objects)
            except AutomlBenchError as error:
                failures[provider] = str(error)
            else:
                file_name = f"{name}_{provider}{ENDINGS[described.file_format]}"
                write_provider_manifest(folder / file_name, described, lines)
                names[provider].append(file_name)
    for provider, files in names.items():
        if provider in failures:
            objects.pop(provider, None)
            for file_name in files:
                (folder / file_name).unlink()
        else:
            made[provider] = tuple(files)
    failed = tuple(ProviderFailure(provider, reason) for provider, reason in sorted(failures.items()))
    return ProviderFiles(made, objects, failed)


def _add_objects(
    provider: str, described: ProviderManifest, samples: Sequence[Sample], objects: dict[str, Objects]
) -> None:
    if not described.objects:
        return
    if not all(map(has_file, samples)):
        return  # texts and rows stand in the provider's files themselves
    found = objects.setdefault(provider, Objects(described.destination))
    for name, sample in zip(described.objects, samples, strict=True):
        if not name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")) or "\\" in name:
            raise _violation(provider, f"names the object {name!r}, which is no plain relative path")
        found.files[name] = sample.path


def _seen_from(manifest: Manifest, sample: Sample) -> Sample:
    """Return a sample with the path that leads to it from the folder of the files, so that a workspace can move."""
    if not has_file(sample):
        return sample
    return replace(sample, path=Path("..") / sample.path.relative_to(manifest.folder))


def _parts(
    manifest: Manifest, shots: Sequence[int | None], folds: int, seed: int
) -> Iterator[tuple[str, str, npt.NDArray[np.int64]]]:
    """Yield (name without provider, split, rows) of each file."""
    yield stem(manifest.name, "test"), "test", rows_of_test(manifest)
    for fold in range(folds):
        plan = plan_subsets(manifest, shots=shots, fold=fold, seed=seed)
        for subset in plan.subsets():
            yield stem(manifest.name, "train", subset.shots, fold), "train", subset.train_rows
            yield stem(manifest.name, "val", subset.shots, fold), "validation", subset.validation_rows


def _described(
    provider: str, export: ManifestExporter, dataset: str, entries: Sequence[ManifestEntry]
) -> ProviderManifest:
    try:
        described = export(dataset, entries)
    except AutomlBenchError:
        raise
    except Exception as error:  # a plugin may raise anything, and must not take the other providers' files with it
        raise ContractViolation(f"export_manifest of {provider} raised {type(error).__name__}: {error}.") from error
    if not isinstance(described, ProviderManifest):
        raise _violation(provider, f"returned {type(described).__name__} instead of a ProviderManifest")
    if described.file_format not in ENDINGS:
        raise _violation(provider, f"names the file format {described.file_format!r}; known are csv and jsonl")
    if len(described.rows) != len(entries):
        raise _violation(provider, f"returned {len(described.rows)} rows for {len(entries)} samples")
    if described.objects and len(described.objects) != len(entries):
        raise _violation(provider, f"names {len(described.objects)} objects for {len(entries)} samples")
    if not described.label_at:
        raise _violation(provider, "does not say where the label belongs (label_at is empty)")
    if described.file_format == "csv" and len(described.label_at) != 1:
        raise _violation(provider, f"puts the label of a CSV at {described.label_at!r}; a CSV has one level of columns")
    return described


def _spelled(provider: str, described: ProviderManifest, labels: Sequence[str]) -> dict[str, str]:
    """Return the provider's spelling of each label.

    A provider may work it out when asked, so each label is asked for once, in order: which sample has it does not show.
    """
    names = {label: described.label_names.get(label, label) for label in sorted(set(labels))}
    odd = next((label for label, name in names.items() if not isinstance(name, str)), None)
    if odd is not None:
        raise _violation(provider, f"spells the label {odd!r} as {type(names[odd]).__name__}, not text")
    if len(set(names.values())) != len(names):
        raise _violation(provider, "spells two labels alike in label_names")
    return names


def labelled_rows(provider: str, described: ProviderManifest, labels: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield a provider's rows with the label filled in at its place.

    Raises:
        ContractViolation: If a row has something at the label's place already, or a place that holds no mapping on the
            way to it, or other columns than the first row of a CSV; or if two labels are spelled alike.
    """
    label_at = described.label_at
    columns: tuple[str, ...] | None = None
    names = _spelled(provider, described, labels)
    for row, label in zip(described.rows, labels, strict=True):
        filled = _filled(provider, row, label_at, names[label])
        if described.file_format == "csv":
            columns = columns or tuple(filled)
            if set(filled) != set(columns):
                raise _violation(
                    provider, f"gave rows of different columns: {', '.join(columns)} and {', '.join(filled)}"
                )
        yield filled


def _filled(provider: str, row: Mapping[str, Any], label_at: tuple[str, ...], label: str) -> dict[str, Any]:
    key, rest = label_at[0], label_at[1:]
    present = row.get(key)
    if not rest:
        if present not in (None, ""):
            raise _violation(provider, f"filled in the label's place {key!r} itself")
        return {**row, key: label}
    if present is not None and not isinstance(present, Mapping):
        raise _violation(provider, f"has a {type(present).__name__} at {key!r}, on the way to the label")
    return {**row, key: _filled(provider, present or {}, rest, label)}


def _violation(provider: str, fault: str) -> ContractViolation:
    return ContractViolation(
        f"export_manifest of {provider} {fault}.", remedy=f"Tell the author of the {provider} plugin."
    )


def write_provider_manifest(path: Path, described: ProviderManifest, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV or JSON lines, UTF-8, LF."""
    with path.open("w", newline="", encoding="utf-8") as file:
        if described.file_format == "jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        columns = list(rows[0]) if rows else [described.label_at[0]]
        writer = csv.writer(file, lineterminator="\n")
        if described.header:
            writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)
